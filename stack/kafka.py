"""Apache Kafka, one node that is broker and controller, from its jars on Maven Central."""

import base64
import hashlib
import os
import re
import secrets
import shutil
import string
import subprocess
import uuid
from pathlib import Path

from stack import downloads, kafka_wire, tls
from stack.errors import StackError
from stack.service import Service
from stack.settings import HOST, Settings

CONFIG = Path(__file__).parent / "config"
OLDEST_JAVA = 17
PROBE_SECONDS = 5
MECHANISM = "SCRAM-SHA-512"
SCRAM_ITERATIONS = 8192

TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "producer": "org.apache.kafka.tools.ConsoleProducer",
    "consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "offsets": "org.apache.kafka.tools.GetOffsetShell",
}


class Kafka(Service):
    name = "kafka"
    client_port = "TAPEWIRE_KAFKA_PORT"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.ports = {
            "TAPEWIRE_KAFKA_PORT": settings.kafka_port,
            "TAPEWIRE_KAFKA_CONTROLLER_PORT": settings.kafka_controller_port,
        }
        self._properties = self.folder / "server.properties"
        self._client_properties = self.folder / "client.properties"
        self.tls = tls.Tls(settings) if settings.tls else None

    @property
    def lock(self) -> Path:
        return self.data / ".lock"

    def prepare(self) -> list[str]:
        java = find_java()
        classpath = self._classpath()
        properties = _fill(
            "kafka.properties",
            protocol="SASL_SSL" if self.tls else "PLAINTEXT",
            host=HOST,
            port=self.settings.kafka_port,
            advertised_port=self.settings.kafka_advertised_port or self.settings.kafka_port,
            controller_port=self.settings.kafka_controller_port,
            data=self.data,
        )
        if self.tls:
            secret = {
                "user": tls.USER,
                "password": self.tls.kafka_password.read_text(),
                "server": self.tls.server,
                "authority": self.tls.authority,
            }
            properties += _fill("kafka-tls.properties", **secret)
            tls.write_secret(self._client_properties, _fill("kafka-client.properties", **secret))
        tls.write_secret(self._properties, properties)
        if not (self.data / "meta.properties").exists():
            self._format(java, classpath)
        return [
            java,
            "-Xms256m",
            "-Xmx512m",
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.folder}/hs_err_%p.log",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={CONFIG / 'kafka-log4j2.properties'}",
            f"-Dtapewire.log={self.log}",
            "-cp",
            classpath,
            "kafka.Kafka",
            str(self._properties),
        ]

    def probe(self, port: int) -> None:
        login = None
        if self.tls:
            login = kafka_wire.Login(self.tls.authority, tls.USER, self.tls.kafka_password.read_text())
        advertised = self.settings.kafka_advertised_port or port
        registered = kafka_wire.brokers(HOST, port, PROBE_SECONDS, login)
        if advertised not in [broker_port for _, _, broker_port in registered]:
            raise ConnectionError("the broker has not registered yet")

    def environment(self) -> dict[str, str]:
        found = {"TAPEWIRE_KAFKA_BROKERS": f"{HOST}:{self.port}"}
        if self.tls:
            found |= {
                "TAPEWIRE_KAFKA_SASL_PASSWORD_FILE": str(self.tls.kafka_password),
                "TAPEWIRE_KAFKA_PROPERTIES_SECURITY_PROTOCOL": "SASL_SSL",
                "TAPEWIRE_KAFKA_PROPERTIES_SASL_MECHANISMS": MECHANISM,
                "TAPEWIRE_KAFKA_PROPERTIES_SASL_USERNAME": tls.USER,
                "TAPEWIRE_KAFKA_PROPERTIES_SSL_CA_LOCATION": str(self.tls.authority),
            }
        return found

    def tool(self, name: str, arguments: list[str]) -> list[str]:
        """Command line of one of Kafka's console TOOLS, pointed at this broker."""
        java = [find_java(), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", self._classpath()]
        server = ["--bootstrap-server", f"{HOST}:{self.port}"]
        if self.tls:
            server += ["--command-config", str(self._client_properties)]
        return [*java, TOOLS[name], *server, *arguments]

    def _classpath(self) -> str:
        return ":".join(map(str, downloads.obtain(downloads.load(self.name), self.settings.cache)))

    def _format(self, java: str, classpath: str) -> None:
        """Makes `data` a Kafka log directory of a new cluster."""
        command = [java, "-XX:TieredStopAtLevel=1", "-cp", classpath, "kafka.tools.StorageTool", "format"]
        command += ["--ignore-formatted", "-t", new_cluster_id(), "-c", str(self._properties)]
        if self.tls:
            command += ["--add-scram", scram_user(tls.USER, self.tls.kafka_password.read_text())]
        done = _run(command)
        if done.returncode:
            self.output.write_text(done.stdout)
            reason = (done.stdout.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise StackError(f"kafka: {self.data} cannot be formatted: {reason[:300]}; see {self.output}")


def new_cluster_id() -> str:
    """A random id in Kafka's form, 22 characters of URL-safe base64."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One in 64 would look like an option to Kafka's tools.
        if not cluster_id.startswith("-"):
            return cluster_id


def scram_user(user: str, password: str) -> str:
    """The user for Kafka's formatter, without the password itself: other users can see a command line."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, SCRAM_ITERATIONS)
    encoded = {"salt": base64.b64encode(salt).decode(), "saltedpassword": base64.b64encode(salted).decode()}
    fields = ",".join(f'{name}="{value}"' for name, value in encoded.items())
    return f"{MECHANISM}=[name={user},iterations={SCRAM_ITERATIONS},{fields}]"


def find_java(service: str = "kafka") -> str:
    """A Java that the servers run on: JAVA_HOME's, otherwise the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    remedy = f"`apt-get install openjdk-{OLDEST_JAVA}-jre-headless`, or set JAVA_HOME"
    if java is None:
        raise StackError(f"{service} needs Java {OLDEST_JAVA} or later, and no Java was found: {remedy}")
    shown = _run([java, "-version"]).stdout
    # openjdk version "17.0.15" 2025-04-15, or "1.8.0_402" before Java 9
    found = re.search(r'version "(?:1\.)?(\d+)', shown)
    if found is None or int(found[1]) < OLDEST_JAVA:
        version = found[1] if found else "unknown"
        raise StackError(f"{service} needs Java {OLDEST_JAVA} or later and {java} is {version}: {remedy}")
    return java


def _fill(template: str, **values: object) -> str:
    return string.Template((CONFIG / template).read_text()).substitute(values)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a short-lived Java program; `stdout` holds all its output."""
    return subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
