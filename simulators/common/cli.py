"""Starts one simulator as a program: arguments, signals, the line that says it is ready."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from simulators.common.server import Options, SimulatorApp


def parser(name: str, default_port: int) -> argparse.ArgumentParser:
    """The arguments every simulator takes."""
    made = argparse.ArgumentParser(prog=f"python -m simulators {name}", description=f"{name} simulator 模拟器")
    made.add_argument("--port", type=int, default=default_port, help="监听端口 port on 127.0.0.1")
    made.add_argument("--host", default="127.0.0.1", help="监听地址 address")
    made.add_argument("--data", type=Path, default=Path("var/simulators"), help="数据目录 folder for state and ledger")
    made.add_argument("--clock-file", type=Path, default=None, help="共享时钟文件 shared business clock")
    made.add_argument("--gateway", default="http://127.0.0.1:8800", help="网关地址 gateway URL for pushes")
    made.add_argument("--seed", type=int, default=None, help="故障随机数种子 seed of the faults' dice")
    return made


def options(arguments: argparse.Namespace) -> Options:
    return Options(
        port=arguments.port,
        data=arguments.data,
        clock_file=arguments.clock_file,
        gateway=arguments.gateway.rstrip("/"),
        host=arguments.host,
        seed=arguments.seed,
    )


def run_simulator(make: Callable[[Options], SimulatorApp], argv: Sequence[str], name: str, default_port: int) -> int:
    """Runs until SIGTERM or SIGINT. Returns the exit code: 0, or 1 when the port is taken."""
    return serve(make(options(parser(name, default_port).parse_args(argv))))


def serve(sim: SimulatorApp) -> int:
    return asyncio.run(_serve(sim))


async def _serve(sim: SimulatorApp) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        await sim.start()
    except OSError as error:
        print(f"{sim.name}: 无法启动 cannot start: {error}", file=sys.stderr)
        return 1
    print(f"{sim.name} 模拟器已就绪 simulator ready on {sim.url}", flush=True)
    await stopping.wait()
    await sim.stop()
    return 0
