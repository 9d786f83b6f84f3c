"""Bytes nobody honest sends: never an exception, never a certainty, never a word of what they said."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.bank_iso20022 import door
from adapters.bank_iso20022.standard import BATCH, SINGLE
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.unit.adapters.bank_iso_partner import (
    CASES,
    KINDS,
    PUSHES,
    SPACE,
    answered,
    codec,
    decode,
    edited,
    file_of,
    report,
    request_of,
    told,
    transaction,
    verdict,
    withholding,
)

CHARGE = withholding()
GOOD = report(transaction(), group="ACSC")
XSI = b"http://www.w3.org/2001/XMLSchema-instance"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


def charged(raw: bytes, status: int = 200) -> Any:
    return codec.decode("Withhold", CHARGE, answered(raw, status=status))


def test_the_plain_message_is_a_success() -> None:
    assert isinstance(charged(GOOD), Done)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"   ",
        b"OK",
        b"\x00\xff\xfe<<<\x80",
        GOOD[: len(GOOD) // 2],
        GOOD + GOOD,
        GOOD.replace(DECLARATION, DECLARATION + b"<!DOCTYPE Document>"),
        GOOD.replace(DECLARATION, DECLARATION + b'<!DOCTYPE d [<!ENTITY a "2500.50">]>').replace(b"2500.50", b"&a;"),
        GOOD.replace(DECLARATION, DECLARATION + b'<!DOCTYPE d SYSTEM "file:///etc/passwd">'),
        GOOD.replace(b"UTF-8", b"GBK"),
        GOOD.decode().encode("utf-16"),
        GOOD.replace(
            b"<CstmrPmtStsRpt>", b'<CstmrPmtStsRpt xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="1">'
        ),
        GOOD.replace(b"pain.002.001.10", b"pain.002.001.09"),
        GOOD.replace(SPACE.encode(), b"urn:other:"),
        GOOD.replace(b"<Document xmlns", b"<Other xmlns").replace(b"</Document>", b"</Other>"),
        GOOD.replace(b"CstmrPmtStsRpt>", b"Other>"),
        GOOD.replace(b"</CstmrPmtStsRpt>", b"</CstmrPmtStsRpt><CstmrPmtStsRpt/>"),
        GOOD.replace(b"<GrpHdr>", b"<GrpHdr/><GrpHdr>"),
        GOOD.replace(b"<TxSts>ACSC", b"<TxSts>RJCT</TxSts><TxSts>ACSC"),
        GOOD.replace(b"<TxSts>ACSC", b"<TxSts><Cd>ACSC</Cd>"),
        GOOD.replace(b"<TxSts>ACSC</TxSts>", b"<TxSts/>"),
        GOOD.replace(b"<OrgnlMsgId>W0000001</OrgnlMsgId>", b""),
        GOOD.replace(b"<InstdAmt", b'<InstdAmt Ccy="CNY">9999.00</InstdAmt><InstdAmt'),
        GOOD.replace(b' Ccy="CNY"', b""),
        GOOD.replace(b"+08:00", b""),
        GOOD.replace(b"2025-03-03T09:00:00+08:00", b"soon"),
        file_of("Withhold", "sent")[0],
        file_of("DeliverReceipt", "pushed")[0],
    ],
)
def test_what_is_no_answer_of_this_bank_is_unknown(raw: bytes) -> None:
    said = charged(raw)
    assert isinstance(said, Unknown)
    assert said.reason.startswith("HTTP 200: ")


def test_a_comment_or_an_instruction_cannot_cut_an_amount() -> None:
    for inside in (b"2500.50<!-- -->0", b"2500<?x?>.50", b"25<!-- 1 -->00.50"):
        raw = GOOD.replace(b"2500.50", inside)
        said = charged(raw)
        # Either the whole number is read, or nothing is believed.
        assert isinstance(said, Unknown) or said.reply.amount_fen == 250050
    assert isinstance(charged(GOOD.replace(b"2500.50", b"25<!-- -->")), Unknown)


def test_what_the_standard_allows_and_nobody_asks_for_is_passed_over() -> None:
    more = GOOD.replace(b"<OrgnlPmtInfAndSts>", b"<OrgnlPmtInfAndSts>").replace(
        b"</CreDtTm>", b"</CreDtTm><InitgPty><Nm>Bank</Nm></InitgPty>"
    )
    assert isinstance(charged(more), Done)


@pytest.mark.parametrize("status", [201, 202, 204, 301, 400, 401, 403, 404, 409, 429, 500, 502, 503])
def test_an_answer_with_another_status_is_unknown_whatever_it_says(status: int) -> None:
    assert isinstance(charged(GOOD, status), Unknown)
    assert isinstance(charged(b"<html>Bad Gateway</html>", status), Unknown)


@pytest.mark.parametrize(
    ("body", "status", "certain"),
    [
        ('{"MsgRjct":{"Cd":"MALFORMED","Txt":"报文无法解析","Retry":"NO"}}', 400, True),
        ('{"MsgRjct":{"Cd":"UNAUTHENTICATED","Retry":"NO"}}', 401, True),
        ('{"MsgRjct":{"Cd":"REPLAYED","Retry":"QUERY_FIRST"}}', 400, False),
        ('{"MsgRjct":{"Cd":"MALFORMED","Retry":"NO"}}', 500, False),
        ('{"MsgRjct":{"Cd":"MALFORMED","Retry":"NO"}}', 302, False),
        ('{"MsgRjct":{"Cd":"MALFORMED"}}', 400, False),
        ('{"MsgRjct":{"Cd":"MALFORMED","Retry":"NO","More":1}}', 400, False),
        ('{"MsgRjct":{"Cd":"MALFORMED","Retry":"NO"},"Ack":{}}', 400, False),
        ('{"code":"MALFORMED"}', 400, False),
        ("[]", 400, False),
        ("", 400, False),
    ],
)
def test_only_the_banks_own_rejection_says_that_nothing_was_done(body: str, status: int, certain: bool) -> None:
    said = codec.decode("Withhold", CHARGE, answered(body.encode(), "json", status))
    assert isinstance(said, Refused) is certain
    if certain:
        assert said.code == "BANK_CLIENT_FAULT"


def test_too_much_is_refused_before_it_is_read() -> None:
    started = time.thread_time()
    assert isinstance(charged(GOOD.replace(b"<GrpHdr>", b"<X/>" * SINGLE.markup + b"<GrpHdr>")), Unknown)
    assert isinstance(charged(GOOD + b" " * SINGLE.size), Unknown)
    huge = report(*["<TxInfAndSts/>" * BATCH.markup], original="B0000001", message="pain.001.001.09", group="PART")
    assert isinstance(codec.decode("SubmitPayoutBatch", request_of("SubmitPayoutBatch"), answered(huge)), Unknown)
    assert time.thread_time() - started < 1.0


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_answer_never_raises_and_never_says_more(case: str, data: st.DataObject) -> None:
    raw, kind = file_of(case, "answer")
    at = data.draw(st.integers(0, len(raw) - 1))
    cut = data.draw(st.integers(0, 12))
    put = data.draw(st.binary(max_size=6))
    said = decode(case, raw[:at] + put + raw[at + cut :], kind)
    assert isinstance(said, Unknown | Done | Accepted | Refused)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(CASES), st.binary(max_size=200), st.sampled_from([200, 400, 500]), st.sampled_from(["xml", "json"])
)
def test_noise_is_unknown(case: str, raw: bytes, status: int, kind: str) -> None:
    assert isinstance(decode(case, raw, kind, status), Unknown)


@pytest.mark.parametrize("case", PUSHES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_push_is_refused_or_read_and_never_breaks_the_door(case: str, data: st.DataObject) -> None:
    raw, kind = file_of(case, "pushed")
    at = data.draw(st.integers(0, len(raw) - 1))
    damaged = raw[:at] + data.draw(st.binary(max_size=4)) + raw[at + data.draw(st.integers(0, 9)) :]
    assert outcome(damaged, KINDS[kind]) in ("MALFORMED", "INVALID_FIELD", "NotifyTransaction", "DeliverReceipt")


def outcome(raw: bytes, kind: str) -> str:
    """What the door reads, or the code it refuses with."""
    try:
        return type(door.read_notification(raw, kind)).__name__
    except Refusal as refusal:
        return refusal.code


# -- people ---------------------------------------------------------------------------------------------------------


def test_a_banks_words_lose_the_people_of_the_request() -> None:
    said = "阿依古丽·䶮 账号 6222053010000001 证件 530102199001019990 手机 13800001234 不符"
    raw = report(transaction(status="RJCT", reason="BE01", text=said), group="RJCT")
    found = verdict("Withhold", CHARGE, raw)
    for hidden in ("古丽", "6222053010000001", "530102199001019990", "13800001234"):
        assert hidden not in found.text
        assert hidden not in found.reply.reason_text


def test_no_reason_repeats_what_a_message_said() -> None:
    secrets = ("6222053010000001", "阿依古丽")
    for old in ("ACSC", "2500.50", "2025-03-03T08:00:00.000+08:00", "W0000001"):
        for secret in secrets:
            raw = edited("Withhold", (f">{old}<", f">{secret}<")) if old in edited("Withhold").decode() else GOOD
            said = told(decode("Withhold", raw), "Withhold")
            assert secret not in str(said.get("reason", ""))
