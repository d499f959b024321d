"""Brings the bundle into a running Superset: `provision.py SUPERSET_URL ADMIN_PASSWORD_FILE`.

Where ClickHouse is comes from TAPEWIRE_CLICKHOUSE_URL, TAPEWIRE_CLICKHOUSE_DATABASE and
TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE. Superset keeps the password encrypted with its key.
"""

import os
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

import assets
import requests

ADMIN = "admin"
READER = "bi"
UNREACHABLE = 3
SECONDS = 120


class ProvisionError(Exception):
    """What went wrong and what to do about it, in one line."""


def sqlalchemy_uri(environment: dict[str, str]) -> str:
    """Address of ClickHouse for Superset, with the read-only user's password."""
    url = environment.get("TAPEWIRE_CLICKHOUSE_URL") or "http://127.0.0.1:18123"
    database = environment.get("TAPEWIRE_CLICKHOUSE_DATABASE") or "tapewire"
    file = environment.get("TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE")
    if not file:
        raise ProvisionError("TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE is not set; `python3 -m stack env` prints it")
    try:
        password = Path(file).read_text().strip()
    except OSError as error:
        raise ProvisionError(f"TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE={file}: {error.strerror}") from None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ProvisionError(f"TAPEWIRE_CLICKHOUSE_URL={url}: give http://HOST:PORT")
    port = parts.port or (8443 if parts.scheme == "https" else 8123)
    secure = "?secure=true" if parts.scheme == "https" else ""
    return f"clickhousedb://{READER}:{quote(password, safe='')}@{parts.hostname}:{port}/{quote(database, safe='')}{secure}"


def provision(superset: str, password: str, uri: str) -> None:
    """Imports the bundle, overwriting what an earlier import left."""
    session = requests.Session()
    # Superset is on this machine or in the next container, never behind the proxy.
    session.trust_env = False
    login = {"username": ADMIN, "password": password, "provider": "db"}
    answer = session.post(f"{superset}/api/v1/security/login", json=login, timeout=SECONDS)
    if answer.status_code == 401:
        raise ProvisionError(f"{superset} refuses the password of `{ADMIN}`; it was changed by hand, so change it back")
    _require(answer, "login")
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    token = session.get(f"{superset}/api/v1/security/csrf_token/", timeout=SECONDS)
    _require(token, "security token")
    answer = session.post(
        f"{superset}/api/v1/assets/import/",
        files={"bundle": ("tapewire.zip", assets.archive(uri), "application/zip")},
        headers={"X-CSRFToken": token.json()["result"], "Referer": superset},
        timeout=SECONDS,
    )
    _require(answer, "import of the dashboards")


def _require(answer: requests.Response, step: str) -> None:
    if answer.status_code != 200:
        raise ProvisionError(f"{step}: {answer.url} answers {answer.status_code}: {answer.text[:1000]}")


def main(superset: str, password_file: str) -> int:
    try:
        provision(superset, Path(password_file).read_text().strip(), sqlalchemy_uri(dict(os.environ)))
    except ProvisionError as error:
        print(f"dashboards: {error}", file=sys.stderr)
        return UNREACHABLE
    except requests.ConnectionError:
        print(f"dashboards: nothing answers at {superset}; start it first", file=sys.stderr)
        return UNREACHABLE
    print("dashboards: imported", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
