"""Superset's own database: schema, roles and the admin account.

Run as a program, it writes a database with schema and roles but no account: a template
that new installations start from, because building it takes most of a minute.
"""

import os
import secrets
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask
    from flask_appbuilder.security.sqla.models import User

SERVER = Path(__file__).parent
ADMIN = "admin"


def create_app(home: Path) -> "Flask":
    """Superset's Flask application on the database in `home`, brought up to date."""
    os.environ["TAPEWIRE_SUPERSET_HOME"] = str(home)
    os.environ["SUPERSET_CONFIG_PATH"] = str(SERVER / "superset_config.py")
    _secret_key(home / "secret.key")

    # Importing Superset reads its configuration.
    from superset.app import create_app as create_superset

    app = create_superset()
    with app.app_context():
        _migrate(app)
    return app


def ensure_admin(app: "Flask", password: str) -> None:
    """Gives the account `admin` this password, creating it if need be."""
    from superset import security_manager as security

    with app.app_context():
        user = security.find_user(ADMIN)
        if user is None:
            role = security.find_role("Admin")
            if not security.add_user(ADMIN, "tapewire", "admin", "admin@localhost", role, password):
                raise SystemExit("could not create the admin account; the log has the reason")
        elif not _has_password(user, password):
            security.reset_password(user.id, password)


def _has_password(user: "User", password: str) -> bool:
    from werkzeug.security import check_password_hash

    return check_password_hash(user.password, password)


def _migrate(app: "Flask") -> None:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from flask_migrate import upgrade
    from superset import appbuilder, security_manager
    from superset.extensions import db

    folder = str(Path(app.root_path) / "migrations")
    with db.engine.connect() as connection:
        current = set(MigrationContext.configure(connection).get_current_heads())
    if current == set(ScriptDirectory(folder).get_heads()):
        return
    upgrade(directory=folder)
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()


def _secret_key(path: Path) -> None:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    create_app(Path(sys.argv[1]))
