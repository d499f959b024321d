"""Commands of the local stack: `python3 -m stack COMMAND`, from the repository's root."""

import argparse
import fcntl
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from stack import settings as stack_settings
from stack import tls
from stack.clickhouse import ClickHouse
from stack.errors import UNREACHABLE, StackError
from stack.kafka import TOOLS, Kafka
from stack.registry import SchemaRegistry
from stack.service import Service
from stack.settings import HOST, Settings

SERVICES = {service.name: service for service in (Kafka, ClickHouse, SchemaRegistry)}
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        settings = stack_settings.from_environment()
        services = _chosen([service(settings) for service in SERVICES.values()], options)
        return options.command(services, settings, options)
    except StackError as error:
        return _fail(error)
    except OSError as error:
        return _fail(StackError(f"{error.filename or 'system'}: {error.strerror or error}"))
    except KeyboardInterrupt:
        return INTERRUPTED


def _chosen(services: list[Service], options: argparse.Namespace) -> list[Service]:
    """The servers that the command names; otherwise those that the settings want, and also another that runs, unless
    they are to be started."""
    if options.service:
        return [service for service in services if service.name in options.service]
    return [service for service in services if service.wanted or (options.command is not up and service.running)]


def up(services: list[Service], settings: Settings, _: argparse.Namespace) -> int:
    def bring_up(service: Service) -> None:
        started = service.up()
        print(f"{service.name}: {'started' if started else 'already up'}, {_whereabouts(service)}", flush=True)

    with _alone(settings):
        tls.prepare(settings)
        return _for_each(services, bring_up)


def down(services: list[Service], settings: Settings, _: argparse.Namespace) -> int:
    def stop(service: Service) -> None:
        print(f"{service.name}: {'stopped' if service.down() else 'was not running'}", flush=True)

    with _alone(settings):
        return _for_each(services, stop)


def kill(services: list[Service], settings: Settings, _: argparse.Namespace) -> int:
    with _alone(settings):
        for service in services:
            print(f"{service.name}: {'killed' if service.kill() else 'was not running'}")
    return 0


def status(services: list[Service], _: Settings, __: argparse.Namespace) -> int:
    """Exits with 0 when every service answers, otherwise with 3."""
    healthy = True
    for service in services:
        trouble = service.trouble()
        healthy &= trouble is None
        print(f"{service.name}: {trouble or 'up'}, {_whereabouts(service)}")
    return 0 if healthy else UNREACHABLE


def env(services: list[Service], _: Settings, __: argparse.Namespace) -> int:
    for service in services:
        for variable, value in service.environment().items():
            print(f"export {variable}={shlex.quote(value)}")
    return 0


def tool(_: list[Service], settings: Settings, options: argparse.Namespace) -> int:
    return subprocess.run(Kafka(settings).tool(options.tool, options.arguments), check=False).returncode


def _whereabouts(service: Service) -> str:
    record = service.running
    process = f", process {record.pid}" if record else ""
    return f"{HOST}:{service.port}{process}, log {service.log}"


def _for_each(services: list[Service], action: Callable[[Service], None]) -> int:
    """Acts on all services at once; one that fails does not stop the others."""

    def attempt(service: Service) -> int:
        try:
            action(service)
            return 0
        except StackError as error:
            return _fail(error)

    with ThreadPoolExecutor(len(services)) as pool:
        try:
            return max(pool.map(attempt, services))
        except KeyboardInterrupt:
            # Leaving the pool would wait for its threads. Files are replaced whole and
            # downloads resume, so nothing is lost by going now.
            print("interrupted; `down` stops what was started", file=sys.stderr, flush=True)
            os._exit(INTERRUPTED)


def _fail(error: StackError) -> int:
    print(f"stack: {error}", file=sys.stderr, flush=True)
    return error.exit_code


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Lets one command at a time change this stack; the next one waits."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    with (settings.folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("stack: waiting for another command on this stack", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stack", description="Servers of tapewire on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, action: Callable[..., int], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=action, service=None)
        return command

    for name, action, text in (
        ("up", up, "start what is not running and wait until it answers"),
        ("down", down, "stop cleanly"),
        ("status", status, "say what runs and answers; exit code 3 unless all does"),
        ("env", env, "print export lines for the shell"),
    ):
        add(name, action, text).add_argument("--service", action="append", choices=SERVICES, help="only this one")
    add("kill", kill, "kill -9, to see what survives").add_argument("service", nargs="+", choices=SERVICES)
    console = add("tool", tool, "run a console tool of Kafka on this broker")
    console.add_argument("tool", choices=TOOLS)
    console.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser
