"""The keeper of replicated tables: Apache ZooKeeper, which ClickHouse takes in place of its own, from Maven Central."""

import socket
import string
from pathlib import Path

from stack import downloads, kafka
from stack.service import Service
from stack.settings import HOST, Settings

PROBE_SECONDS = 5


class Keeper(Service):
    name = "keeper"
    client_port = "TAPEWIRE_KEEPER_PORT"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.ports = {self.client_port: settings.keeper_port}

    @property
    def wanted(self) -> bool:
        return self.settings.replicas

    @property
    def lock(self) -> Path:
        """ZooKeeper locks no file: its port shows that it runs."""
        return self.data / "lock"

    def prepare(self) -> list[str]:
        config = self.folder / "zoo.cfg"
        template = string.Template((kafka.CONFIG / "keeper.cfg").read_text())
        config.write_text(template.substitute(data=self.data, host=HOST, port=self.settings.keeper_port))
        jars = downloads.obtain(downloads.load(self.name), self.settings.cache)
        return [
            kafka.find_java(),
            "-Xmx256m",
            "-XX:+ExitOnOutOfMemoryError",
            # As the other servers: what it has acknowledged has been handed to the kernel.
            "-Dzookeeper.forceSync=no",
            f"-Dlog4j2.configurationFile={kafka.CONFIG / 'kafka-log4j2.properties'}",
            f"-Dtapewire.log={self.log}",
            "-cp",
            ":".join(map(str, jars)),
            "org.apache.zookeeper.server.ZooKeeperServerMain",
            str(config),
        ]

    def probe(self, port: int) -> None:
        with socket.create_connection((HOST, port), PROBE_SECONDS) as connection:
            connection.sendall(b"ruok")
            if connection.recv(16) != b"imok":
                raise ValueError("it is no keeper, or does not serve yet")

    def environment(self) -> dict[str, str]:
        return {}
