"""Deposits held, captured, voided and lapsed at the bank (D.3; acceptance 33)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.simulators.bank_harness import ACCOUNTS, HOSPITAL, Client, running


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Client]:
    async with running(tmp_path) as (client, _, _sim):
        yield client


async def test_a_deposit_is_held_and_no_money_moves(bank: Client) -> None:
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 300_000)
    assert (held["Status"], held["HeldFen"], held["CreditAvailableFen"]) == ("ACCP", 300_000, 700_000)
    assert held["ExpiresAt"] == datetime.fromisoformat("2025-04-02T08:00:00+08:00")
    assert await bank.balance(HOSPITAL) == 0
    assert (await bank.hold("P0000002", number, 700_001))["ReasonCode"] == "AM14"


async def test_captured_in_part_the_rest_is_released(bank: Client) -> None:
    """Cash 2,650.00 of a hold of 3,000.00: capture 2,650.00, release 350.00, available 7,350.00."""
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 300_000)
    done = await bank.complete("K0000001", held, 265_000)
    assert (done["Status"], done["CapturedFen"], done["ReleasedFen"]) == ("ACSC", 265_000, 35_000)
    assert await bank.available(number) == 735_000
    assert await bank.balance(HOSPITAL) == 265_000
    assert (await bank.complete("K0000002", held, 1))["ReasonCode"] == "PTNA"
    assert (await bank.void("V0000001", held, 35_000))["ReasonCode"] == "PTNA"


async def test_more_than_is_held_is_never_captured(bank: Client) -> None:
    held = await bank.hold("P0000001", await bank.agreement(), 300_000)
    assert (await bank.complete("K0000001", held, 300_001))["ReasonCode"] == "AM02"
    assert (await bank.complete("K0000002", held, 300_000))["ReleasedFen"] == 0


async def test_what_is_not_final_stays_held_until_voided(bank: Client) -> None:
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 300_000)
    assert (await bank.complete("K0000001", held, 100_000, Final=False))["ReleasedFen"] == 0
    assert await bank.available(number) == 700_000
    assert (await bank.complete("K0000002", held, 1))["ReasonCode"] == "PTNA"
    assert (await bank.void("V0000001", held, 300_000))["ReasonCode"] == "AM09"
    assert (await bank.void("V0000002", held, 200_000))["ReleasedFen"] == 200_000
    assert await bank.available(number) == 900_000


async def test_voiding_is_whole_or_not_at_all(bank: Client) -> None:
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 300_000)
    assert (await bank.void("V0000001", held, 299_999))["ReasonCode"] == "AM09"
    answer = await bank.void("V0000002", held, 300_000)
    assert (answer["Status"], answer["ReleasedFen"]) == ("CANC", 300_000)
    assert (await bank.void("V0000003", held, 300_000))["ReasonCode"] == "PTNA"
    assert await bank.available(number) == 1_000_000


async def test_a_deposit_lapses_by_itself(bank: Client) -> None:
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 300_000)
    bank.set_clock("2025-04-02T08:00:01+08:00")
    assert (await bank.complete("K0000001", held, 1))["ReasonCode"] == "PTNA"
    for _ in range(50):
        if await bank.effects("HoldExpiry"):
            break
        await asyncio.sleep(0.02)
    assert [effect["amount_fen"] for effect in await bank.effects("HoldExpiry")] == [300_000]
    assert await bank.available(number) == 1_000_000


async def test_by_the_line_s_number_and_without_a_named_payee(bank: Client) -> None:
    await bank.agreement()
    line = (await bank.get("lines"))["lines"].popitem()[1]["line_no"]
    fields = {"Serial": "P0000001", "CreditLineNo": line, "AmountFen": 500, "AdmissionNo": "A", "ValidDays": 1}
    held = await bank.call("PreAuthorise", **fields)
    assert held["Status"] == "ACCP"
    assert (await bank.complete("K0000001", held, 500))["Status"] == "ACSC"
    assert await bank.balance("XINYI") == 500
    assert (await bank.call("PreAuthorise", **{**fields, "Serial": "P0000002", "CreditLineNo": "CL404"}))[
        "ReasonCode"
    ] == "MD01"


async def test_the_completion_may_name_the_payee(bank: Client) -> None:
    held = await bank.hold("P0000001", await bank.agreement(), 500)
    other = ACCOUNTS["H43050000002"]
    await bank.complete("K0000001", held, 500, PayeeAccount=other)
    assert (await bank.balance(HOSPITAL), await bank.balance("H43050000002")) == (0, 500)


async def test_a_hold_is_named_by_its_own_serial(bank: Client) -> None:
    held = await bank.hold("P0000001", await bank.agreement(), 500)
    assert (await bank.complete("K0000001", held, 1, OrigSerial="P0000404"))["ReasonCode"] == "NOOR"


async def test_a_capture_can_be_refunded(bank: Client) -> None:
    number = await bank.agreement()
    await bank.complete("K0000001", await bank.hold("P0000001", number, 500), 300)
    assert (await bank.refund("R0000001", "P0000001", 100, 500))["ReasonCode"] == "NOOR"
    assert (await bank.refund("R0000002", "K0000001", 300, 300))["Status"] == "RVSD"
    assert await bank.available(number) == 1_000_000


async def test_a_question_finds_the_number_a_lost_answer_held(bank: Client) -> None:
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 500)
    asked = await bank.transaction("P0000001", "PreAuthorise")
    assert (asked["OrigStatus"], asked["PreAuthNo"], asked["HeldFen"]) == ("ACCP", held["PreAuthNo"], 500)
    assert asked["ExpiresAt"] == held["ExpiresAt"]
    await bank.complete("K0000001", held, 300)
    asked = await bank.transaction("K0000001", "CompletePreAuthorisation")
    assert (asked["OrigAmountFen"], asked["CapturedFen"], asked["ReleasedFen"], asked["HeldFen"]) == (300, 300, 200, 0)
