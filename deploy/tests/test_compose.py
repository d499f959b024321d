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
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grafana

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "docker-compose.yml"
# The variables that held the secrets before, which init.sh still reads, and the secrets' files.
SECRETS = {
    "TAPEWIRE_CLICKHOUSE_PASSWORD": "clickhouse_password",
    "TAPEWIRE_CLICKHOUSE_BI_PASSWORD": "clickhouse_bi_password",
    "TAPEWIRE_SUPERSET_PASSWORD": "superset_password",
    "TAPEWIRE_HTTP_TOKEN": "http_token",
    "TAPEWIRE_MASSIVE_API_KEY": "massive_api_key",
    "TAPEWIRE_ALERTS_WEBHOOK_URL": "alerts_webhook_url",
    "TAPEWIRE_ALERTS_SLACK_URL": "alerts_slack_url",
}
# What the user gives, or leaves empty. init.sh makes the others.
GIVEN = {"massive_api_key", "alerts_webhook_url", "alerts_slack_url"}
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
        cls.cpu = read(COMPOSE_PROFILES="cpu")
        cls.services = cls.cpu["services"]

    def test_the_cpu_profile_brings_the_worker(self):
        self.assertEqual(ALWAYS | {"sentiment"}, set(self.services))

    def test_the_gpu_profile_brings_the_same_worker_with_a_gpu(self):
        services = read(COMPOSE_PROFILES="gpu")["services"]
        self.assertEqual(ALWAYS | {"sentiment-gpu"}, set(services))
        ours, other = services["sentiment-gpu"], self.services["sentiment"]
        (device,) = ours["deploy"]["resources"]["reservations"]["devices"]
        self.assertEqual(("nvidia", ["gpu"]), (device["driver"], device["capabilities"]))
        self.assertEqual({"PROCESSOR": "gpu"}, ours["build"]["args"])
        self.assertEqual([*other["command"], "--set", "sentiment.engine.device=cuda"], ours["command"])
        different = {"build", "command", "deploy", "image", "profiles"}
        same = [{k: v for k, v in service.items() if k not in different} for service in (ours, other)]
        self.assertEqual(*same)

    def test_the_monitoring_profile_adds_prometheus_grafana_and_jaeger(self):
        services = read(COMPOSE_PROFILES="cpu,monitoring")["services"]
        self.assertEqual(ALWAYS | {"sentiment", "prometheus", "grafana", "jaeger"}, set(services))
        for name in ("prometheus", "grafana", "jaeger"):
            service = services[name]
            self.assertEqual((["ALL"], ["no-new-privileges:true"]), (service["cap_drop"], service["security_opt"]))
            self.assertEqual(["127.0.0.1"], [port["host_ip"] for port in service["ports"]])
            self.assertIn("memory", service["deploy"]["resources"]["limits"])
            self.assertRegex(service["image"], r":v?\d+(\.\d+)+$")
            for mount in service.get("volumes", []):
                if mount["type"] == "bind":
                    self.assertTrue(Path(mount["source"]).is_file(), mount["source"])
        (scrape,) = re.findall(r"names: \[(.*)\]", (REPOSITORY / "deploy/prometheus/prometheus.yml").read_text())
        roles = {name for name, service in services.items() if (service.get("command") or [""])[0] == "run"}
        self.assertEqual(roles | {"sentiment-gpu"}, set(scrape.split(", ")))

    def test_the_roles_that_handle_articles_send_traces_where_env_says_and_else_nowhere(self):
        ours = {"TAPEWIRE_TRACES_OTLP_ENDPOINT": "http://jaeger:4318", "TAPEWIRE_TRACES_SAMPLE_RATIO": "0.1"}
        profiles = "cpu,gpu,monitoring"
        for given, wanted in ((ours, tuple(ours.values())), ({}, ("", "1.0"))):
            services = read(COMPOSE_PROFILES=profiles, **given)["services"]
            found = {
                name: (service["environment"]["OTEL_SERVICE_NAME"], *map(service["environment"].get, ours))
                for name, service in services.items()
                if "OTEL_SERVICE_NAME" in (service.get("environment") or {})
            }
            roles = {"news": "news", "sentiment": "sentiment", "sentiment-gpu": "sentiment", "join": "join"}
            self.assertEqual({name: (f"tapewire-{role}", *wanted) for name, role in roles.items()}, found)
        self.assertIn(f" {services['jaeger']['image']}\n", (REPOSITORY / "docs" / "traces.md").read_text())
        # It is reachable from the other containers, and its page from this machine: no port for spans is open here.
        self.assertEqual([16686], [port["target"] for port in services["jaeger"]["ports"]])

    def test_the_avro_profile_adds_a_schema_registry_that_every_role_is_given(self):
        url = "http://registry:8080/apis/ccompat/v7"
        variables = {"TAPEWIRE_KAFKA_FORMAT": "avro", "TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL": url}
        services = read(COMPOSE_PROFILES="cpu,avro", **variables)["services"]
        self.assertEqual(ALWAYS | {"sentiment", "registry"}, set(services))
        registry = services["registry"]
        self.assertEqual((["ALL"], ["no-new-privileges:true"]), (registry["cap_drop"], registry["security_opt"]))
        self.assertNotIn(registry["user"].split(":")[0], ("", "0", "root"))
        self.assertTrue(registry["read_only"])
        self.assertEqual(["127.0.0.1"], [port["host_ip"] for port in registry["ports"]])
        self.assertIn("memory", registry["deploy"]["resources"]["limits"])
        self.assertRegex(registry["image"], r":\d+(\.\d+)+$")
        self.assertEqual("service_healthy", services["migrate"]["depends_on"]["registry"]["condition"])
        # In memory its schemas would be lost with it, and what was written by them could not be read any more.
        self.assertEqual("kafkasql", registry["environment"]["APICURIO_STORAGE_KIND"])
        for name, service in services.items():
            if (service.get("command") or [""])[0] in ("run", "migrate"):
                given = {variable: service["environment"][variable] for variable in variables}
                self.assertEqual(variables, given, name)

    def test_without_the_avro_profile_records_are_json_and_nobody_waits_for_a_registry(self):
        for name, service in self.services.items():
            waits = service.get("depends_on", {}).get("registry")
            self.assertFalse(waits and waits["required"], name)
            if (service.get("command") or [""])[0] == "run":
                self.assertEqual("json", service["environment"]["TAPEWIRE_KAFKA_FORMAT"])
                self.assertEqual("", service["environment"]["TAPEWIRE_KAFKA_SCHEMA_REGISTRY_URL"])

    def test_the_registry_is_healthy_when_it_says_so(self):
        test = read(COMPOSE_PROFILES="cpu,avro")["services"]["registry"]["healthcheck"]["test"]
        self.assertEqual(["CMD", "bash", "-c"], test[:3])
        for status, expected in ((200, 0), (503, 1)):

            class Health(BaseHTTPRequestHandler):
                answer = status

                def do_GET(self):
                    self.send_response(self.answer if self.path == "/health/ready" else 404)
                    self.end_headers()

                def log_message(self, *_):
                    pass

            with HTTPServer(("127.0.0.1", 0), Health) as server:
                thread = threading.Thread(target=server.handle_request)
                thread.start()
                script = test[3].replace("$$", "$").replace("/8080", f"/{server.server_port}")
                code = subprocess.run(["bash", "-c", script], capture_output=True).returncode
                thread.join()
            self.assertEqual(expected, code, status)

    def test_whatever_reads_clickhouse_is_given_every_setting_of_retention_and_of_cold_storage(self):
        defaults = {
            "_".join(["TAPEWIRE", "CLICKHOUSE", section.upper(), setting.upper()]): value
            for section in ("retention", "cold")
            for setting, value in defaults_of(f"clickhouse.{section}").items()
        }
        self.assertEqual(9, len(defaults))
        chosen = {variable: f"{variable.lower()} of mine" for variable in defaults}
        for given, wanted in (({}, defaults), (chosen, chosen)):
            services = read(COMPOSE_PROFILES="cpu,gpu", **given)["services"]
            environments = {name: service.get("environment") or {} for name, service in services.items()}
            readers = {
                name: environment
                for name, environment in environments.items()
                if environment.get("TAPEWIRE_CLICKHOUSE_USER")
            }
            self.assertEqual({"migrate", "indicators", "join", "alerts"}, set(readers))
            for name, environment in readers.items():
                self.assertEqual(wanted, {variable: environment.get(variable) for variable in defaults}, name)

    def test_prometheus_and_every_role_have_the_same_token(self):
        services = read(COMPOSE_PROFILES="cpu,gpu,monitoring")["services"]
        configuration = (REPOSITORY / "deploy/prometheus/prometheus.yml").read_text()
        token = found(r"credentials_file: ([^}]*)}", configuration)
        self.assertIn(token, [f"/run/secrets/{entry['source']}" for entry in services["prometheus"]["secrets"]])
        for name, service in services.items():
            if (service.get("command") or [""])[0] == "run":
                self.assertEqual(token, service["environment"]["TAPEWIRE_HTTP_TOKEN_FILE"], name)

    def test_grafana_reads_clickhouse_with_a_pinned_plugin_and_a_password_from_a_file(self):
        service = read(COMPOSE_PROFILES="cpu,monitoring")["services"]["grafana"]
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

    def test_a_missing_profile_is_asked_for_by_name(self):
        for given in ({}, {"COMPOSE_PROFILES": ""}):
            with self.subTest(given), self.assertRaisesRegex(Refused, "COMPOSE_PROFILES.*deploy/init.sh"):
                read(**given)

    def test_ports_are_open_on_loopback_only(self):
        published = [port for service in self.services.values() for port in service.get("ports", [])]
        self.assertEqual(3, len(published))
        self.assertEqual({"127.0.0.1"}, {port["host_ip"] for port in published})

    def test_every_secret_is_a_file_that_init_writes(self):
        # Compose reads a project whose secrets have no files yet; it is Docker that refuses to mount them.
        folder = REPOSITORY / "deploy" / "secrets"
        files = {name: secret.get("file") for name, secret in self.cpu["secrets"].items()}
        self.assertEqual({name: str(folder / name) for name in SECRETS.values()}, files)
        self.assertIn("deploy/init.sh writes these files", COMPOSE.read_text())

    def test_a_service_gets_a_secret_as_a_file_only(self):
        for name, service in read(COMPOSE_PROFILES="cpu,gpu,monitoring,avro")["services"].items():
            given = {f"/run/secrets/{entry['source']}" for entry in service.get("secrets", [])}
            for variable, value in (service.get("environment") or {}).items():
                self.assertNotIn(variable, SECRETS, name)
                if variable.endswith("_FILE"):
                    self.assertIn(value, given, f"{name}: {variable}")
            # Compose can't set them for a file, and ignores them with a warning.
            for entry in service.get("secrets", []):
                self.assertFalse({"uid", "gid", "mode"} & set(entry), name)

    def test_every_service_but_the_two_servers_of_data_is_read_only(self):
        services = read(COMPOSE_PROFILES="cpu,gpu,monitoring,avro")["services"]
        writable = {name for name, service in services.items() if not service.get("read_only")}
        # Their images' start scripts write beside the data.
        self.assertEqual({"kafka", "clickhouse"}, writable)

    def test_secrets_are_neither_in_git_nor_in_an_image(self):
        ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
        self.assertIn("/deploy/secrets/", ignored)
        # What is not named is left out of the image's context, and the dashboards have a context of their own.
        first, *named = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] != "#"]
        self.assertEqual("*", first)
        self.assertFalse([line for line in named if line.startswith(("!deploy", "!*", "!/"))])
        self.assertEqual({str(REPOSITORY), str(REPOSITORY / "dashboards")}, self.contexts())

    def contexts(self) -> set[str]:
        return {service["build"]["context"] for service in self.services.values() if "build" in service}

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


def defaults_of(section: str) -> dict[str, str]:
    """The settings of a section with their defaults, by tapewire.example.toml; empty texts where a setting has none."""
    text = found(
        rf"(?ms)^\[{re.escape(section)}\]\n(.*?)(?:^\[|\Z)", (REPOSITORY / "tapewire.example.toml").read_text()
    )
    lines = re.findall(r'^(# )?(\w+) = "(.*)"$', text, re.MULTILINE)
    return {setting: "" if is_example else value for is_example, setting, value in lines}


class Versions(unittest.TestCase):
    """The containers run what the stack without containers runs."""

    def test_kafka(self):
        pom = (REPOSITORY / "stack" / "config" / "kafka-pom.xml").read_text()
        version = found(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)</version>", pom)
        self.assertIn(f"image: apache/kafka:{version}\n", COMPOSE.read_text())

    def test_the_schema_registry(self):
        (pinned,) = json.loads((REPOSITORY / "stack" / "downloads.json").read_text())["registry"]
        self.assertIn(f"image: apicurio/apicurio-registry:{pinned['version']}\n", COMPOSE.read_text())

    def test_superset_and_its_driver(self):
        wanted = (REPOSITORY / "dashboards" / "requirements.in").read_text()
        image = (REPOSITORY / "dashboards" / "Dockerfile").read_text()
        for package, mark in (("apache-superset", "apache/superset:"), ("clickhouse-connect", "clickhouse-connect==")):
            version = found(rf"(?m)^{package}==(\S+)$", wanted)
            self.assertRegex(image, rf"{re.escape(mark + version)}\s")


class Init(unittest.TestCase):
    """deploy/init.sh in a folder of its own."""

    def setUp(self):
        place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="tapewire-init-")))
        (place / "deploy").mkdir()
        self.script = shutil.copy(REPOSITORY / "deploy" / "init.sh", place / "deploy")
        self.env = place / ".env"
        self.secrets = place / "deploy" / "secrets"

    def run_it(self, code: int = 0, **variables: str) -> str:
        environment = {"PATH": os.environ["PATH"], **variables}
        result = subprocess.run([self.script], env=environment, capture_output=True, text=True)
        self.assertEqual(code, result.returncode, result.stderr)
        self.assertEqual([], sorted(self.env.parent.rglob("*.part")))
        return result.stdout + result.stderr

    def written(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.secrets.iterdir()}

    def modes(self) -> dict[str, int]:
        return {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.secrets.iterdir()}

    def test_writes_passwords_of_its_own_and_says_what_is_missing(self):
        said = self.run_it()
        written = self.written()
        self.assertEqual(set(SECRETS.values()), set(written))
        made = {name: secret for name, secret in written.items() if name not in GIVEN}
        self.assertEqual(len(made), len(set(made.values())))
        for secret in made.values():
            self.assertRegex(secret, r"\A[A-Za-z0-9]{32}\Z")
            self.assertNotIn(secret, said)
        self.assertEqual({""}, {written[name] for name in GIVEN})
        self.assertIn("into deploy/secrets/massive_api_key", said)
        self.assertIn("deploy/secrets/superset_password", said)
        values = [line for line in self.env.read_text().splitlines() if line and line[0] != "#"]
        self.assertEqual(["COMPOSE_PROFILES=cpu"], values)

    def test_everybody_may_read_the_files_and_only_the_owner_may_enter_their_folder(self):
        for again in (False, True):
            if again:
                # Somebody may do this, and the containers could no longer read the file.
                (self.secrets / "clickhouse_password").chmod(0o600)
            self.run_it()
            self.assertEqual(0o700, stat.S_IMODE(self.secrets.stat().st_mode))
            wanted = {name: 0o644 if name in GIVEN else 0o444 for name in SECRETS.values()}
            self.assertEqual(wanted, self.modes())
            self.assertEqual(0o600, stat.S_IMODE(self.env.stat().st_mode))

    def test_a_second_time_changes_nothing(self):
        self.run_it(TAPEWIRE_MASSIVE_API_KEY="mine")
        self.env.write_text(self.env.read_text() + "TAPEWIRE_SUPERSET_PORT=9000\n")
        before = self.written(), self.modes(), self.env.read_text()
        self.run_it(TAPEWIRE_MASSIVE_API_KEY="another")
        self.assertEqual(before, (self.written(), self.modes(), self.env.read_text()))

    def test_what_the_user_has_is_taken_from_variables_and_a_password_is_not(self):
        # A variable for another ClickHouse must not become the password of this one.
        said = self.run_it(0, **{variable: f"from-{name}" for variable, name in SECRETS.items()})
        taken = {name for name, secret in self.written().items() if secret == f"from-{name}"}
        self.assertEqual(GIVEN, taken)
        self.assertNotIn("put your key", said)

    def test_a_key_that_comes_later_fills_its_empty_file(self):
        self.run_it()
        before = self.written()
        self.run_it(TAPEWIRE_MASSIVE_API_KEY="mine")
        self.assertEqual(before | {"massive_api_key": "mine"}, self.written())

    def test_secrets_move_out_of_an_earlier_env(self):
        self.env.write_text(
            "# Read by docker compose. Secrets: keep it out of version control and readable by you alone.\n"
            "\n"
            "# The worker runs on the processor; gpu: on an NVIDIA GPU.\n"
            "COMPOSE_PROFILES=gpu\n"
            "\n"
            "TAPEWIRE_CLICKHOUSE_PASSWORD=replaced\n"
            "TAPEWIRE_CLICKHOUSE_PASSWORD=writer\n"
            "export TAPEWIRE_CLICKHOUSE_BI_PASSWORD = 'reader' # of the pages\n"
            'TAPEWIRE_SUPERSET_PASSWORD="admin#1"\r\n'
            "TAPEWIRE_HTTP_TOKEN=prometheus\n"
            "\n"
            "# Yours, from massive.com, with news and the stocks websocket.\n"
            "TAPEWIRE_MASSIVE_API_KEY=  key_1#2  # paid\n"
            "TAPEWIRE_ALERTS_SLACK_URL=https://hooks.slack.com/services/T0/B0/x?y=1&z=%20\n"
            "TAPEWIRE_ALERTS_WEBHOOK_URL=\n"
            "TAPEWIRE_SUPERSET_PORT=9000\n"
        )
        said = self.run_it(TAPEWIRE_MASSIVE_API_KEY="another")
        self.assertEqual(
            {
                "clickhouse_password": "writer",
                "clickhouse_bi_password": "reader",
                "superset_password": "admin#1",
                "http_token": "prometheus",
                "massive_api_key": "key_1#2",
                "alerts_slack_url": "https://hooks.slack.com/services/T0/B0/x?y=1&z=%20",
                "alerts_webhook_url": "",
            },
            self.written(),
        )
        self.assertEqual(
            "# Read by docker compose.\n"
            "\n"
            "# The worker runs on the processor; gpu: on an NVIDIA GPU.\n"
            "COMPOSE_PROFILES=gpu\n"
            "\n"
            "\n"
            "TAPEWIRE_SUPERSET_PORT=9000\n",
            self.env.read_text(),
        )
        for variable in SECRETS:
            self.assertIn(f"{variable} is no longer in .env", said)
        before = self.written(), self.env.read_text()
        self.run_it()
        self.assertEqual(before, (self.written(), self.env.read_text()))

    def test_a_file_that_exists_is_kept_and_so_is_another_secret_in_env(self):
        self.run_it()
        before = self.written()
        same = f"TAPEWIRE_SUPERSET_PASSWORD={before['superset_password']}\n"
        self.env.write_text(f"COMPOSE_PROFILES=cpu\n{same}TAPEWIRE_CLICKHOUSE_PASSWORD=elsewhere\n")
        said = self.run_it(code=1)
        self.assertEqual(before, self.written())
        self.assertEqual("COMPOSE_PROFILES=cpu\nTAPEWIRE_CLICKHOUSE_PASSWORD=elsewhere\n", self.env.read_text())
        self.assertIn("TAPEWIRE_CLICKHOUSE_PASSWORD", said)
        self.assertNotIn("elsewhere", said)

    def test_a_value_that_compose_may_read_in_another_way_is_left_to_the_user(self):
        for value in ("a$b", '"a\\nb"', "'a$b'", "a b", "'a", "it's", "`a`", "'a' b"):
            with self.subTest(value):
                self.env.write_text(f"TAPEWIRE_SUPERSET_PASSWORD={value}\n")
                said = self.run_it(code=1)
                self.assertEqual(f"TAPEWIRE_SUPERSET_PASSWORD={value}\n", self.env.read_text())
                self.assertIn("to deploy/secrets/superset_password", said)
                self.assertEqual(set(SECRETS.values()) - {"superset_password"}, set(self.written()))


class ClickHouseStart(unittest.TestCase):
    """deploy/clickhouse/start.sh, with another folder of secrets and another program to start."""

    def started(self, **secrets: str) -> subprocess.CompletedProcess:
        place = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="tapewire-start-")))
        for name, secret in secrets.items():
            (place / name).write_text(secret)
        program = place / "program"
        program.write_text("#!/bin/sh\nenv | grep ^TAPEWIRE_\n")
        program.chmod(0o700)
        text = (REPOSITORY / "deploy" / "clickhouse" / "start.sh").read_text()
        text = text.replace("/run/secrets", str(place)).replace("/entrypoint.sh", str(program))
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run(["sh"], input=text, env=environment, capture_output=True, text=True)

    def test_the_passwords_of_the_files_are_those_that_users_d_asks_for(self):
        result = self.started(clickhouse_password="writer", clickhouse_bi_password="reader\n")
        given = dict(line.split("=", 1) for line in result.stdout.splitlines())
        self.assertEqual({"TAPEWIRE_CLICKHOUSE_PASSWORD": "writer", "TAPEWIRE_CLICKHOUSE_BI_PASSWORD": "reader"}, given)
        users = (REPOSITORY / "deploy" / "clickhouse" / "users.d" / "tapewire.xml").read_text()
        self.assertEqual(set(given), set(re.findall(r'from_env="(\w+)"', users)))

    def test_it_does_not_start_without_a_password(self):
        for secrets in (
            {"clickhouse_password": "writer"},
            {"clickhouse_bi_password": "reader"},
            {"clickhouse_password": "", "clickhouse_bi_password": "reader"},
            {"clickhouse_password": "writer", "clickhouse_bi_password": "\n"},
        ):
            with self.subTest(secrets):
                result = self.started(**secrets)
                self.assertNotEqual(0, result.returncode)
                self.assertEqual("", result.stdout)


if __name__ == "__main__":
    unittest.main()
