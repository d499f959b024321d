#!/usr/bin/env python3
"""Superset with tapewire's dashboards on this machine: `python3 dashboards/superset.py COMMAND`."""

import argparse
import os
import shlex
import sys
from pathlib import Path

# The package `stack` is next to this folder.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from local.service import FIRST_PAGE, PAGES, Superset

from stack.errors import UNREACHABLE, USAGE, StackError
from stack.settings import from_environment

DEFAULT_PORT = "18088"


def up(superset: Superset, _: argparse.Namespace) -> int:
    started = superset.up()
    superset.provision()
    print(f"superset: {'started' if started else 'already up'}, {superset.dashboard_url}")
    print(f"superset: sign in as admin with the password in {superset.password}")
    return 0


def down(superset: Superset, _: argparse.Namespace) -> int:
    print(f"superset: {'stopped' if superset.down() else 'was not running'}")
    return 0


def status(superset: Superset, _: argparse.Namespace) -> int:
    trouble = superset.trouble()
    print(f"superset: {trouble or 'up'}, {superset.dashboard_url}, log {superset.log}")
    return UNREACHABLE if trouble else 0


def env(superset: Superset, _: argparse.Namespace) -> int:
    for variable, value in superset.environment().items():
        print(f"export {variable}={shlex.quote(value)}")
    return 0


def import_dashboards(superset: Superset, _: argparse.Namespace) -> int:
    superset.provision()
    return 0


def screenshot(superset: Superset, options: argparse.Namespace) -> int:
    superset.screenshot(options.page, options.out.absolute())
    return 0


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    port = os.environ.get("TAPEWIRE_SUPERSET_PORT") or DEFAULT_PORT
    try:
        if not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise StackError(f"TAPEWIRE_SUPERSET_PORT={port}: give a port number from 1 to 65535", USAGE)
        return options.command(Superset(from_environment(), int(port)), options)
    except StackError as error:
        print(f"dashboards: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"dashboards: {error.filename or 'system'}: {error.strerror or error}", file=sys.stderr)
        return UNREACHABLE
    except KeyboardInterrupt:
        print("interrupted; `down` stops what was started", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="superset.py", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, action, text in (
        ("up", up, "start Superset unless it is running, and import the dashboards"),
        ("down", down, "stop it"),
        ("status", status, "say whether it is running and answers; if not, the exit code is 3"),
        ("env", env, "print export lines for the shell"),
        ("import", import_dashboards, "import the dashboards again, after a change to bundle/"),
        ("screenshot", screenshot, "save a picture of a page; needs Chromium"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=action)
        if action is screenshot:
            command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the PNG to write")
            command.add_argument("--page", choices=PAGES, default=FIRST_PAGE, help=f"the page; by default {FIRST_PAGE}")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
