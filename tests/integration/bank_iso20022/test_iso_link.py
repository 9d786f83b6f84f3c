"""Every operation against a bank on a real port that shares no code with the adapter; pushes, faults, signatures."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.declare import NOT_FOUND
from gateway.model import bank
from gateway.model.keys import KeyFiles
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from simulators.bank.wsse import Keys
from simulators.sandbox.keys import make_keys
from tests.integration.bank_iso20022.iso_link import (
    CERTNO,
    HOSPITAL,
    NAME,
    PAID,
    Link,
    batch,
    codec,
    linked,
    refunding,
    signing,
    withholding,
)
from tests.unit.adapters.bank_iso_judge import JUDGE, assert_valid


def judged(link: Link) -> int:
    """Holds every XML message that went over the wire against the standard; returns how many there were."""
    documents = [raw for _, raw in link.raw if raw.startswith(b"<?xml")]
    for raw in documents:
        assert_valid(raw)
    return len(documents)


async def test_a_charge_and_its_refund(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        done = await link.send("Withhold", charge)
        assert isinstance(done, Done)
        assert (done.reply.amount_fen, done.reply.status) == (250000, "ACSC")
        assert (await link.send("Withhold", charge)).reply.bank_txn_no == done.reply.bank_txn_no
        part = refunding("R0000001", "W0000001", 50050, 250000)
        refunded = await link.send("Refund", part)
        assert (refunded.reply.amount_fen, refunded.reply.status) == (50050, "ACSC")
        assert (await link.send("Refund", refunding("R0000002", "W0000001", 200000, 250000))).code == "AM02"
        assert (await link.ask("Withhold", charge)).reply.amount_fen == 250000
        assert (await link.ask("Refund", part)).reply.bank_txn_no == refunded.reply.bank_txn_no
        assert len(await link.effects("Withhold")) == 1
        assert judged(link) == 10, JUDGE


async def test_a_full_refund_on_the_same_day_is_a_reversal(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 100)
        await link.send("Withhold", charge)
        refund = refunding("R0000001", "W0000001", 100, 100)
        assert (await link.send("Refund", refund)).reply.status == "RVSD"
        assert (await link.ask("Refund", refund)).reply.status == "RVSD"
        # The charge was made, whatever came after it.
        assert (await link.ask("Withhold", charge)).reply.status == "ACSC"


async def test_signing_in_two_steps_and_the_end_of_an_agreement(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("PUT", "settings", {"needs_sms": True, "sms_token": "135790"})
        await link.control("PUT", "lines", {CERTNO: {"limit": "8000.00", "free_days": 50}})
        first = await link.send("SignAgreement", signing())
        assert isinstance(first, Accepted)
        assert first.reply.need_sms is True
        assert (await link.ask("SignAgreement", signing())).reply.need_sms is True
        assert (await link.send("SignAgreement", signing("SIGN00000002", sms_token="000001"))).code == "NARR"
        second = signing("SIGN00000003", sms_token="135790")
        signed = await link.send("SignAgreement", second)
        assert (signed.reply.agreement_status, signed.reply.credit_limit_fen) == ("ACTV", 800000)
        assert (await link.send("SignAgreement", second)).reply.duplicate is True
        assert isinstance(await link.ask("SignAgreement", second), Done)
        cancel = bank.CancelAgreement(serial="C0000001", agreement_no=signed.reply.agreement_no)
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
        assert (seen.reply.used_fen, seen.reply.credit_available_fen) == (100, 999900)


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


@pytest.mark.parametrize("operation", ["SubmitPayoutBatch", "QueryPayoutBatch"])
async def test_a_lie_about_a_batch_is_unknown(tmp_path: Path, operation: str) -> None:
    async with linked(tmp_path) as link:
        request = batch("B0000001", ("PO0001", 100, PAID))
        await link.faults({"operation": operation, "kind": "lie", "fen": 1, "nth": 1})
        if operation == "SubmitPayoutBatch":
            assert await link.send(operation, request) == Unknown("amount differs")
        else:
            await link.send("SubmitPayoutBatch", request)
            question = bank.QueryPayoutBatch(serial="Q0000001", batch_no="B0000001")
            assert await link.send(operation, question) == Unknown("amount differs")
        assert isinstance(await link.ask("SubmitPayoutBatch", request), Done)


async def test_a_rejected_question_changes_nothing(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 100)
        await link.send("Withhold", charge)
        await link.faults({"operation": "QueryTransaction", "kind": "reject", "code": "BUSY", "nth": 1})
        assert await link.ask("Withhold", charge) is None
        assert isinstance(await link.ask("Withhold", charge), Done)


async def test_a_business_rejection_is_kept_by_the_bank(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 100)
        await link.faults({"operation": "Withhold", "kind": "reject", "code": "AC06", "nth": 1})
        assert (await link.send("Withhold", charge)).code == "AC06"
        assert (await link.ask("Withhold", charge)).code == "AC06"
        await link.faults()
        assert (await link.send("Withhold", charge)).code == "AC06"
        assert await link.effects("Withhold") == []


async def test_the_same_message_number_with_other_content_is_asked_about(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        await link.send("Withhold", withholding("W0000001", no, 100))
        said = await link.send("Withhold", withholding("W0000001", no, 200))
        assert said == Unknown("HTTP 400: rejection of the bank")
        assert [effect["amount_fen"] for effect in await link.effects("Withhold")] == [100]


# -- payouts --------------------------------------------------------------------------------------------------------


async def test_a_batch_is_proven_by_its_advices_and_asked_after(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        request = batch("B0000001", ("PO0001", 100, PAID), ("PO0002", 200, HOSPITAL), ("PO0003", 300, "H64000100002"))
        await link.faults({"operation": "SubmitPayoutBatch", "kind": "reject", "record": HOSPITAL, "code": "AC04"})
        taken = await link.send("SubmitPayoutBatch", request)
        assert isinstance(taken, Accepted)
        assert [(one.rec_serial, one.reason_code) for one in taken.reply.rejected] == [("PO0002", "AC04")]
        receipts = {one.receipt.orig_serial: one.receipt for one in await link.told(bank.DeliverReceipt, 2)}
        assert {number: receipt.amount_fen for number, receipt in receipts.items()} == {"PO0001": 100, "PO0003": 300}
        for receipt in receipts.values():
            assert hashlib.sha256(receipt.content).hexdigest() == receipt.sha256
            fetched = await link.send("GetReceipt", bank.GetReceipt(serial="G0000001", orig_serial=receipt.orig_serial))
            assert fetched.reply.receipt == receipt
        states = {one.orig_serial: one.status for one in await link.told(bank.NotifyTransaction, 3)}
        assert states == {"PO0001": "ACSC", "PO0002": "RJCT", "PO0003": "ACSC"}
        found = await link.ask("SubmitPayoutBatch", request)
        assert isinstance(found, Done)
        assert found.reply.accepted_count == 2
        assert judged(link) >= 9, JUDGE


async def test_money_that_comes_back_is_told_and_shown(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.send("SubmitPayoutBatch", batch("B0000001", ("PO0001", 100, PAID)))
        await link.control("POST", "bounce", {"pay_order_no": "PO0001"})
        back = (await link.told(bank.NotifyTransaction, 2))[-1]
        assert (back.event_type, back.status, back.reason_code) == ("PAYOUT_RETURN", "RVSD", "AC04")
        shown = await link.send("QueryPayoutBatch", bank.QueryPayoutBatch(serial="Q0000001", batch_no="B0000001"))
        [order] = shown.reply.records
        assert (order.status, order.returned_at.isoformat()) == ("ACSC", "2025-03-03T08:00:00+08:00")


async def test_a_batch_the_bank_cannot_add_up_is_not_processed(tmp_path: Path) -> None:
    """Spoilt by hand: the adapter would never send it."""
    async with linked(tmp_path) as link:
        request = batch("B0000001", ("PO0001", 100, PAID))
        out = codec.encode("SubmitPayoutBatch", request, link.context())
        wrong = out.body.replace(b"<CtrlSum>1.00", b"<CtrlSum>2.00")
        async with link.session.post(f"{link.url}/iso{out.path}", data=wrong, headers=dict(out.headers)) as answer:
            assert b"AM10" in await answer.read()
        assert await link.effects("SubmitPayoutBatch") == []


async def test_a_receipt_that_is_not_there_yet(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("POST", "receipts/hold", {})
        await link.send("SubmitPayoutBatch", batch("B0000001", ("PO0001", 100, PAID)))
        question = bank.GetReceipt(serial="G0000001", orig_serial="PO0001")
        assert (await link.send("GetReceipt", question)).reply.receipt_status == "PREPARING"
        nobodys = bank.GetReceipt(serial="G0000002", orig_serial="PO9999")
        assert (await link.send("GetReceipt", nobodys)).reply.receipt_status == "NONE"
        await link.control("POST", "receipts/release", {})
        [receipt] = [one.receipt for one in await link.told(bank.DeliverReceipt)]
        assert (await link.send("GetReceipt", question)).reply.receipt == receipt


async def test_a_spoilt_receipt_is_seen_by_its_digest_and_comes_again_whole(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("POST", "receipts/corrupt", {})
        await link.send("SubmitPayoutBatch", batch("B0000001", ("PO0001", 100, PAID)))
        [spoilt] = [one.receipt for one in await link.told(bank.DeliverReceipt)]
        assert hashlib.sha256(spoilt.content).hexdigest() != spoilt.sha256
        await link.control("POST", "receipts/release", {})
        whole = (await link.told(bank.DeliverReceipt, 2))[-1].receipt
        assert hashlib.sha256(whole.content).hexdigest() == whole.sha256 == spoilt.sha256


async def test_what_is_not_acknowledged_comes_again_in_the_same_bytes(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        link.ack = "RETRY"
        no = await link.agreement()
        await link.control("POST", "agreements/suspend", {"agreement_no": no})
        [first] = await link.told(bank.NotifyTransaction)
        link.ack = "OK"
        link.set_clock("2025-03-03T08:02:00+08:00")
        again = (await link.told(bank.NotifyTransaction, 2))[-1]
        assert again == first
        assert len({raw for name, raw in link.raw if name == "push"}) == 1
        assert (first.event_type, first.agreement_no, first.agreement_status) == ("AGREEMENT", no, "SUSP")


# -- signed ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Any, Keys]:
    """The gateway's keys and the bank's."""
    folder = tmp_path / "keys"
    make_keys(folder, ("gateway", "iso"))

    def path(name: str) -> Path:
        return folder / f"{name}.pem"

    ours = KeyFiles("wsse", path("gateway.key"), path("gateway.cert"), (path("iso.cert"),)).load()
    return ours, Keys.load(path("iso.key"), path("iso.cert"), path("gateway.cert"))


async def test_a_signed_channel_carries_everything(tmp_path: Path, sides: tuple[Any, Keys]) -> None:
    ours, theirs = sides
    async with linked(tmp_path, ours, theirs) as link:
        charge = withholding("W0000001", await link.agreement(), 100)
        assert isinstance(await link.send("Withhold", charge), Done)
        assert isinstance(await link.ask("Withhold", charge), Done)
        await link.send("SubmitPayoutBatch", batch("B0000001", ("PO0001", 100, PAID)))
        assert len(await link.told(bank.DeliverReceipt)) == 1
        assert link.refused == []


async def test_a_stranger_is_turned_away_by_the_bank(tmp_path: Path, sides: tuple[Any, Keys]) -> None:
    async with linked(tmp_path, None, sides[1]) as link:
        said = await link.send("SignAgreement", signing())
        assert isinstance(said, Refused)
        assert (said.code, said.text.split()[0]) == ("BANK_CLIENT_FAULT", "UNAUTHENTICATED")
        assert await link.effects("SignAgreement") == []


async def test_a_bank_that_does_not_sign_is_not_believed(tmp_path: Path, sides: tuple[Any, Keys]) -> None:
    ours, _ = sides
    async with linked(tmp_path, ours, None) as link:
        said = await link.send("SignAgreement", signing())
        assert said == Unknown("HTTP 200: SIGNATURE_INVALID: not signed")
        await link.control("POST", "agreements/suspend", {"agreement_no": await _number(link)})
        await link.until_refused("SIGNATURE_INVALID")
        assert link.notices == []


async def _number(link: Link) -> str:
    effects = await link.effects("SignAgreement")
    return str(effects[0]["party"])


async def test_names_of_any_people_reach_the_bank_as_they_are(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.agreement()
        sent = [raw for name, raw in link.raw if name == "SignAgreement"]
        assert NAME.encode() in sent[0]
