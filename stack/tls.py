"""A certificate authority, a certificate and passwords for a stack with TLS, made by the program openssl."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from stack.errors import USAGE, StackError
from stack.settings import Settings

CONFIG = Path(__file__).parent / "config" / "openssl.cnf"
VARIABLE = "TAPEWIRE_STACK_TLS"
DAYS = "3650"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
USER = "tapewire"


class Tls:
    """Files of a stack with TLS. Only their owner can read them."""

    def __init__(self, settings: Settings):
        self.folder = settings.folder / "tls"
        self.authority = self.folder / "ca.pem"
        self.server = self.folder / "server.pem"
        """The server's key and its certificate."""
        self.kafka_password = self.folder / "kafka.password"
        self.clickhouse_password = self.folder / "clickhouse.password"


def prepare(settings: Settings) -> None:
    """Makes the files at the first start. Refuses a folder whose servers were made with the other choice."""
    made = Tls(settings).folder
    if not settings.tls:
        if made.exists():
            raise StackError(
                f"{settings.folder} is a stack with TLS: set {VARIABLE}=1, or another TAPEWIRE_STACK_DIR", USAGE
            )
        return
    if made.exists():
        return
    if any((settings.folder / name).exists() for name in ("kafka", "clickhouse", "registry")):
        raise StackError(
            f"{settings.folder} is a stack without TLS: unset {VARIABLE}, or set another TAPEWIRE_STACK_DIR", USAGE
        )
    partial = made.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    _certificates(partial)
    for name in ("kafka.password", "clickhouse.password"):
        write_secret(partial / name, secrets.token_hex(24))
    partial.replace(made)


def write_secret(path: Path, text: str) -> None:
    """Writes a file that only its owner can read."""
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    partial.replace(path)


def _certificates(folder: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise StackError(f"{VARIABLE}=1 needs the program openssl, 3.0 or later: `apt-get install openssl`")
    authority, key = folder / "ca.pem", folder / "ca.key"
    of_server, certificate = folder / "server.key", folder / "server.crt"
    common = [openssl, "req", "-x509", "-config", str(CONFIG), "-days", DAYS, *NEW_KEY]
    _run([*common, "-extensions", "authority", "-keyout", str(key), "-out", str(authority)])
    signed = ["-subj", "/CN=127.0.0.1", "-CA", str(authority), "-CAkey", str(key)]
    _run([*common, "-extensions", "server", *signed, "-keyout", str(of_server), "-out", str(certificate)])
    # Kafka and Python read key and certificate from one file.
    write_secret(folder / "server.pem", of_server.read_text() + certificate.read_text())
    # Nothing else is signed, so the authority's key is not kept.
    for file in (key, of_server, certificate):
        file.unlink()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        reason = (done.stdout.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise StackError(f"openssl can't make a certificate: {reason[:300]}; {VARIABLE}=1 needs openssl 3.0 or later")
