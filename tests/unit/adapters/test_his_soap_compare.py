"""A msgid known from the other door: what both messages can say must be equal, and nothing else is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.his_soap import ADAPTER
from gateway.model.exact_json import NotJson

differences = ADAPTER.door.differences


def raw(data: Any = None, **more: Any) -> bytes:
    payload = {"data": {"psn_no": "P1", "medfee_sumamt": "90.50", "invono": ""}} if data is None else data
    return json.dumps({"infno": "2207", "msgid": "M", "input": payload} | more).encode()


def data(**fields: Any) -> dict[str, Any]:
    return {"data": {"psn_no": "P1", "medfee_sumamt": "90.50"} | fields}


@pytest.mark.parametrize(
    "same",
    [
        raw(),
        raw(data(medfee_sumamt=90.5)),
        raw(data()).replace(b'"90.50"', b"90.500"),
        raw(data()).replace(b'"90.50"', b"9.05E+1"),
        raw(data(invono=None)),
        raw(json.dumps(data())),
        raw({"data": [data()["data"]]}),
        raw({**data(), "rows": []}),
        raw({**data(), "rows": [{}], "node": {"a": None}}),
        raw(opter="OP1", sign_no="S1", inf_time="2025-03-03 09:30:00", fixmedins_name="医院", cainfo="x"),
        raw(insuplc_admdvs=""),
        raw(insuplc_admdvs="430500"),
    ],
)
def test_the_same_content(same: bytes) -> None:
    first = raw(insuplc_admdvs="430500")
    assert differences(first, same) == []
    assert differences(same, first) == []


@pytest.mark.parametrize(
    ("other", "names"),
    [
        (raw(data(medfee_sumamt="90.5")), ["input.data.medfee_sumamt"]),
        (raw(data(medfee_sumamt=90.51)), ["input.data.medfee_sumamt"]),
        (raw(data(medfee_sumamt="090.50")), ["input.data.medfee_sumamt"]),
        (raw(data(medfee_sumamt=True)), ["input.data.medfee_sumamt"]),
        (raw(data(psn_no="P2", invono="I")), ["input.data.invono", "input.data.psn_no"]),
        (raw(infno="2304"), ["infno"]),
        (raw(insuplc_admdvs="440100"), ["insuplc_admdvs"]),
        (raw({**data(), "rows": [{"a": "1"}, {"a": "2"}]}), ["input.rows"]),
        (raw("not json"), ["input"]),
    ],
)
def test_other_content_is_named(other: bytes, names: list[str]) -> None:
    first = raw(insuplc_admdvs="430500")
    assert differences(first, other) == names
    assert differences(other, first) == names


def test_rows_are_compared_one_by_one() -> None:
    left = raw({"feedetail": [{"cnt": "1"}, {"cnt": 2}]})
    assert differences(left, raw({"feedetail": [{"cnt": 1}, {"cnt": "2"}]})) == []
    assert differences(left, raw({"feedetail": [{"cnt": 1}, {"cnt": "3"}]})) == ["input.feedetail.1.cnt"]
    assert differences(raw({"flag": True}), raw({"flag": "true"})) == []


def test_names_are_bounded_and_values_never_told() -> None:
    other = raw({f"field_{place:03d}" * 20: "430502199001019990" for place in range(100)})
    names = differences(raw(), other)
    assert len(names) == 20
    assert all(len(name) < 100 and "430502199001019990" not in name for name in names)


def test_both_must_be_messages() -> None:
    with pytest.raises(NotJson):
        differences(raw(), b"x")
