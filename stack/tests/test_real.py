"""The real servers, started, killed and stopped: `python3 -m unittest stack.tests.test_real`.

Runs in a folder and on ports of its own, beside any stack that is up. Needs Java, and
at the first run the network.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from stack.settings import REPOSITORY
from stack.tests.test_unit import free_port

PORTS = ("KAFKA", "KAFKA_CONTROLLER", "CLICKHOUSE_HTTP", "CLICKHOUSE_TCP", "REGISTRY")


class RealStackTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tapewire stack ")
        self.addCleanup(folder.cleanup)
        self.ports = {f"TAPEWIRE_{name}_PORT": str(free_port()) for name in PORTS}
        self.env = {**os.environ, **self.ports, "TAPEWIRE_STACK_DIR": folder.name, "TAPEWIRE_STACK_REGISTRY": "0"}
        self.addCleanup(self.stack, "kill", "kafka", "clickhouse", "registry")

    def stack(self, *arguments: str, given: str = "", code: int = 0) -> str:
        command = [sys.executable, "-m", "stack", *arguments]
        done = subprocess.run(
            command, check=False, cwd=REPOSITORY, env=self.env, input=given, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def sql(self, query: str, **parameters: str) -> str:
        where = f"http://127.0.0.1:{self.ports['TAPEWIRE_CLICKHOUSE_HTTP_PORT']}/?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(where, query.encode(), timeout=30) as response:
                return response.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def insert_batch(self) -> None:
        self.assertEqual(
            self.sql("INSERT INTO bars VALUES ('ABC', 1), ('XYZ', 2)", insert_deduplication_token="t:0:1"), ""
        )

    def consume(self, count: int) -> list[str]:
        return self.stack(
            "tool", "consumer", "--topic", "wire", "--from-beginning", "--max-messages", str(count)
        ).splitlines()

    def test_data_survive_kills_and_clean_stops(self) -> None:
        self.assertIn("clickhouse: started", self.stack("up"))
        again = self.stack("up")
        self.assertIn("kafka: already up", again)
        self.assertIn("clickhouse: already up", again)
        self.assertEqual(self.stack("status").count(": up, "), 2)

        self.stack("tool", "topics", "--create", "--topic", "wire", "--partitions", "1")
        self.stack("tool", "producer", "--topic", "wire", given="one\ntwo\n")
        self.sql(
            "CREATE TABLE bars (symbol String, volume UInt32) ENGINE = MergeTree ORDER BY symbol "
            "SETTINGS non_replicated_deduplication_window = 100"
        )
        self.insert_batch()
        with self.subTest("a full server's default database"):
            self.assertEqual(self.sql("SELECT engine FROM system.databases WHERE name = 'default'"), "Atomic")
            self.assertEqual(self.sql("SELECT timezone()"), "UTC")

        self.assertEqual(self.stack("kill", "kafka", "clickhouse").count("killed"), 2)
        self.assertEqual(self.stack("status", code=3).count("crashed or killed"), 2)
        self.assertEqual(self.stack("up").count("started"), 2)
        self.assertEqual(self.sql("SELECT sum(volume), count() FROM bars"), "3\t2")
        self.insert_batch()
        self.assertEqual(self.sql("SELECT sum(volume), count() FROM bars"), "3\t2", "the token outlives a kill")
        self.stack("tool", "producer", "--topic", "wire", given="three\n")
        self.assertEqual(self.consume(3), ["one", "two", "three"])

        self.sql("SYSTEM FLUSH LOGS")
        logged = int(self.sql("SELECT count() FROM system.query_log"))
        self.assertGreater(logged, 0)
        self.assertEqual(self.stack("down").count("stopped"), 2)
        self.assertEqual(self.stack("status", code=3).count(": down, "), 2)
        self.assertIn("clickhouse: started", self.stack("up", "--service", "clickhouse"))
        self.assertIn("kafka: down", self.stack("status", code=3))
        self.assertEqual(self.sql("SELECT sum(volume), count() FROM bars"), "3\t2")
        self.assertGreaterEqual(int(self.sql("SELECT count() FROM system.query_log")), logged)
        self.stack("down")

    def test_the_bi_user_reads_and_no_more(self) -> None:
        self.stack("up", "--service", "clickhouse")
        self.sql("CREATE TABLE bars (symbol String) ENGINE = MergeTree ORDER BY symbol")
        exports = dict(line.removeprefix("export ").split("=", 1) for line in self.stack("env").splitlines())
        password = Path(exports["TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE"].strip("'")).read_text()
        bi = {"user": "bi", "password": password}
        self.assertEqual(self.sql("SELECT count() FROM bars SETTINGS max_threads = 1", **bi), "0")
        self.assertIn("AUTHENTICATION_FAILED", self.sql("SELECT 1", user="bi", password="guess"))
        for forbidden in (
            "INSERT INTO bars VALUES ('ABC')",
            "CREATE TABLE more (symbol String) ENGINE = MergeTree ORDER BY symbol",
            "DROP TABLE bars",
            "SELECT * FROM file('/etc/hostname', 'LineAsString')",
            "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
            "SYSTEM STOP MERGES bars",
            "SYSTEM FLUSH LOGS",
        ):
            with self.subTest(forbidden):
                self.assertRegex(self.sql(forbidden, **bi), "ACCESS_DENIED|READONLY")

    def test_schemas_survive_a_kill_and_a_clean_stop(self) -> None:
        self.env["TAPEWIRE_STACK_REGISTRY"] = "1"
        self.stack("up", "--service", "registry")
        self.assertEqual(self.schemas("POST", "subjects/news-value/versions", {"schema": '"int"'}), {"id": 1})
        self.stack("kill", "registry")
        self.assertIn("registry: crashed or killed", self.stack("status", code=3))
        self.stack("up", "--service", "registry")
        self.assertEqual(self.schemas("GET", "schemas/ids/1")["schema"], '"int"')
        # Without the variable it is stopped all the same.
        self.env["TAPEWIRE_STACK_REGISTRY"] = "0"
        self.assertIn("registry: stopped", self.stack("down"))
        self.stack("up", "--service", "registry")
        self.assertEqual(self.schemas("GET", "subjects"), ["news-value"])

    def schemas(self, method: str, path: str, body: object = None) -> Any:
        url = f"http://127.0.0.1:{self.ports['TAPEWIRE_REGISTRY_PORT']}/apis/ccompat/v7/{path}"
        given = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        request = urllib.request.Request(url, given, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            return json.load(response)

    def test_a_port_taken_is_said_with_its_owner(self) -> None:
        self.stack("up", "--service", "clickhouse")
        with tempfile.TemporaryDirectory() as other:
            command = [sys.executable, "-m", "stack", "up", "--service", "clickhouse"]
            env = {**self.env, "TAPEWIRE_STACK_DIR": other}
            done = subprocess.run(command, check=False, cwd=REPOSITORY, env=env, capture_output=True, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr, r"^stack: clickhouse: port \d+ is taken by process \d+ \(.*clickhouse_server.py")
        self.assertEqual(done.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
