"""The `xinyi` command."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import uvloop

from gateway.settings import Settings, SettingsError, load_settings

Command = Callable[[Settings], int]


def serve(settings: Settings) -> int:
    """Run the gateway until it is told to stop."""
    from gateway.app import serve as run

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(settings))
    return 0


def migrate(settings: Settings) -> int:
    """Bring the schema to this version."""
    from gateway.journal.migrate import upgrade

    before, after = upgrade(settings.store)
    print(f"schema {before or 'empty'} -> {after}")
    return 0


def check(settings: Settings) -> int:
    """Verify settings, mappings, profiles, calendar, database and counterparts: a line each."""
    from gateway.check import run_checks

    problems = 0
    for line in asyncio.run(run_checks(settings)):
        print(line)
        problems += not line.ok
    return 1 if problems else 0


def mapping(given: argparse.Namespace) -> int:
    """Try a HIS vendor's field map on a message of theirs: which source goes where by which rule."""
    from gateway.mapping import check_mapping

    lines, code = check_mapping(given.file, given.sample, given.infno, given.answer)
    print("\n".join(lines))
    return code


COMMANDS: dict[str, Command] = {"serve": serve, "migrate": migrate, "check": check}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="xinyi", description="信医：医保信用就医与即时结算网关")
    commands = top.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.__doc__)
        sub.add_argument("--config", type=Path, default=Path("xinyi.toml"), help="设置文件 settings file")
    _add_mapping(commands.add_parser("mapping", help=mapping.__doc__))
    return top


def _add_mapping(sub: argparse.ArgumentParser) -> None:
    check_ = sub.add_subparsers(dest="action", required=True).add_parser("check", help=mapping.__doc__)
    check_.add_argument("file", type=Path, metavar="FILE", help="对照文件 field map, mappings/his/<vendor>.toml")
    check_.add_argument("sample", type=Path, metavar="SAMPLE", help="厂商报文样例 a message of the vendor")
    check_.add_argument("--infno", default="", help="样例未含的交易编号 the transaction, where the sample lacks it")
    check_.add_argument("--answer", type=Path, help="国家接口应答样例 a national answer to put in the vendor's words")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point. Exit code 2: the settings cannot be used."""
    given = parser().parse_args(argv)
    if given.command == "mapping":
        return mapping(given)
    try:
        return COMMANDS[given.command](load_settings(given.config))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
