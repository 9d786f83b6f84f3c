"""The HIS's own rules: msgids never repeat, its books add up, an answer is final or it is not."""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta

import pytest

from simulators.common.clock import SHANGHAI
from simulators.hospital.books import BookedCharge, Books, fen
from simulators.hospital.envelope import Institution, MsgIds, amount, envelope, tif_headers
from simulators.hospital.fees import split
from simulators.hospital.national import Message, NationalRefused, SettlementReversed, final
from simulators.hospital.people import _CHECK, _WEIGHTS, invent

INSTITUTION = Institution("H42010200999", "江城示例医院", "420100", "demoSecretToken")
MESSAGE = Message("2207", "H42010200999202611200935120007", b"{}")
SETLINFO = {
    "setl_id": "S1", "mdtrt_id": "M1", "insutype": "310", "med_type": "21", "setl_time": "2025-03-03 09:00:00",
    "medfee_sumamt": "10000.00", "fund_pay_sumamt": "6000.00", "hifp_pay": "5000.00", "hifob_pay": "800.00",
    "cvlserv_pay": "200.00", "acct_pay": "300.00", "psn_cash_pay": "3700.00",
}  # fmt: skip


async def test_msgids_are_thirty_long_and_never_the_same() -> None:
    moment = datetime(2025, 3, 3, 8, 0, 0, tzinfo=SHANGHAI)
    msgids = MsgIds("H42010200999", lambda: moment)
    made = [await msgids.next() for _ in range(9999)]
    assert made[0] == "H42010200999202503030800000001"
    assert len(set(made)) == 9999
    assert {len(msgid) for msgid in made} == {30}


async def test_msgids_stay_unique_when_the_clock_is_set_back() -> None:
    moments = iter([datetime(2025, 3, 3, 9, tzinfo=SHANGHAI), datetime(2025, 3, 3, 8, tzinfo=SHANGHAI)])
    msgids = MsgIds("H42010200999", lambda: next(moments))
    assert [await msgids.next(), await msgids.next()] == [
        "H42010200999202503030900000001", "H42010200999202503030900000002"]  # fmt: skip


async def test_a_used_up_second_is_waited_out() -> None:
    start = datetime(2025, 3, 3, 8, tzinfo=SHANGHAI)
    asked = 0

    def now() -> datetime:
        nonlocal asked
        asked += 1
        return start + timedelta(seconds=asked > 10_001)

    msgids = MsgIds("H42010200999", now)
    made = [await msgids.next() for _ in range(10_000)]
    assert made[-1] == "H42010200999202503030800010001"


def test_the_envelope_is_complete_and_its_amounts_are_exact() -> None:
    at = datetime(2026, 11, 20, 9, 35, 12, tzinfo=SHANGHAI)
    body = envelope(INSTITUTION, "2207", MESSAGE.msgid, {"data": {"medfee_sumamt": amount(18_650)}}, at=at)
    assert b'"medfee_sumamt":186.50' in body
    assert b'"inf_time":"2026-11-20 09:35:12"' in body
    required = (
        "infno", "msgid", "mdtrtarea_admvs", "insuplc_admdvs", "recer_sys_code", "infver", "opter_type", "opter",
        "opter_name", "fixmedins_code", "fixmedins_name", "sign_no", "input",
    )  # fmt: skip
    for name in required:
        assert f'"{name}":'.encode() in body
    assert amount(5, as_text=True) == "0.05"


def test_the_tif_signature_covers_timestamp_token_and_nonce() -> None:
    headers = tif_headers(INSTITUTION)
    timestamp, nonce = headers["x-tif-timestamp"], headers["x-tif-nonce"]
    expected = hashlib.sha256(f"{timestamp}demoSecretToken{nonce}{timestamp}".encode()).hexdigest()
    assert headers["x-tif-signature"] == expected
    assert tif_headers(INSTITUTION)["x-tif-nonce"] != nonce


def test_an_answer_with_infcode_zero_is_final_however_it_is_spelt() -> None:
    for infcode in ("0", '"0"'):
        answer = final(MESSAGE, 200, f'{{"infcode":{infcode},"output":{{"a":1.10}}}}'.encode(), False)
        assert answer is not None
        assert str(answer.output["a"]) == "1.10"


@pytest.mark.parametrize(
    ("status", "raw"),
    [(200, b""), (200, b"\xff garbage"), (502, b"<html>"), (500, b'{"code":500159}'), (200, b'{"code":"999"}'),
     (200, '{"infcode":-1,"err_msg":"处理中 [IN_PROGRESS|X1]"}'.encode()),
     (200, '{"infcode":-1,"err_msg":"平台不可用 [PLATFORM_UNAVAILABLE|X1]"}'.encode())],
)  # fmt: skip
def test_what_is_not_final_is_asked_for_again(status: int, raw: bytes) -> None:
    assert final(MESSAGE, status, raw, False) is None


def test_a_refusal_says_whose_it_is() -> None:
    with pytest.raises(NationalRefused) as refused:
        final(MESSAGE, 200, '{"infcode":-1,"err_msg":"该就诊已结算，不能重复结算"}'.encode(), False)
    assert refused.value.code == ""
    with pytest.raises(SettlementReversed):
        final(MESSAGE, 200, '{"infcode":-1,"err_msg":"已冲正 [SETTLEMENT_REVERSED|X1]"}'.encode(), False)


def test_a_failed_authentication_is_no_reason_to_wait() -> None:
    with pytest.raises(NationalRefused) as refused:
        final(MESSAGE, 500, '{"code":400001,"msg":"身份校验信息错误"}'.encode(), False)
    assert refused.value.code == "UNAUTHENTICATED"


def test_a_booked_settlement_knows_its_payout_base() -> None:
    books = Books("H64000100001")
    booked = books.book("2304", "MSG", SETLINFO, "640100")
    assert booked.payout_base() == 580_000  # hifp + hifob, not the civil servants' subsidy (R-111)
    assert booked.identity_gap() == 0
    assert (
        books.book("2304", "MSG2", SETLINFO | {"setl_id": "S2", "insutype": "390"}, "640100").payout_base() == 500_000
    )
    with pytest.raises(ValueError, match="S1"):
        books.book("2304", "MSG3", SETLINFO, "640100")


def test_a_cancelled_settlement_counts_no_more() -> None:
    books = Books("H64000100001")
    books.book("2304", "MSG", SETLINFO, "640100")
    books.cancel("S1", "MSG-CANCEL")
    assert books.total("medfee_sumamt") == 0
    assert not list(books.live())


def test_a_charge_closes_over_line_top_up_and_window() -> None:
    assert BookedCharge("V1", "S1", 125_050, charged=100_000, topped_up=25_050).gap == 0
    assert BookedCharge("V1", "S1", 125_050, charged=100_000).gap == 25_050
    books = Books("H43050000001")
    books.charge("V1", "S1", 3_050, charged=3_050)
    books.refund("V1", 3_050)
    assert books.credit_net() == 0


def test_part_of_a_fen_is_no_amount() -> None:
    assert fen("0.01") == 1
    assert fen(None) == 0
    with pytest.raises(ValueError, match="fen"):
        fen("0.005")


def test_fee_lines_add_up() -> None:
    dice = random.Random(3)
    for total, parts in ((1, 1), (100, 100), (123_457, 7)):
        pieces = split(dice, total, parts)
        assert (sum(pieces), len(pieces), min(pieces) > 0) == (total, parts, True)
    with pytest.raises(ValueError, match="fen"):
        split(dice, 3, 4)


def test_an_invented_person_can_be_nobody() -> None:
    for number in range(1, 300):
        person = invent(random.Random(number), "430500", number)
        check = sum(int(digit) * weight for digit, weight in zip(person.certno[:17], _WEIGHTS, strict=True)) % 11
        assert len(person.certno) == 18
        assert person.certno[17] != _CHECK[check]
        assert person.certno not in repr(person)
        assert person.psn_name not in repr(person)
