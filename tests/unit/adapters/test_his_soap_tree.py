"""National JSON as elements and back: nothing is lost, text stays text, arrays stay arrays, nothing else gets in."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters.his_soap.tree import arrays, put_members, read_reply, to_input
from gateway.model.exact_json import NotJson, dumps, loads
from gateway.model.refusals import Refusal
from gateway.model.xml import Limits, parse_xml

LIMITS = Limits(4_000_000, 200_000)


def written(content: dict[str, Any]) -> etree._Element:
    """The elements as they arrive, through bytes."""
    holder = etree.Element("output")
    put_members(holder, content)
    return parse_xml(etree.tostring(holder, encoding="UTF-8"), LIMITS, comments=False)


def read(xml: str, infno: str = "") -> dict[str, Any]:
    return to_input(etree.fromstring(f"<payload>{xml}</payload>"), infno)


_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.decimals(allow_nan=False, allow_infinity=False)
)
_NAMES = st.text(max_size=6) | st.sampled_from(["data", "_", "item", "type", "1a", "a b", "姓名", "a:b", "\x00"])
_TREES = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3), max_leaves=10
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(_NAMES, _TREES, max_size=4))
def test_whatever_json_says_survives_as_xml(content: dict[str, Any]) -> None:
    sent = json.loads(dumps(content).encode("utf-8", "surrogatepass"), parse_float=Decimal)
    assert to_input(written(sent), "") == sent


@pytest.mark.parametrize("number", ["90.50", "90.5", "-0.00", "0", "1e3", "1E+3", "12345678901234567890.123456", "-7"])
def test_a_number_keeps_its_digits(number: str) -> None:
    reply = read_reply(f'{{"output":{{"a":{number}}}}}'.encode())
    (element,) = written(reply["output"])
    assert (element.text, element.get("type")) == (number, "number")


@pytest.mark.parametrize(
    "text", ["90.50", "0090", "+90.5", " 90.5 ", "1e3", "", "甲\t乙\n丙\r丁", "䶮㛃·𬱖", "&<>\"'", "]]>"]
)
def test_text_stays_the_text_it_is(text: str) -> None:
    assert to_input(written({"a": text}), "") == {"a": text}
    (element,) = written({"a": text})
    assert element.keys() == []


def test_a_list_with_one_row_or_none_is_a_list() -> None:
    content = {"rows": [{"a": "1"}], "none": [], "nested": [[1], [], [[2]]], "leaf": ["x"]}
    element = written(content)
    assert to_input(element, "") == content
    assert [(child.tag, child.get("of")) for child in element][:2] == [("rows", "list"), ("none", None)]


def test_known_arrays_are_arrays_with_a_single_row() -> None:
    row = "<feedetail><feedetl_sn>1</feedetl_sn></feedetail>"
    assert read(row, "2204") == {"feedetail": [{"feedetl_sn": "1"}]}
    assert read(row, "2207") == {"feedetail": {"feedetl_sn": "1"}}
    assert read(row * 2, "2207") == {"feedetail": [{"feedetl_sn": "1"}] * 2}
    assert read("<feedetail/>", "2204") == {"feedetail": []}
    assert read("<setlinfo/><payinfo><fund_payamt>9.00</fund_payamt></payinfo>", "4101")["payinfo"] == [
        {"fund_payamt": "9.00"}
    ]


def test_arrays_come_from_the_field_tables_and_the_list_of_the_others() -> None:
    assert arrays()["2401"] == {"diseinfo"}
    assert arrays()["2301"] == {"feedetail"}
    assert "iteminfo" in arrays()["4101"]
    assert "2206" not in arrays()


def test_a_node_and_its_fields() -> None:
    found = read("<data>\n  <psn_no>P1</psn_no>\n  <medfee_sumamt>90.50</medfee_sumamt><invono/></data>", "2207")
    assert found == {"data": {"psn_no": "P1", "medfee_sumamt": "90.50", "invono": ""}}


@pytest.mark.parametrize(
    ("xml", "field"),
    [
        ("<data>x<a/></data>", "payload.data"),
        ("<data><a/>x</data>", "payload.data"),
        ("loose<data/>", "payload"),
        ('<data currency="USD"/>', "payload.data"),
        ('<data xmlns="urn:other"/>', "payload"),
        ('<a xmlns:o="urn:o" o:type="number">1</a>', "payload.a"),
        ('<a type="number">1.</a>', "payload.a"),
        ('<a type="number">01</a>', "payload.a"),
        ('<a type="number">NaN</a>', "payload.a"),
        ('<a type="number">1e9999999</a>', "payload.a"),
        (f'<a type="number">{"9" * 65}</a>', "payload.a"),
        ('<a type="boolean">1</a>', "payload.a"),
        ('<a type="null">x</a>', "payload.a"),
        ('<a type="float">1</a>', "payload.a"),
        ('<a type="number"><b/></a>', "payload.a"),
        ('<a type="list"><b/></a>', "payload.a"),
        ('<a type="json">{</a>', "payload.a"),
        ('<a escaped="json">"</a>', "payload.a"),
        ('<a escaped="json">\\</a>', "payload.a"),
    ],
)
def test_what_is_no_field_is_refused_and_named(xml: str, field: str) -> None:
    with pytest.raises(Refusal) as refused:
        read(xml)
    assert (refused.value.code, refused.value.field) == ("INVALID_FIELD", field)


@pytest.mark.parametrize("tag", ["a", 'a type="list"', 'item type="list"'])
def test_a_nest_has_a_bottom(tag: str) -> None:
    opened, closed = f"<{tag}>" * 40, f"</{tag.partition(' ')[0]}>" * 40
    with pytest.raises(Refusal):
        read(opened + closed)


def test_an_answer_deeper_than_a_parser_follows_arrives_as_json() -> None:
    inner: Any = {"amt": Decimal("90.50"), "n": 1}
    for _ in range(150):
        inner = {"a": [inner]}
    element = written(read_reply(dumps(inner).encode()))
    deepest = element
    while len(deepest):
        deepest = deepest[0]
    assert deepest.get("type") == "json"
    assert '"amt":90.50' in str(deepest.text)
    assert loads(str(deepest.text))


@pytest.mark.parametrize("body", [b"[]", b"x", b"", b"1", b'"a"', b"\xff", b"[" * 100_000])
def test_an_answer_that_is_no_object_is_not_taken(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_reply(body)
