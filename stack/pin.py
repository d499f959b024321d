"""Rewrites downloads.json: `python3 -m stack.pin` (needs Maven).

Kafka's jars are the runtime dependencies that Maven resolves for config/kafka-pom.xml.
Change versions there or in CHDB below, run this, read the difference, commit it.
"""

import hashlib
import json
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from stack import downloads

CHDB = "@chdb/lib-linux-x64-gnu"
CHDB_VERSION = "26.7.3-stable.1"
CHDB_MEMBER = "package/libchdb.so"
POM = Path(__file__).parent / "config" / "kafka-pom.xml"


def kafka_jars(scratch: Path) -> list[dict]:
    """One entry for each jar; Maven lays the copied files out as its repository does."""
    subprocess.run(
        [
            *("mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"),
            *("-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={scratch}"),
        ],
        check=True,
    )
    return [
        {
            "name": jar.parent.parent.name,
            "version": jar.parent.name,
            "source": "maven",
            "path": str(jar.relative_to(scratch)),
            **digest(jar),
        }
        for jar in sorted(scratch.rglob("*.jar"))
    ]


def clickhouse_library(scratch: Path) -> dict:
    """The npm package, with the one file of it that is kept."""
    path = f"{CHDB}/-/{CHDB.split('/')[1]}-{CHDB_VERSION}.tgz"
    archive = scratch / "chdb.tgz"
    urllib.request.urlretrieve(f"{downloads.base_url('npm')}/{path}", archive)
    library = scratch / "libchdb.so"
    downloads.extract(archive, CHDB_MEMBER, library)
    return {
        "name": CHDB,
        "version": CHDB_VERSION,
        "source": "npm",
        "path": path,
        **digest(archive),
        "member": {"path": CHDB_MEMBER, **digest(library)},
    }


def digest(file: Path) -> dict:
    with file.open("rb") as stream:
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "size": file.stat().st_size}


def main() -> None:
    with tempfile.TemporaryDirectory() as jars, tempfile.TemporaryDirectory() as library:
        manifest = {"kafka": kafka_jars(Path(jars)), "clickhouse": [clickhouse_library(Path(library))]}
    downloads.MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{downloads.MANIFEST}: {sum(map(len, manifest.values()))} artifacts")


if __name__ == "__main__":
    main()
