"""Downloads against a registry on loopback that misbehaves on request."""

import hashlib
import io
import re
import tarfile
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock

from stack import downloads, pin
from stack.downloads import Artifact, Content
from stack.errors import UNREACHABLE, StackError

BODY = bytes(range(256)) * 4096
SERVICES = ("kafka", "clickhouse", "registry", "axe")


class Registry(ThreadingHTTPServer):
    """Serves `files`, and records the Range header of each request, or None, in `ranges`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.knows_ranges = True
        self.break_off_after: int | None = None
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.ranges.append(wanted)
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        start = int(asked[1]) if asked and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut, self.server.break_off_after = self.server.break_off_after, None
        self.wfile.write(body[start:][:cut])

    def log_message(self, *_: object) -> None:
        pass


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def content(basename: str, body: bytes) -> Content:
    return Content(basename, hashlib.sha256(body).hexdigest(), len(body))


JAR = Artifact("thing", "1", "maven", "org/thing-1.jar", content("thing-1.jar", BODY))


class DownloadTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = Path(folder.name) / "cache"
        self.registry = Registry()
        self.addCleanup(self.registry.server_close)
        self.addCleanup(self.registry.shutdown)
        self.registry.files["/org/thing-1.jar"] = BODY
        bases = {"TAPEWIRE_MAVEN_BASE": self.registry.url, "TAPEWIRE_NPM_BASE": self.registry.url + "/"}
        for patch in (
            mock.patch.dict("os.environ", {**bases, "no_proxy": "127.0.0.1"}),
            mock.patch.object(downloads, "RETRY_SECONDS", 0),
            mock.patch("sys.stderr", io.StringIO()),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def obtain(self, *artifacts: Artifact) -> list[Path]:
        return downloads.obtain(list(artifacts), self.cache)

    def leave_part(self, body: bytes) -> None:
        self.cache.mkdir()
        target = JAR.fetched.at(self.cache)
        target.with_name(target.name + ".part").write_bytes(body)

    def test_a_file_is_fetched_once(self) -> None:
        (first,) = self.obtain(JAR)
        self.assertEqual(first.read_bytes(), BODY)
        self.obtain(JAR)
        self.assertEqual(self.registry.ranges, [None])

    def test_a_started_file_is_continued(self) -> None:
        self.leave_part(BODY[:1000])
        (file,) = self.obtain(JAR)
        self.assertEqual(file.read_bytes(), BODY)
        self.assertEqual(self.registry.ranges, ["bytes=1000-"])

    def test_a_complete_part_is_not_fetched_again(self) -> None:
        self.leave_part(BODY)
        self.obtain(JAR)
        self.assertEqual(self.registry.ranges, [])

    def test_a_registry_without_ranges_sends_it_whole(self) -> None:
        self.registry.knows_ranges = False
        self.leave_part(BODY[:1000])
        (file,) = self.obtain(JAR)
        self.assertEqual(file.read_bytes(), BODY)

    def test_a_connection_that_breaks_off_is_continued(self) -> None:
        self.registry.break_off_after = 4096
        (file,) = self.obtain(JAR)
        self.assertEqual(file.read_bytes(), BODY)
        self.assertEqual(self.registry.ranges, [None, "bytes=4096-"])

    def test_the_beginning_of_another_file_is_thrown_away(self) -> None:
        self.leave_part(b"x" * 1000)
        (file,) = self.obtain(JAR)
        self.assertEqual(file.read_bytes(), BODY)
        self.assertEqual(self.registry.ranges, ["bytes=1000-", None])

    def test_a_part_that_is_too_long_is_thrown_away(self) -> None:
        self.leave_part(BODY + b"more")
        (file,) = self.obtain(JAR)
        self.assertEqual(file.read_bytes(), BODY)

    def test_another_content_is_refused_and_not_kept(self) -> None:
        self.registry.files["/org/thing-1.jar"] = BODY[:-1] + b"!"
        with self.assertRaisesRegex(StackError, "thing-1.jar has sha256 .* pinned .* TAPEWIRE_MAVEN_BASE") as raised:
            self.obtain(JAR)
        self.assertEqual(raised.exception.exit_code, UNREACHABLE)
        self.assertEqual([file.name for file in self.cache.iterdir()], [".lock"])

    def test_a_file_damaged_in_the_cache_is_replaced(self) -> None:
        (file,) = self.obtain(JAR)
        file.write_bytes(BODY[:-1] + b"!")
        self.obtain(JAR)
        self.assertEqual(file.read_bytes(), BODY)

    def test_a_missing_file_is_requested_once_and_named_in_the_error(self) -> None:
        self.registry.files.clear()
        with self.assertRaisesRegex(
            StackError, r"thing 1 is missing .*/org/thing-1.jar .*HTTP 404.*TAPEWIRE_MAVEN_BASE"
        ):
            self.obtain(JAR)
        self.assertEqual(len(self.registry.ranges), 1)

    def test_without_a_network_the_error_names_the_remedy(self) -> None:
        self.registry.shutdown()
        self.registry.server_close()
        with self.assertRaisesRegex(StackError, "refused.*connect to the network"):
            self.obtain(JAR)

    def test_the_failure_shown_is_the_one_that_happened(self) -> None:
        many = [Artifact(f"n{i}", "1", "maven", f"n{i}.jar", content(f"n{i}", BODY + bytes([i]))) for i in range(20)]
        for artifact in many[:-1]:
            self.registry.files[f"/{artifact.path}"] = BODY + bytes([int(artifact.name[1:])])
        with self.assertRaisesRegex(StackError, "n19 1 .*HTTP 404"):
            self.obtain(*many)

    def test_only_the_wanted_member_of_a_package_is_kept(self) -> None:
        library = b"library" * 1000
        packed = archive({"package/lib.so": library, "package/README": b"words"})
        self.registry.files["/@scope/p/-/p-1.tgz"] = packed
        fetched = content("p-1.tgz", packed)
        member = ("package/lib.so", content("lib.so", library))
        (file,) = self.obtain(Artifact("@scope/p", "1", "npm", "@scope/p/-/p-1.tgz", fetched, member))
        self.assertEqual(file.read_bytes(), library)
        self.assertEqual({f.name for f in self.cache.iterdir()}, {".lock", file.name})

    def test_an_archive_is_unpacked_whole_and_once(self) -> None:
        packed = archive({"app.jar": b"program", "lib/one.jar": b"one"})
        self.registry.files["/app-all.tar.gz"] = packed
        (file,) = self.obtain(Artifact("app", "1", "maven", "app-all.tar.gz", content("app-all.tar.gz", packed)))
        # What an interrupted unpacking has left is no part of it.
        left = file.with_name(f"{file.name}.unpacked.part")
        left.mkdir()
        (left / "half.jar").touch()
        folder = downloads.unpacked(file)
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.assertEqual(found, {"app.jar": b"program", "lib/one.jar": b"one"})
        (folder / "app.jar").touch()
        before = (folder / "app.jar").stat().st_mtime_ns
        self.assertEqual(downloads.unpacked(file), folder)
        self.assertEqual((folder / "app.jar").stat().st_mtime_ns, before)


class ManifestTest(unittest.TestCase):
    def test_every_entry_is_pinned(self) -> None:
        for service in SERVICES:
            artifacts = downloads.load(service)
            self.assertEqual(len({a.path for a in artifacts}), len(artifacts))
            for artifact in artifacts:
                with self.subTest(artifact.name):
                    self.assertNotIn("://", artifact.path)
                    self.assertIn(artifact.source, downloads.BASE_VARIABLES)
                    for part in (artifact.fetched, artifact.kept):
                        self.assertRegex(part.sha256, r"^[0-9a-f]{64}$")
                        self.assertGreater(part.size, 0)

    def test_it_has_what_pin_asks_for(self) -> None:
        pinned = {a.name: a.version for service in SERVICES for a in downloads.load(service)}
        self.assertEqual(pinned[pin.CHDB], pin.CHDB_VERSION)
        self.assertEqual(pinned[pin.REGISTRY], pin.REGISTRY_VERSION)
        self.assertEqual(pinned[pin.AXE], pin.AXE_VERSION)
        asked = re.findall(r"<artifactId>(.*)</artifactId>\s*<version>(.*)</version>", pin.POM.read_text())
        self.assertIn("kafka_2.13", dict(asked))
        for name, version in asked:
            if name != "kafka-jars":
                self.assertEqual(pinned[name], version)


class BaseUrlTest(unittest.TestCase):
    def test_the_registry_is_the_one_that_npm_is_configured_with(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            npm = Path(folder) / "npm"
            npm.write_text("#!/bin/sh\necho https://registry.example/npm/\n")
            npm.chmod(0o755)
            with mock.patch.dict("os.environ", {"PATH": folder, "TAPEWIRE_NPM_BASE": ""}):
                self.assertEqual(downloads.base_url("npm"), "https://registry.example/npm")

    def test_without_npm_the_registry_is_the_public_one(self) -> None:
        with mock.patch.dict("os.environ", {"PATH": "/nonexistent", "TAPEWIRE_NPM_BASE": ""}):
            self.assertEqual(downloads.base_url("npm"), downloads.NPM_REGISTRY)


if __name__ == "__main__":
    unittest.main()
