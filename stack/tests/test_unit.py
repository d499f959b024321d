"""Everything that needs neither server nor network: `python3 -m unittest stack.tests.test_unit`."""

import contextlib
import fcntl
import io
import os
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest import mock

from stack import cli, kafka_wire, process, service, settings, tls
from stack.clickhouse import ClickHouse
from stack.errors import UNREACHABLE, USAGE, StackError
from stack.kafka import Kafka, find_java, new_cluster_id, scram_user
from stack.registry import SchemaRegistry
from stack.settings import Settings
from stack.tests.test_downloads import BaseUrlTest, DownloadTest, ManifestTest  # noqa: F401

NOTHING_RUNS_THERE = 4_000_000_000


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tapewire & stack ")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.settings = Settings(self.folder / "stack", self.folder / "cache")

    def record(self, **changes: object) -> process.Record:
        """The record of this very test process, with some fields changed."""
        ticks = process._start_ticks(os.getpid())
        assert ticks is not None
        itself = process.Record(os.getpid(), ticks, process._boot_id(), {})
        return replace(itself, **cast(dict[str, Any], changes))


class ProcessTest(Case):
    def test_a_living_process_is_recognised(self) -> None:
        self.assertTrue(self.record().alive)

    def test_a_stranger_with_the_same_number_is_not(self) -> None:
        self.assertFalse(self.record(start_ticks=1).alive)
        self.assertFalse(self.record(boot_id="an earlier boot").alive)
        self.assertFalse(self.record(pid=NOTHING_RUNS_THERE).alive)

    def test_a_zombie_is_not_alive(self) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
        record = self.record(pid=child.pid, start_ticks=process._start_ticks(child.pid))
        self.assertTrue(record.alive)
        assert child.stdin is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        self.assertFalse(record.alive)
        child.wait()

    def test_a_process_that_is_ending_is_alive_while_it_has_its_lock(self) -> None:
        path = self.folder / "lock"
        end_first_thread = "ctypes.CDLL(None).syscall({'x86_64': 60, 'aarch64': 93}[platform.machine()], 0)"
        script = f"""
import ctypes, fcntl, platform, threading, time
file = open({str(path)!r}, "w")
fcntl.flock(file, fcntl.LOCK_EX)
threading.Thread(target=time.sleep, args=(60,)).start()
{end_first_thread}
"""
        child = subprocess.Popen([sys.executable, "-c", script])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        record = self.record(pid=child.pid, start_ticks=process._start_ticks(child.pid))
        while ") Z " not in Path(f"/proc/{child.pid}/stat").read_text():
            self.assertIsNone(child.poll(), "it goes on without its first thread")
        self.assertEqual(process.lock_holder(path), child.pid)
        self.assertTrue(record.alive)
        self.assertTrue(process.send(record, signal.SIGKILL, timeout=30))
        self.assertIsNone(process.lock_holder(path))

    def test_a_record_is_read_back_and_a_broken_one_is_none(self) -> None:
        path = self.folder / "process.json"
        self.assertIsNone(process.load_record(path))
        record = self.record(ports={"P": 1})
        record.save(path)
        self.assertEqual(process.load_record(path), record)
        for broken in ("", "{", "[]", '{"pid": 1}'):
            path.write_text(broken)
            self.assertIsNone(process.load_record(path))

    def test_a_taken_port_names_its_owner_and_the_variable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with self.assertRaisesRegex(
                StackError, rf"kafka: port {port} is taken by process {os.getpid()} \(.*; .* set THE_PORT"
            ):
                process.require_free_port("kafka", port, "THE_PORT")
        process.require_free_port("kafka", port, "THE_PORT")

    def test_a_port_taken_by_an_outgoing_connection_names_its_owner_too(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.create_connection(listener.getsockname()) as outgoing,
            self.assertRaisesRegex(StackError, f"taken by process {os.getpid()} "),
        ):
            process.require_free_port("kafka", outgoing.getsockname()[1], "THE_PORT")

    def test_a_lock_names_its_holder_and_a_left_over_file_is_no_lock(self) -> None:
        path = self.folder / "lock"
        process.require_unlocked("kafka", path)
        for take in (fcntl.flock, fcntl.lockf):
            with path.open("w") as file:
                take(file, fcntl.LOCK_EX)
                with self.assertRaisesRegex(StackError, rf"in use by process {os.getpid()} .*`kill {os.getpid()}`"):
                    process.require_unlocked("kafka", path)
            process.require_unlocked("kafka", path)


class SettingsTest(unittest.TestCase):
    def test_the_environment_decides(self) -> None:
        read = settings.from_environment(
            {"TAPEWIRE_STACK_DIR": "/s", "XDG_CACHE_HOME": "/c", "TAPEWIRE_KAFKA_PORT": "5"}
        )
        self.assertEqual(read, Settings(Path("/s"), Path("/c/tapewire"), kafka_port=5))

    def test_kafka_may_advertise_the_port_of_a_proxy(self) -> None:
        read = settings.from_environment({"TAPEWIRE_KAFKA_PORT": "5", "TAPEWIRE_KAFKA_ADVERTISED_PORT": "6"})
        self.assertEqual((read.kafka_port, read.kafka_advertised_port), (5, 6))
        with self.assertRaisesRegex(StackError, "TAPEWIRE_KAFKA_ADVERTISED_PORT=x: give a port"):
            settings.from_environment({"TAPEWIRE_KAFKA_ADVERTISED_PORT": "x"})

    def test_without_it_the_folder_is_the_repository_s(self) -> None:
        self.assertEqual(settings.from_environment({}).folder, settings.REPOSITORY / ".stack")

    def test_the_schema_registry_is_a_choice(self) -> None:
        chosen = [settings.from_environment({"TAPEWIRE_STACK_REGISTRY": value}).registry for value in ("", "0", "1")]
        self.assertEqual(chosen, [False, False, True])

    def test_tls_is_a_choice(self) -> None:
        chosen = [settings.from_environment({"TAPEWIRE_STACK_TLS": value}).tls for value in ("", "0", "1")]
        self.assertEqual(chosen, [False, False, True])
        with self.assertRaisesRegex(StackError, "TAPEWIRE_STACK_TLS=yes: give 1") as raised:
            settings.from_environment({"TAPEWIRE_STACK_TLS": "yes"})
        self.assertEqual(raised.exception.exit_code, USAGE)

    def test_a_port_must_be_one(self) -> None:
        for value in ("0", "65536", "x", "-1", "1.5"):
            with self.assertRaisesRegex(StackError, f"TAPEWIRE_CLICKHOUSE_TCP_PORT={value}") as raised:
                settings.from_environment({"TAPEWIRE_CLICKHOUSE_TCP_PORT": value})
            self.assertEqual(raised.exception.exit_code, USAGE)


class Dummy(service.Service):
    """A server in Python that locks nothing and answers to any connection."""

    name = "dummy"
    client_port = "DUMMY_PORT"
    program = (
        "import http.server, sys\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.BaseHTTPRequestHandler).serve_forever()"
    )

    def __init__(self, chosen: Settings, port: int):
        super().__init__(chosen)
        self.ports = {"DUMMY_PORT": port}

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    def prepare(self) -> list[str]:
        return [sys.executable, "-u", "-c", self.program, str(self.ports["DUMMY_PORT"])]

    def probe(self, port: int) -> None:
        socket.create_connection(("127.0.0.1", port), 5).close()

    def environment(self) -> dict[str, str]:
        return {}


def free_port() -> int:
    """A port below those that Linux gives to outgoing connections, so that none takes it in the meantime."""
    while True:
        port = random.randrange(20000, 32768)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class ServiceTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.dummy = Dummy(self.settings, free_port())
        self.addCleanup(self.dummy.kill)

    def test_up_starts_once_and_down_stops(self) -> None:
        self.assertEqual(self.dummy.trouble(), "down")
        self.assertTrue(self.dummy.up())
        started = self.dummy.running
        self.assertFalse(self.dummy.up())
        self.assertEqual(self.dummy.running, started)
        self.assertIsNone(self.dummy.trouble())
        self.assertTrue(self.dummy.down())
        self.assertFalse(self.dummy.down())
        assert started is not None
        self.assertFalse(Path(f"/proc/{started.pid}/exe").exists())

    def test_after_a_kill_up_starts_it_again(self) -> None:
        self.dummy.up()
        self.assertTrue(self.dummy.kill())
        self.assertEqual(self.dummy.trouble(), "crashed or killed")
        self.assertTrue(self.dummy.up())
        self.assertIsNone(self.dummy.trouble())

    def test_a_stale_record_does_not_keep_it_from_starting_nor_harm_the_stranger(self) -> None:
        self.dummy.folder.mkdir(parents=True)
        self.record(start_ticks=1, ports=self.dummy.ports).save(self.dummy._record_file)
        self.assertFalse(self.dummy.kill())
        self.assertTrue(self.dummy.up())

    def test_other_ports_than_the_running_one_s_are_refused(self) -> None:
        self.dummy.up()
        other = Dummy(self.settings, free_port())
        self.assertEqual(other.port, self.dummy.port)
        with self.assertRaisesRegex(StackError, "already runs with DUMMY_PORT=") as raised:
            other.up()
        self.assertEqual(raised.exception.exit_code, USAGE)

    def test_a_server_that_dies_at_once_is_quoted(self) -> None:
        self.dummy.program = "print('warming up'); raise ValueError('no such thing'); print('never')"
        with self.assertRaisesRegex(StackError, r"stopped while starting: ValueError: no such thing; see .*dummy\.out"):
            self.dummy.up()
        self.assertEqual(self.dummy.trouble(), "down")

    def test_a_running_server_that_does_not_answer_is_in_trouble(self) -> None:
        self.dummy.up()
        with mock.patch.object(Dummy, "probe", side_effect=TimeoutError("too late")):
            self.assertIn("does not answer (too late)", self.dummy.trouble() or "")
            impatient = mock.patch.object(service, "START_SECONDS", 0)
            with impatient, self.assertRaisesRegex(StackError, r"does not answer on .*\(too late\); see .*dummy\.log"):
                self.dummy.up()


class JavaTest(Case):
    def java(self, said: str) -> None:
        program = self.folder / "bin" / "java"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
        program.chmod(0o755)

    def test_an_old_one_is_refused_with_the_package_to_install(self) -> None:
        with mock.patch.dict("os.environ", {"JAVA_HOME": str(self.folder)}):
            for said, version in (
                ('openjdk version "11.0.2"', "11"),
                ('java version "1.8.0_402"', "8"),
                ("?", "unknown"),
            ):
                self.java(said)
                with self.assertRaisesRegex(StackError, rf"bin/java is {version}: `apt-get install openjdk-17"):
                    find_java()
            self.java('openjdk version "21" 2023-09-19')
            self.assertEqual(find_java(), str(self.folder / "bin" / "java"))

    def test_none_is_said_so(self) -> None:
        nowhere = mock.patch.dict("os.environ", {"JAVA_HOME": "", "PATH": "/nonexistent"})
        with nowhere, self.assertRaisesRegex(StackError, "no Java was found: `apt-get install openjdk-17"):
            find_java()


class ClusterIdTest(unittest.TestCase):
    def test_it_never_looks_like_an_option(self) -> None:
        dash, letter = uuid.UUID(bytes=b"\xf8" * 16), uuid.UUID(bytes=b"\x00" * 16)
        with mock.patch("uuid.uuid4", side_effect=[dash, letter]):
            self.assertEqual(new_cluster_id(), "A" * 22)


class AdvertisedPortTest(Case):
    def advertised(self, chosen: Settings) -> list[str]:
        kafka = Kafka(chosen)
        kafka.data.mkdir(parents=True)
        (kafka.data / "meta.properties").touch()
        with (
            mock.patch("stack.downloads.obtain", return_value=[Path("kafka.jar")]),
            mock.patch("stack.kafka.find_java", return_value="java"),
        ):
            properties = Path(kafka.prepare()[-1]).read_text()
        return [line.rpartition(":")[2] for line in properties.splitlines() if "listeners=PLAINTEXT:" in line]

    def test_clients_are_sent_to_the_proxy_where_there_is_one(self) -> None:
        self.assertEqual(self.advertised(replace(self.settings, kafka_port=5, kafka_advertised_port=6))[-1], "6")

    def test_otherwise_they_are_sent_to_kafka(self) -> None:
        self.assertEqual(self.advertised(replace(self.settings, kafka_port=5))[-1], "5")


class KafkaWireTest(unittest.TestCase):
    def ask(self, answer: bytes) -> list[tuple[int, str, int]]:
        """What `brokers` makes of a server that sends `answer` to anything."""
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def reply() -> None:
                connection, _ = listener.accept()
                with connection:
                    size = struct.unpack(">i", connection.recv(4))[0]
                    self.request = connection.recv(size)
                    connection.sendall(answer)

            thread = threading.Thread(target=reply)
            thread.start()
            try:
                return kafka_wire.brokers("127.0.0.1", listener.getsockname()[1], 5)
            finally:
                thread.join()

    def test_brokers_are_read_from_metadata(self) -> None:
        one = struct.pack(">ih1sih", 1, 1, b"a", 19092, -1)
        two = struct.pack(">ih2sih1s", 2, 2, b"bc", 19094, 1, b"r")
        answer = struct.pack(">iii", 1, 0, 2) + one + two
        found = self.ask(struct.pack(">i", len(answer)) + answer)
        self.assertEqual(found, [(1, "a", 19092), (2, "bc", 19094)])
        self.assertEqual(self.request[:8], struct.pack(">hhi", 3, 4, 1))

    def test_other_servers_are_told_apart(self) -> None:
        with self.assertRaises(OSError):
            self.ask(b"")
        with self.assertRaises(ValueError):
            self.ask(struct.pack(">i", 6) + b"hello!")


class ClickHouseTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.clickhouse = ClickHouse(self.settings)
        self.clickhouse.data.mkdir(parents=True)

    def prepare(self) -> ElementTree.Element:
        with mock.patch("stack.downloads.obtain", return_value=[Path("libchdb.so")]):
            config = self.clickhouse.prepare()[-1]
        return ElementTree.parse(config).getroot()

    def test_the_configuration_is_well_formed_wherever_the_folder_is(self) -> None:
        config = self.prepare()
        self.assertEqual(config.findtext("path"), f"{self.clickhouse.data}/")
        self.assertEqual(config.findtext("http_port"), "18123")
        users = ElementTree.parse(config.findtext("users_config", "")).getroot().find("users")
        assert users is not None
        self.assertEqual([user.tag for user in users], ["default", "tapewire", "bi"])

    def test_the_password_is_private_random_and_kept(self) -> None:
        self.prepare()
        password = self.clickhouse.bi_password.read_text()
        self.assertGreater(len(password), 20)
        self.assertEqual(self.clickhouse.bi_password.stat().st_mode & 0o777, 0o600)
        self.prepare()
        self.assertEqual(self.clickhouse.bi_password.read_text(), password)

    def test_the_databases_are_declared_once(self) -> None:
        self.prepare()
        declaration = self.clickhouse.data / "metadata" / "default.sql"
        before = declaration.read_text()
        self.prepare()
        self.assertEqual(declaration.read_text(), before)


class SchemaRegistryTest(Case):
    def command(self, chosen: Settings) -> list[str]:
        unpacked = self.folder / "unpacked"
        unpacked.mkdir(exist_ok=True)
        (unpacked / "app-1-runner.jar").touch()
        registry = SchemaRegistry(chosen)
        with (
            mock.patch("stack.downloads.obtain", return_value=[Path("all.tar.gz")]),
            mock.patch("stack.downloads.unpacked", return_value=unpacked),
            mock.patch("stack.registry.find_java", return_value="java"),
        ):
            return registry.prepare()

    def test_it_listens_on_loopback_and_keeps_its_data_in_its_folder(self) -> None:
        command = self.command(self.settings)
        self.assertIn("-Dquarkus.http.host=127.0.0.1", command)
        self.assertIn("-Dquarkus.http.port=18081", command)
        (url,) = [option for option in command if option.startswith("-Dapicurio.datasource.url=")]
        self.assertIn(f"jdbc:h2:file:{self.settings.folder}/registry/data/registry;", url)
        self.assertEqual(command[-2:], ["-jar", str(self.folder / "unpacked" / "app-1-runner.jar")])

    def test_with_tls_there_is_no_port_without(self) -> None:
        command = self.command(replace(self.settings, tls=True))
        self.assertIn("-Dquarkus.http.insecure-requests=disabled", command)
        self.assertIn("-Dquarkus.http.ssl-port=18081", command)
        self.assertFalse([option for option in command if option.startswith("-Dquarkus.http.port=")])

    def test_a_path_that_its_database_cannot_have_is_refused(self) -> None:
        with self.assertRaisesRegex(StackError, "semicolon") as raised:
            self.command(replace(self.settings, folder=self.folder / "a;b"))
        self.assertEqual(raised.exception.exit_code, USAGE)


class TlsTest(Case):
    def setUp(self) -> None:
        super().setUp()
        self.secure = replace(self.settings, tls=True)
        self.tls = tls.Tls(self.secure)

    def test_the_files_are_private_made_once_and_fit_each_other(self) -> None:
        tls.prepare(self.secure)
        for file in self.tls.folder.iterdir():
            if file != self.tls.authority:
                self.assertEqual(file.stat().st_mode & 0o777, 0o600, file)
        names = ["ca.pem", "clickhouse.password", "kafka.password", "server.pem"]
        self.assertEqual(sorted(file.name for file in self.tls.folder.iterdir()), names)
        before = self.tls.server.read_text()
        tls.prepare(self.secure)
        self.assertEqual(self.tls.server.read_text(), before)
        # Trusted for the address, and for no other name.
        for host, refusal in (("127.0.0.1", None), ("localhost", "not valid for 'localhost'")):
            with self.subTest(host):
                self.assertEqual(self.handshake(host), refusal)

    def handshake(self, host: str) -> str | None:
        """Why a client that trusts the authority refuses the certificate for `host`."""
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(self.tls.server)
        client = ssl.create_default_context(cafile=self.tls.authority)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            client.wrap_bio(to_client, to_server, server_hostname=host),
            server.wrap_bio(to_server, to_client, server_side=True),
        ]
        for _ in range(3):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLCertVerificationError as error:
                    return re.sub(r".*certificate is (.*)\.", r"\1", error.verify_message)
        return None

    def test_a_folder_keeps_to_its_choice(self) -> None:
        (self.settings.folder / "kafka").mkdir(parents=True)
        with self.assertRaisesRegex(StackError, "a stack without TLS: unset TAPEWIRE_STACK_TLS") as raised:
            tls.prepare(self.secure)
        self.assertEqual(raised.exception.exit_code, USAGE)
        self.tls.folder.mkdir()
        with self.assertRaisesRegex(StackError, "a stack with TLS: set TAPEWIRE_STACK_TLS=1"):
            tls.prepare(self.settings)

    def test_without_openssl_the_package_is_named(self) -> None:
        nowhere = mock.patch.dict("os.environ", {"PATH": "/nonexistent"})
        with nowhere, self.assertRaisesRegex(StackError, "openssl, 3.0 or later: `apt-get install openssl`"):
            tls.prepare(self.secure)
        self.assertFalse(self.tls.folder.exists())

    def test_the_password_is_in_no_command_line(self) -> None:
        tls.prepare(self.secure)
        password = self.tls.kafka_password.read_text()
        self.assertNotIn(password, scram_user(tls.USER, password))
        with mock.patch("stack.downloads.obtain", return_value=[Path("libchdb.so")]):
            clickhouse = ClickHouse(self.secure)
            clickhouse.data.mkdir(parents=True)
            self.assertNotIn(self.tls.clickhouse_password.read_text(), " ".join(clickhouse.prepare()))


class CommandTest(Case):
    def run_stack(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        own = {
            "TAPEWIRE_STACK_DIR": str(self.settings.folder),
            "TAPEWIRE_CACHE": str(self.settings.cache),
            "TAPEWIRE_STACK_REGISTRY": "0",
        }
        environment = mock.patch.dict("os.environ", {**own, **env})
        with environment, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = cli.main(list(arguments))
            except SystemExit as usage:
                assert isinstance(usage.code, int)
                code = usage.code
        return code, out.getvalue(), err.getvalue()

    def test_a_wrong_command_or_setting_is_usage(self) -> None:
        for arguments in ((), ("upp",), ("kill",), ("up", "--service", "redis"), ("tool", "unknown")):
            self.assertEqual(self.run_stack(*arguments)[0], USAGE)
        code, _, err = self.run_stack("status", TAPEWIRE_KAFKA_PORT="nine")
        self.assertEqual((code, err.count("\n")), (USAGE, 1))

    def test_status_of_a_stack_that_is_down(self) -> None:
        code, out, _ = self.run_stack("status")
        self.assertEqual(code, UNREACHABLE)
        self.assertRegex(out, r"(?m)^kafka: down, 127\.0\.0\.1:\d+, log .*\nclickhouse: down, ")

    def test_the_schema_registry_is_there_where_it_is_wanted_or_runs(self) -> None:
        self.assertNotIn("registry", self.run_stack("status")[1])
        self.assertIn("\nregistry: down", self.run_stack("status", TAPEWIRE_STACK_REGISTRY="1")[1])
        out = self.run_stack("env", TAPEWIRE_STACK_REGISTRY="1", TAPEWIRE_REGISTRY_PORT="28081")[1]
        self.assertIn("TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL=http://127.0.0.1:28081/apis/ccompat/v7\n", out)
        # It is stopped with the rest, whatever the variable says now, and not started.
        registry = SchemaRegistry(self.settings)
        registry.folder.mkdir(parents=True)
        self.record(ports=registry.ports).save(registry._record_file)
        with mock.patch.object(SchemaRegistry, "down", return_value=True):
            self.assertIn("registry: stopped", self.run_stack("down")[1])
        with mock.patch.object(Kafka, "up"), mock.patch.object(ClickHouse, "up"):
            self.assertNotIn("registry", self.run_stack("up")[1])

    def test_env_survives_a_shell(self) -> None:
        code, out, _ = self.run_stack("env", TAPEWIRE_CLICKHOUSE_HTTP_PORT="28123")
        script = out + 'echo "$TAPEWIRE_CLICKHOUSE_URL"; echo "$TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE"'
        shown = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.splitlines()
        self.assertEqual(shown, ["http://127.0.0.1:28123", f"{self.settings.folder}/clickhouse/bi.password"])
        self.assertEqual(code, 0)

    def test_what_is_down_stops_without_complaint(self) -> None:
        code, out, _ = self.run_stack("down")
        self.assertEqual(
            (code, sorted(out.splitlines())), (0, [f"{n}: was not running" for n in ("clickhouse", "kafka")])
        )

    def test_one_failure_is_one_line_and_does_not_keep_the_other_service(self) -> None:
        with mock.patch.object(Kafka, "up", side_effect=StackError("no")), mock.patch.object(ClickHouse, "up"):
            code, out, err = self.run_stack("up")
        self.assertEqual((code, err), (UNREACHABLE, "stack: no\n"))
        self.assertIn("clickhouse: started", out)


if __name__ == "__main__":
    unittest.main()
