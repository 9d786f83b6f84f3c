"""Pure parts of the payout flows: digests, numbers, pages, levels of a week, and the tables they move along."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

import pytest

from gateway.flows.payout import outcomes, requests
from gateway.flows.payout.claims import EVENTS, HELD_OUT
from gateway.flows.payout.feedback import _last_month
from gateway.flows.payout.receipts import Digests, variant_no
from gateway.flows.payout.statuses import returned_on
from gateway.flows.recon.totals import GroupKey, Totals
from gateway.handlers.feedback import month_of
from gateway.model.bank import BankStatus, PayoutRecordState
from gateway.model.machines import PAYOUT_ITEM, PAYOUT_ORDER, RECEIPT, SUMMARY
from gateway.model.refusals import Refusal

# The rows of D.6 for orders and items: (from, event, to).
ORDER_ROWS = (
    ("IN_SUMMARY", "sent", "SUBMITTED"),
    ("SUBMITTED", "not_sent", "IN_SUMMARY"),
    *((state, "success", "STATUS_OK") for state in ("SUBMITTED", "UNKNOWN")),
    *((state, "failure", "STATUS_FAIL") for state in ("SUBMITTED", "UNKNOWN")),
    ("SUBMITTED", "none", "UNKNOWN"),
    ("IN_SUMMARY", "claim_left", "CANCELLED"),
    *(
        (state, "receipt", "PAID")
        for state in ("SUBMITTED", "STATUS_OK", "STATUS_FAIL", "UNKNOWN", "RECEIPT_PENDING", "FAILED")
    ),
    ("STATUS_OK", "feedback_without_receipt", "RECEIPT_PENDING"),
    *((state, "day_closed", "FAILED") for state in ("STATUS_FAIL", "UNKNOWN")),
    ("PAID", "money_back", "RETURNED"),
)


@pytest.mark.parametrize("machine", [PAYOUT_ORDER, PAYOUT_ITEM], ids=["order", "item"])
@pytest.mark.parametrize(("state", "event", "to"), ORDER_ROWS)
def test_the_rows_of_d_6(machine, state: str, event: str, to: str) -> None:  # type: ignore[no-untyped-def]
    assert machine.after(state, event) == to


@pytest.mark.parametrize("state", ["FAILED", "RETURNED", "UNKNOWN", "STATUS_FAIL", "PAID", "SUBMITTED"])
def test_p2_nothing_that_was_sent_enters_a_summary_or_is_sent_again(state: str) -> None:
    for event in ("in_summary", "sent"):
        assert not PAYOUT_ITEM.allows(state, event)
        assert not PAYOUT_ORDER.allows(state, event)


@pytest.mark.parametrize("state", sorted({"SUBMITTED", "UNKNOWN", "STATUS_OK", "STATUS_FAIL", "FAILED"}))
@pytest.mark.parametrize("event", ["success", "failure", "none", "day_closed", "not_sent"])
def test_r3_no_status_leads_to_paid(state: str, event: str) -> None:
    assert not PAYOUT_ORDER.allows(state, event) or PAYOUT_ORDER.after(state, event) != "PAID"


def test_a_summary_is_submitted_only_from_approved_and_approved_only_from_prepared() -> None:
    assert [state for state, event in SUMMARY.rows if event == "submitted"] == ["APPROVED"]
    assert [state for state, event in SUMMARY.rows if event == "approved"] == ["PREPARED"]


def test_every_label_has_its_event() -> None:
    assert {PAYOUT_ITEM.after(None, event) for event in EVENTS.values()} == set(EVENTS)
    assert "IN_SUMMARY" not in HELD_OUT


def test_refused_and_rejected_receipts_prove_nothing() -> None:
    for state in ("REFUSED", "REJECTED"):
        assert not any(RECEIPT.allows(state, event) for event in ("matched", "accepted_actual"))


def test_digests_over_the_bytes_as_they_arrived() -> None:
    found = Digests.of(b"abc")
    assert found.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert found.sm3 == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert variant_no("HD1", found) == f"HD1~{found.sha256[:12]}"


def test_a_batch_key_tells_editions_apart() -> None:
    assert outcomes.batch_key("B1", 1) != outcomes.batch_key("B1", 2)
    assert outcomes.continuation("S1", "B1") == "payout.batch:S1.B1"


@pytest.mark.parametrize(
    ("text", "month"), [("2025-01-15", "202412"), ("2025-03-31", "202502"), ("2025-12-01", "202511")]
)
def test_the_month_before(text: str, month: str) -> None:
    assert _last_month(date.fromisoformat(text)) == month
    assert month_of(date.fromisoformat(text)) > month


@pytest.mark.parametrize(
    ("record", "day"),
    [
        ({"status": BankStatus.ACSC}, ""),
        ({"status": BankStatus.ACSC, "returned_at": datetime(2025, 3, 5, 17, 0, tzinfo=UTC)}, "2025-03-06"),
        ({"status": BankStatus.RVSD, "booking_date": date(2025, 3, 5)}, "2025-03-05"),
        ({"status": BankStatus.RJCT, "booking_date": date(2025, 3, 5)}, ""),
    ],
)
def test_when_money_came_back(record: dict[str, object], day: str) -> None:
    assert returned_on(PayoutRecordState(rec_serial="P1", **record)) == day  # type: ignore[arg-type]


def test_a_group_has_the_same_number_on_every_run() -> None:
    key = GroupKey("H64000100001", "2025-03-03", "310", "21", "640100")
    assert key.id == GroupKey("H64000100001", "2025-03-03", "310", "21", "640100").id
    assert key.id != GroupKey("H64000100001", "2025-03-03", "390", "21", "640100").id
    assert Totals(2, -1, 100, 0).shown()["medfee_sumamt"] == "-0.01"


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"limit": "-1"}])
def test_a_page_has_a_size(query: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        requests.page_of(query)


def test_the_default_page() -> None:
    assert requests.page_of({}) == ("", 100)
