"""``python -m simulators demo``: plays the story in a sandbox of its own; exit code 0 when everything balances."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

import aiohttp

from simulators.demo.balance import balance
from simulators.demo.report import show
from simulators.demo.stage import Stage
from simulators.demo.story import Story
from simulators.demo.world import FAILURES, make_world
from simulators.sandbox.app import add_place_arguments, place_of
from simulators.sandbox.children import ChildFailed, PortTaken
from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.store import StoreNotOurs

_START = "2025-03-03T08:00:00+08:00"
_LEAST_PEOPLE = 20
_CONNECTIONS = 32
_ANSWER_SECONDS = 45.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators demo", description="演示 the demonstration")
    add_place_arguments(parser)
    parser.add_argument("--people", type=_people, default=200, help="虚构参保人数 invented insured people")
    parser.add_argument("--seed", type=int, default=7, help="随机种子 seed")
    parser.add_argument(
        "--lie", nargs="?", const="platform", choices=("platform", "bank"), default="",
        help="让一方谎报一分钱（应退出 1） a party lies by one fen, the exit code must be 1",
    )  # fmt: skip
    return parser


def _people(text: str) -> int:
    count = int(text)
    if count < _LEAST_PEOPLE:
        raise argparse.ArgumentTypeError(f"至少 {_LEAST_PEOPLE} 人 at least {_LEAST_PEOPLE}")
    return count


async def _play(sandbox: Sandbox, arguments: argparse.Namespace) -> bool:
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS)
    started = time.monotonic()
    async with sandbox, aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        with Stage() as stage:
            world = make_world(sandbox, session, stage, arguments.people, arguments.seed)
            await Story(world, arguments.lie).play()
        balanced = await show(world, await balance(world))
        stage.console.print(f"[dim]{time.monotonic() - started:.1f} s[/]")
        return balanced


def main(argv: Sequence[str]) -> int:
    """Plays the story; 0 when hospital, platform and bank agree to the fen, 1 otherwise or when it cannot be played."""
    arguments = _parser().parse_args(argv)
    sandbox = Sandbox(place_of(arguments, _START), seed=arguments.seed)
    try:
        return 0 if asyncio.run(_play(sandbox, arguments)) else 1
    except (ChildFailed, PortTaken, StoreNotOurs, aiohttp.ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    except FAILURES as error:
        print(f"故事中断 the story broke off: {type(error).__name__} {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
