"""What the platform receives is what the hospital sent, but for the fields the gateway owns (R-122, 1.1).

The bytes of every member that came stay as they are, in their order; the gateway only fills what is missing, null or
empty, gives a malformed message a number, and adds a sign-in number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.his_json import ADAPTER as HIS
from adapters.insurance.rawjson import scan_object
from gateway.model.insurance import NationalMessage
from tests.unit.adapters.test_insurance_codec import CODEC, CONTEXT, spoken

ADAPTERS = Path(__file__).resolve().parents[3] / "adapters"
GOLDEN = [
    *sorted((ADAPTERS / "insurance" / "golden").glob("*.request.json")),
    *(ADAPTERS / "his_json" / "golden" / name for name in ("full.json", "reduced.json", "text_input.json")),
]
OWNED = frozenset({"sign_no", "input"})
MSGID = "H43050000001202503030930000001"
DOOR: Any = HIS.door


def members(raw: bytes) -> dict[str, bytes]:
    """The top-level members with their values as written, in their order."""
    return {name: raw[span.start : span.end] for name, span in scan_object(raw).members.items()}


def relayed(raw: bytes, *, sign_no: str = "") -> bytes:
    """The way of a message from the door to the wire."""
    message: NationalMessage = DOOR.complete_envelope(DOOR.read_envelope(raw))
    if sign_no:
        message = message.model_copy(update={"sign_no": sign_no})
    return bytes(CODEC.encode(message.infno, message, CONTEXT).body)


def kept(came: dict[str, bytes], sent: dict[str, bytes]) -> None:
    """Every member with a value left as it came, in the hospital's order; what is new stands behind."""
    assert list(sent)[: len(came)] == list(came)
    for name, value in came.items():
        if value not in (b"null", b'""') and name not in OWNED:
            assert sent[name] == value, name


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.parent.name}-{path.name}")
def test_every_golden_message_arrives_as_it_was_sent(path: Path) -> None:
    raw = path.read_bytes()
    came, sent = members(raw), members(relayed(raw, sign_no="S-9"))
    kept(came, sent)
    assert sent["sign_no"] == b'"S-9"'
    text = came["input"].startswith(b'"')
    assert sent["input"] == (json.loads(came["input"]).encode() if text else came["input"])


NUMBERS = st.sampled_from(["90.5", "90.50", "9.05E+1", "0", "-0", "1e-7", "186.5000", "12345678901234567890.12"])
EMPTY = st.sampled_from(["null", '""'])
STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(
    lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0)
)
SPACES = st.sampled_from(["", " ", "\n  ", "\t"])
VALUES = st.recursive(
    NUMBERS | EMPTY | STRINGS | st.sampled_from(["true", "false"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), inner, max_size=3).map(
            lambda items: "{" + ",".join(f'"{name}" : {value}' for name, value in items.items()) + "}"
        )
    ),
    max_leaves=8,
)
HEADERS = {
    "infno": '"1901"', "msgid": f'"{MSGID}"', "fixmedins_code": '"H43050000001"', "mdtrtarea_admvs": '"430500"',
    "opter": '"OP1"', "opter_name": '"收费员"', "dev_no": '""', "cainfo": '""', "infver": '"V1.0"', "sign_no": '"S1"',
}  # fmt: skip
EXTRAS = st.dictionaries(st.from_regex(r"x_[a-z]{1,6}", fullmatch=True), VALUES, max_size=5)


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """An envelope with arbitrary further members, in any order, spacing and spelling."""
    optional = [name for name in HEADERS if name not in ("infno", "msgid", "fixmedins_code")]
    spelt = {name: draw(st.just(HEADERS[name]) | EMPTY | st.none()) for name in optional}
    content = {**{name: HEADERS[name] for name in ("infno", "msgid", "fixmedins_code")}, **draw(EXTRAS)}
    content |= {name: value for name, value in spelt.items() if value is not None}
    nodes = draw(st.dictionaries(st.from_regex(r"[a-z]{3,8}", fullmatch=True), VALUES, max_size=4))
    content["input"] = "{" + ",".join(f'"{name}":{value}' for name, value in nodes.items()) + "}"
    space = draw(SPACES)
    items = draw(st.permutations(list(content.items())))
    return ("{" + f",{space}".join(f'"{name}"{space}:{space}{value}' for name, value in items) + f"{space}}}").encode()


@settings(deadline=None, max_examples=300)
@given(envelopes(), st.sampled_from(["", "S-77"]))
def test_any_message_arrives_as_it_was_sent(raw: bytes, sign_no: str) -> None:
    came, sent = members(raw), members(relayed(raw, sign_no=sign_no))
    kept(came, sent)
    assert sent["input"] == came["input"]
    if sign_no:
        assert sent["sign_no"] == b'"S-77"'
    else:
        assert sent.get("sign_no") == came.get("sign_no")
    filled = {"recer_sys_code", "signtype", "infver", "opter_type", "opter", "opter_name", "sign_no"}
    assert set(sent) - set(came) <= filled


@settings(deadline=None, max_examples=100)
@given(envelopes())
def test_nothing_changes_on_a_second_way(raw: bytes) -> None:
    once = relayed(raw)
    assert relayed(once) == once


@settings(deadline=None, max_examples=100)
@given(envelopes())
def test_input_as_a_string_says_the_same(raw: bytes) -> None:
    message = DOOR.complete_envelope(DOOR.read_envelope(raw))
    sent = members(CODEC.encode("1901", message, spoken(input="string")).body)
    assert json.loads(sent["input"]).encode() == members(raw)["input"]
    again = DOOR.complete_envelope(DOOR.read_envelope(b"{" + b",".join(
        json.dumps(name).encode() + b":" + value for name, value in sent.items()
    ) + b"}"))  # fmt: skip
    assert members(again.raw.encode())["input"] == members(raw)["input"]
