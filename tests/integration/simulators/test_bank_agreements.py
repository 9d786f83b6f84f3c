"""Signing, cancelling and asking after agreements at the bank, driven by zeep from the WSDL (D.1, R-011)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.integration.simulators.bank_harness import CERTNO, HOSPITAL, Client, Gateway, later, running


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Client, Gateway]]:
    async with running(tmp_path) as (client, gateway, _):
        yield client, gateway


@pytest.fixture
async def bank(both: tuple[Client, Gateway]) -> Client:
    return both[0]


async def test_an_unknown_person_is_offered_the_default_line(bank: Client) -> None:
    answer = await bank.sign()
    assert answer["AgreementStatus"] == "ACTV"
    assert (answer["CreditLimitFen"], answer["ValidTo"], answer["FreeDays"]) == (800_000, date(2025, 12, 31), 50)
    assert [effect["operation"] for effect in await bank.effects()] == ["SignAgreement"]


async def test_the_line_is_what_the_bank_was_told_to_grant(bank: Client) -> None:
    line = {"limit": "12000.00", "valid_to": "2026-06-30", "free_days": 56, "decision": "offer"}
    await bank.control("PUT", "lines", {CERTNO: line})
    answer = await bank.sign(ValidTo=date(2026, 12, 31))
    assert (answer["CreditLimitFen"], answer["ValidTo"], answer["FreeDays"]) == (1_200_000, date(2026, 6, 30), 56)


async def test_the_agreement_ends_when_the_mandate_does(bank: Client) -> None:
    assert (await bank.sign(ValidTo=date(2025, 3, 31)))["ValidTo"] == date(2025, 3, 31)
    bank.set_clock("2025-04-01T00:00:00+08:00")
    state = await bank.call("QueryAgreement", SignSerial="SIGN00000001")
    assert state["AgreementStatus"] == "EXPI"
    refused = await bank.withhold("W0000001", state["AgreementNo"], 100)
    assert (refused["Status"], refused["ReasonCode"]) == ("RJCT", "MD01")


async def test_declined_is_refused_and_stays_known_under_its_serial(bank: Client) -> None:
    await bank.control("PUT", "lines", {CERTNO: {"decision": "decline"}})
    answer = await bank.sign()
    assert (answer["AgreementStatus"], answer["ReasonCode"], answer["NeedSms"]) == ("RJCT", "NARR", False)
    state = await bank.call("QueryAgreement", SignSerial="SIGN00000001")
    assert (state["QueryResult"], state["AgreementStatus"]) == ("FOUND", "RJCT")
    assert await bank.effects() == []


async def test_two_steps_where_the_bank_wants_a_code(bank: Client) -> None:
    await bank.settings(needs_sms=True)
    first = await bank.sign()
    assert (first["AgreementStatus"], first["NeedSms"]) == ("PDNG", True)
    assert await bank.effects() == []
    wrong = await bank.sign("SIGN00000002", SmsToken="111111")
    assert (wrong["AgreementStatus"], wrong["NeedSms"]) == ("RJCT", True)
    right = await bank.sign("SIGN00000003", PendingAgreementNo=first["AgreementNo"], SmsToken="000000")
    assert (right["AgreementStatus"], right["AgreementNo"]) == ("ACTV", first["AgreementNo"])
    for serial in ("SIGN00000001", "SIGN00000002", "SIGN00000003"):
        assert (await bank.call("QueryAgreement", SignSerial=serial))["AgreementStatus"] == "ACTV"


async def test_three_wrong_codes_end_the_signing(bank: Client) -> None:
    await bank.settings(needs_sms=True)
    await bank.sign()
    for number in (2, 3, 4):
        await bank.sign(f"SIGN0000000{number}", SmsToken="111111")
    assert (await bank.sign("SIGN00000005", SmsToken="000000"))["AgreementStatus"] == "RJCT"


async def test_a_code_nobody_was_sent_signs_nothing(bank: Client) -> None:
    await bank.settings(needs_sms=True)
    assert (await bank.sign(SmsToken="000000"))["ReasonCode"] == "MD01"


async def test_one_live_agreement_per_person_and_payee(bank: Client) -> None:
    await bank.sign()
    second = await bank.sign("SIGN00000002")
    assert (second["AgreementStatus"], second["ReasonCode"]) == ("RJCT", "DUPL")


async def test_a_repeated_signing_is_the_stored_answer(bank: Client) -> None:
    first, again = await bank.sign(), await bank.sign()
    assert again["ResultHead"]["Duplicate"] is True
    assert again["AgreementNo"] == first["AgreementNo"]
    other = await bank.sign(AgreementType="WITHHOLD")
    assert (other["AgreementStatus"], other["ReasonCode"]) == ("RJCT", "DU04")
    assert len(await bank.effects()) == 1


async def test_asking_by_number_by_person_and_by_serial(bank: Client) -> None:
    number = await bank.agreement()
    await bank.withhold("W0000001", number, 320_000)
    await bank.hold("P0000001", number, 60_000)
    by_person = {"PayerIdNo": CERTNO, "PayeeId": "XINYI"}
    for asked in ({"AgreementNo": number}, by_person, {"SignSerial": f"SIGN{CERTNO}"}):
        state = await bank.call("QueryAgreement", **asked)
        assert (state["AgreementNo"], state["AgreementStatus"]) == (number, "ACTV")
        assert (state["CreditLimitFen"], state["UsedFen"], state["HeldFen"]) == (1_000_000, 320_000, 60_000)
        assert (state["CreditAvailableFen"], state["UsedTodayFen"]) == (620_000, 320_000)
    assert (await bank.call("QueryAgreement", AgreementNo="AG404"))["QueryResult"] == "NOT_FOUND"
    assert (await bank.call("QueryAgreement", SignSerial="SIGN00000404"))["QueryResult"] == "NOT_FOUND"


async def test_no_cancelling_with_debt_or_a_deposit(bank: Client) -> None:
    number = await bank.agreement()
    await bank.withhold("W0000001", number, 100)
    debt = await bank.call("CancelAgreement", Serial="C0000001", AgreementNo=number, Reason="MD16")
    assert (debt["AgreementStatus"], debt["ReasonCode"]) == ("RJCT", "NARR")
    await bank.control("POST", "repayments", {"agreement_no": number, "amount": "1.00", "channel": "WECHAT"})
    done = await bank.call("CancelAgreement", Serial="C0000002", AgreementNo=number, Reason="MD16")
    assert done["AgreementStatus"] == "CANC"
    gone = await bank.call("CancelAgreement", Serial="C0000003", AgreementNo=number, Reason="MD16")
    assert (gone["AgreementStatus"], gone["ReasonCode"]) == ("RJCT", "MD01")
    assert (await bank.sign("SIGN00000009"))["AgreementStatus"] == "ACTV"


async def test_suspended_and_resumed_with_a_notice(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    number = await bank.agreement()
    await bank.control("POST", "agreements/suspend", {"agreement_no": number})
    assert (await bank.withhold("W0000001", number, 100))["ReasonCode"] == "AC06"
    await bank.control("POST", "agreements/resume", {"agreement_no": number})
    assert (await bank.withhold("W0000002", number, 100))["Status"] == "ACSC"
    told = await gateway.wait("NotifyTransaction", 2)
    assert {(message["EventType"], message["Status"]) for message in told} == {
        ("AGREEMENT", "SUSP"),
        ("AGREEMENT", "ACTV"),
    }
    assert (await bank.control("POST", "agreements/resume", {"agreement_no": number}))[0] == 409


async def test_a_lowered_limit_is_told_and_leaves_less_than_nothing(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    number = await bank.agreement("5000.00")
    await bank.withhold("W0000001", number, 400_000)
    await bank.control("PUT", "lines", {CERTNO: {"limit": "3000.00"}})
    told = (await gateway.wait("NotifyTransaction"))[0]
    assert (told["AgreementNo"], told["CreditLimitFen"]) == (number, "300000")
    assert (await bank.call("QueryAgreement", AgreementNo=number))["CreditAvailableFen"] == -100_000
    assert (await bank.withhold("W0000002", number, 1))["ReasonCode"] == "AM14"


async def test_the_agreement_s_own_limits_bind_too(bank: Client) -> None:
    limits: dict[str, Any] = {"SingleLimitFen": 100_000, "DayLimitFen": 150_000, "MonthLimitFen": 200_000}
    number = (await bank.sign(**limits))["AgreementNo"]
    assert (await bank.withhold("W0000001", number, 100_001))["ReasonCode"] == "AM14"
    assert (await bank.withhold("W0000002", number, 100_000))["Status"] == "ACSC"
    assert (await bank.withhold("W0000003", number, 50_001))["ReasonCode"] == "AM14"
    bank.set_clock(later(days=1))
    assert (await bank.withhold("W0000004", number, 100_000))["Status"] == "ACSC"
    assert (await bank.withhold("W0000005", number, 1))["ReasonCode"] == "AM14"


async def test_a_withholding_agreement_holds_no_deposit(bank: Client) -> None:
    number = (await bank.sign(AgreementType="WITHHOLD"))["AgreementNo"]
    held = await bank.hold("P0000001", number, 1)
    assert (held["Status"], held["ReasonCode"]) == ("RJCT", "AG01")


@pytest.mark.parametrize(
    "line",
    [
        {"limit": 100.5},
        {"limit": "1.001"},
        {"limit": "-1.00"},
        {"limit": "x"},
        {"valid_to": "2025"},
        {"cap": "1"},
        {"decision": "perhaps"},
        {"free_days": "50"},
        "100",
    ],
)
async def test_an_impossible_line_is_refused(bank: Client, line: object) -> None:
    assert (await bank.control("PUT", "lines", {CERTNO: line}))[0] == 422
    assert (await bank.get("lines")) == {"lines": {}}


async def test_state_survives_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as (bank, _, _sim):
        number = await bank.agreement()
        await bank.withhold("W0000001", number, 123)
    async with running(tmp_path) as (bank, _, _sim):
        assert (await bank.withhold("W0000001", number, 123))["ResultHead"]["Duplicate"] is True
        state = await bank.call("QueryAgreement", AgreementNo=number)
        assert (state["UsedFen"], state["CreditLimitFen"]) == (123, 1_000_000)
        accounts = {account["owner"]: account["balance_fen"] for account in (await bank.get("accounts"))["accounts"]}
        assert accounts[HOSPITAL] == 123
