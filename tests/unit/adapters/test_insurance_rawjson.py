"""Splicing members into JSON leaves every other byte alone, whatever the message looks like."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.insurance.rawjson import RawJsonError, insert_into_object, quote, scan_object, set_members, value_of

NUMBERS = st.sampled_from(["0", "-0", "90.5", "90.50", "1e3", "1E-2", "-12.000", "123456789012345678901234567890"])
STRINGS = st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0))
BLANKS = st.sampled_from(["", " ", "\n  ", "\t", "\r\n"])
NAMES = st.text(max_size=6) | st.sampled_from(["sign_no", "output", "creditpay", 'a"b', "}{", "\\", "中文"])


def _object(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(NAMES, inner, BLANKS), max_size=4, unique_by=lambda member: member[0])
    return members.map(lambda found: "{" + ",".join(f"{b}{json.dumps(n)}{b}:{b}{v}{b}" for n, v, b in found) + "}")


def _array(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=3).map(lambda found: "[ " + " , ".join(found) + "]")


SCALARS = NUMBERS | STRINGS | st.sampled_from(["null", "true", "false"])
VALUES = st.recursive(SCALARS, lambda inner: _object(inner) | _array(inner), max_leaves=10)
OBJECTS = _object(VALUES)


def parsed(raw: bytes) -> object:
    return json.loads(raw, parse_float=str, parse_int=str)


@settings(deadline=None)
@given(OBJECTS, BLANKS)
def test_spans_are_the_values(text: str, blank: str) -> None:
    raw = (blank + text + blank).encode("utf-8", "surrogatepass")
    found = scan_object(raw)
    whole = json.loads(raw, parse_float=Decimal)
    assert list(found.members) == list(whole)
    for name, span in found.members.items():
        assert json.loads(raw[span.start : span.end], parse_float=Decimal) == whole[name]


@settings(deadline=None)
@given(OBJECTS, st.dictionaries(NAMES.filter(str.isascii), SCALARS, max_size=3))
def test_set_members_changes_those_alone(text: str, values: dict[str, str]) -> None:
    raw = text.encode()
    after = set_members(raw, {name: value.encode() for name, value in values.items()})
    before = scan_object(raw).members
    kept = scan_object(after).members
    assert parsed(after) == parsed(raw) | {name: parsed(value.encode()) for name, value in values.items()}
    for name, span in before.items():
        if name not in values:
            where = kept[name]
            assert after[where.start : where.end] == raw[span.start : span.end]
    assert [name for name in kept if name in before] == list(before)


@settings(deadline=None)
@given(OBJECTS)
def test_setting_nothing_or_the_same_changes_no_byte(text: str) -> None:
    raw = text.encode()
    assert set_members(raw, {}) == raw
    same = {name: raw[span.start : span.end] for name, span in scan_object(raw).members.items()}
    assert set_members(raw, same) == raw


@settings(deadline=None)
@given(st.none() | st.just("null") | OBJECTS, OBJECTS)
def test_a_member_is_inserted_one_level_down(output: str | None, value: str) -> None:
    raw = b'{"infcode": 0' + (b"" if output is None else b' , "output" : ' + output.encode()) + b', "balc":90.50 }'
    after = insert_into_object(raw, ("output",), b'"creditpay":' + value.encode())
    before = {} if output in (None, "null") else parsed(output.encode())
    expected = {**before, "creditpay": parsed(value.encode())}
    assert parsed(after) == {"infcode": "0", "output": expected, "balc": "90.50"}
    assert after.endswith(b', "balc":90.50 }' if output is not None else b"}")


@pytest.mark.parametrize(
    ("raw", "after"),
    [
        (b'{"output":null,"x":1.50}', b'{"output":{"creditpay":1},"x":1.50}'),
        (b'{"output":{}}', b'{"output":{"creditpay":1}}'),
        (b'{"output": { } }', b'{"output": {"creditpay":1 } }'),
        (b'{"output":{"a":90.5 }}', b'{"output":{"a":90.5,"creditpay":1 }}'),
        (b'{ "a":[{"output":1}] }', b'{ "a":[{"output":1}],"output":{"creditpay":1} }'),
        (b'{"output":{"creditpay":{"old":1},"b":2}}', b'{"output":{"creditpay":1,"b":2}}'),
        (b"{}", b'{"output":{"creditpay":1}}'),
    ],
)
def test_insertion_by_example(raw: bytes, after: bytes) -> None:
    assert insert_into_object(raw, ("output",), b'"creditpay":1') == after


@pytest.mark.parametrize("raw", [b'{"output":[]}', b'{"output":"x"}', b'{"output":3}'])
def test_what_is_no_object_takes_no_member(raw: bytes) -> None:
    with pytest.raises(RawJsonError, match="object expected"):
        insert_into_object(raw, ("output",), b'"creditpay":1')


@pytest.mark.parametrize("member", [b"", b'"a":1,"b":2', b'"a"', b"a:1"])
def test_exactly_one_member_is_inserted(member: bytes) -> None:
    with pytest.raises(RawJsonError):
        insert_into_object(b"{}", (), member)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"  ", b"[]", b"null", b'"x"', b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":1 "b":2}', b"{a:1}",
        b'{"a":1}}', b'{"a":1} x', b'{"a":[1}', b'{"a":{"b":"}', b'{"a":01x}', b'{"a":tru}', b'{"a":"\x01"}',
        b'{"a":"\\q"}', b"{'a':1}", b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}',
    ],
)  # fmt: skip
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(RawJsonError):
        scan_object(raw)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_scanning_foreign_bytes_ends(raw: bytes) -> None:
    try:
        end = scan_object(raw).end
    except RawJsonError as error:
        end = error.at
    assert 0 <= end <= len(raw)


@settings(deadline=None)
@given(OBJECTS)
def test_a_cut_message_is_never_an_object(text: str) -> None:
    raw = text.encode()
    for end in range(len(raw)):
        with pytest.raises(RawJsonError):
            scan_object(raw[:end])


def test_values_are_found_by_path() -> None:
    raw = b'{"a":{"b":{"c":90.50}},"n":null,"s":"x"}'
    assert value_of(raw, ("a", "b", "c")) == b"90.50"
    assert value_of(raw, ("n",)) == b"null"
    assert value_of(raw, ("a", "x", "c")) is None
    assert value_of(raw, ("s", "x")) is None
    assert value_of(raw, ()) == raw
    assert quote('中"文') == '"中\\"文"'.encode()
