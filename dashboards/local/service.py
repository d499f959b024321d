"""Superset as one more server of the local stack."""

import os
import secrets
import shutil
import subprocess
import urllib.request
from pathlib import Path

from local import environment

from stack.errors import USAGE, StackError
from stack.service import Service
from stack.settings import HOST, Settings

SERVER = environment.DASHBOARDS / "server"
PAGES = sorted(path.stem for path in (environment.DASHBOARDS / "bundle" / "pages").glob("*.yaml"))
FIRST_PAGE = "news-and-tape"
PROBE_SECONDS = 10


class Superset(Service):
    """Runs on the loopback interface with its metadata, key and password in the stack's folder."""

    name = "superset"
    client_port = "TAPEWIRE_SUPERSET_PORT"

    def __init__(self, settings: Settings, port: int):
        super().__init__(settings)
        self.ports = {self.client_port: port}
        self.log = self.output
        self.password = self.folder / "admin.password"

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def dashboard_url(self) -> str:
        return f"{self.url}/superset/dashboard/{FIRST_PAGE}/"

    def up(self) -> bool:
        # Also where Superset runs already, so that a changed password is noticed.
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settle_password()
        return super().up()

    def prepare(self) -> list[str]:
        self.data.chmod(0o700)
        python = environment.virtual_environment(self.settings.cache)
        metadata = self.data / "metadata.db"
        if not metadata.exists():
            partial = metadata.with_suffix(".part")
            shutil.copyfile(environment.metadata_template(self.settings.cache, python), partial)
            partial.replace(metadata)
        port = str(self.ports[self.client_port])
        return [str(python), "-E", "-s", str(SERVER / "serve.py"), str(self.data), HOST, port, str(self.password)]

    def probe(self, port: int) -> None:
        # A loopback server is never behind the proxy that the environment may name.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{HOST}:{port}/health", timeout=PROBE_SECONDS) as response:
            if response.read().strip() != b"OK":
                raise ValueError("/health is not Superset's")

    def environment(self) -> dict[str, str]:
        return {"TAPEWIRE_SUPERSET_URL": self.url, "TAPEWIRE_SUPERSET_PASSWORD_FILE": str(self.password)}

    def provision(self) -> None:
        """Imports the dashboards, overwriting what an earlier import left."""
        reader = self.settings.folder / "clickhouse" / "bi.password"
        variables = {"TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE": str(reader)} | os.environ
        if self._run("provision.py", [self.url, str(self.password)], variables) != 0:
            raise StackError("the dashboards are not imported")

    def screenshot(self, page: str, picture: Path) -> None:
        """Saves a page as a PNG, once all of its charts are drawn."""
        if self._run("shot.py", [self.url, str(self.password), page, str(picture)], dict(os.environ)) != 0:
            raise StackError(f"the page {page} does not look as it should")

    def _run(self, script: str, arguments: list[str], variables: dict[str, str]) -> int:
        """Runs one of the programs in server/, which prints what went wrong, and returns its exit code."""
        if trouble := self.trouble():
            raise StackError(f"superset is {trouble}; `python3 dashboards/superset.py up` starts it")
        python = environment.virtual_environment(self.settings.cache)
        return subprocess.run([str(python), "-E", "-s", str(SERVER / script), *arguments], env=variables).returncode

    def _settle_password(self) -> None:
        """The admin's password: TAPEWIRE_SUPERSET_PASSWORD, otherwise the one used before, otherwise a new one."""
        given = os.environ.get("TAPEWIRE_SUPERSET_PASSWORD")
        known = self.password.read_text().strip() if self.password.exists() else None
        if known and given in (None, "", known):
            return
        if self.running:
            raise StackError("superset runs with another TAPEWIRE_SUPERSET_PASSWORD: `down` first", USAGE)
        partial = self.password.with_suffix(".part")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(given or secrets.token_urlsafe(18))
        partial.replace(self.password)
