"""docker-compose.yml as Docker reads it: what starts, what it asks for, what is reachable from where.

Needs the compose plugin of Docker, or Go to build its reader (compose_config/). Nothing is
started and no image is built.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

import grafana

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
SECRETS = {
    "TAPEWIRE_CLICKHOUSE_PASSWORD": "writer-secret",
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD": "reader-secret",
    "TAPEWIRE_SUPERSET_PASSWORD": "admin-secret",
    "TAPEWIRE_MASSIVE_API_KEY": "massive-secret",
}
ALWAYS = {
    "kafka",
    "clickhouse",
    "migrate",
    "news",
    "prices",
    "bars",
    "indicators",
    "join",
    "alerts",
    "superset",
    "dashboards",
}
ONCE = {"migrate", "dashboards"}


reader: list[str]
folder: Path


class Refused(Exception):
    """What the reader says about a file or an environment that it does not take."""


def setUpModule():
    global reader, folder
    folder = Path(tempfile.mkdtemp(prefix="tapewire-compose-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    plugin = ["docker", "compose"]
    if shutil.which("docker") and subprocess.run([*plugin, "version"], capture_output=True).returncode == 0:
        # The folder has no .env, so that a person's own does not get in.
        reader = [
            *plugin,
            "--project-directory",
            str(REPOSITORY),
            "--env-file",
            os.devnull,
            "-f",
            str(COMPOSE),
            "config",
            "--format",
            "json",
        ]
    elif shutil.which("go"):
        program = folder / "compose_config"
        subprocess.run(["go", "build", "-o", program, "."], cwd=Path(__file__).parent / "compose_config", check=True)
        reader = [str(program), str(COMPOSE)]
    else:
        print("skipped: neither the compose plugin of Docker nor Go is here to read docker-compose.yml")
        raise unittest.SkipTest("no reader of compose files")


def read(**environment: str) -> dict:
    kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    result = subprocess.run(reader, env=kept | environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise Refused(result.stderr)
    return json.loads(result.stdout)


class Compose(unittest.TestCase):
    cpu: dict[str, Any]
    services: dict[str, Any]

    @classmethod
    def setUpClass(cls):
        cls.cpu = read(COMPOSE_PROFILES="cpu", **SECRETS)
        cls.services = cls.cpu["services"]

    def test_the_cpu_profile_brings_the_worker(self):
        self.assertEqual(ALWAYS | {"sentiment"}, set(self.services))

    def test_the_gpu_profile_brings_the_same_worker_with_a_gpu(self):
        services = read(COMPOSE_PROFILES="gpu", **SECRETS)["services"]
        self.assertEqual(ALWAYS | {"sentiment-gpu"}, set(services))
        ours, other = services["sentiment-gpu"], self.services["sentiment"]
        (device,) = ours["deploy"]["resources"]["reservations"]["devices"]
        self.assertEqual(("nvidia", ["gpu"]), (device["driver"], device["capabilities"]))
        self.assertEqual({"PROCESSOR": "gpu"}, ours["build"]["args"])
        self.assertEqual([*other["command"], "--set", "sentiment.engine.device=cuda"], ours["command"])
        different = {"build", "command", "deploy", "image", "profiles"}
        same = [{k: v for k, v in service.items() if k not in different} for service in (ours, other)]
        self.assertEqual(*same)

    def test_the_monitoring_profile_adds_prometheus_and_grafana(self):
        services = read(COMPOSE_PROFILES="cpu,monitoring", **SECRETS)["services"]
        self.assertEqual(ALWAYS | {"sentiment", "prometheus", "grafana"}, set(services))
        for name in ("prometheus", "grafana"):
            service = services[name]
            # Compose does not start a read-only service with a secret from the environment.
            self.assertEqual(not service.get("secrets"), service.get("read_only", False), name)
            self.assertEqual((["ALL"], ["no-new-privileges:true"]), (service["cap_drop"], service["security_opt"]))
            self.assertEqual(["127.0.0.1"], [port["host_ip"] for port in service["ports"]])
            self.assertIn("memory", service["deploy"]["resources"]["limits"])
            self.assertRegex(service["image"], r":v?\d+(\.\d+)+$")
            for mount in service["volumes"]:
                if mount["type"] == "bind":
                    self.assertTrue(Path(mount["source"]).is_file(), mount["source"])
        (scrape,) = re.findall(r"names: \[(.*)\]", (REPOSITORY / "deploy/prometheus/prometheus.yml").read_text())
        roles = {name for name, service in services.items() if (service.get("command") or [""])[0] == "run"}
        self.assertEqual(roles | {"sentiment-gpu"}, set(scrape.split(", ")))

    def test_grafana_reads_clickhouse_with_a_pinned_plugin_and_a_password_from_a_file(self):
        service = read(COMPOSE_PROFILES="cpu,monitoring", **SECRETS)["services"]["grafana"]
        for secret in SECRETS.values():
            self.assertNotIn(secret, json.dumps(service))
        provisioned = (grafana.FOLDER / "provisioning" / "datasources" / "clickhouse.yml").read_text()
        asked = found(r"password: \$__file\{(.*)\}", provisioned)
        self.assertEqual([asked], [f"/run/secrets/{entry['source']}" for entry in service["secrets"]])
        for variable in re.findall(r": \$(\w+)$", provisioned, re.M):
            if not variable.startswith("__"):
                self.assertEqual(
                    self.cpu["services"]["join"]["environment"][variable], service["environment"][variable]
                )
        plugin, version = service["environment"]["GF_PLUGINS_PREINSTALL"].split("@")
        self.assertEqual(grafana.CLICKHOUSE, plugin)
        self.assertEqual({version}, {target["pluginVersion"] for target in grafana.targets_of(grafana.CLICKHOUSE)})
        # A tmpfs is mounted without the right to run programs, and a plugin is one.
        (kept,) = [mount for mount in service["volumes"] if mount["target"] == "/var/lib/grafana/plugins"]
        self.assertEqual(("volume", False), (kept["type"], kept.get("read_only", False)))
        mounted = {Path(mount["source"]) for mount in service["volumes"] if mount["type"] == "bind"}
        files = {path for path in grafana.FOLDER.rglob("*") if path.is_file()}
        self.assertEqual(files, mounted)

    def test_the_image_has_a_build_and_a_base_for_each_processor(self):
        stages = set(re.findall(r"^FROM \S+ AS (\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE))
        wanted = {f"{part}-{processor}" for part in ("build", "base") for processor in ("cpu", "gpu")}
        self.assertEqual(wanted | {"build"}, stages)

    def test_each_missing_secret_is_asked_for_by_name(self):
        needed = SECRETS | {"COMPOSE_PROFILES": "cpu"}
        for name in needed:
            for rest in ({k: v for k, v in needed.items() if k != name}, needed | {name: ""}):
                with self.subTest(name, rest=rest), self.assertRaisesRegex(Refused, name):
                    read(**rest)

    def test_ports_are_open_on_loopback_only(self):
        published = [port for service in self.services.values() for port in service.get("ports", [])]
        self.assertEqual(3, len(published))
        self.assertEqual({"127.0.0.1"}, {port["host_ip"] for port in published})

    def test_passwords_go_in_as_files(self):
        for name, service in self.services.items():
            # ClickHouse's users file reads its passwords from the environment.
            if name != "clickhouse":
                shown = json.dumps({**service, "build": None})
                for secret in SECRETS.values():
                    self.assertNotIn(secret, shown, name)
            given = {f"/run/secrets/{entry['source']}" for entry in service.get("secrets", [])}
            for variable, value in (service.get("environment") or {}).items():
                if variable.endswith("_FILE"):
                    self.assertIn(value, given, f"{name}: {variable}")

    def test_everything_is_watched_limited_and_restarted(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIn("memory", service["deploy"]["resources"]["limits"])
                self.assertEqual("no" if name in ONCE else "unless-stopped", service["restart"])
                self.assertTrue("healthcheck" in service or "build" in service, "no health check")
                self.assertRegex(service["image"], r":(local|v?\d+(\.\d+)+)$")

    def test_nothing_starts_before_what_it_needs_is_ready(self):
        for name, service in self.services.items():
            for needed, how in service.get("depends_on", {}).items():
                wanted = "service_completed_successfully" if needed in ONCE else "service_healthy"
                self.assertEqual(wanted, how["condition"], f"{name} after {needed}")
        for role in ("news", "prices", "bars", "indicators", "sentiment", "join", "alerts"):
            self.assertLessEqual({"migrate", "kafka"}, set(self.services[role]["depends_on"]))

    def test_each_role_runs_once(self):
        commands = [service["command"] for service in self.cpu["services"].values() if service.get("command")]
        roles = [command[2] for command in commands if command[:2] == ["run", "--role"]]
        self.assertCountEqual(["news", "prices", "bars", "indicators", "sentiment", "join", "alerts"], roles)

    def test_mounted_files_are_there(self):
        mounts = [mount for service in self.services.values() for mount in service.get("volumes", [])]
        for mount in mounts:
            if mount["type"] == "bind":
                self.assertTrue(Path(mount["source"]).is_file(), mount["source"])
                self.assertTrue(mount["read_only"])
            else:
                self.assertIn(mount["source"], self.cpu["volumes"])


def found(pattern: str, text: str) -> str:
    """The pattern's first group where it first matches."""
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match.group(1)


class Versions(unittest.TestCase):
    """The containers run what the stack without containers runs."""

    def test_kafka(self):
        pom = (REPOSITORY / "stack" / "config" / "kafka-pom.xml").read_text()
        version = found(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)</version>", pom)
        self.assertIn(f"image: apache/kafka:{version}\n", COMPOSE.read_text())

    def test_superset_and_its_driver(self):
        wanted = (REPOSITORY / "dashboards" / "requirements.in").read_text()
        image = (REPOSITORY / "dashboards" / "Dockerfile").read_text()
        for package, mark in (("apache-superset", "apache/superset:"), ("clickhouse-connect", "clickhouse-connect==")):
            version = found(rf"(?m)^{package}==(\S+)$", wanted)
            self.assertRegex(image, rf"{re.escape(mark + version)}\s")


class Init(unittest.TestCase):
    def test_writes_passwords_of_its_own_once(self):
        place = folder / "copy"
        (place / "deploy").mkdir(parents=True)
        script = shutil.copy(REPOSITORY / "deploy" / "init.sh", place / "deploy")
        subprocess.run([script], check=True, capture_output=True)
        written = place / ".env"
        self.assertEqual(0o600, stat.S_IMODE(written.stat().st_mode))
        values = dict(line.split("=", 1) for line in written.read_text().splitlines() if "=" in line and line[0] != "#")
        self.assertEqual("cpu", values.pop("COMPOSE_PROFILES"))
        self.assertEqual("", values.pop("TAPEWIRE_MASSIVE_API_KEY"))
        self.assertEqual(set(SECRETS) - {"TAPEWIRE_MASSIVE_API_KEY"}, set(values))
        self.assertEqual(3, len(set(values.values())))
        self.assertEqual({32}, {len(value) for value in values.values()})
        before = written.read_text()
        again = subprocess.run([script], capture_output=True, text=True)
        self.assertEqual(2, again.returncode)
        self.assertEqual(before, written.read_text())


if __name__ == "__main__":
    unittest.main()
