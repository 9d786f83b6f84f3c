"""Every operation against the bank under /cib on a real port: its own names, yuan, GB18030, day switch and codes."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.declare import NOT_FOUND
from gateway.model import bank
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.integration.bank_wsdl.wsdl_link import (
    ACCOUNTS,
    CERTNO,
    HOSPITAL,
    NAME,
    PAID,
    batch,
    holding,
    linked,
    signing,
    withholding,
)

# -- credit ---------------------------------------------------------------------------------------------------------


async def test_a_charge_and_its_refund(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        charge = withholding("W0000001", no, 250005)
        done = await link.send("Withhold", charge)
        assert isinstance(done, Done)
        assert (done.reply.amount_fen, done.reply.status, done.reply.duplicate) == (250005, "ACSC", False)
        assert (done.reply.booking_date.isoformat(), done.reply.bank_txn_no[:3]) == ("2025-03-03", "BTQ")
        assert (await link.send("Withhold", charge)).reply.duplicate is True
        part = bank.Refund(serial="R0000001", orig_serial="W0000001", refund_fen=50055, orig_amount_fen=250005)
        refunded = await link.send("Refund", part)
        assert (refunded.reply.amount_fen, refunded.reply.refunded_total_fen) == (50055, 50055)
        too_much = part.model_copy(update={"serial": "R0000002", "refund_fen": 200000})
        assert (await link.send("Refund", too_much)).code == "AM02"
        found = await link.ask("Withhold", charge)
        assert (found.reply.amount_fen, found.reply.refunded_total_fen) == (250005, 50055)
        assert [effect["amount_fen"] for effect in await link.effects("Withhold")] == [250005]


async def test_the_banks_day_ends_at_half_past_ten(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        for serial, moment, status in (("1", "22:29:59", "RVSD"), ("2", "22:30:00", "ACSC")):
            link.set_clock("2025-03-03T22:00:00+08:00")
            charge = withholding(f"W000000{serial}", no, 100)
            await link.send("Withhold", charge)
            link.set_clock(f"2025-03-03T{moment}+08:00")
            refund = bank.Refund(
                serial=f"R000000{serial}", orig_serial=charge.serial, refund_fen=100, orig_amount_fen=100
            )
            assert (await link.send("Refund", refund)).reply.status == status
            assert (await link.ask("Refund", refund)).reply.status == status


async def test_a_deposit_is_held_captured_and_the_rest_always_released(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        hold = holding("P0000001", no, 300000)
        held = (await link.send("PreAuthorise", hold)).reply
        assert (held.status, held.held_fen, held.credit_available_fen) == ("ACCP", 300000, 700000)
        assert held.expires_at.isoformat() == "2025-04-02T08:00:00+08:00"
        assert (await link.ask("PreAuthorise", hold)).reply.held_fen == 300000
        capture = bank.CompletePreAuthorisation(
            serial="C0000001", pre_auth_no=held.pre_auth_no, orig_serial="P0000001", amount_fen=265000,
            payee=ACCOUNTS[HOSPITAL],
        )  # fmt: skip
        with pytest.raises(Refusal, match="final"):
            await link.send("CompletePreAuthorisation", capture.model_copy(update={"final": False}))
        done = (await link.send("CompletePreAuthorisation", capture)).reply
        assert (done.captured_fen, done.released_fen, done.amount_fen) == (265000, 35000, 265000)
        assert (await link.ask("CompletePreAuthorisation", capture)).reply.captured_fen == 265000


async def test_a_whole_hold_is_given_back(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        held = (await link.send("PreAuthorise", holding("P0000001", await link.agreement(), 300000))).reply
        void = bank.VoidPreAuthorisation(
            serial="V0000001", pre_auth_no=held.pre_auth_no, orig_serial="P0000001", amount_fen=300000
        )
        assert (await link.send("VoidPreAuthorisation", void)).reply.released_fen == 300000
        assert (await link.send("VoidPreAuthorisation", replace_serial(void, "V0000002"))).code == "PTNA"
        assert isinstance(await link.ask("VoidPreAuthorisation", void), Done)


def replace_serial(request: Any, serial: str) -> Any:
    return request.model_copy(update={"serial": serial})


async def test_an_agreement_from_signing_to_its_end(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        signed = (await link.send("SignAgreement", signing(limit_cap_fen=2_000_000))).reply
        assert (signed.agreement_status, signed.credit_limit_fen, signed.free_days) == ("ACTV", 800000, 50)
        assert (await link.ask("SignAgreement", signing())).reply.agreement_no == signed.agreement_no
        asked = bank.QueryAgreement(serial="Q0000001", agreement_no=signed.agreement_no)
        found = (await link.send("QueryAgreement", asked)).reply
        assert (found.used_fen, found.held_fen, found.credit_available_fen) == (0, 0, 800000)
        assert (await link.send("SignAgreement", signing("SIGN00000002"))).code == "DUPL"
        await link.send("Withhold", withholding("W0000001", signed.agreement_no, 100))
        cancel = bank.CancelAgreement(serial="X0000001", agreement_no=signed.agreement_no)
        refused = await link.send("CancelAgreement", cancel)
        assert (refused.code, link.codec.explain("CancelAgreement", "NARR").unified_code) == ("NARR", "HAS_ARREARS")
        await link.control("POST", "repayments", {"agreement_no": signed.agreement_no, "amount": "1.00"})
        ended = await link.send("CancelAgreement", replace_serial(cancel, "X0000002"))
        assert ended.reply.agreement_status == "CANC"
        assert isinstance(await link.ask("CancelAgreement", cancel), Done)


async def test_a_bank_that_wants_a_code_gets_it(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("PUT", "settings", {"needs_sms": True})
        waiting = await link.send("SignAgreement", signing())
        assert isinstance(waiting, Accepted)
        assert waiting.reply.need_sms
        number = waiting.reply.agreement_no
        wrong = signing("SIGN00000002", sms_token="111111", pending_agreement_no=number)
        assert isinstance(await link.send("SignAgreement", wrong), Refused)
        right = signing("SIGN00000003", sms_token="000000", pending_agreement_no=number)
        assert (await link.send("SignAgreement", right)).reply.agreement_no == number


async def test_a_charge_the_bank_books_later(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        await link.control("PUT", "settings", {"pending_seconds": 60})
        charge = withholding("W0000001", no, 250000)
        assert isinstance(await link.send("Withhold", charge), Accepted)
        assert await link.ask("Withhold", charge) is None
        link.set_clock("2025-03-03T08:02:00+08:00")
        notice = (await link.told(bank.NotifyTransaction))[0]
        assert (notice.event_type, notice.orig_serial, notice.status) == ("WITHHOLD", "W0000001", "ACSC")
        assert (await link.ask("Withhold", charge)).reply.amount_fen == 250000


# -- rare names -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["䶮", "林㛃", "欧阳𬱖", "阿依古丽·买买提", "O’Neil·Ñ"])
async def test_a_rare_name_reaches_the_bank_unchanged(tmp_path: Path, name: str) -> None:
    """The bank compares the name of the charge with the agreement's: one changed character would be BE01."""
    async with linked(tmp_path) as link:
        signed = await link.send("SignAgreement", signing(payer={"acct_no": "", "acct_name": name}))
        charge = withholding("W0000001", signed.reply.agreement_no, 100, payer_name=name)
        assert isinstance(await link.send("Withhold", charge), Done)
        other = withholding("W0000002", signed.reply.agreement_no, 100, payer_name=name[:-1] + "?")
        assert (await link.send("Withhold", other)).code == "BE01"
        requests = (await link.control("GET", "requests"))["requests"]
        assert f"<custNm>{name}</custNm>" in requests[-2]["body"]


# -- unknown outcomes -----------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize(
    ("code", "verdict"), [("AM14", Refused), ("AM05", Unknown), ("FF10", Unknown), ("XYZ", Refused)]
)
async def test_a_refusal_by_order(tmp_path: Path, code: str, verdict: type) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        await link.faults({"operation": "Withhold", "kind": "reject", "code": code, "nth": 1})
        assert isinstance(await link.send("Withhold", charge), verdict)
        assert isinstance(await link.ask("Withhold", charge), Refused)
        assert await link.effects("Withhold") == []


async def test_a_question_that_is_turned_away_changes_nothing(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        await link.send("Withhold", charge)
        await link.faults({"operation": "QueryTransaction", "kind": "reject", "nth": 1})
        assert await link.ask("Withhold", charge) is None
        assert isinstance(await link.ask("Withhold", charge), Done)


async def test_the_same_message_number_with_other_content_is_a_senders_fault(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        link.numbers = itertools.repeat(7)
        await link.send("Withhold", withholding("W0000001", no, 100))
        refused = await link.send("Withhold", withholding("W0000002", no, 100))
        assert refused.code == "BANK_CLIENT_FAULT"
        assert len(await link.effects("Withhold")) == 1


# -- payouts and receipts -------------------------------------------------------------------------------------------


async def test_a_batch_its_records_its_receipts_and_money_that_comes_back(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        orders = batch("BATCH0001", ("PO000001", 10001, PAID), ("PO000002", 20002, "H64000100002"))
        await link.faults(
            {"operation": "SubmitPayoutBatch", "kind": "reject", "record": "H64000100002", "code": "BE01"}
        )
        taken = await link.send("SubmitPayoutBatch", orders)
        assert isinstance(taken, Accepted)
        assert (taken.reply.accepted_count, [(r.rec_serial, r.reason_code) for r in taken.reply.rejected]) == (
            1, [("PO000002", "BE01")],
        )  # fmt: skip
        assert (await link.send("SubmitPayoutBatch", replace_serial(orders, "BATCH0002"))).code == "RF01"
        state = (await link.send("QueryPayoutBatch", link.codec.question_for("SubmitPayoutBatch", orders)[1])).reply
        assert [(r.rec_serial, r.status, r.amount_fen) for r in state.records] == [
            ("PO000001", "ACSC", 10001), ("PO000002", "RJCT", 20002),
        ]  # fmt: skip
        assert isinstance(await link.ask("SubmitPayoutBatch", orders), Done)
        pushed = (await link.told(bank.DeliverReceipt))[0].receipt
        got = (await link.send("GetReceipt", bank.GetReceipt(serial="G0000001", orig_serial="PO000001"))).reply
        assert got.receipt == pushed
        assert (pushed.amount_fen, hashlib.sha256(pushed.content).hexdigest()) == (10001, pushed.sha256)
        assert "兴业银行电子回单".encode() in pushed.content
        await link.control("POST", "bounce", {"pay_order_no": "PO000001"})
        notices = await link.told(bank.NotifyTransaction, 3)
        assert [notice.event_type for notice in notices].count("PAYOUT_RETURN") == 1
        state = (await link.send("QueryPayoutBatch", link.codec.question_for("SubmitPayoutBatch", orders)[1])).reply
        assert (state.records[0].status, state.records[0].returned_at.isoformat()) == (
            "ACSC", "2025-03-03T08:00:00+08:00",
        )  # fmt: skip


async def test_a_batch_nobody_received_is_not_found(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        orders = batch("BATCH0001", ("PO000001", 10001, PAID))
        await link.faults({"operation": "SubmitPayoutBatch", "kind": "drop_before", "nth": 1})
        assert isinstance(await link.send("SubmitPayoutBatch", orders), Unknown)
        assert (await link.ask("SubmitPayoutBatch", orders)).code == NOT_FOUND


async def test_receipts_that_are_not_there_yet_and_never_will_be(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("POST", "receipts/hold", {})
        await link.send("SubmitPayoutBatch", batch("BATCH0001", ("PO000001", 10001, PAID)))
        ask = bank.GetReceipt(serial="G0000001", orig_serial="PO000001")
        assert (await link.send("GetReceipt", ask)).reply.receipt_status == "PREPARING"
        nothing = ask.model_copy(update={"orig_serial": "PO999999"})
        assert (await link.send("GetReceipt", nothing)).reply.receipt_status == "NONE"


# -- the bank by itself ---------------------------------------------------------------------------------------------


async def test_repayments_defaults_and_changed_agreements_are_told(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        no = await link.agreement()
        await link.send("Withhold", withholding("W0000001", no, 10000))
        await link.control("POST", "repayments", {"agreement_no": no, "amount": "50.00", "channel": "ALIPAY"})
        await link.control("POST", "defaults", {"agreement_no": no, "amount": "50.00", "days_overdue": 3})
        await link.control("PUT", "lines", {CERTNO: {"limit": "5000.00"}})
        await link.control("POST", "agreements/suspend", {"agreement_no": no})
        told = {notice.event_type: notice for notice in await link.told(bank.NotifyTransaction, 4)}
        assert (told["REPAYMENT"].amount_fen, told["REPAYMENT"].channel) == (5000, "ALIPAY")
        assert (told["DEFAULT"].days_overdue, told["DEFAULT"].cb_ref != "") == (3, True)
        changes = [n for n in link.notices if n.event_type == "AGREEMENT"]
        assert {(n.agreement_status, n.credit_limit_fen) for n in changes} == {("ACTV", 500000), ("SUSP", 500000)}


async def test_books_of_two_banks_are_two(tmp_path: Path) -> None:
    """The same person has a line at each, statements do not mix, and no money is made."""
    async with linked(tmp_path) as link:
        no = await link.agreement("6000.00")
        await link.send("Withhold", withholding("W0000001", no, 10000))
        link.set_clock("2025-03-04T00:00:00+08:00")
        for name, rows in (("cib", "1"), ("bocom", "0")):
            async with link.session.get(f"{link.url}/{name}/statements/20250303") as answer:
                head = (await answer.text()).splitlines()[0].split("|")
            assert (head[1], head[4]) == (name, rows)
        accounts = await link.control("GET", "accounts")
        assert len({row["acct_no"] for row in accounts["accounts"]}) == len(accounts["accounts"])
        assert accounts["total_fen"] == 10**12


# -- the door of the bank -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("GB18030", "UTF-8", 400),
        ("<payAmt>1.00</payAmt>", "<payAmt>1.000</payAmt>", 400),
        ("YX2001", "YX2002", 400),
        ("payBill", "payBills", 400),
        (NAME, "张三", 200),
    ],
)
async def test_the_bank_reads_its_contract_and_nothing_else(tmp_path: Path, old: str, new: str, status: int) -> None:
    async with linked(tmp_path) as link:
        out = link.codec.encode("Withhold", withholding("W0000001", await link.agreement(), 100), link.context())
        body = out.body.decode("gb18030").replace(old, new).encode("gb18030")
        async with link.session.post(f"{link.url}/cib", data=body, headers=dict(out.headers)) as answer:
            assert answer.status == status
            assert answer.headers["Content-Type"] == "application/soap+xml; charset=GB18030"
            (await answer.read()).decode("gb18030")


async def test_the_bank_shows_its_wsdl(tmp_path: Path) -> None:
    async with linked(tmp_path) as link, link.session.get(f"{link.url}/cib?wsdl") as answer:
        text = await answer.text()
        assert f'location="{link.url}/cib"' in text
        assert "schemaLocation" not in text


# -- signed ---------------------------------------------------------------------------------------------------------


async def test_a_signed_channel_both_ways(tmp_path: Path) -> None:
    async with linked(tmp_path, signed=True) as link:
        no = await link.agreement()
        charge = withholding("W0000001", no, 250000)
        assert isinstance(await link.send("Withhold", charge), Done)
        await link.control("POST", "repayments", {"agreement_no": no, "amount": "1.00"})
        assert (await link.told(bank.NotifyTransaction))[0].amount_fen == 100
        for _ in range(100):
            if (await link.control("GET", "notices"))["notices"][0]["acked"]:
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the signed acknowledgement was not read")


async def test_what_is_not_signed_is_neither_believed_nor_taken(tmp_path: Path) -> None:
    async with linked(tmp_path, signed=True) as link:
        no = await link.agreement()
        charge = withholding("W0000001", no, 250000)
        keys, link.keys = link.keys, None
        refused = await link.send("Withhold", charge)
        assert (refused.code, await link.effects("Withhold")) == ("BANK_CLIENT_FAULT", [])
        link.keys = keys
        out = link.codec.encode("Withhold", charge, link.context())
        forged = out.body.replace(b"2500.00", b"9500.00")
        async with link.session.post(f"{link.url}/cib", data=forged, headers=dict(out.headers)) as answer:
            assert answer.status == 400
            assert "SIGNATURE_INVALID" in (await answer.read()).decode("gb18030")
    (tmp_path / "unsigned").mkdir()
    async with linked(tmp_path / "unsigned") as bare:
        number = await bare.agreement()
        bare.keys = keys
        verdict = await bare.send("Withhold", withholding("W0000001", number, 100))
        assert isinstance(verdict, Unknown)
        assert "SIGNATURE_INVALID" in verdict.reason


async def test_settings_of_one_bank_or_of_all(tmp_path: Path) -> None:
    async with linked(tmp_path) as link:
        await link.control("PUT", "settings", {"day_switch": "21:00", "settling_minutes": 7})
        mine, theirs = [await link.control("GET", f"settings?bank={bank_}") for bank_ in ("bocom", "cib")]
        assert (mine["day_switch"], theirs["day_switch"]) == ("21:00", "22:30")
        assert (mine["settling_minutes"], theirs["settling_minutes"]) == (7, 7)
        await link.control("PUT", "settings?bank=cib", {"day_switch": "20:00"})
        assert (await link.control("GET", "settings"))["day_switch"] == "21:00"
        assert (await link.control("GET", "settings?bank=cib"))["day_switch"] == "20:00"
