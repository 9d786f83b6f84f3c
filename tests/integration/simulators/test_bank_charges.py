"""Withholding, refund and question against a credit line at the bank (D.4; acceptance 30, 32)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.integration.simulators.bank_harness import ACCOUNTS, CERTNO, HOSPITAL, Client, Gateway, later, running


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Client, Gateway]]:
    async with running(tmp_path) as (client, gateway, _):
        yield client, gateway


@pytest.fixture
async def bank(both: tuple[Client, Gateway]) -> Client:
    return both[0]


def refused(answer: dict[str, Any]) -> str:
    assert answer["Status"] == "RJCT"
    return str(answer["ReasonCode"])


async def test_withholding_moves_money_from_the_line_to_the_hospital(bank: Client) -> None:
    number = await bank.agreement()
    answer = await bank.withhold("W0000001", number, 250_000)
    assert (answer["Status"], answer["AmountFen"], answer["CreditUsedFen"]) == ("ACSC", 250_000, 250_000)
    assert answer["BookingDate"] == date(2025, 3, 3)
    assert await bank.balance(HOSPITAL) == 250_000
    effect = (await bank.effects("Withhold"))[0]
    assert (effect["key"], effect["amount_fen"], effect["party"]) == ("W0000001", 250_000, number)
    assert effect["detail"]["payee"] == HOSPITAL


async def test_to_the_last_fen_of_the_line_and_not_one_more(bank: Client) -> None:
    """Acceptance 30: limit 5,000.00, used 3,200.00, held 600.00 → 1,200.00 ok, 1,200.01 refused, never a part of it."""
    number = await bank.agreement("5000.00")
    await bank.withhold("W0000001", number, 320_000)
    await bank.hold("P0000001", number, 60_000)
    assert refused(await bank.withhold("W0000002", number, 120_001)) == "AM14"
    assert await bank.available(number) == 120_000
    assert (await bank.withhold("W0000003", number, 120_000))["Status"] == "ACSC"
    assert refused(await bank.withhold("W0000004", number, 1)) == "AM14"
    status, answer = await bank.control("POST", "repayments", {"agreement_no": number, "amount": "500.00"})
    assert status == 200, answer
    assert await bank.available(number) == 50_000


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"AgreementNo": "AG404"}, "MD01"),
        ({"PayerName": "测试乙"}, "BE01"),
        ({"PayeeAccount": {**ACCOUNTS[HOSPITAL], "AcctNo": "6222000000000404"}}, "AC01"),
        ({"PayeeAccount": {**ACCOUNTS[HOSPITAL], "AcctName": "另一家医院"}}, "BE01"),
        ({"PayeeAccount": {**ACCOUNTS[HOSPITAL], "BankCode": "301000000000"}}, "RC01"),
        ({"RequestedDate": date(2025, 3, 4)}, "CH03"),
    ],
)
async def test_what_does_not_fit_is_refused(bank: Client, change: dict[str, Any], code: str) -> None:
    number = await bank.agreement()
    assert refused(await bank.withhold("W0000001", number, 100, **change)) == code
    assert await bank.effects("Withhold") == []
    asked = await bank.transaction("W0000001")
    assert (asked["QueryResult"], asked["OrigStatus"], asked["OrigReason"]) == ("FOUND", "RJCT", code)


async def test_a_debit_card_without_cover_is_another_refusal(bank: Client) -> None:
    await bank.control("PUT", "lines", {CERTNO: {"limit": "10.00"}})
    number = (await bank.sign(Funding="DEBIT_CARD"))["AgreementNo"]
    assert refused(await bank.withhold("W0000001", number, 1001)) == "AM04"


async def test_a_serial_debits_once(bank: Client) -> None:
    number = await bank.agreement()
    first = await bank.withhold("W0000001", number, 100)
    again = await bank.withhold("W0000001", number, 100)
    assert again["ResultHead"]["Duplicate"] is True
    assert again["ResultHead"]["BankTxnNo"] == first["ResultHead"]["BankTxnNo"]
    assert refused(await bank.withhold("W0000001", number, 101)) == "DU04"
    assert refused(await bank.withhold("W0000001", number, 100, BillNo="B-2")) == "DU04"
    assert refused(await bank.refund("W0000001", "W0000001", 100, 100)) == "DU04"
    assert len(await bank.effects("Withhold")) == 1
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "ACSC"
    verdicts = [row["verdict"] for row in (await bank.get("requests?key=W0000001"))["requests"]]
    assert verdicts == ["executed", "duplicate", "refused", "refused", "refused", "query"]


async def test_a_refusal_is_repeated_as_it_was(bank: Client) -> None:
    number = await bank.agreement("1.00")
    assert refused(await bank.withhold("W0000001", number, 200)) == "AM14"
    await bank.control("PUT", "lines", {CERTNO: {"limit": "100.00"}})
    again = await bank.withhold("W0000001", number, 200)
    assert (refused(again), again["ResultHead"]["Duplicate"]) == ("AM14", True)


async def test_the_same_serial_of_another_sender_is_another_operation(bank: Client) -> None:
    number = await bank.agreement()
    await bank.withhold("W0000001", number, 100)
    header = {**bank.header("Withhold"), "SenderId": "OTHER"}
    assert (await bank.withhold("W0000001", number, 200, Header=header))["Status"] == "ACSC"
    assert (await bank.transaction("W0000001"))["OrigAmountFen"] == 100


async def test_a_bank_without_dedup_executes_twice(bank: Client) -> None:
    """What only the gateway can prevent then."""
    await bank.settings(dedup=False)
    number = await bank.agreement()
    for _ in range(2):
        assert (await bank.withhold("W0000001", number, 100))["ResultHead"]["Duplicate"] is None
    assert [effect["key"] for effect in await bank.effects("Withhold")] == ["W0000001"] * 2
    assert await bank.balance(HOSPITAL) == 200


async def test_not_found_is_the_truth(bank: Client) -> None:
    number = await bank.agreement()
    assert (await bank.transaction("W0000404"))["QueryResult"] == "NOT_FOUND"
    done = await bank.withhold("W0000001", number, 100)
    assert (await bank.transaction("W0000001", "Refund"))["QueryResult"] == "NOT_FOUND"
    by_number = {"BankTxnNo": done["ResultHead"]["BankTxnNo"], "OrigTxCode": "Withhold"}
    assert (await bank.call("QueryTransaction", **by_number))["OrigSerial"] == "W0000001"


async def test_refunds_never_exceed_what_was_charged(bank: Client) -> None:
    number = await bank.agreement()
    charged = await bank.withhold("W0000001", number, 1000)
    part = await bank.refund("R0000001", "W0000001", 400, 1000, OrigBankTxnNo=charged["ResultHead"]["BankTxnNo"])
    assert (part["Status"], part["RefundedTotalFen"]) == ("ACSC", 400)
    asked = await bank.transaction("W0000001")
    assert (asked["OrigStatus"], asked["OrigAmountFen"], asked["RefundedFen"]) == ("ACSC", 1000, 400)
    assert refused(await bank.refund("R0000002", "W0000001", 601, 1000)) == "AM02"
    assert (await bank.refund("R0000003", "W0000001", 600, 1000))["Status"] == "ACSC"
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "RFND"
    assert refused(await bank.refund("R0000004", "W0000001", 1, 1000)) == "AM02"
    assert await bank.available(number) == 1_000_000
    assert await bank.balance(HOSPITAL) == 0


@pytest.mark.parametrize(
    ("original", "of_fen", "number", "code"),
    [("W0000404", 1000, None, "NOOR"), ("W0000001", 999, None, "AM09"), ("W0000001", 1000, "BT404", "NOOR")],
)
async def test_a_refund_names_its_original_rightly(
    bank: Client, original: str, of_fen: int, number: str | None, code: str
) -> None:
    await bank.withhold("W0000001", await bank.agreement(), 1000)
    change = {"OrigBankTxnNo": number} if number else {}
    assert refused(await bank.refund("R0000001", original, 1, of_fen, **change)) == code


async def test_the_whole_on_the_same_bank_day_is_a_reversal(bank: Client) -> None:
    await bank.withhold("W0000001", await bank.agreement(), 1000)
    bank.set_clock("2025-03-03T22:59:00+08:00")
    assert (await bank.refund("R0000001", "W0000001", 1000, 1000))["Status"] == "RVSD"
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "RVSD"
    assert (await bank.transaction("R0000001", "Refund"))["OrigStatus"] == "RVSD"


async def test_after_the_day_switch_it_is_a_refund(bank: Client) -> None:
    await bank.withhold("W0000001", await bank.agreement(), 1000)
    bank.set_clock("2025-03-03T23:00:00+08:00")
    answer = await bank.refund("R0000001", "W0000001", 1000, 1000)
    assert (answer["Status"], answer["BookingDate"]) == ("ACSC", date(2025, 3, 4))
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "RFND"


async def test_a_withholding_may_stay_open_for_a_while(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.settings(pending_seconds=60)
    number = await bank.agreement("10.00")
    answer = await bank.withhold("W0000001", number, 1000)
    assert (answer["Status"], answer["BookingDate"]) == ("PDNG", None)
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "PDNG"
    assert await bank.effects("Withhold") == []
    assert refused(await bank.withhold("W0000002", number, 1)) == "AM14"
    bank.set_clock(later(seconds=61))
    told = (await gateway.wait("NotifyTransaction"))[0]
    assert (told["EventType"], told["OrigSerial"], told["Status"]) == ("WITHHOLD", "W0000001", "ACSC")
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "ACSC"
    assert await bank.available(number) == 0


async def test_a_repayment_is_no_more_than_the_debt_and_is_told(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    number = await bank.agreement()
    await bank.withhold("W0000001", number, 1000)
    too_much = {"agreement_no": number, "amount": "10.01", "channel": "ALIPAY"}
    assert (await bank.control("POST", "repayments", too_much))[0] == 409
    paid = {"agreement_no": number, "amount": "10.00", "channel": "ALIPAY", "channel_serial": "ALI-1"}
    assert (await bank.control("POST", "repayments", paid))[0] == 200
    told = (await gateway.wait("NotifyTransaction"))[0]
    assert (told["EventType"], told["AmountFen"], told["ChannelSerial"]) == ("REPAYMENT", "1000", "ALI-1")


async def test_an_overdue_debt_is_told_with_the_bureau_s_reference(both: tuple[Client, Gateway]) -> None:
    """R-022."""
    bank, gateway = both
    number = await bank.agreement()
    _, answer = await bank.control(
        "POST", "defaults", {"agreement_no": number, "amount": "1000.00", "days_overdue": 31}
    )
    told = (await gateway.wait("NotifyTransaction"))[0]
    assert (told["EventType"], told["AmountFen"], told["DaysOverdue"]) == ("DEFAULT", "100000", "31")
    assert told["CbRef"] == answer["cb_ref"]


async def test_every_money_operation_is_told_where_it_is_asked_for(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.settings(auto_notices="all")
    number = await bank.agreement()
    await bank.withhold("W0000001", number, 1000)
    await bank.refund("R0000001", "W0000001", 1, 1000)
    assert refused(await bank.withhold("W0000002", number, 10**9)) == "AM14"
    told = await gateway.wait("NotifyTransaction", 2)
    assert {message["EventType"] for message in told} == {"WITHHOLD", "REFUND"}


async def test_the_statement_shows_every_effect_of_the_day(bank: Client) -> None:
    number = await bank.agreement()
    held = await bank.hold("P0000001", number, 300_000)
    await bank.complete("K0000001", held, 265_000)
    await bank.withhold("W0000001", number, 1000)
    await bank.refund("R0000001", "W0000001", 400, 1000)
    other = await bank.hold("P0000002", number, 500)
    await bank.void("V0000001", other, 500)
    bank.set_clock("2025-03-03T22:59:59+08:00")
    assert (await bank.statement("20250303"))[0] == 404
    bank.set_clock("2025-03-03T23:00:01+08:00")
    await bank.withhold("W0000002", number, 7)
    status, (head, columns, *rows) = await bank.statement("20250303")
    assert status == 200
    got = [[row[columns.index(name)] for name in ("type", "serial", "amount_fen", "direction")] for row in rows]
    assert got == [
        ["PREAUTH", "P0000001", "300000", "N"],
        ["COMPLETION", "K0000001", "265000", "C"],
        ["WITHHOLD", "W0000001", "1000", "C"],
        ["REFUND", "R0000001", "400", "D"],
        ["PREAUTH", "P0000002", "500", "N"],
        ["VOID", "V0000001", "500", "N"],
    ]
    assert head == ["H", "bocom", "20250303", "CNY", "6", str(300_000 + 265_000 + 1000 + 400 + 500 + 500)]
    bank.set_clock("2025-03-04T23:00:00+08:00")
    _, (head, columns, *rows) = await bank.statement("20250304")
    assert [row[columns.index("serial")] for row in rows] == ["W0000002"]
    assert (await bank.statement("20250304x"))[0] == 404


async def test_a_refund_of_what_was_repaid_leaves_a_credit_and_no_negative_debt(bank: Client) -> None:
    number = await bank.agreement()
    await bank.withhold("W0000001", number, 1000)
    await bank.control("POST", "repayments", {"agreement_no": number, "amount": "10.00"})
    assert (await bank.refund("R0000001", "W0000001", 1000, 1000))["Status"] == "RVSD"
    state = await bank.call("QueryAgreement", AgreementNo=number)
    assert (state["UsedFen"], state["CreditAvailableFen"]) == (0, 1_000_000)
    assert (await bank.withhold("W0000002", number, 1500))["CreditUsedFen"] == 500
