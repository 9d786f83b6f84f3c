"""E-receipts: every row of D.7, and the invariants R1–R4."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.flows import bank_inbound
from gateway.flows.payout.receipts import take_receipt
from gateway.journal.entities import Act
from gateway.model import bank as words
from gateway.model.bank import BankStatus
from gateway.model.refusals import Refusal
from tests.support.payouts import ONE, TWO, Area, an_exchange, open_area

ACT = Act("bank:bocom")


async def sent(area: Area) -> str:
    """One order of 600.00 sent on 03-04 without a receipt; returns its number."""
    area.bank.issue = False
    await area.settle("A", "1000.00", "2025-03-03")
    await area.at("2025-03-04 09:00")
    await area.pay("2025-03-03")
    await area.at("2025-03-04 09:30")
    return str((await area.order("2025-03-03"))["pay_order_no"])


async def push(area: Area, receipt: words.Receipt, notify_no: str = "N1") -> str:
    """DeliverReceipt through the flow of the bank's door; returns the ack."""
    message = words.DeliverReceipt(msg_id="M1", notify_no=notify_no, receipt=receipt)
    body = orjson.dumps({"bank": "bocom", "message": message.model_dump(mode="json", context={"reveal": True})})
    reply = await bank_inbound.FLOWS["bank.receipt"](area.house, an_exchange("X9"), body)
    return str(orjson.loads(reply.body)["ack"])


async def receipts(area: Area, **query: str) -> list[dict[str, Any]]:
    """GET /v1/receipts."""
    return list((await area.call("GET", "/v1/receipts", **query)).resource["items"])


async def test_a_matching_receipt_proves_its_order_and_is_kept_encrypted(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        receipt = area.bank.receipt_for(order_no, number="R1")
        assert await push(area, receipt) == "OK"
        order = await area.order("2025-03-03")
        assert (order["state"], order["receipt_no"], order["paid_amt"]) == ("PAID", "R1", "600.00")
        assert [item["state"] for item in order["items"]] == ["PAID"]
        (shown,) = await receipts(area, pay_order_no=order_no)
        assert (shown["state"], shown["amount"], shown["payer"]["acct_no"]) == ("MATCHED", "600.00", "****0001")
        entity = await area.house.journal.entities.first("receipt", "receipt_no = 'R1'")
        assert entity is not None
        assert await area.house.journal.bodies.get(entity["body_id"]) == receipt.content
        raw = await area.house.journal.store.rows("SELECT content FROM body")
        assert all(receipt.content not in bytes(row["content"]) for row in raw)


@pytest.mark.parametrize("spoilt", ["sha256", "sm3"])
async def test_wrong_digest_is_refused_and_the_right_copy_still_counts(tmp_path: Path, spoilt: str) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        receipt = area.bank.receipt_for(order_no, number="R1")
        wrong = receipt.model_copy(update={spoilt: "0" * 64})
        assert await push(area, wrong) == "MISMATCH"
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"
        assert await area.tasks() == ["RECEIPT_QUARANTINED"]
        assert await push(area, receipt) == "OK"
        assert (await area.order("2025-03-03"))["state"] == "PAID"
        assert sorted(row["state"] for row in await receipts(area)) == ["MATCHED", "REFUSED"]


@pytest.mark.parametrize(
    ("differs", "field"),
    [
        ({"amount_fen": 59_999}, "amount"),
        ({"payer": "6222064099999999"}, "payer"),
        ({"booking": date(2025, 3, 3)}, "booking_date"),
        ({"booking": date(2025, 3, 7)}, "booking_date"),
    ],
)
async def test_what_differs_waits_for_two_persons(tmp_path: Path, differs: dict[str, Any], field: str) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        assert await push(area, area.bank.receipt_for(order_no, number="R1", **differs)) == "MISMATCH"
        (shown,) = await receipts(area)
        assert (shown["state"], shown["differences"]) == ("MISMATCH", [field])
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"
        assert await area.tasks() == ["RECEIPT_QUARANTINED"]


async def test_the_booking_window_is_two_working_days(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        assert await push(area, area.bank.receipt_for(order_no, booking=date(2025, 3, 6))) == "OK"
        assert (await area.order("2025-03-03"))["booking_date"] == "2025-03-06"


async def test_a_receipt_without_an_order_is_an_orphan(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        orphan = area.bank.receipt_for(order_no, number="R1").model_copy(
            update={"orig_serial": "NOBODY", "postscript": ""}
        )
        assert await push(area, orphan) == "OK"
        (shown,) = await receipts(area)
        assert (shown["state"], shown["pay_order_no"]) == ("ORPHAN", None)
        body = {"decision": "accept_actual", "reason": "查实为本单"}
        with pytest.raises(Refusal, match="INVALID_FIELD"):
            await area.call("POST", "/v1/receipts/R1/decisions", body, role="operator")
        named = {**body, "pay_order_no": order_no}
        assert (await area.call("POST", "/v1/receipts/R1/decisions", named, role="operator")).status == 202
        done = await area.call("POST", "/v1/receipts/R1/decisions", named, role="approver")
        assert done.resource["state"] == "ACCEPTED_ACTUAL"
        assert (await area.order("2025-03-03"))["state"] == "PAID"


async def test_an_order_never_sent_is_proven_by_nothing(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        order_no = (await area.order("2025-03-03"))["pay_order_no"]
        area.bank.orders[order_no] = words.PayoutRecord(
            record_no=1, rec_serial=order_no, payee=area.house.hospital(ONE).account, amount_fen=60_000,
            hospital_code=ONE, purpose="",
        )  # fmt: skip
        await push(area, area.bank.receipt_for(order_no))
        assert [row["state"] for row in await receipts(area)] == ["ORPHAN"]
        assert (await area.order("2025-03-03"))["state"] == "IN_SUMMARY"


async def test_r1_a_second_receipt_for_a_proven_order_is_suspect(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        await push(area, area.bank.receipt_for(order_no, number="R1"))
        await push(area, area.bank.receipt_for(order_no, number="R2"))
        assert {row["receipt_no"]: row["state"] for row in await receipts(area)} == {
            "R1": "MATCHED", "R2": "DUPLICATE_SUSPECT",
        }  # fmt: skip
        body = {"decision": "accept_actual", "reason": "?"}
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.call("POST", "/v1/receipts/R2/decisions", body, role="operator")
        reject = {"decision": "reject", "reason": "重复"}
        await area.call("POST", "/v1/receipts/R2/decisions", reject, role="operator")
        done = await area.call("POST", "/v1/receipts/R2/decisions", reject, role="preparer")
        assert done.resource["state"] == "REJECTED"
        assert await area.tasks() == []


async def test_the_same_receipt_again_is_counted_and_nothing_more(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        receipt = area.bank.receipt_for(order_no, number="R1")
        await push(area, receipt)
        await push(area, receipt.model_copy(update={"verify_code": "ANOTHER"}), "N2")
        (shown,) = await receipts(area)
        assert (shown["state"], shown["repeats"]) == ("MATCHED", 1)
        assert (await area.order("2025-03-03"))["state"] == "PAID"


async def test_other_content_under_a_known_number_is_kept_beside_it_and_a_person_called(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        await push(area, area.bank.receipt_for(order_no, number="R1"))
        assert await push(area, area.bank.receipt_for(order_no, number="R1", content=b"<other/>")) == "MISMATCH"
        shown = await receipts(area)
        assert sorted(row["state"] for row in shown) == ["MATCHED", "MISMATCH"]
        assert await area.tasks() == ["RECEIPT_QUARANTINED"]
        assert (await area.order("2025-03-03"))["receipt_no"] == "R1"


async def test_a_different_decision_by_the_second_person_decides_nothing(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        await push(area, area.bank.receipt_for(order_no, number="R1", amount_fen=1))
        accept, reject = ({"decision": word, "reason": "x"} for word in ("accept_actual", "reject"))
        await area.call("POST", "/v1/receipts/R1/decisions", accept, role="operator")
        assert (await area.call("POST", "/v1/receipts/R1/decisions", reject, role="approver")).status == 202
        done = await area.call("POST", "/v1/receipts/R1/decisions", reject, role="preparer")
        assert (done.resource["state"], len(done.resource["decisions"])) == ("REJECTED", 3)
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.call("POST", "/v1/receipts/R1/decisions", accept, role="approver")


async def test_receipts_are_fetched_hourly_for_whatever_has_none(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        area.bank.receipts[order_no] = area.bank.receipt_for(order_no)
        await area.at("2025-03-04 09:59")
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"
        await area.at("2025-03-04 10:10")
        assert (await area.order("2025-03-03"))["state"] == "PAID"


async def test_status_failed_with_a_receipt_at_the_close_is_paid(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.reject.add(ONE)
        order_no = await sent(area)
        assert (await area.order("2025-03-03"))["state"] == "STATUS_FAIL"
        await area.at("2025-03-04 19:59")
        area.bank.receipts[order_no] = area.bank.receipt_for(order_no)
        await area.at("2025-03-04 20:01")
        assert (await area.order("2025-03-03"))["state"] == "PAID"


async def test_money_back_after_the_receipt(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        await push(area, area.bank.receipt_for(order_no, number="R1"))
        area.bank.set_status(order_no, BankStatus.ACSC, area.clock.now())
        assert await notice(area, "PAYOUT_RETURN", order_no, "T-BACK") == "OK"
        await area.at("2025-03-04 09:31")
        assert (await area.order("2025-03-03"))["state"] == "RETURNED"
        (shown,) = await receipts(area)
        assert shown["state"] == "RETURN_MATCHED"
        await push(area, area.bank.receipt_for(order_no, number="R2"), "N2")
        assert (await area.order("2025-03-03"))["state"] == "RETURNED"


async def test_money_back_before_the_receipt_is_remembered(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        order_no = await sent(area)
        area.bank.set_status(order_no, BankStatus.ACSC, area.clock.now())
        await notice(area, "PAYOUT_RETURN", order_no, "T-BACK")
        await area.at("2025-03-04 09:31")
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"
        await push(area, area.bank.receipt_for(order_no, number="R1"))
        assert (await area.order("2025-03-03"))["state"] == "RETURNED"
        assert [row["state"] for row in await receipts(area)] == ["RETURN_MATCHED"]


async def notice(area: Area, event: str, serial: str, txn: str, status: BankStatus = BankStatus.ACSC) -> str:
    """NotifyTransaction through the flow of the bank's door; returns the ack."""
    message = words.NotifyTransaction(
        msg_id="M", notify_no=f"N-{txn}-{status}", event_type=event, orig_serial=serial, bank_txn_no=txn,
        status=status, occurred_at=area.clock.now(),
    )  # fmt: skip
    body = orjson.dumps({"bank": "bocom", "message": message.model_dump(mode="json", context={"reveal": True})})
    reply = await bank_inbound.FLOWS["bank.notify"](area.house, an_exchange("X8"), body)
    return str(orjson.loads(reply.body)["ack"])


async def test_a_notice_is_not_believed_but_makes_us_ask(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.bank.keep_open = True
        order_no = await sent(area)
        asked = area.wire.count("QueryPayoutBatch")
        await notice(area, "PAYOUT_RECORD", order_no, "T1")
        await area.at("2025-03-04 09:30:01")
        assert area.wire.count("QueryPayoutBatch") == asked + 1
        assert (await area.order("2025-03-03"))["state"] == "SUBMITTED"
        area.bank.set_status(order_no, BankStatus.ACSC)
        assert await notice(area, "PAYOUT_RECORD", order_no, "T1") == "OK"
        await area.at("2025-03-04 09:30:02")
        assert area.wire.count("QueryPayoutBatch") == asked + 1
        await notice(area, "PAYOUT_RECORD", order_no, "T2")
        await area.at("2025-03-04 09:30:03")
        assert (await area.order("2025-03-03"))["state"] == "STATUS_OK"


async def test_an_event_about_an_unknown_serial_is_stored_acked_and_raised(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        assert await notice(area, "PAYOUT_RECORD", "NOBODY", "T9") == "OK"
        assert await notice(area, "WITHHOLD", "NOBODY2", "T10") == "OK"
        assert await area.tasks() == ["BANK_EVENT_UNKNOWN", "BANK_EVENT_UNKNOWN"]
        rows = await area.house.journal.store.rows("SELECT known FROM bank_event")
        assert [row["known"] for row in rows] == [0, 0]


async def test_other_events_go_to_whoever_registered_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    async def listener(_house: Any, bank: str, event: words.NotifyTransaction, exchange_id: str) -> bool:
        heard.append((bank, event.event_type, exchange_id))
        return True

    monkeypatch.setitem(bank_inbound.EVENTS, "REPAYMENT", listener)
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        assert await notice(area, "REPAYMENT", "", "T1") == "OK"
        assert heard == [("bocom", "REPAYMENT", "X8")]
        assert await area.tasks() == []


async def test_r2_every_paid_order_has_exactly_one_live_receipt(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.settle("B", "2000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 09:00")
        await area.pay("2025-03-03")
        await area.at("2025-03-04 12:00")
        for order in (await area.summary("2025-03-03"))["orders"]:
            await take_receipt(area.house, "bocom", area.bank.receipt_for(order["pay_order_no"], number="X"), ACT)
        rows = await area.house.journal.store.rows(
            "SELECT o.id, COUNT(r.id) AS n FROM payout_order o LEFT JOIN receipt r ON r.proves = o.id "
            "WHERE o.state = 'PAID' GROUP BY o.id"
        )
        assert [row["n"] for row in rows] == [1, 1]
