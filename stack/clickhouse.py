"""ClickHouse, run by clickhouse_server.py out of the libchdb.so of an npm package."""

import hashlib
import platform
import secrets
import ssl
import string
import sys
import urllib.request
import uuid
from pathlib import Path
from xml.sax.saxutils import escape

from stack import downloads, tls
from stack.errors import StackError
from stack.service import Service
from stack.settings import HOST, Settings

CONFIG = Path(__file__).parent / "config"
SERVER = Path(__file__).parent / "clickhouse_server.py"
PROBE_SECONDS = 5
# With TLS, where the server listens for the proxy that ends TLS, and where the proxy's connections come from.
INNER_HOST = "127.0.0.2"


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
        self.tls = tls.Tls(settings) if settings.tls else None

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
        _fill(
            CONFIG / "clickhouse-users.xml",
            users,
            clients=INNER_HOST if self.tls else HOST,
            bi_password_sha256=_sha256(self._bi_password()),
            # Without TLS nobody knows this user's password.
            tapewire_password_sha256=_sha256(
                self.tls.clickhouse_password.read_text() if self.tls else secrets.token_hex(24)
            ),
        )
        _fill(
            CONFIG / "clickhouse.xml",
            config,
            data=self.data,
            backups=self.folder / "backups",
            cold=self.folder / "cold",
            users=users,
            log=self.log,
            host=INNER_HOST if self.tls else HOST,
            http_port=self.settings.clickhouse_http_port,
            tcp_port=self.settings.clickhouse_tcp_port,
        )
        # Inside the library, the server takes its time zone from the environment and not from the configuration.
        zone = f"TZ={self.settings.clickhouse_zone}"
        command = ["env", zone, sys.executable, str(SERVER), str(library), str(config)]
        if self.tls:
            command += [HOST, INNER_HOST, str(self.settings.clickhouse_http_port), str(self.tls.server)]
        return command

    def probe(self, port: int) -> None:
        if self._get(port, "/ping") != "Ok.":
            raise ValueError("/ping is not ClickHouse's")
        if self._get(port, "/?query=SELECT+40%2B2") != "42":
            raise ValueError("a SELECT does not give its result")

    def environment(self) -> dict[str, str]:
        found = {
            "TAPEWIRE_CLICKHOUSE_URL": f"{'https' if self.tls else 'http'}://{HOST}:{self.port}",
            "TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE": str(self.bi_password),
        }
        if self.tls:
            found |= {
                "TAPEWIRE_CLICKHOUSE_USER": tls.USER,
                "TAPEWIRE_CLICKHOUSE_PASSWORD_FILE": str(self.tls.clickhouse_password),
                "TAPEWIRE_CLICKHOUSE_CA_FILE": str(self.tls.authority),
            }
        return found

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
            tls.write_secret(self.bi_password, secrets.token_hex(24))
        return self.bi_password.read_text().strip()

    def _get(self, port: int, path: str) -> str:
        """The server's answer; with TLS its certificate is checked and the password sent."""
        # A loopback server is never behind the proxy that the environment may name.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        headers = {}
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls.authority)
            handlers.append(urllib.request.HTTPSHandler(context=context))
            headers = {
                "X-ClickHouse-User": tls.USER,
                "X-ClickHouse-Key": self.tls.clickhouse_password.read_text(),
            }
        scheme = "https" if self.tls else "http"
        request = urllib.request.Request(f"{scheme}://{HOST}:{port}{path}", headers=headers)
        with urllib.request.build_opener(*handlers).open(request, timeout=PROBE_SECONDS) as response:
            return response.read().decode(errors="replace").strip()


def _fill(template: Path, target: Path, **values: object) -> None:
    text = string.Template(template.read_text())
    target.write_text(text.substitute({key: escape(str(value)) for key, value in values.items()}))
    target.chmod(0o600)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
