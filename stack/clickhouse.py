"""ClickHouse, run by clickhouse_server.py out of the libchdb.so of an npm package."""

import hashlib
import os
import platform
import secrets
import string
import sys
import urllib.request
import uuid
from pathlib import Path
from xml.sax.saxutils import escape

from stack import downloads
from stack.errors import StackError
from stack.service import Service
from stack.settings import HOST, Settings

CONFIG = Path(__file__).parent / "config"
SERVER = Path(__file__).parent / "clickhouse_server.py"
PROBE_SECONDS = 5


class ClickHouse(Service):
    name = "clickhouse"
    client_port = "TAPEWIRE_CLICKHOUSE_HTTP_PORT"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.ports = {
            "TAPEWIRE_CLICKHOUSE_HTTP_PORT": settings.clickhouse_http_port,
            "TAPEWIRE_CLICKHOUSE_TCP_PORT": settings.clickhouse_tcp_port,
        }
        self.bi_password = self.folder / "bi.password"

    @property
    def lock(self) -> Path:
        return self.data / "status"

    def prepare(self) -> list[str]:
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise StackError("clickhouse: its library is for Linux on x86_64 only; use the container set-up here")
        library = downloads.obtain(downloads.load(self.name), self.settings.cache)[0]
        self._declare_databases()
        users = self.folder / "users.xml"
        config = self.folder / "clickhouse.xml"
        bi_password_sha256 = hashlib.sha256(self._bi_password().encode()).hexdigest()
        _fill(CONFIG / "clickhouse-users.xml", users, bi_password_sha256=bi_password_sha256)
        _fill(
            CONFIG / "clickhouse.xml",
            config,
            data=self.data,
            users=users,
            log=self.log,
            host=HOST,
            http_port=self.settings.clickhouse_http_port,
            tcp_port=self.settings.clickhouse_tcp_port,
        )
        # Inside the library, the server takes its time zone from the environment and not from the configuration.
        zone = f"TZ={self.settings.clickhouse_zone}"
        return ["env", zone, sys.executable, str(SERVER), str(library), str(config)]

    def probe(self, port: int) -> None:
        if _get(f"http://{HOST}:{port}/ping") != "Ok.":
            raise ValueError("/ping is not ClickHouse's")
        if _get(f"http://{HOST}:{port}/?query=SELECT+40%2B2") != "42":
            raise ValueError("a SELECT does not give its result")

    def environment(self) -> dict[str, str]:
        return {
            "TAPEWIRE_CLICKHOUSE_URL": f"http://{HOST}:{self.port}",
            "TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE": str(self.bi_password),
        }

    def _declare_databases(self) -> None:
        """Declares `default` and `system` as Atomic, in the form ClickHouse stores it.

        A full server has them as Atomic. The library would make `default` an Overlay, which has
        no refreshable views, and keep `system` in memory, which loses system.query_log at a
        restart and cannot make it again. Both must be there before the first session, so no SQL
        statement can create them.
        """
        metadata = self.data / "metadata"
        metadata.mkdir(exist_ok=True)
        for name in ("default", "system"):
            declaration = metadata / f"{name}.sql"
            if not declaration.exists():
                declaration.write_text(f"ATTACH DATABASE _ UUID '{uuid.uuid4()}'\nENGINE = Atomic\n")

    def _bi_password(self) -> str:
        """Password of the read-only user, generated at the first start."""
        if not self.bi_password.exists():
            partial = self.bi_password.with_suffix(".part")
            partial.unlink(missing_ok=True)
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(24))
            partial.replace(self.bi_password)
        return self.bi_password.read_text().strip()


def _fill(template: Path, target: Path, **values: object) -> None:
    text = string.Template(template.read_text())
    target.write_text(text.substitute({key: escape(str(value)) for key, value in values.items()}))
    target.chmod(0o600)


def _get(url: str) -> str:
    # A loopback server is never behind the proxy that the environment may name.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=PROBE_SECONDS) as response:
        return response.read().decode(errors="replace").strip()
