"""A field map at work: what each rule carries over, what it refuses, and what is told about it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from gateway.model.exact_json import dumps, loads
from gateway.model.fieldmap import FieldMap, Untranslatable
from gateway.model.fieldmap_file import parse_map
from gateway.model.refusals import Refusal

CODES = "table,theirs,ours,zh\nkind,W,310,职工\nkind,R,390,居民\nkind,R2,390,居民\nresult,OK,0,成功\n"
SECRET = "430502199001019990"


def made(rules: str, form: str = "json", encoding: str = "utf-8") -> FieldMap:
    head = '[map]\nid = "v"\nname = { zh = "甲", en = "A" }\n'
    head += f'format = "{form}"\nencoding = "{encoding}"\ncodes = "v.csv"\n'
    return parse_map(head + rules, "v.toml", lambda _name: CODES)


def field(rule: str, form: str = "json") -> FieldMap:
    return made(f"[request.2207.data]\nx = {rule}\n", form)


def carried(vendor: FieldMap, message: Any) -> Any:
    found = vendor.read(message, {"infno": "2207"}).content["input"].get("data", {})
    return found.get("x")


def xml(text: str) -> etree._Element:
    return etree.fromstring(f"<payload>{text}</payload>")


# -- towards the platform -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "found", "carried_over"),
    [
        ('"a.b"', "90.50", "90.50"),
        ('"a.b"', 1, 1),
        ('"a.b"', Decimal("90.50"), Decimal("90.50")),
        ('"a.b"', "", None),
        ('"a.b"', None, None),
        ('{ from = "a.b", default = "0" }', None, "0"),
        ('{ from = "a.b", default = "0" }', "1", "1"),
        ('{ value = "01" }', "ignored", "01"),
        ('{ from = "a.b", codes = "kind" }', "W", "310"),
        ('{ from = "a.b", codes = "kind" }', " R2 ", "390"),
        ('{ from = "a.b", fen = true }', 51938, "519.38"),
        ('{ from = "a.b", fen = true }', "-5", "-0.05"),
        ('{ from = "a.b", fen = true }', 0, "0.00"),
        ('{ from = "a.b", date = "%Y%m%d" }', "20250303", "2025-03-03"),
        ('{ from = "a.b", datetime = "%Y%m%d%H%M%S" }', "20250303093000", "2025-03-03 09:30:00"),
        ("\"join('-', [a.b, 'x'])\"", "1", "1-x"),
    ],
)
def test_a_rule_carries_over(rule: str, found: Any, carried_over: Any) -> None:
    assert carried(field(rule), {"a": {"b": found}}) == carried_over


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ('{ from = "a.b", required = true }', None),
        ('{ from = "a.b", required = true }', ""),
        ('{ from = "a.b", codes = "kind" }', "X"),
        ('{ from = "a.b", codes = "kind" }', SECRET),
        ('{ from = "a.b", fen = true }', "12.34"),
        ('{ from = "a.b", fen = true }', Decimal("12.5")),
        ('{ from = "a.b", fen = true }', True),
        ('{ from = "a.b", fen = true }', "٣"),
        ('{ from = "a.b", fen = true }', SECRET + "x"),
        ('{ from = "a.b", date = "%Y%m%d" }', "2025-03-03"),
        ('{ from = "a.b", date = "%Y%m%d" }', "20250230"),
        ('"a.b"', {"deep": SECRET}),
        ('"a.b"', [SECRET]),
        ('"to_number(a.b)"', "1.5"),
        ('"sum(a.b)"', [1, SECRET]),
        ('"length(a.b)"', 5),
    ],
)
def test_what_cannot_be_carried_over_is_refused_with_the_line_and_without_the_value(rule: str, found: Any) -> None:
    with pytest.raises(Untranslatable) as failed:
        carried(field(rule), {"a": {"b": found}})
    assert (failed.value.code, failed.value.field, failed.value.line) == ("INVALID_FIELD", "input.data.x", 8)
    assert SECRET not in str(failed.value)
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


def test_rows_reach_the_whole_message_and_failures_name_the_row() -> None:
    vendor = made(
        '[request.2204."feedetail[]"]\neach = "groups[].items[]"\nfeedetl_sn = "id"\npsn_no = "$root.who.no"\n'
        'det_item_fee_sumamt = { from = "fen", fen = true }\n'
    )
    message = {
        "who": {"no": "P1"},
        "groups": [{"items": [{"id": "1", "fen": 5}, {"id": "2", "fen": 7}]}, {"items": []}],
    }
    translated = vendor.read(message, {"infno": "2204"})
    assert translated.content["input"] == {
        "feedetail": [
            {"feedetl_sn": "1", "psn_no": "P1", "det_item_fee_sumamt": "0.05"},
            {"feedetl_sn": "2", "psn_no": "P1", "det_item_fee_sumamt": "0.07"},
        ]
    }
    assert [(step.line, step.source, step.rule, step.target) for step in translated.steps] == [
        (9, "id", "copy", "input.feedetail[].feedetl_sn"),
        (10, "$root.who.no", "copy", "input.feedetail[].psn_no"),
        (11, "fen", "fen", "input.feedetail[].det_item_fee_sumamt"),
    ]
    message["groups"][0]["items"][1]["fen"] = "x"
    with pytest.raises(Untranslatable) as failed:
        vendor.read(message, {"infno": "2204"})
    assert (failed.value.line, failed.value.target) == (11, "input.feedetail.1.det_item_fee_sumamt")


@pytest.mark.parametrize("items", ["x", ["x"], [{"id": "1"}, 2]])
def test_rows_that_are_none_are_refused(items: Any) -> None:
    vendor = made('[request.2204."feedetail[]"]\neach = "items"\nfeedetl_sn = "id"\n')
    with pytest.raises(Untranslatable) as failed:
        vendor.read({"items": items}, {"infno": "2204"})
    assert (failed.value.line, failed.value.target) == (8, "input.feedetail")


@pytest.mark.parametrize("items", [None, "", []])
def test_no_rows_leave_no_node(items: Any) -> None:
    vendor = made('[request.2204."feedetail[]"]\neach = "items"\nfeedetl_sn = "id"\n')
    assert vendor.read({"items": items}, {"infno": "2204"}).content["input"] == {}
    one = vendor.read({"items": {"id": "1"}}, {"infno": "2204"})
    assert one.content["input"] == {"feedetail": [{"feedetl_sn": "1"}]}


def test_the_envelope_is_the_doors_unless_the_map_says_otherwise() -> None:
    vendor = made('[envelope]\ninfno = "t"\nopter = "who"\n[request.2207.data]\nx = "a"\n')
    given = {"fixmedins_code": "H1", "infno": "9999", "msgid": "M1", "sign_no": ""}
    content = vendor.read({"t": "2207", "who": 7, "a": "1"}, given).content
    assert content == {
        "fixmedins_code": "H1",
        "infno": "2207",
        "msgid": "M1",
        "opter": "7",
        "input": {"data": {"x": "1"}},
    }


@pytest.mark.parametrize("infno", ["2304", "", SECRET])
def test_a_transaction_the_map_does_not_hold_is_unknown(infno: str) -> None:
    with pytest.raises(Refusal) as refused:
        field('"a"').read({}, {"infno": infno})
    assert refused.value.code == "UNKNOWN_INFNO"
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"x", b'{"a":1,"a":2}', b'{"o":{"a":1,"a":2}}', b'{"a":NaN}', b"\xff", b"[" * 9999]
)
def test_json_that_is_no_message(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        field('"a"').parse_json(body)
    assert refused.value.code == "MALFORMED"


def test_json_in_gb18030_is_read_where_agreed() -> None:
    vendor = made("[request.2207.data]\nx = '\"名\"'\n", encoding="gb18030")
    message = vendor.parse_json('{"名":"䶮㛃·𬱖","amt":90.50}'.encode("gb18030"))
    assert carried(vendor, message) == "䶮㛃·𬱖"
    with pytest.raises(Refusal):
        vendor.parse_json(b'{"a":"\xff"}')


# -- XML ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("甲/乙", "<甲><乙>90.50</乙></甲>", "90.50"),
        ("甲/@号", '<甲 号="7"/>', "7"),
        ("甲", "<甲/>", None),
        ("甲", "", None),
        ("$root/甲", "<甲>1</甲>", "1"),
        ("$infno", "", "2207"),
        ("concat(甲, '-', 乙)", "<甲>1</甲><乙>2</乙>", "1-2"),
        ("甲[@主='是']", '<甲 主="否">1</甲><甲 主="是">2</甲>', "2"),
        ("甲/text()", "<甲>1</甲>", "1"),
    ],
)
def test_xpath_finds_one_value(expression: str, text: str, found: str | None) -> None:
    assert carried(field(f'"{expression}"', "xml"), xml(text)) == found


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("甲", "<甲>1</甲><甲>2</甲>"),
        ("甲", "<甲><乙>1</乙></甲>"),
        ("number(甲)", "<甲>1</甲>"),
        ("boolean(甲)", "<甲>1</甲>"),
        ("$nobody", ""),
        ("unknown(甲)", ""),
        ("甲/乙/..", "<甲><乙/></甲>"),
    ],
)
def test_xpath_that_finds_anything_else_is_refused(expression: str, text: str) -> None:
    with pytest.raises(Untranslatable) as failed:
        carried(field(f'"{expression}"', "xml"), xml(text))
    assert failed.value.line == 8


def test_namespaces_of_a_vendor() -> None:
    rules = '[map.namespaces]\nv = "urn:vendor"\n[request.2207.data]\nx = "v:a"\n'
    assert carried(made(rules, "xml"), xml('<a xmlns="urn:vendor">1</a>')) == "1"


def test_rows_of_xml() -> None:
    vendor = made('[request.2301."feedetail[]"]\neach = "费/项"\nfeedetl_sn = "@号"\npsn_no = "$root/人"\n', "xml")
    found = vendor.read(xml('<人>P1</人><费><项 号="1"/><项 号="2"/></费>'), {"infno": "2301"})
    assert [row["feedetl_sn"] + row["psn_no"] for row in found.content["input"]["feedetail"]] == ["1P1", "2P1"]
    with pytest.raises(Untranslatable):
        made('[request.2301."feedetail[]"]\neach = "string(费)"\nx = "@号"\n', "xml").read(xml(""), {"infno": "2301"})


# -- towards the HIS ----------------------------------------------------------------------------------------

ANSWER = """[request.2207.data]
x = "a"
[answer.always]
"head.result" = { from = "infcode", codes = "result" }
"head.text" = "err_msg"
[answer.2207]
"body.id" = "output.setlinfo.setl_id"
"body.kind" = { from = "output.setlinfo.insutype", codes = "kind" }
"body.fen" = { from = "output.setlinfo.psn_cash_pay", fen = true }
"body.on" = { from = "output.setlinfo.setl_time", datetime = "%Y%m%d%H%M%S" }
"body.day" = { from = "output.setlinfo.brdy", date = "%Y%m%d" }
[answer.2207."body.rows[]"]
each = "output.setldetail"
fen = { from = "fund_payamt", fen = true }
all = { from = "$root.output.setlinfo.medfee_sumamt" }
"""
SAID = {
    "infcode": 0,
    "err_msg": "",
    "output": {
        "setlinfo": {
            "setl_id": "S1", "insutype": "390", "psn_cash_pay": Decimal("30.5"), "medfee_sumamt": Decimal("90.50"),
            "setl_time": "2025-03-03 09:30:00", "brdy": "1990-01-01 00:00:00",
        },
        "setldetail": [{"fund_payamt": "60.00"}, {"fund_payamt": None}],
    },
}  # fmt: skip


def test_the_answer_in_the_vendors_words() -> None:
    vendor = made(ANSWER)
    assert vendor.words_answer("2207")
    told = vendor.write("2207", SAID)
    assert loads(dumps(told.content)) == {
        "head": {"result": "OK"},
        "body": {
            "id": "S1", "kind": "R", "fen": 3050, "on": "20250303093000", "day": "19900101",
            "rows": [{"fen": 6000, "all": Decimal("90.50")}, {"all": Decimal("90.50")}],
        },
    }  # fmt: skip
    assert '"all":90.50' in dumps(told.content)
    assert told.left == ()
    assert ("fund_payamt", "fen", "body.rows[].fen") in [(s.source, s.rule, s.target) for s in told.steps]


def test_an_answer_is_never_withheld() -> None:
    vendor = made(ANSWER)
    odd = {
        "infcode": -2,
        "err_msg": {"a": 1},
        "output": {
            "setlinfo": {"setl_id": "S1", "insutype": "999", "psn_cash_pay": "abc", "setl_time": "soon", "brdy": 5},
            "setldetail": "none",
        },
    }
    told = vendor.write("2207", odd)
    assert told.content == {
        "head": {"result": -2},
        "body": {"id": "S1", "kind": "999", "fen": "abc", "on": "soon", "day": 5},
    }
    assert [step.line for step in told.left] == [10, 11, 14, 15, 16, 17, 19]
    assert made(ANSWER).write("", {"infcode": "-1", "err_msg": "x"}).content["head"] == {"result": "-1", "text": "x"}


def test_without_words_of_its_own_the_answer_stays_national() -> None:
    assert not field('"a"').words_answer("2207")
    some = made('[request.2207.data]\nx = "a"\n[answer.2207]\n"号" = "output.setlinfo.setl_id"\n', "xml")
    assert (some.words_answer("2207"), some.words_answer("2304")) == (True, False)
