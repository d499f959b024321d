"""Serves Superset: `serve.py HOME HOST PORT ADMIN_PASSWORD_FILE`.

One process imports Superset, prepares its database and then serves, because the import
alone takes ten seconds.
"""

import fcntl
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gunicorn.app.base import BaseApplication
from metadata import create_app, ensure_admin

if TYPE_CHECKING:
    from flask import Flask

THREADS = 8


class Server(BaseApplication):
    """gunicorn with one worker: the metadata is in SQLite and the work in ClickHouse."""

    def __init__(self, app: "Flask", address: str):
        self._app = app
        self._address = address
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": self._address,
            "preload_app": True,
            "worker_class": "gthread",
            "threads": THREADS,
            "timeout": 120,
            "keepalive": 5,
        }.items():
            self.cfg.set(name, value)
        # gunicorn 25 makes a control socket in the home folder; earlier versions do not know the setting.
        if "control_socket_disable" in self.cfg.settings:
            self.cfg.set("control_socket_disable", True)

    def load(self) -> "Flask":
        return self._app


def main(home: Path, host: str, port: str, password_file: Path) -> None:
    warnings.simplefilter("ignore")
    lock = (home / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"ERROR: {home} is in use by another Superset") from None
    app = create_app(home)
    ensure_admin(app, password_file.read_text().strip())
    with app.app_context():
        from superset.extensions import db

        # SQLite's connections must not be carried across gunicorn's fork.
        db.session.remove()
        db.engine.dispose()
    Server(app, f"{host}:{port}").run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
