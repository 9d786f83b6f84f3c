"""Whatever a canonical message holds, it arrives unchanged; what the contract forbids never leaves (facts 7.3)."""

from __future__ import annotations

import string
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.bank_soap.binding import BindingError, qualified
from adapters.bank_soap.notices import NOTICES
from adapters.bank_soap.replies import REPLIES
from adapters.bank_soap.requests import REQUESTS, batch_digest
from gateway.model import bank
from gateway.model.clock import SHANGHAI
from gateway.model.refusals import Refusal
from tests.unit.adapters.bank_soap_partner import CONTEXT, body_of, codec, golden_request, read_request, schema

RARE = ("䶮", "㛃", "𬱖", "阿依古丽·买买提", "€•")  # GB18030 only, astral, middle dots
letters = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="|￾￿")
names = st.one_of(st.sampled_from(RARE), st.text(letters, min_size=1, max_size=70)).filter(
    lambda text: text == text.strip()
)
remarks = st.text(letters, max_size=200)
fen = st.integers(1, 999_999_999_999)
serials = st.text(string.ascii_letters + string.digits, min_size=8, max_size=32)
ids = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=35)
days = st.dates(date(1900, 1, 1), date(2999, 12, 31))
moments = st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1)).map(lambda at: at.replace(tzinfo=SHANGHAI))  # noqa: DTZ001
accounts = st.builds(
    bank.Account,
    acct_no=st.text(string.digits + "-", min_size=4, max_size=34),
    acct_name=names,
    bank_code=st.text(string.digits, min_size=12, max_size=12),
    bank_name=names,
)
purposes = st.sampled_from(["HSPC", "MDCS", "HLTI", "INSC", "GOVI"])
requests: dict[str, st.SearchStrategy[Any]] = {
    "SignAgreement": st.builds(
        bank.SignAgreement,
        serial=serials,
        agreement_type=st.sampled_from(["WITHHOLD", "PREAUTH", "BOTH"]),
        payer=st.one_of(accounts, names.map(lambda name: bank.Account(acct_no="", acct_name=name))),
        id_type=st.sampled_from(["01", "02", "A9"]),
        id_no=st.text(string.ascii_uppercase + string.digits + "()-", min_size=1, max_size=50),
        mobile=st.one_of(st.just(""), st.text(string.digits, min_size=6, max_size=20)),
        payee_id=ids,
        sms_token=st.one_of(st.just(""), ids),
        funding=st.sampled_from(["CREDIT_CARD", "CREDIT_LOAN", "BANK_ADVANCE", "DEBIT_CARD"]),
        valid_from=days,
        valid_to=st.one_of(st.none(), days),
        limit_cap_fen=st.one_of(st.none(), fen),
    ),
    "Withhold": st.builds(
        bank.Withhold,
        serial=serials,
        agreement_no=ids,
        amount_fen=fen,
        payer_name=names,
        payee=accounts,
        visit_no=ids,
        bill_no=ids,
        purpose=purposes,
        requested_date=days,
    ),
    "Refund": st.builds(
        bank.Refund,
        serial=serials,
        orig_serial=serials,
        orig_bank_txn_no=st.one_of(st.just(""), ids),
        refund_fen=fen,
        orig_amount_fen=fen,
        reason=st.sampled_from(["CUST", "DUPL", "TECH"]),
    ),
    "PreAuthorise": st.builds(
        bank.PreAuthorise, serial=serials, agreement_no=ids, amount_fen=fen, admission_no=ids,
        valid_days=st.integers(1, 365),
    ),
    "CompletePreAuthorisation": st.builds(
        bank.CompletePreAuthorisation, serial=serials, pre_auth_no=ids, orig_serial=serials, amount_fen=fen,
        final=st.booleans(),
    ),
    "VoidPreAuthorisation": st.builds(
        bank.VoidPreAuthorisation, serial=serials, pre_auth_no=ids, orig_serial=serials, amount_fen=fen
    ),
    "SubmitPayoutBatch": st.builds(
        bank.SubmitPayoutBatch,
        serial=serials,
        payer=accounts,
        biz_date=days,
        records=st.lists(
            st.builds(
                bank.PayoutRecord,
                record_no=st.integers(1, 2000),
                rec_serial=serials,
                payee=accounts,
                amount_fen=st.integers(1, 999_999_999_999),
                hospital_code=st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=30),
                purpose=purposes,
            ),
            min_size=1,
            max_size=4,
        ).map(tuple),
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", requests)
def test_a_request_arrives_as_it_was_meant(operation: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(requests[operation])
    def arrives(request: Any) -> None:
        element = body_of(codec.encode(operation, request, CONTEXT).body)
        assert schema().validate(element)
        values: dict[str, Any] = {}
        REQUESTS[operation].take(element, values)
        assert REQUESTS[operation].model_of(values) == request

    arrives()


@settings(max_examples=60, deadline=None)
@given(requests["Withhold"])
def test_the_partner_reads_the_same_names_and_fen(request: bank.Withhold) -> None:
    read = read_request("Withhold", codec.encode("Withhold", request, CONTEXT).body)
    assert read["AmountFen"] == request.amount_fen
    assert read["PayerName"] == request.payer_name.reveal()
    assert read["PayeeAccount"]["AcctName"] == request.payee.acct_name.reveal()
    assert read["PayeeAccount"]["BankName"] == request.payee.bank_name
    assert read["RequestedDate"] == request.requested_date


@settings(max_examples=60, deadline=None)
@given(requests["SubmitPayoutBatch"])
def test_control_totals_and_digest_are_those_of_the_records(batch: bank.SubmitPayoutBatch) -> None:
    read = read_request("SubmitPayoutBatch", codec.encode("SubmitPayoutBatch", batch, CONTEXT).body)
    assert read["TotalCount"] == len(batch.records)
    assert read["TotalFen"] == sum(record["AmountFen"] for record in read["Records"]["Record"])
    assert read["DigestSm3"] == batch_digest(batch)


def test_the_digest_is_the_one_the_contract_words() -> None:
    """The text of the contract's chapter 批量摘要, hashed by another implementation of SM3."""
    from gmssl_pyx import sm3_hash

    batch = golden_request("SubmitPayoutBatch")
    text = "DP64010020250302000000000001|2025-03-02|640000000000900001|2|1445927\n"
    text += "1|PO64010020250302000000000001|640000000000100001|宁夏示例医院|301871000014|920001|H64000100001|HLTI\n"
    text += "2|PO64010020250302000000000002|640000000000100002|银川市示例医院|301871000014|525926|H64000100002|HLTI\n"
    assert batch_digest(batch) == sm3_hash(text.encode()).hex()


replies: dict[str, st.SearchStrategy[Any]] = {
    "Withhold": st.builds(
        bank.MoneyReply, status=st.sampled_from(bank.BankStatus), reason_code=st.sampled_from(["", "AM04"]),
        bank_txn_no=ids, bank_time=moments, duplicate=st.booleans(), amount_fen=fen,
        booking_date=st.one_of(st.none(), days),
    ),
    "QueryTransaction": st.builds(
        bank.TransactionReply, status=st.just(bank.BankStatus.ACSC), found=st.just(True),
        orig_status=st.just(bank.BankStatus.ACSC), bank_time=moments, orig_amount_fen=fen, refunded_fen=fen,
        pre_auth_no=ids, held_fen=fen, captured_fen=fen, released_fen=fen,
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", replies)
def test_a_reply_arrives_as_it_was_meant(operation: str) -> None:
    @settings(max_examples=60, deadline=None)
    @given(replies[operation])
    def arrives(reply: Any) -> None:
        made = etree.Element(qualified(f"{operation}Response"))
        REPLIES[operation].put(made, reply, {"@resp_code": "000000", "@resp_msg": "ok"})
        assert schema().validate(made)
        assert REPLIES[operation].make(made) == reply

    arrives()


@settings(max_examples=60, deadline=None)
@given(
    st.builds(
        bank.DeliverReceipt,
        msg_id=st.just("M1"),
        notify_no=ids,
        receipt=st.builds(
            bank.Receipt, receipt_no=ids, verify_code=ids, orig_serial=st.one_of(st.just(""), serials),
            bank_txn_no=ids, biz_type=st.just("PAYOUT"), payer=accounts, payee=accounts, amount_fen=fen,
            amount_in_words=names, txn_time=moments, booking_date=days, format=st.just("OFD"),
            content=st.binary(min_size=1, max_size=2000), sha256=st.just("a" * 64), sm3=st.just("b" * 64),
        ),
    )
)  # fmt: skip
def test_a_receipt_arrives_as_it_was_meant(notice: bank.DeliverReceipt) -> None:
    made = etree.Element(qualified("DeliverReceipt"))
    header = {
        "@msg_id": "M1", "@sender_id": "B", "@receiver_id": "X", "@created_at": CONTEXT.business_now,
        "@tx_code": "DeliverReceipt", "@version": "1.0",
    }  # fmt: skip
    NOTICES["DeliverReceipt"].put(made, notice, header)
    assert schema().validate(made)
    assert NOTICES["DeliverReceipt"].make(made) == notice


# -- what may not leave ---------------------------------------------------------------------------------------------

BAD = [
    ("Withhold", {"purpose": "阑尾切除"}, "Purpose"),  # nothing medical has a place
    ("Withhold", {"visit_no": "V 1"}, "VisitNo"),
    ("Withhold", {"bill_no": "B" * 36}, "BillNo"),
    ("Withhold", {"bill_no": ""}, "BillNo"),
    ("Withhold", {"amount_fen": 1_000_000_000_000}, "AmountFen"),
    ("Withhold", {"payer_name": bank.PersonName("甲" * 71)}, "PayerName"),
    ("Withhold", {"payer_name": bank.PersonName("甲\x01乙")}, "PayerName"),
    ("Withhold", {"payer_name": bank.PersonName("甲\ud800乙")}, "PayerName"),
    ("Withhold", {"payer_name": bank.PersonName("甲|乙")}, "PayerName"),
    ("Refund", {"reason": "客户"}, "Reason"),
    ("PreAuthorise", {"valid_days": 0}, "ValidDays"),
    ("CancelAgreement", {"reason": "MD07"}, "Reason"),
    ("GetReceipt", {"format": "DOC"}, "Format"),
    ("QueryPayoutBatch", {"page_size": 2001}, "PageSize"),
    ("SignAgreement", {"id_no": bank.CertNo("身份证")}, "IdNo"),
]


@pytest.mark.parametrize(("operation", "change", "field"), BAD)
def test_what_the_contract_forbids_is_refused_before_it_is_sent(operation: str, change: Any, field: str) -> None:
    request = golden_request(operation).model_copy(update=change)
    with pytest.raises(Refusal) as caught:
        codec.encode(operation, request, CONTEXT)
    assert (caught.value.code, caught.value.field) == ("INVALID_FIELD", field)
    for value in change.values():
        hidden = value.reveal() if hasattr(value, "reveal") else str(value)
        assert not hidden or len(hidden) < 3 or hidden not in "".join(map(str, (caught.value, caught.value.args)))


def test_an_unnamed_question_is_refused() -> None:
    empty = bank.QueryAgreement(serial="Q0000001")
    with pytest.raises(Refusal, match="INVALID_FIELD"):
        codec.encode("QueryAgreement", empty, CONTEXT)


def test_a_sender_without_a_name_is_refused() -> None:
    nobody = type(CONTEXT)(0.0, CONTEXT.business_now, "n", "M1", {})
    with pytest.raises(Refusal, match="SenderId"):
        codec.encode("Withhold", golden_request("Withhold"), nobody)


def test_a_time_without_an_offset_is_refused() -> None:
    naive = type(CONTEXT)(0.0, datetime(2025, 3, 3), "n", "M1", CONTEXT.credentials)  # noqa: DTZ001
    with pytest.raises(Refusal, match="CreatedAt"):
        codec.encode("Withhold", golden_request("Withhold"), naive)


def test_an_unread_value_names_its_element_only() -> None:
    element = etree.fromstring('<x xmlns="urn:xinyi:bank-channel:v1"><BookingDate>张三</BookingDate></x>')
    with pytest.raises(BindingError) as caught:
        REPLIES["Withhold"].take(element, {})
    assert str(caught.value) == "BookingDate"
    assert caught.value.__suppress_context__


def test_a_moment_is_the_same_moment_in_shanghai() -> None:
    made = etree.Element("x")
    element = etree.SubElement(made, qualified("BankTime"))
    element.text = "2025-03-03T01:00:00.5Z"
    values: dict[str, Any] = {}
    head = etree.Element(qualified("WithholdResponse"))
    result = etree.SubElement(head, qualified("ResultHead"))
    result.append(element)
    REPLIES["Withhold"].take(head, values)
    assert values["bank_time"].isoformat() == "2025-03-03T09:00:00.500000+08:00"
    assert values["bank_time"].utcoffset() == timedelta(hours=8)
