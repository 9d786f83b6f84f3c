"""Children of the sandbox: they stop when told, die with their parent, and free their ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulators.sandbox.children import Child, ChildFailed, PortTaken, require_free

SLEEP = ["-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
]  # fmt: skip
PARENT = """
import asyncio, sys, time
from pathlib import Path
from simulators.sandbox.children import Child
child = Child("child", ["-c", "import time; time.sleep(60)"], Path(sys.argv[1]), {})
asyncio.run(child.start())
print(child.pid, flush=True)
time.sleep(60)
"""


async def up(child: Child) -> None:
    await child.start()
    for _ in range(500):
        if "up" in child.tail():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{child.name} did not come up")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] if Path("/proc").exists() else "S"
    return state != "Z"


async def test_a_child_stops_when_told(tmp_path: Path) -> None:
    child = Child("child", SLEEP, tmp_path / "child.log", {})
    await up(child)
    assert child.running
    await child.stop()
    assert not child.running
    assert await child.wait() == -signal.SIGTERM


async def test_a_child_that_will_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.sandbox.children._GRACE_SECONDS", 0.3)
    child = Child("child", STUBBORN, tmp_path / "child.log", {})
    await up(child)
    await child.stop()
    assert await child.wait() == -signal.SIGKILL


async def test_kill_is_sigkill(tmp_path: Path) -> None:
    child = Child("child", SLEEP, tmp_path / "child.log", {})
    await up(child)
    await child.kill()
    assert await child.wait() == -signal.SIGKILL


async def test_a_command_that_fails_shows_its_log(tmp_path: Path) -> None:
    child = Child("migrate", ["-c", "print('no such table'); raise SystemExit(3)"], tmp_path / "migrate.log", {})
    with pytest.raises(ChildFailed, match="no such table"):
        await child.run()


async def test_the_environment_reaches_the_child(tmp_path: Path) -> None:
    child = Child(
        "env", ["-c", "import os; print(os.environ['XINYI_CRASH'])"], tmp_path / "env.log", {"XINYI_CRASH": "7"}
    )
    await child.run()
    assert "7" in child.tail()


@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_a_child_dies_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "child.log")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def test_a_taken_port_is_named_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            require_free({"gateway": port})
    require_free({"gateway": port})
