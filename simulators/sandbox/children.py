"""Child processes that never outlive the one who started them: groups of their own, signals, a death signal."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from simulators.sandbox.settings import HOST, OFFSETS

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 8.0
_TEST_PORTS = range(21_000, 60_000)
_ROOT = Path(__file__).resolve().parents[2]


class ChildFailed(Exception):
    """A child ended when it should not have, or never got ready; the text names its log."""


class PortTaken(Exception):
    """Somebody else listens on a port the sandbox needs."""


def require_free(ports: Mapping[str, int]) -> None:
    """Raises PortTaken naming the first port that is in use."""
    for name, port in ports.items():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise PortTaken(f"{name}: 端口 port {port} 不可用 ({error.strerror})") from error


def free_base_port() -> int:
    """A gateway port that is free together with the simulators' behind it, for tests that run side by side.

    Raises PortTaken when there is none.
    """
    for base in range(_TEST_PORTS.start + os.getpid() % 500 * 20, _TEST_PORTS.stop, 20):
        try:
            require_free({"gateway": base, **{name: base + offset for name, offset in OFFSETS.items()}})
        except PortTaken:
            continue
        return base
    raise PortTaken("没有空闲端口 no free ports")


def _die_with(parent: int) -> Callable[[], None]:
    """For the child, between fork and exec: a SIGTERM when the parent dies, also when it is killed outright."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
    except OSError:
        return lambda: None

    def prepare() -> None:
        if hasattr(libc, "prctl"):
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the request was made
            os._exit(1)

    return prepare


class Child:
    """One child process with its log file."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self._arguments, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=_ROOT, env={**os.environ, **self._environment}, start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )  # fmt: skip

    async def wait(self) -> int:
        """The exit code, once it has ended."""
        if self._process is None:
            raise ChildFailed(f"{self.name} was never started")
        return await self._process.wait()

    async def run(self) -> None:
        """Starts and waits for the end. Raises ChildFailed unless the exit code is 0."""
        await self.start()
        if code := await self.wait():
            raise ChildFailed(f"{self.name}: 退出码 exit code {code}\n{self.tail()}")

    async def stop(self) -> None:
        """SIGTERM to the whole group, SIGKILL to what is left of it after a while."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL to the whole group, and waits until it is gone."""
        self._signal(signal.SIGKILL)
        await self.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:  # group 0 would be our own
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def tail(self, lines: int = 15) -> str:
        """The end of its log, for an error message."""
        if not self.log.exists():
            return ""
        text = self.log.read_text("utf-8", "replace").splitlines()[-lines:]
        return "\n".join([f"— {self.log} —", *text])
