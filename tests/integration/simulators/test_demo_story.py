"""The demonstration itself: it balances, and one fen of a lie makes it say so and name the record."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from simulators.sandbox.children import free_base_port


async def play(data: Path, *arguments: str) -> tuple[int, str]:
    command = ["-m", "simulators", "demo", "--people", "24", "--port", str(free_base_port()), "--data", str(data)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return await process.wait(), output.decode()


@pytest.mark.timeout(180)
async def test_the_story_balances_to_the_fen(tmp_path: Path) -> None:
    code, text = await play(tmp_path)
    assert code == 0, text
    assert "hospital = platform = bank, to the fen" in text
    for word in ("over-limit reminder", "2208 refund", "NO_SECOND_PAYOUT", "the late e-receipt has arrived"):
        assert word in text


@pytest.mark.timeout(180)
async def test_a_platform_that_lies_by_one_fen_is_found_out(tmp_path: Path) -> None:
    code, text = await play(tmp_path, "--lie")
    assert code == 1
    assert "setl_id" in text
    assert "差" in text or "differences" in text
