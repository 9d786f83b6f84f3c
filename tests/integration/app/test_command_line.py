"""The `xinyi` command against a running sandbox, and how the gateway starts and stops."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from gateway.cli import main
from tests.support.his import people, ward
from tests.support.sandbox import Town, eventually


def test_check_tells_a_line_each_and_its_exit_code(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(town.place.config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for subject in ("settings", "refusal codes", "profiles", "calendar", "vault key", "database", "counterpart bocom"):
        assert any(subject in line and line.startswith("ok") for line in lines), subject


def test_check_fails_on_what_is_missing(town: Town, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = town.place.config.read_text("utf-8")
    broken = tmp_path / "broken.toml"
    port = town.place.ports["bank"]
    broken.write_text(text.replace(f":{port}", ":1").replace("vault.key", "no-such.key"), "utf-8")
    assert main(["check", "--config", str(broken)]) == 1
    out = capsys.readouterr().out
    assert "FAIL counterpart bocom" in out
    assert "FAIL vault key" in out


def test_migrating_again_changes_nothing(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--config", str(town.place.config)]) == 0
    assert "0001 -> 0001" in capsys.readouterr().out


def test_settings_that_cannot_be_used_are_exit_code_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.toml").write_text("nothing = 1")
    assert main(["serve", "--config", str(tmp_path / "x.toml")]) == 2
    assert "nothing" in capsys.readouterr().err


async def test_a_stopped_gateway_finishes_what_runs_and_loses_nothing(town: Town) -> None:
    async with ward(town) as at:
        encounter = await at.fees(people("4305")[0])
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        await town.fault(at.session, "platform", operation="2207", nth=1, kind="delay_before", seconds=2)
        call = asyncio.create_task(at.post(message.body))
        await asyncio.sleep(0.5)
        gateway = town.sandbox._children["gateway"]
        assert gateway.pid is not None
        os.kill(gateway.pid, signal.SIGTERM)
        await asyncio.sleep(0.3)
        with suppress(aiohttp.ClientError):  # the port may be closed already
            async with at.session.get(f"{town.gateway}/health/ready") as answer:
                assert answer.status == 503
        _, body, _ = await call
        assert str(body["infcode"]) == "0"
        await eventually(lambda: not gateway.running)
        await town.doing(town.sandbox.restart_gateway())
        _, again, headers = await at.post(message.body)
        assert headers["Idempotency-Replayed"] == "true"
        assert again == body
    with sqlite3.connect(town.place.data / "xinyi.db") as journal:
        assert journal.execute("PRAGMA synchronous").fetchone()
        assert journal.execute("PRAGMA journal_mode").fetchone() == ("wal",)
