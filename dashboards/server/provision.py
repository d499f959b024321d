"""Brings the bundle into a running Superset: `provision.py SUPERSET_URL ADMIN_PASSWORD_FILE`.

Where ClickHouse is comes from TAPEWIRE_CLICKHOUSE_URL, TAPEWIRE_CLICKHOUSE_DATABASE and
TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE. Superset keeps the password encrypted with its key.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import assets
import requests

ADMIN = "admin"
READER = "bi"
# As in stack/errors.py, which is not in the image that runs this.
USAGE = 2
UNREACHABLE = 3
SECONDS = 120


class ProvisionError(Exception):
    """What went wrong and what to do about it, in one line."""

    def __init__(self, message: str, exit_code: int = UNREACHABLE):
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class ClickHouse:
    """Where the dashboards read, as a user that can only read."""

    url: str
    database: str
    password: str

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "ClickHouse":
        file = environment.get("TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE")
        if not file:
            raise ProvisionError(
                "TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE is not set; `python3 -m stack env` prints it", USAGE
            )
        try:
            password = Path(file).read_text().strip()
        except OSError as error:
            raise ProvisionError(f"TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE={file}: {error.strerror}", USAGE) from None
        url = environment.get("TAPEWIRE_CLICKHOUSE_URL") or "http://127.0.0.1:18123"
        if not re.fullmatch(r"https?://[^/@]+/?", url):
            raise ProvisionError(f"TAPEWIRE_CLICKHOUSE_URL={url}: give http://HOST:PORT", USAGE)
        return ClickHouse(url, environment.get("TAPEWIRE_CLICKHOUSE_DATABASE") or "tapewire", password)

    @property
    def sqlalchemy_uri(self) -> str:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        port = parts.port or (8443 if secure else 8123)
        address = f"{READER}:{quote(self.password, safe='')}@{parts.hostname}:{port}/{quote(self.database, safe='')}"
        # Superset writes the bounds of a time range without a zone, and a server reads these in its own.
        return f"clickhousedb://{address}?session_timezone=UTC{'&secure=true' if secure else ''}"

    def require_reader(self) -> None:
        """Raises unless the reader can log in; warns when there are no tables yet."""
        query = "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'mentions'"
        try:
            answer = _session().post(
                self.url,
                params={"param_database": self.database},
                data=query,
                headers={"X-ClickHouse-User": READER, "X-ClickHouse-Key": self.password},
                timeout=SECONDS,
            )
        except requests.RequestException:
            raise ProvisionError(
                f"ClickHouse does not answer at {self.url}; `python3 -m stack up` starts one"
            ) from None
        if answer.status_code != 200:
            raise ProvisionError(f"ClickHouse at {self.url} refuses the user {READER}: {answer.text[:300].strip()}")
        if answer.text.strip() == "0":
            print(
                f"dashboards: the database {self.database} has no tables yet; `tapewire migrate` makes them",
                file=sys.stderr,
            )


def provision(superset: str, password: str, clickhouse: ClickHouse) -> None:
    """Imports the bundle, overwriting what an earlier import left."""
    clickhouse.require_reader()
    session = _session()
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
        files={"bundle": ("tapewire.zip", assets.archive(clickhouse.sqlalchemy_uri), "application/zip")},
        headers={"X-CSRFToken": token.json()["result"], "Referer": superset},
        timeout=SECONDS,
    )
    _require(answer, "import of the dashboards")


def _session() -> requests.Session:
    session = requests.Session()
    # The servers are on this machine or in the next container, never behind the proxy.
    session.trust_env = False
    return session


def _require(answer: requests.Response, step: str) -> None:
    if answer.status_code != 200:
        raise ProvisionError(f"{step}: {answer.url} answers {answer.status_code}: {answer.text[:1000]}")


def main(superset: str, password_file: str) -> int:
    try:
        provision(superset, Path(password_file).read_text().strip(), ClickHouse.from_environment(os.environ))
    except ProvisionError as error:
        print(f"dashboards: {error}", file=sys.stderr)
        return error.exit_code
    except requests.ConnectionError:
        print(f"dashboards: nothing answers at {superset}; start it first", file=sys.stderr)
        return UNREACHABLE
    print("dashboards: imported", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
