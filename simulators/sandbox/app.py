"""``python -m simulators sandbox``: the whole sandbox as one program that stays up until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from simulators.sandbox.children import ChildFailed, PortTaken
from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.settings import OFFSETS, Place
from simulators.sandbox.store import StoreNotOurs

_WATCH_SECONDS = 0.5


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say where a sandbox lives; shared with the demo."""
    parser.add_argument(
        "--port", type=int, default=8800, help="网关端口，模拟器随之平移 the gateway's; the others shift along"
    )
    parser.add_argument("--data", type=Path, default=Path("var"), help="数据目录 data folder")
    parser.add_argument("--store", default="", help="postgresql://… ；缺省为 SQLite default SQLite")


def place_of(arguments: argparse.Namespace, clock: str) -> Place:
    return Place(data=arguments.data.resolve(), port=arguments.port, store=arguments.store, clock_start=clock)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators sandbox", description="沙盒 gateway and all simulators")
    add_place_arguments(parser)
    parser.add_argument("--clock", type=_moment, default="2025-03-03T08:00:00+08:00", help="沙盒起始时间 ISO 8601")
    parser.add_argument("--keep", action="store_true", help="保留上次数据 go on with the last data")
    parser.add_argument("--no-wait", action="store_true", help="不等待就绪 do not wait for /health/ready")
    return parser


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("需要时区 an offset is needed, e.g. +08:00")
    return text


async def _stay(sandbox: Sandbox, *, wait: bool) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    starting = asyncio.create_task(sandbox.start(wait=wait))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not starting.done():  # told to stop while still starting
            return 0
        await starting
        _announce(sandbox)
        return await _watch(sandbox, stopping)
    finally:
        starting.cancel()
        stopped.cancel()
        await asyncio.gather(starting, stopped, return_exceptions=True)
        await sandbox.stop()


async def _watch(sandbox: Sandbox, stopping: asyncio.Event) -> int:
    while not stopping.is_set():
        if name := sandbox.failed():
            print(f"{name} 意外退出 has ended unexpectedly\n{sandbox.log_tail(name)}", file=sys.stderr)
            return 1
        try:
            await asyncio.wait_for(stopping.wait(), _WATCH_SECONDS)
        except TimeoutError:
            continue
    return 0


def _announce(sandbox: Sandbox) -> None:
    place, cast = sandbox.place, sandbox.cast
    lines = [
        "沙盒已就绪 The sandbox is ready",
        f"  网关 gateway      {place.gateway}   /docs  /metrics",
        *(f"  模拟器 {name:<10} {place.simulator(name)}   /_sim/ledger" for name in OFFSETS),
        f"  时钟 clock        {place.clock_start}   PUT {place.gateway}/sandbox/clock",
        "  医院 hospitals (x-tif-paasid = 机构代码 code, token = Bearer):",
        *(f"    {one.code}  {one.token}  {one.locality}  {one.name}" for one in cast.hospitals),
        f"  人员 people (用户名 = 密码 user name = password): {'  '.join(f'sandbox-{role}' for role in cast.roles)}",
        f"  全部说明 everything: {place.description}",
        "  Ctrl-C 停止 stops it",
    ]
    print("\n".join(lines), flush=True)


def main(argv: Sequence[str]) -> int:
    """Runs the sandbox until SIGINT or SIGTERM; returns the exit code (1: a port is taken, or a child failed)."""
    arguments = _parser().parse_args(argv)
    sandbox = Sandbox(place_of(arguments, arguments.clock), keep=arguments.keep)
    try:
        return asyncio.run(_stay(sandbox, wait=not arguments.no_wait))
    except (ChildFailed, PortTaken, StoreNotOurs) as error:
        print(error, file=sys.stderr)
        return 1
