"""What we write: valid under the standard whatever stands in it, strict about what the bank's core cannot keep."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bank_iso20022 import ADAPTER, HEAVY
from adapters.bank_iso20022.standard import STATUS_REPORT
from gateway.delivery.declare import SendContext
from gateway.model import bank
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Unknown
from tests.unit.adapters.bank_iso_judge import FOLDER as XSDS
from tests.unit.adapters.bank_iso_judge import assert_valid, read, write
from tests.unit.adapters.bank_iso_partner import (
    CONTEXT,
    NOW,
    SAID,
    account,
    answered,
    batch,
    codec,
    refunding,
    report,
    request_of,
    transaction,
    verdict,
    withholding,
)

PLAIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
serials = st.text(PLAIN, min_size=8, max_size=32)
references = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9/?:().,'+-]{0,10}[A-Za-z0-9])?", fullmatch=True).filter(
    lambda t: "//" not in t
)
han = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)
names = st.text(st.one_of(han, st.sampled_from("·（）䶮㛃𬱖ABcd")), min_size=1, max_size=30)
amounts = st.integers(1, 10**12 - 1)
digits = st.text("0123456789", min_size=1, max_size=34)
accounts = st.builds(
    lambda number, name, code: account(number, name, f"{code:012d}"), digits, names, st.integers(0, 10**12 - 1)
)
charges = st.builds(
    lambda serial, number, fen, name, payee, bill: withholding(
        serial=serial, agreement_no=number, amount_fen=fen, payer_name=name, payee=payee, bill_no=bill, visit_no=bill
    ),
    serials, references, amounts, names, accounts, st.one_of(st.just(""), names.filter(lambda t: len(t) < 9)),
)  # fmt: skip
records = st.builds(
    lambda number, fen, payee: bank.PayoutRecord(
        record_no=1, rec_serial=number, payee=payee, amount_fen=fen, hospital_code="H64000100001", purpose="GOVI"
    ),
    serials, amounts, accounts,
)  # fmt: skip
batches = st.builds(
    lambda serial, payer, rows: bank.SubmitPayoutBatch(
        serial=serial, payer=payer, biz_date=date(2025, 3, 3), records=tuple(rows)
    ),
    serials, accounts, st.lists(records, min_size=1, max_size=4, unique_by=lambda record: record.rec_serial),
)  # fmt: skip
refunds = st.builds(
    lambda serial, original, part, more, why: bank.Refund(
        serial=serial, orig_serial=original, refund_fen=part, orig_amount_fen=part + more, reason=why
    ),
    serials, serials, amounts, st.integers(0, 10**9), st.sampled_from(["CUST", "AM05", "MS02", "patient wish"]),
)  # fmt: skip


def yuan(fen: int) -> Decimal:
    return Decimal(fen) / 100


def encode(operation: str, request: Any, **said: str) -> bytes:
    return codec.encode(operation, request, replace(CONTEXT, credentials={**SAID, **said})).body


def refused(operation: str, request: Any, **said: str) -> str:
    """The element a request is refused for."""
    with pytest.raises(Refusal) as found:
        encode(operation, request, **said)
    assert found.value.code == "INVALID_FIELD"
    return str(found.value.field)


# -- whatever stands in it ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(charges)
def test_a_withholding_is_valid_and_read_back_by_another_hand(charge: bank.Withhold) -> None:
    raw = encode("Withhold", charge)
    assert assert_valid(raw) == "pain.008.001.09"
    order = read(raw, "pain.008.001.09").cstmr_drct_dbt_initn
    [block], head = order.pmt_inf, order.grp_hdr
    [debit] = block.drct_dbt_tx_inf
    amount = debit.instd_amt
    assert (head.msg_id, head.nb_of_txs, head.ctrl_sum) == (charge.serial, "1", yuan(charge.amount_fen))
    assert (debit.pmt_id.instr_id, debit.pmt_id.end_to_end_id) == (charge.serial, charge.serial)
    assert (amount.value, amount.ccy) == (yuan(charge.amount_fen), "CNY")
    assert debit.drct_dbt_tx.mndt_rltd_inf.mndt_id == charge.agreement_no
    assert (debit.dbtr.nm, block.cdtr.nm) == (charge.payer_name.reveal(), charge.payee.acct_name.reveal())
    assert block.cdtr_acct.id.othr.id == charge.payee.acct_no.reveal()
    member = block.cdtr_agt.fin_instn_id.clr_sys_mmb_id
    assert (member.clr_sys_id.cd, member.mmb_id) == ("CNAPS", charge.payee.bank_code)
    assert debit.purp.cd == "HSPC"


@settings(max_examples=60, deadline=None)
@given(batches)
def test_a_batch_is_valid_and_read_back_by_another_hand(request: bank.SubmitPayoutBatch) -> None:
    raw = encode("SubmitPayoutBatch", request)
    assert assert_valid(raw) == "pain.001.001.09"
    order = read(raw, "pain.001.001.09").cstmr_cdt_trf_initn
    [block] = order.pmt_inf
    assert (order.grp_hdr.msg_id, block.pmt_inf_id) == (request.serial, request.serial)
    assert (order.grp_hdr.nb_of_txs, order.grp_hdr.ctrl_sum) == (str(len(request.records)), yuan(request.total_fen))
    assert (block.btch_bookg, str(block.reqd_exctn_dt.dt)) == (False, "2025-03-03")
    sent = [
        (one.pmt_id.end_to_end_id, one.amt.instd_amt.value, one.cdtr.nm, one.cdtr_acct.id.othr.id, one.purp.cd)
        for one in block.cdt_trf_tx_inf
    ]
    assert sent == [
        (r.rec_serial, yuan(r.amount_fen), r.payee.acct_name.reveal(), r.payee.acct_no.reveal(), "GOVI")
        for r in request.records
    ]


@settings(max_examples=60, deadline=None)
@given(refunds)
def test_a_reversal_is_valid_and_read_back_by_another_hand(request: bank.Refund) -> None:
    raw = encode("Refund", request)
    assert assert_valid(raw) == "pain.007.001.10"
    order = read(raw, "pain.007.001.10").cstmr_pmt_rvsl
    [block] = order.orgnl_pmt_inf_and_rvsl
    [undone] = block.tx_inf
    assert (order.grp_hdr.msg_id, undone.rvsl_id) == (request.serial, request.serial)
    assert (order.orgnl_grp_inf.orgnl_msg_id, undone.orgnl_end_to_end_id) == (request.orig_serial, request.orig_serial)
    assert undone.rvsd_instd_amt.value == yuan(request.refund_fen)
    assert undone.orgnl_instd_amt.value == yuan(request.orig_amount_fen)
    [reason] = undone.rvsl_rsn_inf
    assert (reason.rsn.cd or reason.rsn.prtry) == request.reason


@settings(max_examples=60, deadline=None)
@given(charges, st.sampled_from(["ACSC", "PDNG", "RJCT"]))
def test_a_report_written_by_another_hand_is_understood(charge: bank.Withhold, status: str) -> None:
    """pyiso20022 reads and writes the bank's answer: prefixes, order and layout are its own."""
    said = transaction(charge.serial, status, f"{yuan(charge.amount_fen):.2f}", txn="BT1", reason="AM04")
    again = write(read(report(said, original=charge.serial), STATUS_REPORT), STATUS_REPORT)
    found = verdict("Withhold", charge, again)
    assert {"ACSC": "Done", "PDNG": "Accepted", "RJCT": "Refused"}[status] == type(found).__name__
    assert found.reply.amount_fen == charge.amount_fen


# -- strict ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        " 张三",
        "张三 ",
        "张\t三",
        "张\n三",
        "张\u200b三",
        "张\x00三",
        "张\ue000三",
        "张\u2028三",
        "张\ufeff三",
        "张\u202e三",
        "汉" * 71,
        "a" * 141,
    ],
)
def test_a_name_the_bank_could_not_keep_is_never_cut_or_replaced(name: str) -> None:
    charge = withholding().model_copy(update={"payer_name": bank.PersonName.__new__(bank.PersonName)})
    object.__setattr__(charge.payer_name, "_value", name)
    assert refused("Withhold", charge) == "Nm"


@pytest.mark.parametrize("name", ["张三", "阿依古丽·吐尔逊", "欧阳（女）", "O Brien", "汉" * 70])
@pytest.mark.parametrize("charset", ["gb18030", "gbk", "utf-8"])
def test_common_names_pass_in_every_charset(name: str, charset: str) -> None:
    assert name.encode() in encode("Withhold", withholding(payer_name=name), charset=charset)


@pytest.mark.parametrize(
    ("name", "charset", "fits"),
    [
        ("王䶮", "gb18030", True), ("王䶮", "gbk", False), ("王䶮", "gb2312", False), ("王䶮", "utf-8", True),
        ("𬱖", "gb18030", True), ("𬱖", "gbk", False), ("李·四", "gbk", True), ("李·四", "gb2312", False),
    ],
)  # fmt: skip
def test_a_rare_character_goes_to_a_person_where_the_banks_charset_lacks_it(
    name: str, charset: str, fits: bool
) -> None:
    charge = withholding(payer_name=name)
    if fits:
        assert name.encode() in encode("Withhold", charge, charset=charset)
    else:
        assert refused("Withhold", charge, charset=charset) == "Nm"


def test_a_refusal_repeats_nothing_of_the_name() -> None:
    with pytest.raises(Refusal) as found:
        encode("Withhold", withholding(payer_name="王䶮"), charset="gbk")
    assert "王" not in str(found.value) + repr(found.value)
    assert found.value.__cause__ is None
    assert found.value.__context__ is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"agreement_no": "AG//1"}, "MndtId"),
        ({"agreement_no": "A" * 36}, "MndtId"),
        ({"agreement_no": "协议1"}, "MndtId"),
        ({"purpose": "hospital"}, "Purp"),
        ({"payee": account("6222 0000", "某院", "30173100001")}, "MmbId"),
        ({"payee": account("6222_0000", "某院")}, "Id"),
        ({"payee": account("6" * 35, "某院")}, "Id"),
        ({"bill_no": "B" * 36}, "Nb"),
        ({"visit_no": "V\n1"}, "Ref"),
        ({"amount_fen": 10**18}, "InstdAmt"),
    ],
)
def test_what_does_not_fit_is_named_before_anything_leaves(change: dict[str, Any], field: str) -> None:
    assert refused("Withhold", withholding(**change)) == field


def test_a_reversal_never_exceeds_its_charge_and_a_sender_has_a_number() -> None:
    assert refused("Refund", refunding(refund_fen=250051)) == "RvsdInstdAmt"
    assert refused("Withhold", withholding(), sender_id="") == "sender_id"
    assert refused("Withhold", withholding(), charset="big5") == "charset"
    assert refused("Withhold", withholding(), agent="123") == "MmbId"


def test_a_moment_without_an_offset_is_refused() -> None:
    naive = SendContext(0.0, datetime(2025, 3, 3), "n", "m", SAID)  # noqa: DTZ001 - that is the point
    with pytest.raises(Refusal, match="CreDtTm"):
        codec.encode("Withhold", withholding(), naive)


def test_a_mandate_names_the_person_and_nothing_else_of_them() -> None:
    sent = json.loads(encode("SignAgreement", request_of("SignAgreement")))["MndtInitnReq"]
    parts = {"Tp", "Fndg", "Dbtr", "CdtrSchmeId", "FrDt", "ToDt", "MaxAmt", "OTP"}
    assert set(sent) == {"MsgId", "CreDtTm", "InitgPty", "MndtReqId"} | parts
    assert set(sent["Dbtr"]) == {"Nm", "IdTp", "Id", "MobNb", "Acct"}
    assert (
        refused("SignAgreement", request_of("SignAgreement").model_copy(update={"payee_id": "医院"})) == "CdtrSchmeId"
    )


# -- large ----------------------------------------------------------------------------------------------------------


def test_two_thousand_orders_are_quick_and_leave_the_loop_to_others() -> None:
    request = batch(2000)
    started = time.thread_time()
    raw = encode("SubmitPayoutBatch", request)
    took = time.thread_time() - started
    assert raw.count(b"<CdtTrfTxInf>") == 2000
    assert len(raw) < ADAPTER.manifest.capabilities["max_batch_bytes"]
    assert took < 1.0
    assert {"SubmitPayoutBatch", "QueryPayoutBatch"} <= HEAVY == ADAPTER.heavy


def test_two_thousand_statuses_are_read() -> None:
    request = batch(2000)
    told = [
        transaction(r.rec_serial, "ACSC", f"{yuan(r.amount_fen):.2f}", txn=f"BT{r.rec_serial}") for r in request.records
    ]
    total = f"<OrgnlNbOfTxs>2000</OrgnlNbOfTxs><OrgnlCtrlSum>{yuan(request.total_fen):.2f}</OrgnlCtrlSum>"
    raw = report(*told, original="B0000001", message="pain.001.001.09", group="ACSC", before=total)
    question = bank.QueryPayoutBatch(serial="Q0000001", batch_no="B0000001")
    found = verdict("QueryPayoutBatch", question, raw)
    assert len(found.reply.records) == 2000
    assert isinstance(verdict("SubmitPayoutBatch", request, raw), Accepted)


# -- the official schemas, where they are configured ----------------------------------------------------------------


@pytest.mark.skipif(not XSDS, reason="no XINYI_ISO20022_XSD: the adapter's own structural checks alone decide")
def test_with_the_schemas_configured_both_directions_are_held_against_them() -> None:
    assert encode("Withhold", withholding(), xsd_dir=XSDS)
    context = replace(CONTEXT, credentials={**SAID, "xsd_dir": XSDS})
    raw = report(transaction(), group="ACSC")
    good = replace(answered(raw), context=context)
    assert type(codec.decode("Withhold", withholding(), good)).__name__ == "Done"
    foreign = raw.replace(b"<TxInfAndSts>", b"<Elsewhere/><TxInfAndSts>")
    bad = replace(answered(foreign), context=context)
    assert isinstance(codec.decode("Withhold", withholding(), bad), Unknown)


def test_a_schema_that_cannot_be_read_sends_nothing_and_believes_nothing(tmp_path: Path) -> None:
    assert refused("Withhold", withholding(), xsd_dir=str(tmp_path)) == "xsd_dir"
    context = replace(CONTEXT, credentials={**SAID, "xsd_dir": str(tmp_path)})
    answer = replace(answered(report(transaction(), group="ACSC")), context=context)
    assert "xsd_dir" in codec.decode("Withhold", withholding(), answer).reason


def test_the_context_says_when_and_who() -> None:
    head = read(encode("Withhold", withholding()), "pain.008.001.09").cstmr_drct_dbt_initn.grp_hdr
    assert head.cre_dt_tm.to_datetime() == NOW
    assert head.initg_pty.id.org_id.othr[0].id == "XINYI"
