"""Rewrites downloads.json, the jars of Spark's Kafka connector: `python3 -m bench.fold.pin` (needs Maven).

Its version in pom.xml has to be that of PySpark in requirements.in.
"""

import json
import tempfile
from pathlib import Path

from stack import pin

POM = Path(__file__).parent / "pom.xml"
MANIFEST = Path(__file__).parent / "downloads.json"
# The key in `MANIFEST`.
CONNECTOR = "spark-kafka"


def main() -> None:
    with tempfile.TemporaryDirectory() as copied:
        jars = pin.jars(POM, Path(copied))
    MANIFEST.write_text(json.dumps({CONNECTOR: jars}, indent=2) + "\n")
    print(f"{MANIFEST}: {len(jars)} artifacts")


if __name__ == "__main__":
    main()
