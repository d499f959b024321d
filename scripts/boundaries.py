"""Checks the boundaries of the crates in ARCHITECTURE.md: which may use which, and where code may be unsafe.

Reads `cargo metadata`, so it sees the real dependencies, and fails naming the crate, the
forbidden dependency and the rule.
"""

import json
import subprocess
import sys
from pathlib import Path

OURS = {
    "tapewire-core": set(),
    "tapewire-runtime": set(),
    "tapewire-bus": {"tapewire-core", "tapewire-runtime"},
    "tapewire-models": {"tapewire-core"},
    "tapewire-bars": {"tapewire-core"},
    "tapewire-formats": set(),
    "tapewire-ingest": {"tapewire-core", "tapewire-bus", "tapewire-runtime", "tapewire-bars", "tapewire-formats"},
    "tapewire-kernels": set(),
    "tapewire-sentiment": {"tapewire-core", "tapewire-bus", "tapewire-runtime", "tapewire-models", "tapewire-kernels"},
    "tapewire-files": {"tapewire-core", "tapewire-formats", "tapewire-sentiment"},
    "tapewire-store": {"tapewire-core", "tapewire-runtime"},
    "tapewire-archive": {"tapewire-core", "tapewire-bus", "tapewire-runtime", "tapewire-store"},
    "tapewire-statistics": set(),
    "tapewire-study": {"tapewire-core", "tapewire-statistics"},
    "tapewire-indicators": {"tapewire-core"},
    "tapewire-alerts": {"tapewire-runtime", "tapewire-store"},
    "tapewire-joiner": {
        "tapewire-core",
        "tapewire-bus",
        "tapewire-runtime",
        "tapewire-store",
        "tapewire-indicators",
    },
    # Only tests use it, and dependencies of tests are not checked.
    "tapewire-testkit": {"tapewire-core", "tapewire-bus", "tapewire-runtime", "tapewire-store"},
    "tapewire-fuzzkit": set(),
    "tapewire-cli": {
        "tapewire-core",
        "tapewire-runtime",
        "tapewire-bus",
        "tapewire-models",
        "tapewire-bars",
        "tapewire-formats",
        "tapewire-ingest",
        "tapewire-sentiment",
        "tapewire-files",
        "tapewire-store",
        "tapewire-archive",
        "tapewire-statistics",
        "tapewire-study",
        "tapewire-joiner",
        "tapewire-alerts",
    },
}
# Libraries, and the crates that may use them.
KEPT_TO = {
    "rdkafka": {"tapewire-bus"},
    "apache-avro": {"tapewire-bus"},
    "clickhouse": {"tapewire-store"},
    "candle-core": {"tapewire-sentiment"},
    "candle-nn": {"tapewire-sentiment"},
    "candle-transformers": {"tapewire-sentiment"},
    "tokio-tungstenite": {"tapewire-ingest"},
    "parquet": {"tapewire-files", "tapewire-formats"},
    "hf-hub": {"tapewire-models"},
    "opentelemetry": {"tapewire-runtime"},
    "opentelemetry-otlp": {"tapewire-runtime"},
    "opentelemetry_sdk": {"tapewire-runtime"},
    "anyhow": {"tapewire-cli"},
}
# Domain types do no I/O and start no task.
NEVER_IN_CORE = {"tokio", "reqwest", "axum", "rdkafka", "clickhouse", "tracing"}
# The only place where the lint against unsafe code may be lifted.
KERNELS = "sentiment/kernels/"


def main() -> int:
    metadata = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"]))
    broken = []
    for package in metadata["packages"]:
        name = package["name"]
        if name not in OURS:
            broken.append(f"{name}: not in scripts/boundaries.py; say there what it may use")
            continue
        used = {d["name"] for d in package["dependencies"] if d["kind"] is None}
        broken += [
            f"{name} uses {other}; ARCHITECTURE.md does not let it" for other in sorted(used & OURS.keys() - OURS[name])
        ]
        broken += [
            f"{name} uses {library}, which only {', '.join(sorted(allowed))} may use"
            for library, allowed in KEPT_TO.items()
            if library in used and name not in allowed
        ]
        if name == "tapewire-core":
            broken += [f"{name} uses {library}; the domain does no I/O" for library in sorted(used & NEVER_IN_CORE)]
        sources = Path(package["manifest_path"]).parent.rglob("*.rs")
        lifting = [path for path in sources if "unsafe_code" in path.read_text() and KERNELS not in path.as_posix()]
        broken += [f"{path} lifts the lint against unsafe code; only {KERNELS} may" for path in lifting]
    print("\n".join(broken) or f"{len(metadata['packages'])} crates use only what they may")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
