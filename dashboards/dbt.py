#!/usr/bin/env python3
"""Runs dbt on the project in dashboards/dbt, and installs dbt first where it is missing.

    python3 dashboards/dbt.py build                      the tables of the marts, and their tests
    python3 dashboards/dbt.py source freshness           whether live articles and bars are new
    python3 dashboards/dbt.py docs generate --static     the lineage page, dashboards/dbt/target/static_index.html

Reads the database that tapewire's own variables name (TAPEWIRE_CLICKHOUSE_URL, _DATABASE, _USER, and _PASSWORD or
_PASSWORD_FILE), and writes to the database TAPEWIRE_MARTS_DATABASE, by default that name with `_marts` after it.
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

PROJECT = Path(__file__).resolve().parent / "dbt"
sys.path.insert(1, str(PROJECT.parent.parent / "scripts"))

from python_env import virtual_environment  # noqa: E402


class Unusable(Exception):
    """A setting that can't be used, and why."""


def variables(environment: dict[str, str]) -> dict[str, str]:
    """What dashboards/dbt/profiles.yml reads, from tapewire's variables."""

    def value(name: str, default: str = "") -> str:
        return environment.get(name) or default

    address = value("TAPEWIRE_CLICKHOUSE_URL", "http://127.0.0.1:18123")
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Unusable(f"TAPEWIRE_CLICKHOUSE_URL={address}: give http://HOST:PORT or https://HOST:PORT")
    password, file = value("TAPEWIRE_CLICKHOUSE_PASSWORD"), value("TAPEWIRE_CLICKHOUSE_PASSWORD_FILE")
    if file and not password:
        password = Path(file).read_text().strip()
    facts = value("TAPEWIRE_CLICKHOUSE_DATABASE", "tapewire")
    return {
        "DBT_HOST": url.hostname,
        "DBT_PORT": str(url.port or (8443 if url.scheme == "https" else 8123)),
        "DBT_SECURE": str(url.scheme == "https"),
        "DBT_USER": value("TAPEWIRE_CLICKHOUSE_USER", "default"),
        # dbt keeps variables of this prefix out of its logs.
        "DBT_ENV_SECRET_PASSWORD": password,
        "DBT_FACTS": facts,
        "DBT_MARTS": value("TAPEWIRE_MARTS_DATABASE", f"{facts}_marts"),
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(PROJECT),
    }


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        ours = variables(dict(os.environ))
    except Unusable as error:
        print(f"dbt: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"dbt: TAPEWIRE_CLICKHOUSE_PASSWORD_FILE: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    try:
        program = virtual_environment("dbt", PROJECT / "requirements.lock") / "bin" / "dbt"
        return subprocess.run([program, *arguments], env={**os.environ, **ours}, check=False).returncode
    except subprocess.CalledProcessError as error:
        print(f"dbt: pip did not install the packages of {PROJECT / 'requirements.lock'}, see above", file=sys.stderr)
        return error.returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
