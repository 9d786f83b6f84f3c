"""The same msgid with the same content is the same message, however it is spelt (contracts, HIS surface)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.his_json import ADAPTER
from gateway.model.refusals import Refusal

DOOR = ADAPTER.door
BASE: dict[str, Any] = {
    "infno": "2207", "msgid": "H43050000001202503030930000001", "fixmedins_code": "H43050000001", "opter": "OP1",
    "inf_time": "2025-03-03 09:30:00", "sign_no": "S1", "cainfo": "",
    "input": {"data": {"psn_no": "P1", "medfee_sumamt": 90.5, "invono": "", "rows": [{"a": 1}, {"a": 2}]}},
}  # fmt: skip


def raw(**changed: Any) -> bytes:
    return json.dumps(BASE | changed).encode()


def data(**changed: Any) -> bytes:
    return raw(input={"data": BASE["input"]["data"] | changed})


def print_of(body: bytes) -> str:
    return DOOR.fingerprint(DOOR.read_envelope(body))


@pytest.mark.parametrize(
    "same",
    [
        raw(inf_time="2025-03-03 09:31:00"),
        raw(sign_no="S2"),
        raw(cainfo="ABCDEF", signtype="SM2", nonce="x"),
        raw(dev_no=None, dev_safe_info="changed"),
        raw(input=json.dumps(BASE["input"])),
        data(invono=None),
        raw(opter_name=""),
        json.dumps(dict(reversed(list(BASE.items()))), indent=2).encode(),
        raw().replace(b"90.5", b"90.50"),
        raw().replace(b"90.5", b"9.05E+1"),
    ],
)
def test_the_same_content(same: bytes) -> None:
    assert print_of(same) == print_of(raw())
    assert DOOR.differences(raw(), same) == []


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (data(medfee_sumamt=90.51), ["input.data.medfee_sumamt"]),
        (data(medfee_sumamt="90.5"), ["input.data.medfee_sumamt"]),
        (data(psn_no="P2", invono="I1"), ["input.data.invono", "input.data.psn_no"]),
        (data(rows=[{"a": 1}, {"a": 3}]), ["input.data.rows.1.a"]),
        (data(rows=[{"a": 1}]), ["input.data.rows"]),
        (data(rows=None), ["input.data.rows"]),
        (data(flag=False), ["input.data.flag"]),
        (raw(opter="OP2"), ["opter"]),
        (raw(infno="2304"), ["infno"]),
        (raw(input={}), ["input"]),
    ],
)
def test_other_content_is_named(other: bytes, names: list[str]) -> None:
    assert print_of(other) != print_of(raw())
    assert DOOR.differences(raw(), other) == names
    assert DOOR.differences(other, raw()) == names


def test_what_the_gateway_filled_in_is_no_difference() -> None:
    reduced = {name: BASE[name] for name in ("infno", "input")} | {"msgid": "short", "medins_code": "H43050000001"}
    body = json.dumps(reduced).encode()
    kept = DOOR.complete_envelope(
        DOOR.read_envelope(body),
        fills={"inf_time": "2025-03-03 09:30:00", "fixmedins_name": "医院", "mdtrtarea_admvs": "430500"},
        msgid="H43050000001202503030930005000",
        sign_no="S1",
    ).raw.encode()
    assert DOOR.differences(kept, body) == []
    other = json.dumps(reduced | {"opter": "OP2", "input": {}}).encode()
    assert DOOR.differences(kept, other) == ["input", "opter"]


def test_names_are_bounded_and_values_never_told() -> None:
    other = data(**{f"secret_{place:03d}" * 20: "430502199001019990" for place in range(100)})
    names = DOOR.differences(raw(), other)
    assert len(names) == 20
    assert all(len(name) < 100 and "430502199001019990" not in name for name in names)


def test_a_huge_exponent_stays_short() -> None:
    assert len(print_of(raw().replace(b"90.5", b"1e999999"))) == 64


def test_differences_need_two_messages() -> None:
    with pytest.raises(Refusal):
        DOOR.differences(raw(), b"x")


_NUMBERS = st.integers(-(10**9), 10**9).map(lambda fen: fen / 100)
_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | _NUMBERS
_NAMES = st.text(max_size=6).map(lambda name: f"x_{name}")  # never a business key: those have a type of their own
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)
_PAYLOADS = st.dictionaries(_NAMES, _TREES, max_size=4)


def _respelt(value: Any, draw: st.DrawFn) -> Any:
    """The same content: other order, empty members added, numbers as they are."""
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        members = {name: _respelt(value[name], draw) for name in names}
        return {"zz_empty": draw(st.sampled_from([None, "", {}, []]))} | members
    return [_respelt(item, draw) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(_PAYLOADS, st.data())
def test_order_and_empty_members_make_no_difference(payload: dict[str, Any], draws: st.DataObject) -> None:
    other = _respelt(payload, draws.draw)
    blanks = draws.draw(st.sampled_from([None, 1]))
    respelt = json.dumps(BASE | {"input": other}, indent=blanks).encode()
    assert print_of(raw(input=payload)) == print_of(respelt)
    assert DOOR.differences(raw(input=payload), respelt) == []


@settings(deadline=None)
@given(_PAYLOADS, _PAYLOADS)
def test_fingerprints_and_differences_agree(one: dict[str, Any], two: dict[str, Any]) -> None:
    left, right = raw(input=one), raw(input=two)
    assert (print_of(left) == print_of(right)) == (DOOR.differences(left, right) == [])
