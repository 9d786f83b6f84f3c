"""Every operation against a bank on a real port, in the words of the contract alone, both SOAP versions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.declare import NOT_FOUND
from gateway.model import bank
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.integration.bank_soap.bank_link import (
    CERTNO,
    HOSPITAL,
    NAME,
    PAID,
    batch,
    linked,
    signing,
    withholding,
)


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
async def test_a_charge_and_its_refund(tmp_path: Path, soap: str) -> None:
    async with linked(tmp_path, soap) as link:
        no = await link.agreement()
        charge = withholding("W0000001", no, 250000)
        done = await link.send("Withhold", charge)
        assert isinstance(done, Done)
        assert (done.reply.amount_fen, done.reply.status, done.reply.duplicate) == (250000, "ACSC", False)
        again = await link.send("Withhold", charge)
        assert again.reply.duplicate is True
        part = bank.Refund(serial="R0000001", orig_serial="W0000001", refund_fen=50050, orig_amount_fen=250000)
        refunded = await link.send("Refund", part)
        assert (refunded.reply.amount_fen, refunded.reply.refunded_total_fen) == (50050, 50050)
        too_much = part.model_copy(update={"serial": "R0000002", "refund_fen": 200000})
        assert (await link.send("Refund", too_much)).code == "AM02"
        found = await link.ask("Withhold", charge)
        assert (found.reply.amount_fen, found.reply.refunded_total_fen) == (250000, 50050)
        assert len(await link.effects("Withhold")) == 1


async def test_a_full_refund_on_the_same_day_is_a_reversal(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 100)
        await link.send("Withhold", charge)
        refund = bank.Refund(serial="R0000001", orig_serial="W0000001", refund_fen=100, orig_amount_fen=100)
        assert (await link.send("Refund", refund)).reply.status == "RVSD"
        assert (await link.ask("Refund", refund)).reply.status == "RVSD"
        assert (await link.ask("Withhold", charge)).reply.status == "RVSD"


async def test_a_deposit_is_held_captured_and_released(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        hold = bank.PreAuthorise(
            serial="P0000001", agreement_no=no, amount_fen=300000, admission_no="A-1", valid_days=30
        )
        held = await link.send("PreAuthorise", hold)
        assert (held.reply.status, held.reply.held_fen, held.reply.credit_available_fen) == ("ACCP", 300000, 700000)
        assert held.reply.expires_at.isoformat() == "2025-04-02T08:00:00+08:00"
        assert (await link.ask("PreAuthorise", hold)).reply.pre_auth_no == held.reply.pre_auth_no
        capture = bank.CompletePreAuthorisation(
            serial="K0000001", pre_auth_no=held.reply.pre_auth_no, orig_serial="P0000001", amount_fen=265000
        )
        captured = await link.send("CompletePreAuthorisation", capture)
        assert (captured.reply.captured_fen, captured.reply.released_fen) == (265000, 35000)
        assert (await link.ask("CompletePreAuthorisation", capture)).reply.captured_fen == 265000
        second = hold.model_copy(update={"serial": "P0000002", "amount_fen": 400000})
        other = (await link.send("PreAuthorise", second)).reply.pre_auth_no
        void = bank.VoidPreAuthorisation(
            serial="X0000001", pre_auth_no=other, orig_serial="P0000002", amount_fen=400000
        )
        assert (await link.send("VoidPreAuthorisation", void)).reply.released_fen == 400000
        assert (await link.ask("VoidPreAuthorisation", void)).reply.status == "CANC"


async def test_signing_in_two_steps_and_the_end_of_an_agreement(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("PUT", "settings", {"needs_sms": True, "sms_token": "135790"})
        await link.control("PUT", "lines", {CERTNO: {"limit": "8000.00", "free_days": 50}})
        first = await link.send("SignAgreement", signing())
        assert isinstance(first, Accepted)
        assert first.reply.need_sms is True
        assert (await link.ask("SignAgreement", signing())).reply.need_sms is True
        wrong = await link.send("SignAgreement", signing("SIGN00000002", sms_token="000001"))
        assert wrong.code == "NARR"
        second = signing("SIGN00000003", sms_token="135790")
        signed = await link.send("SignAgreement", second)
        assert (signed.reply.agreement_status, signed.reply.credit_limit_fen, signed.reply.free_days) == (
            "ACTV",
            800000,
            50,
        )
        assert isinstance(await link.ask("SignAgreement", second), Done)
        no = signed.reply.agreement_no
        cancel = bank.CancelAgreement(serial="C0000001", agreement_no=no)
        assert (await link.ask("CancelAgreement", cancel)).code == NOT_FOUND
        assert isinstance(await link.send("CancelAgreement", cancel), Done)
        assert isinstance(await link.ask("CancelAgreement", cancel), Done)


async def test_an_agreement_with_debt_does_not_end(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        await link.send("Withhold", withholding("W0000001", no, 100))
        refused = await link.send("CancelAgreement", bank.CancelAgreement(serial="C0000001", agreement_no=no))
        assert isinstance(refused, Refused)
        seen = await link.send("QueryAgreement", bank.QueryAgreement(serial="Q0000001", agreement_no=no))
        assert (seen.reply.used_fen, seen.reply.agreement_status) == (100, "ACTV")


@pytest.mark.parametrize(
    ("change", "code"),
    [({"payer_name": "另一人"}, "BE01"), ({"agreement_no": "AG-NONE"}, "MD01"), ({"amount_fen": 1000001}, "AM14")],
)
async def test_what_the_bank_refuses_is_refused_and_asked_after_the_same(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 100, **change)
        assert (await link.send("Withhold", charge)).code == code
        assert (await link.ask("Withhold", charge)).code == code
        assert await link.effects("Withhold") == []


# -- faults ---------------------------------------------------------------------------------------------------------

EXECUTED = ("drop_after", "http_500_after", "garbage", "half_reply")
NOT_EXECUTED = ("drop_before", "http_500_before")


@pytest.mark.parametrize("kind", EXECUTED + NOT_EXECUTED)
async def test_an_unknown_outcome_is_found_out_by_a_question(tmp_path: Path, kind: str) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        await link.faults({"operation": "Withhold", "kind": kind, "nth": 1})
        assert isinstance(await link.send("Withhold", charge), Unknown)
        found = await link.ask("Withhold", charge)
        effects = await link.effects("Withhold")
        if kind in EXECUTED:
            assert isinstance(found, Done)
            assert [effect["amount_fen"] for effect in effects] == [250000]
        else:
            assert found.code == NOT_FOUND
            assert effects == []


@pytest.mark.parametrize("fen", [1, -1])
async def test_a_lie_is_unknown_and_the_truth_is_asked_for(tmp_path: Path, fen: int) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        await link.faults({"operation": "Withhold", "kind": "lie", "fen": fen, "nth": 1})
        assert await link.send("Withhold", charge) == Unknown("amount differs")
        await link.faults({"operation": "QueryTransaction", "kind": "lie", "fen": fen, "nth": 1})
        assert await link.ask("Withhold", charge) is None
        assert (await link.ask("Withhold", charge)).reply.amount_fen == 250000


async def test_a_rejection_by_the_menu_of_faults(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        await link.faults({"operation": "Withhold", "kind": "reject", "code": "AM04", "nth": 1})
        assert (await link.send("Withhold", charge)).code == "AM04"


async def test_a_pending_charge_is_accepted_and_still_open_when_asked(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        await link.control("PUT", "settings", {"pending_seconds": 60})
        assert isinstance(await link.send("Withhold", charge), Accepted)
        assert await link.ask("Withhold", charge) is None


# -- payouts and receipts -------------------------------------------------------------------------------------------


async def test_a_payout_its_notices_and_its_receipts(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        orders = batch("DP0000001", ("PO0000001", 920001, PAID), ("PO0000002", 525926, "H64000100002"))
        sent = await link.send("SubmitPayoutBatch", orders)
        assert isinstance(sent, Accepted)
        assert (sent.reply.accepted_count, sent.reply.rejected) == (2, ())
        assert isinstance(await link.ask("SubmitPayoutBatch", orders), Done)
        notices = await link.told(bank.NotifyTransaction, 2)
        assert {(n.orig_serial, n.status, n.amount_fen) for n in notices} == {
            ("PO0000001", "ACSC", 920001), ("PO0000002", "ACSC", 525926),
        }  # fmt: skip
        receipts = {r.receipt.orig_serial: r.receipt for r in await link.told(bank.DeliverReceipt, 2)}
        pulled = await link.send("GetReceipt", bank.GetReceipt(serial="Q0000001", orig_serial="PO0000001"))
        assert pulled.reply.receipt == receipts["PO0000001"]
        assert hashlib.sha256(pulled.reply.receipt.content).hexdigest() == pulled.reply.receipt.sha256
        assert (pulled.reply.receipt.amount_fen, pulled.reply.receipt.amount_in_words) == (
            920001, "人民币玖仟贰佰元零壹分",
        )  # fmt: skip


async def test_a_record_refused_singly_and_money_that_comes_back(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.faults(
            {"operation": "SubmitPayoutBatch", "kind": "reject", "code": "AC04", "record": "H64000100002"}
        )
        orders = batch("DP0000001", ("PO0000001", 920001, PAID), ("PO0000002", 525926, "H64000100002"))
        sent = await link.send("SubmitPayoutBatch", orders)
        assert [(r.rec_serial, r.reason_code) for r in sent.reply.rejected] == [("PO0000002", "AC04")]
        await link.control("POST", "bounce", {"pay_order_no": "PO0000001"})
        state = await link.send("QueryPayoutBatch", bank.QueryPayoutBatch(serial="Q0000001", batch_no="DP0000001"))
        first, second = state.reply.records
        assert (first.status, first.returned_at is not None) == ("ACSC", True)
        assert (second.status, second.reason_code) == ("RJCT", "AC04")
        events = [(n.event_type, n.status) for n in await link.told(bank.NotifyTransaction, 3)]
        assert ("PAYOUT_RETURN", "RVSD") in events


async def test_a_batch_refused_as_a_whole(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        first = batch("DP0000001", ("PO0000001", 100, PAID))
        await link.send("SubmitPayoutBatch", first)
        repeated = batch("DP0000002", ("PO0000001", 100, PAID))
        assert (await link.send("SubmitPayoutBatch", repeated)).code == "RF01"
        assert (await link.ask("SubmitPayoutBatch", repeated)).code == "RF01"
        assert len(await link.effects("SubmitPayoutBatch")) == 1


@pytest.mark.parametrize("kind", EXECUTED)
async def test_a_lost_batch_answer_is_unknown_and_found(tmp_path: Path, kind: str) -> None:
    async with linked(tmp_path) as link:
        orders = batch("DP0000001", *((f"PO{n:07d}", 100 + n, PAID) for n in range(1, 400)))
        await link.faults({"operation": "SubmitPayoutBatch", "kind": kind, "nth": 1})
        assert isinstance(await link.send("SubmitPayoutBatch", orders), Unknown)
        found = await link.ask("SubmitPayoutBatch", orders)
        assert (found.reply.accepted_count, found.reply.rejected) == (399, ())


async def test_a_batch_lie_is_unknown(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        orders = batch("DP0000001", ("PO0000001", 920001, PAID))
        await link.faults({"operation": "SubmitPayoutBatch", "kind": "lie", "fen": 1, "nth": 1})
        assert isinstance(await link.send("SubmitPayoutBatch", orders), Unknown)
        await link.faults({"operation": "QueryPayoutBatch", "kind": "lie", "fen": 1, "nth": 1})
        assert await link.ask("SubmitPayoutBatch", orders) is None
        assert isinstance(await link.ask("SubmitPayoutBatch", orders), Done)


async def test_repayments_and_changed_limits_are_told(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        await link.control("PUT", "lines", {CERTNO: {"limit": "5000.00"}})
        notice = (await link.told(bank.NotifyTransaction))[0]
        assert (notice.event_type, notice.agreement_no, notice.status) == ("AGREEMENT", no, "ACSC")


async def test_the_bank_kept_no_more_than_amounts_and_numbers(tmp_path: Path) -> None:
    """R-056: what reaches the bank about a charge is names, numbers and amounts."""
    async with linked(tmp_path) as link:
        await link.send("Withhold", withholding("W0000001", await link.agreement(), 250000))
        requests = (await link.control("GET", "requests"))["requests"]
        sent = next(row["body"] for row in requests if row["operation"] == "Withhold")
        assert NAME in sent
        assert CERTNO not in sent
        assert HOSPITAL not in sent
