"""Runs the suites one after another, each with a time budget, and says at the end what was left out and why."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COVERED = 90.0
OPTIONAL = {
    "promtool": "checks of the Prometheus rules",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder of tests and the seconds it may take on two cores."""

    folder: str
    budget: int
    parallel: bool = True


SUITES = (
    Suite("unit", 140),
    Suite("integration", 420),
    Suite("acceptance", 100),
    Suite("crash", 220, parallel=False),
)


def run(suite: Suite, extra: list[str], covered: bool) -> tuple[int, float]:
    """Run one suite; exit code and seconds. A folder without tests counts as failed."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", f"tests/{suite.folder}"]
    command += ["-n", "2"] if suite.parallel else []
    command += ["--cov", "--cov-append", "--cov-report="] if covered else []
    code = subprocess.run([*command, *extra], cwd=ROOT, check=False).returncode
    return code, time.monotonic() - started


def coverage() -> int:
    """Fail under the covered share of lines of gateway/ and adapters/."""
    return subprocess.run(
        [sys.executable, "-m", "coverage", "report", "--skip-covered", f"--fail-under={COVERED}"], cwd=ROOT, check=False
    ).returncode


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--soak", action="store_true", help="the long versions of the crash suite")
    parser.add_argument("--count", type=int, default=0, help="how many crash points, 0 for all")
    given = parser.parse_args()
    if given.soak:
        os.environ["XINYI_SOAK_POINTS"] = str(given.count or "all")
        code, took = run(Suite("crash", 0, parallel=False), ["--timeout=0", "-s"], covered=False)
        print(f"crash (soak): {took:.0f} s")
        return code
    for old in ROOT.glob(".coverage*"):
        old.unlink()
    failed = 0
    for suite in SUITES:
        code, took = run(suite, [], covered=True)
        late = " OVER BUDGET" if took > suite.budget else ""
        print(f"{suite.folder}: {took:.0f} s of {suite.budget} s{late}", flush=True)
        failed += code != 0
    failed += coverage() != 0
    return finish(failed)


def finish(failed: int) -> int:
    """Say what was left out; under XINYI_TEST_ALL nothing may be."""
    left_out = {tool: why for tool, why in OPTIONAL.items() if shutil.which(tool) is None}
    for tool, why in left_out.items():
        print(f"left out: {why} ({tool} is not installed)")
    if not left_out:
        print("left out: nothing")
    if left_out and os.environ.get("XINYI_TEST_ALL"):
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
