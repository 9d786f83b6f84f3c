"""The insurance codec: authentication vectors, addresses, and what every kind of answer means (6.1, G)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.insurance import ADAPTER
from adapters.insurance.auth import csb_signature, tif_signature
from adapters.insurance.builders import REVERSIBLE
from adapters.insurance.lifting import SettlementUnreadable, stmt_class, tolerant_fen
from adapters.insurance.wire import service_paths
from gateway.delivery.declare import AfterUnknown, Answer, Guarantee, SendContext
from gateway.model.clock import SHANGHAI
from gateway.model.insurance import CANCEL, SETTLE, NationalMessage
from gateway.model.verdict import Done, NotSent, Refused, Unknown, name_of

CODEC = ADAPTER.codec
HOSPITAL = NationalMessage(
    infno="",
    fixmedins_code="H43050000001",
    fixmedins_name="邵阳示例医院",
    mdtrtarea_admvs="430500",
    insuplc_admdvs="430500",
    sign_no="S1",
)
RAW = (
    '{"infno":"2207","msgid":"H43050000001202503030930000001","mdtrtarea_admvs":"430500","insuplc_admdvs":"430521",'
    '"recer_sys_code":"LOCAL","opter":"OP1","opter_name":"收费员","fixmedins_code":"H43050000001","sign_no":"S1",'
    '"province_extra":{"x":1.50},"input":{"data":{"psn_no":"P1","mdtrt_id":"M1"}}}'
)
SETTLING = NationalMessage(
    infno="2207",
    msgid="H43050000001202503030930000001",
    fixmedins_code="H43050000001",
    insuplc_admdvs="430521",
    mdtrtarea_admvs="430500",
    psn_no="P1",
    mdtrt_id="M1",
    sign_no="S1",
    raw=RAW,
)
CONTEXT = SendContext(
    real_now=1795224615.9,
    business_now=datetime(2025, 3, 3, 1, 30, tzinfo=SHANGHAI),
    nonce="7f8a2c1e-0b3d-4e5f-9a6b-1c2d3e4f5a6b",
    msgid="H43050000001202503030130005000",
    credentials={"paasid": "xinyi", "token": "demoSecretToken"},
)


def with_credentials(**credentials: str) -> SendContext:
    return replace(CONTEXT, credentials={**CONTEXT.credentials, **credentials})


def spoken(*, credentials: Mapping[str, str] | None = None, **variant: str) -> SendContext:
    return replace(with_credentials(**(credentials or {})), variant=variant)


def answered(
    operation: str, body: object, status: int = 200, request: NationalMessage = SETTLING,
    context: SendContext | None = None,
) -> object:  # fmt: skip
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return CODEC.decode(operation, request, Answer(status, {}, raw, context))


def failure(text: str, infcode: object = -1) -> dict[str, object]:
    return {"infcode": infcode, "inf_refmsgid": "430000202503030930000000000001", "err_msg": text, "output": None}


def test_the_published_tif_vector() -> None:
    signed = tif_signature("1795224615", "demoSecretToken", "7f8a2c1e-0b3d-4e5f-9a6b-1c2d3e4f5a6b")
    assert signed == "1daef49073d16503150d61fb12af6d91b3dc6d3e0d83abd6f769d59e69710b17"
    headers = CODEC.encode("2207", SETTLING, CONTEXT).headers
    assert headers["x-tif-signature"] == signed
    assert headers["x-tif-timestamp"] == "1795224615"
    assert headers["x-tif-paasid"] == "xinyi"
    assert headers["Content-Type"] == "application/json; charset=UTF-8"


def test_the_published_csb_vector() -> None:
    signed = {
        "_api_access_key": "demoAK",
        "_api_name": "2207",
        "_api_timestamp": "1795224615000",
        "_api_version": "1.0.0",
    }
    assert csb_signature("demoSK", signed) == "jP57rKaolDtnI6/yIa73Y0fIPkk="
    keys = {"access_key": "demoAK", "secret_key": "demoSK"}
    context = replace(spoken(credentials=keys, auth="csb"), real_now=1795224615.0)
    headers = CODEC.encode("2207", SETTLING, context).headers
    assert headers["_api_signature"] == "jP57rKaolDtnI6/yIa73Y0fIPkk="
    assert "x-tif-signature" not in headers


def test_the_other_two_variants() -> None:
    keyed = spoken(credentials={"apikey": "K"}, auth="apikey")
    assert CODEC.encode("2207", SETTLING, keyed).headers["apikey"] == "K"
    assert list(CODEC.encode("2207", SETTLING, spoken(auth="none")).headers) == ["Content-Type"]


@pytest.mark.parametrize("variant", [{"auth": "sm2"}, {"auth": "csb"}, {"url_family": "soap"}, {"cainfo": "rsa"}])
def test_variants_that_make_no_sense_are_told(variant: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"authentication|url_family|cainfo"):
        CODEC.encode("2207", SETTLING, spoken(**variant))


@pytest.mark.parametrize(
    ("family", "operation", "path"),
    [
        ("call_service", "2207", "/fsi/api/rsfComIfsService/callService"),
        ("service_path", "2207", "/fsi/api/outpatientSettleService/saveSettletmentV2"),
        ("service_path", "2201", "/fsi/api/outpatientDocInfoService/outpatientRregistration"),
        ("service_path", "3205", "/fsi/api/3205"),
        ("infno", "2304", "/fsi/api/2304"),
    ],
)
def test_the_three_url_families(family: str, operation: str, path: str) -> None:
    assert CODEC.encode(operation, SETTLING, spoken(url_family=family)).path == path


def test_a_province_may_have_a_prefix_of_its_own() -> None:
    context = spoken(credentials={"path_prefix": ""}, url_family="infno")
    assert CODEC.encode("2207", SETTLING, context).path == "/2207"


def test_every_service_path_belongs_to_a_declared_transaction() -> None:
    assert set(service_paths()) <= set(ADAPTER.manifest.operations)


def test_a_relayed_message_leaves_untouched() -> None:
    assert CODEC.encode("2207", SETTLING, CONTEXT).body == RAW.encode()


def test_a_sign_in_number_found_later_is_spliced_in() -> None:
    raw = RAW.replace('"sign_no":"S1"', '"sign_no":null')
    out = CODEC.encode("2207", SETTLING.model_copy(update={"raw": raw}), CONTEXT)
    assert out.body == RAW.encode()


def test_a_message_of_our_own_gets_its_envelope() -> None:
    ask = CODEC.sign_in(HOSPITAL, opter_no="OP1", mac="00-00", ip="127.0.0.1")
    sent = json.loads(CODEC.encode("9001", ask, CONTEXT).body)
    assert sent["msgid"] == CONTEXT.msgid
    assert sent["inf_time"] == "2025-03-03 01:30:00"
    assert sent["sign_no"] == ""
    assert sent["fixmedins_name"] == "邵阳示例医院"
    assert sent["input"] == {"signIn": {"opter_no": "OP1", "mac": "00-00", "ip": "127.0.0.1"}}


def test_totals_fit_their_field_table() -> None:
    ask = CODEC.totals(
        HOSPITAL, insutype="310", clr_type="11", setl_optins="430500", begin=date(2025, 3, 2), end=date(2025, 3, 2),
        medfee_fen=-18650, fund_fen=1, acct_fen=0, count=2,
    )  # fmt: skip
    CODEC.validate_input("3201", ask.input)
    data = ask.input["data"]
    assert (data["medfee_sumamt"], data["fund_pay_sumamt"], data["stmt_begndate"]) == ("-186.50", "0.01", "2025-03-02")
    assert ask.insuplc_admdvs == ""


# -- guarantees (state-machines G) --


@pytest.mark.parametrize("infno", sorted(SETTLE))
def test_settlements_are_sent_once_and_reversed(infno: str) -> None:
    declared = ADAPTER.manifest.operations[infno]
    assert declared.guarantee is Guarantee.AT_MOST_ONCE
    assert declared.after_unknown is AfterUnknown.REVERSE
    assert (declared.question, declared.settling_seconds, declared.timeouts.read) == ("2601", 30, 60)


@pytest.mark.parametrize(
    "infno", [*sorted(CANCEL), "2601", "2201", "2203", "2204", "2301", "2401", "2402", "4101", "3201"]
)
def test_what_should_stand_is_sent_again(infno: str) -> None:
    declared = ADAPTER.manifest.operations[infno]
    assert declared.guarantee is Guarantee.IDEMPOTENT
    assert declared.after_unknown is AfterUnknown.RESEND


@pytest.mark.parametrize(
    "infno", ["1101", "1201", "2001", "2206", "2303", "2101", "3101", "5203", "5303", "3205", "9102"]
)
def test_questions_are_free(infno: str) -> None:
    assert ADAPTER.manifest.operations[infno].guarantee is Guarantee.QUERY


@pytest.mark.parametrize(
    ("infno", "seconds"), [("1101", 30), ("2206", 60), ("2301", 120), ("3201", 120), ("9101", 300)]
)
def test_read_timeouts_follow_the_facts(infno: str, seconds: int) -> None:
    assert ADAPTER.manifest.operations[infno].timeouts.read == seconds
    assert ADAPTER.manifest.operations[infno].timeouts.connect == 10


# -- what answers mean --

SETTLED = {
    "setlinfo": {
        "setl_id": "S100", "mdtrt_id": "M1", "psn_no": "P1", "setl_time": "2025-03-03 09:30:01",
        "medfee_sumamt": 90.5, "psn_cash_pay": "30.50", "hosp_part_amt": None, "oth_pay": "",
    },
    "setldetail": [{"fund_pay_type": "310100", "fund_payamt": 60}],
}  # fmt: skip


@pytest.mark.parametrize("infcode", [0, "0", 0.0, " 0 "])
def test_success_however_it_is_spelt(infcode: object) -> None:
    verdict = answered("2207", {"infcode": infcode, "output": SETTLED})
    assert isinstance(verdict, Done)
    settlement = verdict.reply.settlement
    assert settlement.amounts == {"medfee_sumamt": 9050, "psn_cash_pay": 3050}
    assert settlement.setl_time == datetime(2025, 3, 3, 9, 30, 1, tzinfo=SHANGHAI)
    assert settlement.details[0]["fund_payamt"] == 6000
    assert settlement.fen("hosp_part_amt") == 0


@pytest.mark.parametrize(
    "output", [None, {}, {"setlinfo": {"setl_id": ""}}, {"setlinfo": {**SETTLED["setlinfo"], "acct_pay": "0.005"}}]
)
def test_a_settlement_one_cannot_book_is_no_success(output: object) -> None:
    verdict = answered("2207", {"infcode": 0, "inf_refmsgid": "x", "output": output})
    assert isinstance(verdict, Unknown)
    assert "settlement" in verdict.reason


@pytest.mark.parametrize("body", [{"infcode": 0}, {"infcode": 0, "output": None}, {"infcode": "0", "output": {}}])
@pytest.mark.parametrize("infno", ["2601", "2202", "2208", "2402"])
def test_transactions_without_output(infno: str, body: object) -> None:
    assert isinstance(answered(infno, body), Done)


def test_the_time_of_the_answer_stands_in_for_a_missing_settlement_time() -> None:
    info = {**SETTLED["setlinfo"], "setl_time": None}
    verdict = answered("2207", {"infcode": 0, "respond_time": "20250303093002846", "output": {"setlinfo": info}})
    assert isinstance(verdict, Done)
    assert verdict.reply.settlement.setl_time == datetime(2025, 3, 3, 9, 30, 2, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"   "),
        (200, b"<html>busy</html>"),
        (200, b'{"infcode":0,"output":{"setl'),
        (200, b"[]"),
        (200, b'{"success":true}'),
        (200, b'{"infcode":null}'),
        (200, b'{"infcode":-1}'),
        (200, b"\xff\xfe\x00"),
        (200, b'{"code":500159,"message":"x","success":false}'),
        (204, b""),
        (302, b""),
        (404, b"not found"),
        (500, b'{"infcode":-1,"err_msg":"\xe8\xaf\xa5\xe5\xb0\xb1\xe8\xaf\x8a\xe5\xb7\xb2\xe7\xbb\x93\xe7\xae\x97"}'),
        (502, b"<html>Bad Gateway</html>"),
    ],
)
def test_what_cannot_be_read_is_unknown(status: int, body: bytes) -> None:
    assert isinstance(answered("2207", body, status), Unknown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (401, b'{"code":401,"message":"\xe7\xad\xbe\xe5\x90\x8d\xe4\xb8\x8d\xe4\xb8\x80\xe8\x87\xb4"}'),
        (200, b'{"code":401,"message":"x"}'),
        (500, b'{"code":400001,"msg":"x"}'),
        (500, b'{"code":"400001","msg":"x"}'),
    ],
)
def test_a_refused_authentication_sent_nothing(status: int, body: bytes) -> None:
    verdict = answered("2207", body, status)
    assert isinstance(verdict, NotSent)
    assert verdict.reason.startswith("authentication refused")


def test_a_settlement_is_believed_even_with_a_code_beside_it() -> None:
    assert isinstance(answered("2207", {"infcode": 0, "code": 401, "output": SETTLED}), Done)


@pytest.mark.parametrize(
    ("infno", "text", "code"),
    [
        ("2207", "该就诊已结算，不能重复结算", "ALREADY_SETTLED"),
        ("2304", "未查询到费用明细", "NO_FEES"),
        ("2207", "没有未结算的费用", "NO_FEES"),
        ("2207", "医疗费总额与上传明细合计不一致", "TOTAL_MISMATCH"),
        ("2301", "费用明细流水号重复", "ALREADY_DONE"),
        ("2204", "费用明细流水号重复", "ALREADY_DONE"),
        ("2207", "未找到有效的就诊/住院登记信息", "NOT_REGISTERED"),
        ("2301", "患者已出院，不能上传费用", "ALREADY_DISCHARGED"),
        ("2402", "患者已办理出院，不能重复办理", "ALREADY_DONE"),
        ("2401", "参保人已在本机构住院，不能重复办理入院", "ALREADY_DONE"),
        ("2208", "结算信息已清算/已对账，不允许撤销", "CANCEL_NOT_ALLOWED"),
        ("2208", "该结算已撤销，不能重复撤销", "ALREADY_CANCELLED"),
        ("2305", "该结算已撤销，不能重复撤销", "ALREADY_CANCELLED"),
        ("2205", "没有未结算的费用", "ALREADY_CANCELLED"),
        ("2202", "未找到有效的就诊/住院登记信息", "ALREADY_CANCELLED"),
        ("2601", "未找到原交易报文", "NOT_FOUND"),
        ("2601", "原交易未成功，无需冲正", "NOT_FOUND"),
        ("2601", "未找到原交易信息，无需冲正", "NOT_FOUND"),
        ("2601", "原交易已冲正，请勿重复冲正", "ALREADY_DONE"),
        ("2601", "该交易不支持冲正", "CANCEL_NOT_ALLOWED"),
        ("2207", "签到编号无效或已过期，请重新签到", "SIGN_IN_EXPIRED"),
        ("2207", "参保人待遇封锁/欠费停保", "ENTITLEMENT_SUSPENDED"),
        ("1101", "电子凭证令牌失效", "CREDENTIAL_EXPIRED"),
        ("2204", "医保目录编码无效/未对照", "CATALOGUE_INVALID"),
        ("2304", "业务拒绝[B0017]", "BUSINESS_REJECTED"),
        ("2207", "[B0017]业务校验不通过", "BUSINESS_REJECTED"),
        ("2304", "患者尚未办理出院，不能结算", "NOT_DISCHARGED"),
        ("2207", "psn_no不能为空", "INVALID_FIELD"),
    ],
)
def test_listed_business_texts_are_refusals(infno: str, text: str, code: str) -> None:
    verdict = answered(infno, failure(text))
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.text) == (code, text)
    assert verdict.reply.err_msg == text


@pytest.mark.parametrize(
    "text",
    [
        "调用核心系统超时",
        "系统异常，请联系管理员",
        "java.net.SocketTimeoutException: Read timed out",
        "结算处理中，请稍后再试",
        "系统异常：未查询到费用明细",
        "ORA-00060: deadlock",
    ],
)
@pytest.mark.parametrize("infno", ["2207", "2208", "2601", "1101"])
def test_system_texts_are_unknown_outcomes(infno: str, text: str) -> None:
    assert isinstance(answered(infno, failure(text)), Unknown)


@pytest.mark.parametrize("infno", [*sorted(SETTLE), "2601"])
def test_an_unseen_text_about_money_is_unknown(infno: str) -> None:
    assert answered(infno, failure("从未见过的文字")) == Unknown("unseen text")
    assert answered(infno, failure("从未见过的文字", -7)) == Unknown("unseen text")


@pytest.mark.parametrize("infno", ["1101", "2201", "2204", "2208", "2401", "3201"])
def test_an_unseen_text_elsewhere_is_a_refusal(infno: str) -> None:
    verdict = answered(infno, failure("从未见过的文字"))
    assert isinstance(verdict, Refused)
    assert verdict.code == "PLATFORM_REFUSED"


def test_an_unknown_operation_is_treated_as_money() -> None:
    assert isinstance(answered("9999", failure("从未见过的文字")), Unknown)


def test_a_stack_trace_behind_a_listed_text_changes_nothing() -> None:
    trace = "\n\tat com.example.Settle.run(Settle.java:17)\njava.lang.IllegalStateException" * 80
    listed = answered("2207", failure("该就诊已结算，不能重复结算" + " " * 200 + trace))
    assert isinstance(listed, Refused)
    unlisted = answered("2201", failure("从未见过的文字" + " " * 200 + trace))
    assert isinstance(unlisted, Unknown)


@pytest.mark.parametrize(
    ("operation", "text", "infcode", "kind"),
    [
        ("2207", "从未见过的文字", -1, Unknown), ("2207", "该就诊已结算，不能重复结算", "-1", Unknown),
        ("2207", "从未见过的文字", "-2", Refused), ("2207", "该就诊已结算，不能重复结算", -2, Refused),
        ("2207", "系统繁忙，请稍后再试", -2, Unknown), ("2207", "从未见过的文字", 7, Unknown),
        ("1101", "从未见过的文字", -1, Unknown), ("1101", "从未见过的文字", -2, Refused),
    ],
)  # fmt: skip
def test_two_failure_codes_tell_the_system_from_the_business(
    operation: str, text: str, infcode: object, kind: type
) -> None:
    context = spoken(failure_codes="minus_one_minus_two")
    assert isinstance(answered(operation, failure(text, infcode), context=context), kind)


def test_with_one_failure_code_the_text_decides() -> None:
    assert isinstance(answered("2207", failure("从未见过的文字", -2), context=CONTEXT), Unknown)
    assert isinstance(answered("2207", failure("该就诊已结算，不能重复结算", -1), context=CONTEXT), Refused)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(100, 599), st.sampled_from(["2207", "2601", "1101", "3201", "9001"]))
def test_decoding_never_raises(body: bytes, status: int, infno: str) -> None:
    assert name_of(CODEC.decode(infno, SETTLING, Answer(status, {}, body))) in ("UNKNOWN", "NOT_SENT")


_TEXTS = st.text(max_size=8) | st.text("\ud800\x00a", max_size=3)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KEYS = ("infcode", "err_msg", "inf_refmsgid", "code", "output", "respond_time")


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(_KEYS), _VALUES),
    st.dictionaries(st.sampled_from(("setlinfo", "setldetail", "stmtinfo", "baseinfo", "insuinfo")), _VALUES),
    st.sampled_from(["2207", "2208", "2206", "2601", "1101", "3201", "9001", "2201"]),
)
def test_decoding_never_raises_on_json_either(top: dict[str, object], output: dict[str, object], infno: str) -> None:
    body = json.dumps({"infcode": 0, "output": output} | top).encode()
    verdict = CODEC.decode(infno, SETTLING, Answer(200, {}, body))
    if isinstance(verdict, Done | Refused):
        assert verdict.reply.model_dump_json()
    assert name_of(verdict) in ("DONE", "REFUSED", "UNKNOWN", "NOT_SENT")
    if infno == "2207" and isinstance(verdict, Done):
        assert verdict.reply.settlement.setl_id


@pytest.mark.parametrize("strange", ["\ud800", "\x00", "a\udfffb"])
def test_a_text_no_store_can_hold_does_not_cost_the_answer(strange: str) -> None:
    for body in (
        {"infcode": 0, "warn_msg": strange, "output": {"setlinfo": {**SETTLED["setlinfo"], "clr_way": strange}}},
        failure("该就诊已结算" + strange),
    ):
        verdict = CODEC.decode("2207", SETTLING, Answer(200, {}, json.dumps(body).encode()))
        assert isinstance(verdict, Done | Refused)
        kept = verdict.reply.model_dump_json()
        assert "\\u0000" not in kept.replace("\\\\u0000", "")
        assert CODEC.reply_type("2207").model_validate_json(kept) == verdict.reply


# -- asking after a settlement --


def test_the_question_after_a_settlement_is_its_reversal() -> None:
    name, question = CODEC.question_for("2207", SETTLING)
    assert name == "2601"
    assert (question.infno, question.msgid, question.psn_no) == ("2601", "", "P1")
    sent = json.loads(CODEC.encode("2601", question, CONTEXT).body)
    assert sent["input"] == {"data": {"psn_no": "P1", "omsgid": SETTLING.msgid, "oinfno": "2207"}}
    assert (sent["msgid"], sent["inf_time"]) == (CONTEXT.msgid, "2025-03-03 01:30:00")
    assert (sent["insuplc_admdvs"], sent["recer_sys_code"], sent["sign_no"]) == ("430521", "LOCAL", "S1")
    assert sent["province_extra"] == {"x": 1.5}
    again = json.loads(CODEC.encode("2601", question, replace(CONTEXT, msgid="H43050000001202503030131005001")).body)
    assert again["msgid"] != sent["msgid"]
    assert again["input"] == sent["input"]


def test_a_settlement_of_our_own_is_reversed_too() -> None:
    own = SETTLING.model_copy(update={"raw": "", "input": {"data": {"psn_no": "P1"}}})
    _, question = CODEC.question_for("2207", own)
    sent = json.loads(CODEC.encode("2601", question, CONTEXT).body)
    assert sent["input"]["data"]["omsgid"] == SETTLING.msgid
    assert sent["insuplc_admdvs"] == "430521"


@pytest.mark.parametrize("infno", ["2208", "2305", "2601", "2401", "1101", "no-such"])
def test_everything_else_is_simply_sent_again(infno: str) -> None:
    assert CODEC.question_for(infno, SETTLING) is None


def test_only_listed_transactions_can_be_reversed() -> None:
    assert set(ADAPTER.manifest.capabilities["reversible"]) == REVERSIBLE
    with pytest.raises(ValueError, match="2206"):
        CODEC.reversal(SETTLING.model_copy(update={"infno": "2206"}))
    with pytest.raises(ValueError, match="2207"):
        CODEC.reversal(SETTLING.model_copy(update={"msgid": ""}))


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({"infcode": 0, "output": None}, "SETTLEMENT_REVERSED"),
        (failure("原交易已冲正，请勿重复冲正"), "SETTLEMENT_REVERSED"),
        (failure("未找到原交易信息，无需冲正"), "NOT_FOUND"),
        (failure("该交易不支持冲正"), None),
        (failure("从未见过的文字"), None),
        (failure("系统异常"), None),
    ],
)
def test_what_a_reversal_says_about_the_settlement(said: object, means: str | None) -> None:
    resolved = CODEC.resolve("2207", SETTLING, answered("2601", said))
    assert resolved == (None if means is None else Refused(means))


def test_a_failed_question_changes_nothing() -> None:
    assert CODEC.resolve("2207", SETTLING, NotSent("refused")) is None
    assert CODEC.resolve("2207", SETTLING, Unknown("time-out")) is None


# -- what is lifted --


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("0", "EQUAL"), ("000000", "EQUAL"), ("000", "EQUAL"), ("100", "EQUAL"),
        ("1", "CENTRE_MORE"), ("000101", "CENTRE_MORE"), ("101", "CENTRE_MORE"),
        ("2", "INSTITUTION_MORE"), ("000102", "INSTITUTION_MORE"),
        ("3", "DIFFERS"), ("103", "DIFFERS"), ("", "DIFFERS"), ("A", "DIFFERS"), ("200", "DIFFERS"),
    ],
)  # fmt: skip
def test_the_three_families_of_reconciliation_codes(code: str, means: str) -> None:
    assert stmt_class(code) == means


@pytest.mark.parametrize("body", [{"stmtinfo": {"stmt_rslt": 0}}, {"stmtinfo": {"stmt_rslt": "000000"}}])
def test_equal_is_equal_in_any_type(body: object) -> None:
    assert answered("3201", {"infcode": 0, "output": body}).reply.stmt_rslt == "EQUAL"


@pytest.mark.parametrize("body", [None, {}, {"stmtinfo": {}}, {"stmtinfo": {"stmt_rslt": None}}])
def test_silence_is_not_equal(body: object) -> None:
    assert answered("3201", {"infcode": 0, "output": body}).reply.stmt_rslt == "DIFFERS"


@pytest.mark.parametrize("wrong", ["abc", "0.005", True, [], "1e30", "NaN", "Infinity", "99999999999999999"])
def test_an_amount_that_is_none_is_told(wrong: object) -> None:
    with pytest.raises(SettlementUnreadable):
        tolerant_fen(wrong, "acct_pay")


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15))
def test_amounts_survive_every_spelling(fen: int) -> None:
    sign, whole, cents = "-" if fen < 0 else "", abs(fen) // 100, abs(fen) % 100
    for spelling in (f"{sign}{whole}.{cents:02d}", f"{sign}{whole}.{cents:02d}00", f"{sign}{whole * 100 + cents}e-2"):
        body = f'{{"infcode":0,"output":{{"setlinfo":{{"setl_id":"1","setl_time":"2025-03-03","balc":{spelling}}}}}}}'
        assert answered("2207", body.encode()).reply.settlement.fen("balc") == fen
