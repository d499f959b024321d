"""A ClickHouse database of the tests' own: the joiner's tables with seeded rows."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

REPOSITORY = Path(__file__).resolve().parents[2]
URL = os.environ.get("TAPEWIRE_CLICKHOUSE_URL") or "http://127.0.0.1:18123"
NAME = os.environ.get("TAPEWIRE_DASHBOARDS_TEST_DATABASE") or "tapewire_dashboards_test"
SECONDS = 60


class Refused(Exception):
    """ClickHouse's answer to a query that it would not run."""


def read(sql: str) -> list[dict]:
    """Rows as the read-only user of the dashboards sees them."""
    answer = _post(
        sql,
        "bi",
        bi_password_file().read_text().strip(),
        default_format="JSON",
        output_format_json_quote_64bit_integers=0,
    )
    return json.loads(answer)["data"]


def write(sql: str, user: str = "default", password: str = "", **settings: object) -> str:
    return _post(sql, user, password, **settings)


def write_as_reader(sql: str) -> str:
    return _post(sql, "bi", bi_password_file().read_text().strip())


def insert(rows: dict[str, list[dict]]) -> None:
    for table, lines in rows.items():
        write(
            f"INSERT INTO {table} FORMAT JSONEachRow\n" + "\n".join(map(json.dumps, lines)),
            date_time_input_format="best_effort",
        )


def create() -> None:
    """An empty database with the schema of this build; what was there is dropped."""
    drop()
    # Without naming its package, so that it is made of what the whole workspace is compiled to.
    build = ["cargo", "run", "--quiet", "--release", "--locked", "--example", "migrate", "--"]
    built = os.environ.get("TAPEWIRE_MIGRATE_PROGRAM")
    program = [built] if built else build
    subprocess.run([*program, URL, NAME], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


def drop() -> None:
    write(f"DROP DATABASE IF EXISTS {NAME} SYNC", database="system")


def bi_password_file() -> Path:
    stack = Path(os.environ.get("TAPEWIRE_STACK_DIR") or REPOSITORY / ".stack")
    return Path(os.environ.get("TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE") or stack / "clickhouse" / "bi.password")


def _post(sql: str, user: str, password: str, **settings: object) -> str:
    query = urlencode({"database": NAME, **settings})
    request = urllib.request.Request(
        f"{URL}/?{query}", sql.encode(), {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=SECONDS) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        raise Refused(error.read().decode(errors="replace").strip()) from None
