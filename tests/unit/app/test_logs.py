"""Logs are JSON lines without personal data."""

from __future__ import annotations

import json

import pytest
import structlog

from gateway import logs


def test_a_line_is_json_and_masks_what_looks_personal(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        structlog.get_logger("t").info("answered", exchange_id="X1", text="身份证 430502197607190113 手机 13812345678")
        line = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    finally:
        structlog.reset_defaults()
    assert line["exchange_id"] == "X1"
    assert "430502197607190113" not in line["text"]
    assert "13812345678" not in line["text"]
    assert line["text"].startswith("身份证 430502")
