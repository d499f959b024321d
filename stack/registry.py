"""Apicurio Registry, a schema registry with the API of Confluent's, from its archive on Maven Central.

It runs only in a stack with TAPEWIRE_STACK_REGISTRY=1.
"""

import json
import ssl
import urllib.request
from pathlib import Path

from stack import downloads, tls
from stack.errors import USAGE, StackError
from stack.kafka import find_java
from stack.service import Service
from stack.settings import HOST, Settings

# Where the API of Confluent's registry is below its address.
ROOT = "/apis/ccompat/v7"
PROBE_SECONDS = 5


class SchemaRegistry(Service):
    name = "registry"
    client_port = "TAPEWIRE_REGISTRY_PORT"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.ports = {"TAPEWIRE_REGISTRY_PORT": settings.registry_port}
        self.tls = tls.Tls(settings) if settings.tls else None

    @property
    def wanted(self) -> bool:
        return self.settings.registry

    @property
    def lock(self) -> Path:
        return self.data / "registry.mv.db"

    def prepare(self) -> list[str]:
        if ";" in str(self.data):
            raise StackError(f"registry: its database cannot be in a path with a semicolon: {self.data}", USAGE)
        java = find_java(self.name)
        archive = downloads.obtain(downloads.load(self.name), self.settings.cache)[0]
        (program,) = downloads.unpacked(archive).glob("*-runner.jar")
        options = {
            "quarkus.http.host": HOST,
            # What a client was told is stored outlives a kill.
            "apicurio.storage.kind": "sql",
            "apicurio.storage.sql.kind": "h2",
            "apicurio.datasource.url": f"jdbc:h2:file:{self.data / 'registry'};WRITE_DELAY=0",
            "quarkus.log.file.enable": "true",
            "quarkus.log.file.json": "false",
            "quarkus.log.file.path": self.log,
            "quarkus.log.file.rotation.max-file-size": "10M",
            "quarkus.log.file.rotation.max-backup-index": "3",
            "quarkus.log.console.level": "WARN",
            "quarkus.http.access-log.enabled": "false",
        }
        if self.tls:
            options |= {
                "quarkus.http.insecure-requests": "disabled",
                "quarkus.http.ssl-port": self.settings.registry_port,
                "quarkus.http.ssl.certificate.files": self.tls.server,
                "quarkus.http.ssl.certificate.key-files": self.tls.server,
            }
        else:
            options["quarkus.http.port"] = self.settings.registry_port
        return [
            java,
            "-Xms64m",
            "-Xmx256m",
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.folder}/hs_err_%p.log",
            "-Djava.awt.headless=true",
            *(f"-D{name}={value}" for name, value in options.items()),
            "-jar",
            str(program),
        ]

    def probe(self, port: int) -> None:
        # A loopback server is never behind the proxy that the environment may name.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls.authority)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        opener = urllib.request.build_opener(*handlers)
        with opener.open(f"{self._url(port)}/subjects", timeout=PROBE_SECONDS) as response:
            if not isinstance(json.load(response), list):
                raise ValueError("it does not list its subjects")

    def environment(self) -> dict[str, str]:
        found = {"TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL": self._url(self.port)}
        if self.tls:
            found["TAPEWIRE_KAFKA_SCHEMA_REGISTRY_CA_FILE"] = str(self.tls.authority)
        return found

    def _url(self, port: int) -> str:
        return f"{'https' if self.tls else 'http'}://{HOST}:{port}{ROOT}"
