"""What a question is, and what its answer says about the original. Nothing uncertain settles anything."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from gateway.delivery.declare import NOT_FOUND
from gateway.model import bank
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown
from tests.unit.adapters.bank_iso_partner import (
    CONTEXT,
    QUERIES,
    batch,
    codec,
    reasoned,
    refunding,
    report,
    request_of,
    transaction,
    verdict,
    withholding,
)

NOT_RECEIVED = reasoned(own="NOT_RECEIVED", text="未收到该报文")
MONEY = {
    "Withhold": (withholding(), "pain.008.001.09", {}),
    "Refund": (refunding(), "pain.007.001.10", {"instr": "R0000001"}),
}


def asked(operation: str, raw: bytes) -> Any:
    """What becomes of an operation when the bank answers its question with these bytes."""
    request = MONEY[operation][0] if operation in MONEY else BATCH
    name, question = codec.question_for(operation, request)
    return codec.resolve(operation, request, verdict(name, question, raw))


def state(operation: str, *transactions: str, **more: Any) -> Any:
    request, message, _ = MONEY[operation]
    return asked(operation, report(*transactions, original=request.serial, message=message, **more))


def one(operation: str, status: str = "ACSC", amount: str | None = "2500.50", **more: str) -> str:
    return transaction("W0000001", status, amount, **{**MONEY[operation][2], **more})


# -- the question ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", MONEY)
def test_a_payment_is_asked_for_by_its_message(operation: str) -> None:
    request, message, _ = MONEY[operation]
    name, question = codec.question_for(operation, request)
    assert (name, question.orig_serial, question.orig_tx_code) == ("QueryTransaction", request.serial, operation)
    sent = json.loads(codec.encode(name, question, CONTEXT).body)["PmtStsReq"]
    assert (sent["OrgnlMsgId"], sent["OrgnlMsgNmId"]) == (request.serial, message)
    assert sent.get("OrgnlEndToEndId") == (request.serial if operation == "Withhold" else None)


def test_a_batch_is_asked_for_by_its_number() -> None:
    name, question = codec.question_for("SubmitPayoutBatch", BATCH)
    assert (name, question.batch_no) == ("QueryPayoutBatch", "B0000001")
    sent = json.loads(codec.encode(name, question, CONTEXT).body)["PmtStsReq"]
    assert (sent["OrgnlMsgId"], sent["OrgnlMsgNmId"]) == ("B0000001", "pain.001.001.09")


def test_an_agreement_is_asked_for_by_what_is_known_of_it() -> None:
    signing = codec.question_for("SignAgreement", request_of("SignAgreement"))[1]
    assert (signing.sign_serial, signing.agreement_no) == ("SIGN00000001", "")
    ending = request_of("CancelAgreement")
    assert codec.question_for("CancelAgreement", ending)[1].agreement_no == ending.agreement_no


@pytest.mark.parametrize("operation", QUERIES)
def test_a_question_has_no_question(operation: str) -> None:
    assert codec.question_for(operation, request_of(operation)) is None


def test_every_question_is_a_message_of_its_own() -> None:
    serials = {codec.question_for("Withhold", withholding())[1].serial for _ in range(3)}
    assert len(serials) == 3


# -- payments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", MONEY)
def test_a_settled_payment_is_done_with_what_the_bank_knows(operation: str) -> None:
    found = state(operation, one(operation, txn="BT1", day="2025-03-03"), group="ACSC")
    assert isinstance(found, Done)
    assert (found.reply.amount_fen, found.reply.bank_txn_no) == (250050, "BT1")
    assert found.reply.booking_date == date(2025, 3, 3)


@pytest.mark.parametrize("code", ["AM04", "DU01", "FF10", "ZZ99"])
def test_a_rejection_told_by_a_question_is_final_whatever_the_reason(code: str) -> None:
    found = state("Withhold", one("Withhold", "RJCT", reason=code), group="RJCT")
    assert isinstance(found, Refused)
    assert found.code == code


def test_a_rejected_message_is_a_rejected_payment() -> None:
    assert state("Withhold", group="RJCT", inside=reasoned("FF01")).code == "FF01"
    assert state("Withhold", group="RJCT").code == "RJCT"


@pytest.mark.parametrize("status", ["RCVD", "ACTC", "ACCP", "ACSP", "PDNG", "ACWC", "BLCK", "CANC", "ABCD"])
def test_a_payment_that_is_not_at_its_end_changes_nothing(status: str) -> None:
    assert state("Withhold", one("Withhold", status)) is None
    assert state("Withhold", group=status) is None


@pytest.mark.parametrize("amount", ["2500.51", "0.01", None])
def test_a_success_of_another_amount_settles_nothing(amount: str | None) -> None:
    assert state("Withhold", one("Withhold", amount=amount)) is None
    assert state("Withhold", group="ACSC") is None


def test_only_a_refund_can_be_a_reversal_of_the_day() -> None:
    assert state("Refund", one("Refund", own="RVSD", text="当日冲正")).reply.status == "RVSD"
    assert state("Withhold", one("Withhold", own="RVSD")) is None


@pytest.mark.parametrize("operation", MONEY)
def test_never_received_has_one_form(operation: str) -> None:
    found = state(operation, inside=NOT_RECEIVED)
    assert isinstance(found, Refused)
    assert found.code == NOT_FOUND


@pytest.mark.parametrize(
    ("transactions", "more"),
    [
        ((), {}),
        ((), {"inside": reasoned("NOOR")}),
        ((), {"inside": reasoned(text="NOT_RECEIVED")}),
        ((), {"inside": NOT_RECEIVED + reasoned("FF10")}),
        ((), {"inside": NOT_RECEIVED, "group": "PDNG"}),
        ((), {"inside": NOT_RECEIVED, "group": "ACSC"}),
        ((transaction("W0000001", None, None),), {"inside": NOT_RECEIVED}),
        ((transaction("W0000001", "ACSC"),), {"inside": NOT_RECEIVED}),
        ((), {"inside": NOT_RECEIVED, "original": "W0000002"}),
        ((), {"inside": NOT_RECEIVED, "message": "pain.001.001.09"}),
    ],
)
def test_anything_else_is_no_proof_that_nothing_arrived(transactions: tuple[str, ...], more: dict[str, Any]) -> None:
    content = {"original": "W0000001", "message": "pain.008.001.09", **more}
    found = asked("Withhold", report(*transactions, **content))
    assert found is None or isinstance(found, Done)
    assert not isinstance(found, Refused)


@pytest.mark.parametrize("answer", [Unknown("x"), NotSent("x"), Refused("BANK_CLIENT_FAULT"), Accepted(None)])
def test_a_question_that_failed_changes_nothing(answer: Any) -> None:
    assert codec.resolve("Withhold", withholding(), answer) is None


# -- batches --------------------------------------------------------------------------------------------------------

BATCH = batch(3)
COUNTED = "<OrgnlNbOfTxs>3</OrgnlNbOfTxs><OrgnlCtrlSum>6.00</OrgnlCtrlSum>"


def orders(*statuses: str, **more: str) -> list[str]:
    return [transaction(f"PO{n}", status, f"{n}.00", **more) for n, status in enumerate(statuses, 1)]


def batch_state(*transactions: str, group: str = "PART", before: str = COUNTED) -> Any:
    raw = report(*transactions, original="B0000001", message="pain.001.001.09", group=group, before=before)
    return asked("SubmitPayoutBatch", raw)


def records(*transactions: str, **more: str) -> Any:
    content = {"original": "B0000001", "message": "pain.001.001.09", "group": "PART", "before": COUNTED, **more}
    question = bank.QueryPayoutBatch(serial="Q0000001", batch_no="B0000001")
    return verdict("QueryPayoutBatch", question, report(*transactions, **content))


def test_a_batch_is_done_when_each_order_is() -> None:
    found = batch_state(*orders("ACSC", "RJCT", "ACCC", reason="AC04"))
    assert isinstance(found, Done)
    assert [one.rec_serial for one in found.reply.rejected] == ["PO2"]
    assert isinstance(batch_state(*orders("ACSC", "PDNG", "ACSC")), Accepted)
    assert isinstance(batch_state(*orders("ACSC", "BLCK", "ACSC")), Accepted)


def test_a_refused_batch_is_refused_and_an_unknown_one_never_arrived() -> None:
    raw = report(original="B0000001", message="pain.001.001.09", group="RJCT", inside=reasoned("AM10"))
    assert asked("SubmitPayoutBatch", raw).code == "AM10"
    raw = report(original="B0000001", message="pain.001.001.09", inside=NOT_RECEIVED)
    assert asked("SubmitPayoutBatch", raw).code == NOT_FOUND


def test_orders_that_are_not_ours_or_of_another_amount_settle_nothing() -> None:
    assert batch_state(*orders("ACSC", "ACSC"), before=COUNTED.replace("3", "2").replace("6", "3")) is None
    other = [*orders("ACSC", "ACSC"), transaction("PO9", "ACSC", "3.00")]
    assert batch_state(*other) is None
    swapped = [
        transaction("PO1", "ACSC", "2.00"),
        transaction("PO2", "ACSC", "1.00"),
        transaction("PO3", "ACSC", "3.00"),
    ]
    assert batch_state(*swapped) is None


@pytest.mark.parametrize(
    ("transactions", "more", "reason"),
    [
        (orders("ACSC", "ACSC", "ACSC"), {"before": COUNTED.replace("6.00", "6.01")}, "amount differs"),
        (orders("ACSC", "ACSC", "ACSC"), {"before": ""}, "amount differs"),
        (orders("ACSC", "ACSC", "ACSC"), {"before": COUNTED.replace(">3<", ">2<")}, "count differs"),
        ([*orders("ACSC"), *orders("ACSC")], {}, "a transaction twice or without its number"),
        (orders("ACSC"), {"group": None}, "the question was answered without a status"),
        (orders("ACSC"), {"original": "B0000002"}, "the answer is about another message"),
    ],
)
def test_a_state_that_cannot_be_right_is_no_answer(transactions: list[str], more: dict[str, Any], reason: str) -> None:
    assert records(*transactions, **more) == Unknown(reason)


def test_money_that_came_back_was_settled_and_has_a_moment() -> None:
    back = transaction("PO1", "ACSC", "1.00", own="RTRN", text="2025-03-05T11:00:00+08:00", txn="BT1", day="2025-03-03")
    back = back.replace("</StsRsnInf>", "</StsRsnInf>" + reasoned("AC04", text="账户已销户"))
    [order, *_] = records(back, *orders("ACSC", "ACSC", "ACSC")[1:]).reply.records
    assert (order.status, order.reason_code, order.reason_text, order.bank_txn_no) == (
        "ACSC",
        "AC04",
        "账户已销户",
        "BT1",
    )
    assert order.returned_at.isoformat() == "2025-03-05T11:00:00+08:00"


@pytest.mark.parametrize("moment", ["", "2025-03-05", "2025-03-05T11:00:00", "soon"])
def test_money_that_came_back_without_a_moment_is_not_understood(moment: str) -> None:
    back = transaction("PO1", "ACSC", "1.00", own="RTRN", text=moment)
    assert records(back, *orders("ACSC", "ACSC", "ACSC")[1:]).reason.startswith(
        "HTTP 200: the answer breaks the contract"
    )


# -- agreements -----------------------------------------------------------------------------------------------------


def agreement(operation: str, **told: Any) -> Any:
    """What an agreement's state says of its signing or its end."""
    content = {"status": "ACSC", "agreement_no": "AG1", **told}
    return codec.resolve(operation, request_of(operation), Done(bank.AgreementReply.model_validate(content)))


def test_a_mandate_in_force_was_signed_and_not_ended() -> None:
    for state_ in ("ACTV", "SUSP"):
        assert isinstance(agreement("SignAgreement", agreement_status=state_), Done)
        assert agreement("CancelAgreement", agreement_status=state_).code == NOT_FOUND
    assert isinstance(agreement("CancelAgreement", agreement_status="CANC"), Done)
    assert agreement("SignAgreement", agreement_status="RJCT", reason_code="NARR").code == "NARR"


def test_a_mandate_that_waits_for_a_code_tells_so() -> None:
    assert isinstance(agreement("SignAgreement", agreement_status="PDNG", need_sms=True), Accepted)
    assert agreement("SignAgreement", agreement_status="PDNG") is None
    assert agreement("SignAgreement", found=False).code == NOT_FOUND
