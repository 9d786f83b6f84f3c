"""Unknown has an owner: the question of every operation, and what its answer says about the original (D.4, G)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from adapters.bank_soap import ADAPTER
from gateway.delivery.declare import NOT_FOUND, AfterUnknown
from gateway.model import bank
from gateway.model.bank import BankStatus
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown
from tests.unit.adapters.bank_soap_partner import (
    CONTEXT,
    MONEY,
    OPERATIONS,
    QUERIES,
    codec,
    golden_request,
    golden_verdict,
)


def asked(operation: str, request: Any) -> int:
    return request.refund_fen if operation == "Refund" else request.amount_fen


def told(operation: str, status: str | None, **more: Any) -> Done[bank.TransactionReply]:
    fields = {
        "status": BankStatus.ACSC,
        "found": status is not None,
        "orig_status": status,
        "orig_amount_fen": asked(operation, golden_request(operation)),
        "bank_txn_no": "BT1",
        **more,
    }
    return Done(bank.TransactionReply.model_validate(fields))


def resolve(operation: str, answer: Any) -> Any:
    return codec.resolve(operation, golden_request(operation), answer)


# -- which question -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_that_asks_has_the_question_of_its_manifest(operation: str) -> None:
    declared = ADAPTER.manifest.operations[operation]
    question = codec.question_for(operation, golden_request(operation))
    if operation in QUERIES:
        assert question is None
        return
    assert declared.after_unknown is AfterUnknown.ASK
    name, request = question
    assert name == declared.question
    assert isinstance(request, codec.request_type(name))
    assert codec.encode(name, request, CONTEXT).body  # it keeps the contract


@pytest.mark.parametrize("operation", MONEY)
def test_money_is_asked_after_by_its_own_serial(operation: str) -> None:
    request = golden_request(operation)
    _, question = codec.question_for(operation, request)
    assert (question.orig_serial, question.orig_tx_code) == (request.serial, operation)


def test_agreements_and_batches_are_asked_after_by_their_keys() -> None:
    sign, cancel, batch = map(golden_request, ("SignAgreement", "CancelAgreement", "SubmitPayoutBatch"))
    assert codec.question_for("SignAgreement", sign)[1].sign_serial == sign.serial
    assert codec.question_for("CancelAgreement", cancel)[1].agreement_no == cancel.agreement_no
    assert codec.question_for("SubmitPayoutBatch", batch)[1].batch_no == batch.serial


def test_every_question_is_a_message_of_its_own() -> None:
    serials = {codec.question_for("Withhold", golden_request("Withhold"))[1].serial for _ in range(50)}
    assert len(serials) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9]{8,32}", serial) for serial in serials)


# -- money ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op not in QUERIES])
def test_a_failed_question_changes_nothing(operation: str) -> None:
    for failed in (Unknown("no answer"), NotSent("refused"), Refused("BANK_CLIENT_FAULT"), Accepted(None)):
        assert resolve(operation, failed) is None


@pytest.mark.parametrize("operation", MONEY)
def test_never_received_is_refused_as_not_found(operation: str) -> None:
    assert resolve(operation, told(operation, None)).code == NOT_FOUND


FINAL = {
    "Withhold": {"ACSC", "ACCC", "RVSD", "RFND"},
    "Refund": {"ACSC", "ACCC", "RVSD", "RFND"},
    "PreAuthorise": {"ACSC", "ACCC", "ACCP", "RVSD", "RFND"},
    "CompletePreAuthorisation": {"ACSC", "ACCC", "RVSD", "RFND"},
    "VoidPreAuthorisation": {"ACSC", "ACCC", "CANC", "RVSD", "RFND"},
}


@pytest.mark.parametrize("status", list(BankStatus))
@pytest.mark.parametrize("operation", MONEY)
def test_every_status_of_an_original(operation: str, status: BankStatus) -> None:
    verdict = resolve(operation, told(operation, status))
    if status in FINAL[operation]:
        assert isinstance(verdict, Done)
        assert isinstance(verdict.reply, codec.reply_type(operation))
        assert verdict.reply.amount_fen == asked(operation, golden_request(operation))
        assert (verdict.reply.status, verdict.reply.bank_txn_no) == (status, "BT1")
    elif status == "RJCT" or (status == "CANC" and operation == "PreAuthorise"):
        assert isinstance(verdict, Refused)
        assert verdict.code == status
    else:
        assert verdict is None


@pytest.mark.parametrize("reason", ["AM04", "MS03", "ZZ99"])
def test_a_rejection_the_bank_stands_by_is_final_whatever_its_reason(reason: str) -> None:
    verdict = resolve("Withhold", told("Withhold", "RJCT", orig_reason=reason, reason_text="不足", orig_amount_fen=0))
    assert (verdict.code, verdict.text, verdict.reply.reason_code) == (reason, "不足", reason)


@pytest.mark.parametrize("amount", [0, 1])
@pytest.mark.parametrize("operation", MONEY)
def test_an_answer_with_another_amount_settles_nothing(operation: str, amount: int) -> None:
    done = "ACCP" if operation == "PreAuthorise" else "ACSC"
    assert resolve(operation, told(operation, done, orig_amount_fen=amount)) is None


def test_a_refunded_charge_says_how_much_was_given_back() -> None:
    reply = resolve("Withhold", told("Withhold", "RFND", refunded_fen=250000)).reply
    assert (reply.status, reply.amount_fen, reply.refunded_total_fen) == ("RFND", 250000, 250000)


@pytest.mark.parametrize(("held", "captured", "released", "good"), [
    (300000, 0, 0, True), (0, 0, 0, True), (35000, 265000, 0, True), (0, 265000, 35000, True), (300001, 0, 0, False),
    (0, 0, 299999, False),
])  # fmt: skip
def test_a_hold_is_what_is_held_captured_and_released(held: int, captured: int, released: int, good: bool) -> None:
    verdict = resolve(
        "PreAuthorise",
        told("PreAuthorise", "ACCP", pre_auth_no="PA1", held_fen=held, captured_fen=captured, released_fen=released),
    )
    assert (verdict is not None) is good
    if good:
        expected = 300000 if not (held or captured or released) else held
        assert (verdict.reply.held_fen, verdict.reply.pre_auth_no) == (expected, "PA1")


def test_a_capture_of_another_amount_settles_nothing() -> None:
    assert resolve("CompletePreAuthorisation", told("CompletePreAuthorisation", "ACSC", captured_fen=264999)) is None
    reply = resolve("CompletePreAuthorisation", told("CompletePreAuthorisation", "ACSC", released_fen=35000)).reply
    assert (reply.captured_fen, reply.released_fen) == (265000, 35000)


def test_a_void_says_what_was_released() -> None:
    assert resolve("VoidPreAuthorisation", told("VoidPreAuthorisation", "CANC")).reply.released_fen == 300000


# -- agreements -----------------------------------------------------------------------------------------------------


def agreement(status: str, **more: Any) -> Done[bank.AgreementReply]:
    fields = {"status": "ACSC", "agreement_no": "AG1", "agreement_status": status, **more}
    return Done(bank.AgreementReply.model_validate(fields))


@pytest.mark.parametrize(
    ("status", "kind"), [("ACTV", Done), ("SUSP", Done), ("RJCT", Refused), ("CANC", Refused), ("EXPI", Refused)]
)
def test_what_became_of_a_signing(status: str, kind: type) -> None:
    assert isinstance(resolve("SignAgreement", agreement(status)), kind)


def test_a_signing_under_way_is_open_until_the_patient_has_to_act() -> None:
    assert resolve("SignAgreement", agreement("PDNG")) is None
    assert resolve("SignAgreement", agreement("PDNG", need_sms=True)).reply.need_sms is True
    assert resolve("SignAgreement", agreement("", found=False)).code == NOT_FOUND


@pytest.mark.parametrize(("status", "code"), [("ACTV", NOT_FOUND), ("SUSP", NOT_FOUND), ("PDNG", NOT_FOUND)])
def test_an_agreement_that_lives_was_not_cancelled(status: str, code: str) -> None:
    assert resolve("CancelAgreement", agreement(status)).code == code


@pytest.mark.parametrize("status", ["CANC", "EXPI"])
def test_an_agreement_that_ended_is_cancelled(status: str) -> None:
    assert isinstance(resolve("CancelAgreement", agreement(status)), Done)


# -- payouts --------------------------------------------------------------------------------------------------------

FIRST, SECOND = "PO64010020250302000000000001", "PO64010020250302000000000002"


def batch(status: str, *records: tuple[str, str], **more: Any) -> Done[bank.PayoutStateReply]:
    rows = [{"rec_serial": serial, "status": state, "reason_code": "AC01"} for serial, state in records]
    fields = {"status": "ACSP", "found": True, "batch_status": status, "total_count": len(rows), "records": rows}
    return Done(bank.PayoutStateReply.model_validate(fields | more))


def test_a_batch_is_done_when_every_record_is_final() -> None:
    verdict = resolve("SubmitPayoutBatch", batch("PART", (FIRST, "ACSC"), (SECOND, "RJCT")))
    assert isinstance(verdict, Done)
    assert verdict.reply.accepted_count == 1
    assert [(r.rec_serial, r.reason_code) for r in verdict.reply.rejected] == [(SECOND, "AC01")]


@pytest.mark.parametrize("open_state", ["RCVD", "ACSP", "PDNG"])
def test_a_batch_is_accepted_while_a_record_is_open(open_state: str) -> None:
    assert isinstance(resolve("SubmitPayoutBatch", batch("ACSP", (FIRST, "ACSC"), (SECOND, open_state))), Accepted)


def test_a_batch_of_which_one_page_is_seen_is_accepted() -> None:
    assert isinstance(resolve("SubmitPayoutBatch", batch("ACSC", (FIRST, "ACSC"), total_count=2)), Accepted)


def test_a_batch_refused_as_a_whole_is_refused_and_one_refused_singly_is_not() -> None:
    whole = resolve("SubmitPayoutBatch", batch("RJCT", reason_code="AM10"))
    assert (type(whole), whole.code) == (Refused, "AM10")
    singly = resolve("SubmitPayoutBatch", batch("RJCT", (FIRST, "RJCT"), (SECOND, "RJCT")))
    assert (type(singly), len(singly.reply.rejected), singly.reply.accepted_count) == (Done, 2, 0)


@pytest.mark.parametrize(
    "answer",
    [batch("ACSC", (FIRST, "ACSC")), batch("ACSC", (FIRST, "ACSC"), ("PO999999999999999", "ACSC"))],
)
def test_a_batch_that_is_not_the_one_sent_settles_nothing(answer: Any) -> None:
    assert resolve("SubmitPayoutBatch", answer) is None


def test_an_unknown_batch_is_not_found() -> None:
    assert resolve("SubmitPayoutBatch", batch("", found=False)).code == NOT_FOUND


def test_the_golden_answers_of_questions_resolve_their_originals() -> None:
    _, reply = golden_verdict("QueryTransaction")
    assert resolve("Withhold", Done(reply)).reply.booking_date == reply.booking_date
    _, states = golden_verdict("QueryPayoutBatch")
    assert [r.rec_serial for r in resolve("SubmitPayoutBatch", Done(states)).reply.rejected] == [SECOND]
    _, signed = golden_verdict("QueryAgreement")
    assert resolve("SignAgreement", Done(signed)) == Done(signed)
