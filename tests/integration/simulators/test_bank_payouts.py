"""Payout batches, money that comes back, e-receipts and their controls at the bank (D.6, D.7, R-122, R-123)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.integration.simulators.bank_harness import (
    ACCOUNTS,
    AGENCY,
    Client,
    Gateway,
    later,
    record,
    running,
    sha256,
    sm3,
)

FIRST, SECOND = "H64000100001", "H64000100002"


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Client, Gateway]]:
    async with running(tmp_path) as (client, gateway, _):
        yield client, gateway


@pytest.fixture
async def bank(both: tuple[Client, Gateway]) -> Client:
    return both[0]


def refused(answer: dict[str, Any]) -> str:
    assert answer["BatchStatus"] == "RJCT"
    return str(answer["ReasonCode"])


async def states(bank: Client, batch: str = "BATCH0000001", **change: Any) -> list[tuple[str, str, str | None]]:
    answer = await bank.batch_state(batch, **change)
    return [(row["RecSerial"], row["Status"], row["ReasonCode"]) for row in answer["Records"]["Record"]]


async def test_two_hospitals_are_paid(bank: Client) -> None:
    answer = await bank.payout(
        "BATCH0000001", record(1, "PO00000001", 60_000), record(2, "PO00000002", 120_000, SECOND)
    )
    assert (answer["BatchStatus"], answer["AcceptedCount"], answer["AcceptedFen"]) == ("ACCP", 2, 180_000)
    assert (await bank.balance(FIRST), await bank.balance(SECOND)) == (60_000, 120_000)
    assert await bank.balance("640000-01") == 1_000_000_000_000 - 180_000
    effects = await bank.effects("SubmitPayoutBatch")
    assert [(e["key"], e["amount_fen"], e["party"]) for e in effects] == [
        ("PO00000001", 60_000, FIRST),
        ("PO00000002", 120_000, SECOND),
    ]
    state = await bank.batch_state("BATCH0000001")
    assert (state["BatchStatus"], state["TotalCount"], state["TotalFen"]) == ("ACSC", 2, 180_000)
    assert state["Totals"]["Total"] == [{"Status": "ACSC", "Count": 2, "SumFen": 180_000}]
    assert state["Records"]["Record"][0]["BookingDate"] == date(2025, 3, 3)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TotalCount": 3}, "AM10"),
        ({"TotalFen": 180_001}, "AM10"),
        ({"DigestSm3": "0" * 64}, "FF01"),
        ({"BizDate": "2025-03-04"}, "FF01"),
        ({"PayerAccount": ACCOUNTS[FIRST]}, "FF01"),
        ({"PayerAccount": {**AGENCY, "AcctName": "别的户名"}}, "BE01"),
    ],
)
async def test_a_batch_that_contradicts_itself_books_nothing(bank: Client, change: dict[str, Any], code: str) -> None:
    records = (record(1, "PO00000001", 60_000), record(2, "PO00000002", 120_000, SECOND))
    assert refused(await bank.payout("BATCH0000001", *records, **change)) == code
    assert await bank.effects() == []
    state = await bank.batch_state("BATCH0000001")
    assert (state["QueryResult"], state["BatchStatus"], state["ReasonCode"]) == ("FOUND", "RJCT", code)


async def test_an_order_is_paid_once_whatever_batch_it_comes_in(bank: Client) -> None:
    twice = (record(1, "PO00000001", 1), record(2, "PO00000001", 1))
    assert refused(await bank.payout("BATCH0000001", *twice)) == "RF01"
    assert (await bank.payout("BATCH0000002", record(1, "PO00000001", 1)))["BatchStatus"] == "ACCP"
    again = await bank.payout("BATCH0000002", record(1, "PO00000001", 1))
    assert again["ResultHead"]["Duplicate"] is True
    assert refused(await bank.payout("BATCH0000002", record(1, "PO00000009", 1))) == "DU04"
    assert refused(await bank.payout("BATCH0000003", record(1, "PO00000002", 1), record(2, "PO00000001", 1))) == "RF01"
    assert [effect["key"] for effect in await bank.effects()] == ["PO00000001"]


async def test_a_bank_without_dedup_pays_twice(bank: Client) -> None:
    await bank.settings(dedup=False)
    for _ in range(2):
        await bank.payout("BATCH0000001", record(1, "PO00000001", 1))
    assert [effect["key"] for effect in await bank.effects()] == ["PO00000001"] * 2


async def test_a_wrong_account_is_refused_singly(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    answer = await bank.payout(
        "BATCH0000001",
        record(1, "PO00000001", 100),
        record(2, "PO00000002", 100, PayeeAccount={**ACCOUNTS[FIRST], "AcctNo": "6222000000000404"}),
        record(3, "PO00000003", 100, PayeeAccount={**ACCOUNTS[FIRST], "AcctName": "别的医院"}),
        record(4, "PO00000004", 100, PayeeAccount=ACCOUNTS[SECOND]),
        record(5, "PO00000005", 100, SECOND),
    )
    rejected = [(row["RecordNo"], row["ReasonCode"]) for row in answer["RejectedRecords"]["Record"]]
    assert (answer["BatchStatus"], rejected) == ("ACCP", [(2, "AC01"), (3, "BE01"), (4, "BE01")])
    assert (await bank.batch_state("BATCH0000001"))["BatchStatus"] == "PART"
    assert [effect["key"] for effect in await bank.effects()] == ["PO00000001", "PO00000005"]
    told = await gateway.wait("NotifyTransaction", 5)
    assert {(m["OrigSerial"], m["Status"]) for m in told if m["Status"] == "RJCT"} == {
        ("PO00000002", "RJCT"),
        ("PO00000003", "RJCT"),
        ("PO00000004", "RJCT"),
    }
    assert all((m["EventType"], m["BatchNo"]) == ("PAYOUT_RECORD", "BATCH0000001") for m in told)


async def test_a_fault_refuses_one_hospital_s_record(bank: Client) -> None:
    await bank.faults({"operation": "SubmitPayoutBatch", "kind": "reject", "record": SECOND, "code": "AC04"})
    await bank.payout("BATCH0000001", record(1, "PO00000001", 1), record(2, "PO00000002", 2, SECOND))
    assert await states(bank) == [("PO00000001", "ACSC", None), ("PO00000002", "RJCT", "AC04")]


async def test_pages_and_filter_leave_the_totals_whole(bank: Client) -> None:
    await bank.faults({"operation": "SubmitPayoutBatch", "kind": "reject", "record": SECOND})
    rows = [record(n, f"PO{n:08d}", n, SECOND if n == 3 else FIRST) for n in range(1, 6)]
    await bank.payout("BATCH0000001", *rows)
    assert [row[0] for row in await states(bank, PageNo=2, PageSize=2)] == ["PO00000003", "PO00000004"]
    only = await bank.batch_state("BATCH0000001", StatusFilter="RJCT", PageSize=2)
    assert ([row["RecSerial"] for row in only["Records"]["Record"]], only["PageCount"]) == (["PO00000003"], 1)
    assert {row["Status"]: row["Count"] for row in only["Totals"]["Total"]} == {"ACSC": 4, "RJCT": 1}


async def test_an_unknown_batch_is_not_found(bank: Client) -> None:
    assert (await bank.batch_state("BATCH0000404"))["QueryResult"] == "NOT_FOUND"


async def test_booking_may_come_later(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.settings(payout_seconds=600)
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    assert (await bank.batch_state("BATCH0000001"))["BatchStatus"] == "ACSP"
    assert (await bank.call("GetReceipt", OrigSerial="PO00000001", Format="XML"))["ReceiptStatus"] == "PREPARING"
    assert await bank.effects() == []
    bank.set_clock(later(seconds=601))
    await gateway.wait("DeliverReceipt")
    assert await states(bank) == [("PO00000001", "ACSC", None)]


async def test_two_thousand_records_in_one_batch(bank: Client) -> None:
    await bank.settings(auto_receipts=False, auto_notices="none")
    rows = [record(n, f"PO{n:08d}", 100) for n in range(1, 2001)]
    assert (await bank.payout("BATCH0000001", *rows))["AcceptedCount"] == 2000
    assert await bank.balance(FIRST) == 200_000
    assert (await bank.batch_state("BATCH0000001", PageSize=2000))["Totals"]["Total"][0]["Count"] == 2000


# -- money that comes back --------------------------------------------------------------------------------------------


async def test_money_comes_back(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    bank.set_clock(later(days=2))
    assert (await bank.control("POST", "bounce", {"pay_order_no": "PO00000001"}))[0] == 200
    row = (await bank.batch_state("BATCH0000001"))["Records"]["Record"][0]
    assert (row["Status"], row["ReturnedAt"].date()) == ("RETURNED", date(2025, 3, 5))
    assert await bank.balance(FIRST) == 0
    told = [m for m in await gateway.wait("NotifyTransaction", 2) if m["EventType"] == "PAYOUT_RETURN"]
    assert [(m["OrigSerial"], m["Status"], m["AmountFen"]) for m in told] == [("PO00000001", "RETURNED", "100")]
    assert (await bank.control("POST", "bounce", {"pay_order_no": "PO00000001"}))[0] == 409
    assert (await bank.control("POST", "bounce", {"pay_order_no": "PO00000404"}))[0] == 409
    bank.set_clock("2025-03-05T23:30:00+08:00")
    _, (_, columns, *rows) = await bank.statement("20250305")
    assert [(row[columns.index("type")], row[columns.index("direction")]) for row in rows] == [("PAYOUT_RETURN", "D")]


# -- receipts ---------------------------------------------------------------------------------------------------------


async def test_a_receipt_is_pushed_and_true(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.payout("BATCH0000001", record(1, "PO00000001", 720_001))
    receipt = (await gateway.wait("DeliverReceipt", seconds=2))[0]["Receipt"]
    assert (receipt["OrigSerial"], receipt["AmountFen"], receipt["BizType"]) == ("PO00000001", "720001", "PAYOUT")
    assert receipt["AmountInWords"] == "人民币柒仟贰佰元零壹分"
    assert (receipt["Payer"], receipt["Payee"]) == (AGENCY, ACCOUNTS[FIRST])
    content = base64.b64decode(receipt["Content"])
    assert (receipt["Sha256"], receipt["Sm3"], receipt["Size"]) == (sha256(content), sm3(content), str(len(content)))
    assert "720001" in content.decode("utf-8")
    record_ = (await bank.batch_state("BATCH0000001"))["Records"]["Record"][0]
    assert receipt["BankTxnNo"] == record_["BankTxnNo"]


async def test_asked_for_it_is_the_same_receipt(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    pushed = (await gateway.wait("DeliverReceipt"))[0]["Receipt"]
    names = {"OrigSerial": "PO00000001", "BankTxnNo": pushed["BankTxnNo"], "ReceiptNo": pushed["ReceiptNo"]}
    for name, value in names.items():
        answer = await bank.call("GetReceipt", **{name: value}, Format="PDF")
        assert answer["ReceiptStatus"] == "READY"
        got = answer["Receipt"]
        assert (got["ReceiptNo"], got["Sha256"]) == (pushed["ReceiptNo"], pushed["Sha256"])
        assert got["Content"] == base64.b64decode(pushed["Content"])
    assert (await bank.call("GetReceipt", OrigSerial="PO00000404", Format="XML"))["ReceiptStatus"] == "NONE"


async def test_no_push_where_receipts_are_only_asked_for(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.settings(auto_receipts=False)
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    await asyncio.sleep(0.6)
    assert gateway.of("DeliverReceipt") == []
    assert (await bank.call("GetReceipt", OrigSerial="PO00000001", Format="XML"))["ReceiptStatus"] == "READY"


async def test_held_back_and_released(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.control("POST", "receipts/hold", {"pay_order_no": "PO00000001"})
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100), record(2, "PO00000002", 100))
    assert [m["Receipt"]["OrigSerial"] for m in await gateway.wait("DeliverReceipt")] == ["PO00000002"]
    assert (await bank.call("GetReceipt", OrigSerial="PO00000001", Format="XML"))["ReceiptStatus"] == "PREPARING"
    await bank.control("POST", "receipts/release", {"pay_order_no": "PO00000001"})
    assert (await gateway.wait("DeliverReceipt", 2))[1]["Receipt"]["OrigSerial"] == "PO00000001"


async def test_all_held_back_until_released(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.control("POST", "receipts/hold")
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    await bank.payout("BATCH0000002", record(1, "PO00000002", 100))
    await asyncio.sleep(0.5)
    assert gateway.of("DeliverReceipt") == []
    assert (await bank.control("POST", "receipts/release"))[1] == {"receipts": 2}
    await gateway.wait("DeliverReceipt", 2)
    await bank.payout("BATCH0000003", record(1, "PO00000003", 100))
    await gateway.wait("DeliverReceipt", 3)


async def test_another_amount_on_the_receipt(both: tuple[Client, Gateway]) -> None:
    """Acceptance 20: order 9,200.01, receipt 9,200.00, digests right."""
    bank, gateway = both
    await bank.control("POST", "receipts/corrupt", {"pay_order_no": "PO00000001", "amount_fen": 920_000})
    await bank.payout("BATCH0000001", record(1, "PO00000001", 920_001))
    receipt = (await gateway.wait("DeliverReceipt"))[0]["Receipt"]
    assert (receipt["AmountFen"], receipt["AmountInWords"]) == ("920000", "人民币玖仟贰佰元整")
    assert receipt["Sha256"] == sha256(base64.b64decode(receipt["Content"]))
    await bank.control("POST", "receipts/release", {"pay_order_no": "PO00000001"})
    assert (await gateway.wait("DeliverReceipt", 2))[1]["Receipt"]["AmountFen"] == "920001"


async def test_bytes_that_do_not_fit_the_digests(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    await gateway.wait("DeliverReceipt")
    await bank.control("POST", "receipts/corrupt", {"pay_order_no": "PO00000001"})
    receipt = (await gateway.wait("DeliverReceipt", 2))[1]["Receipt"]
    content = base64.b64decode(receipt["Content"])
    assert receipt["Sha256"] != sha256(content)
    assert receipt["Sm3"] != sm3(content)


async def test_the_next_receipt_is_spoilt_where_no_order_is_named(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.control("POST", "receipts/corrupt", {"amount_fen": 99})
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100), record(2, "PO00000002", 100))
    amounts = {m["Receipt"]["OrigSerial"]: m["Receipt"]["AmountFen"] for m in await gateway.wait("DeliverReceipt", 2)}
    assert amounts == {"PO00000001": "99", "PO00000002": "100"}


async def test_a_second_receipt_for_the_same_order(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    await gateway.wait("DeliverReceipt")
    await bank.control("POST", "receipts/duplicate", {"pay_order_no": "PO00000001"})
    first, second = [m["Receipt"] for m in await gateway.wait("DeliverReceipt", 2)]
    assert first["ReceiptNo"] != second["ReceiptNo"]
    assert (first["BankTxnNo"], first["AmountFen"]) == (second["BankTxnNo"], second["AmountFen"])


async def test_the_same_push_twice_and_a_late_one(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    await bank.faults({"operation": "DeliverReceipt", "kind": "duplicate_push", "nth": 1},
                      {"operation": "DeliverReceipt", "kind": "late_push", "nth": 2, "seconds": 3600})  # fmt: skip
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100), record(2, "PO00000002", 100))
    twice = await gateway.wait("DeliverReceipt", 2)
    assert {m["Receipt"]["OrigSerial"] for m in twice} == {"PO00000001"}
    assert len({m["NotifyNo"] for m in twice}) == 1
    assert len({m["Header"]["MsgId"] for m in twice}) == 2
    bank.set_clock(later(seconds=3601))
    assert (await gateway.wait("DeliverReceipt", 3))[2]["Receipt"]["OrigSerial"] == "PO00000002"


async def test_a_receipt_is_pushed_until_it_is_taken(both: tuple[Client, Gateway]) -> None:
    bank, gateway = both
    gateway.acks["DeliverReceipt"] = ""
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    await gateway.wait("DeliverReceipt")
    gateway.acks["DeliverReceipt"] = "MISMATCH"
    await gateway.wait("DeliverReceipt", 2)
    await asyncio.sleep(1.2)
    assert len(gateway.of("DeliverReceipt")) == 2
    assert (await bank.get("receipts"))["receipts"][0]["state"] == "DELIVERED"


async def test_a_notice_is_repeated_after_one_two_and_four_minutes_until_acknowledged(
    both: tuple[Client, Gateway],
) -> None:
    bank, gateway = both
    gateway.acks["NotifyTransaction"] = "RETRY"
    await bank.settings(auto_receipts=False)
    await bank.payout("BATCH0000001", record(1, "PO00000001", 100))
    await gateway.wait("NotifyTransaction")
    for count, minute in ((2, 1), (3, 3), (4, 7)):
        bank.set_clock(later(minutes=minute, seconds=-1))
        await asyncio.sleep(0.3)
        assert len(gateway.of("NotifyTransaction")) == count - 1
        bank.set_clock(later(minutes=minute, seconds=5))
        await gateway.wait("NotifyTransaction", count)
        bank.set_clock(later(minutes=minute))
    gateway.acks["NotifyTransaction"] = "OK"
    bank.set_clock(later(minutes=20))
    told = await gateway.wait("NotifyTransaction", 5)
    assert [m["Attempt"] for m in told] == ["1", "2", "3", "4", "5"]
    assert (len({m["NotifyNo"] for m in told}), len({m["Header"]["MsgId"] for m in told})) == (1, 5)
    bank.set_clock(later(days=1))
    await asyncio.sleep(0.3)
    assert len(gateway.of("NotifyTransaction")) == 5
