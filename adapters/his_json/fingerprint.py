"""Whether a repeated msgid carries the same content (contracts, HIS surface): a fingerprint and the differing fields.

Equal means equal in meaning: order, spacing, the spelling of a number (90.5 and 90.50), and whether an empty field is
null, "" or left out make no difference. Time, sign-in and signatures change with every attempt and are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from adapters.his_json.envelope import DEFAULT_FILLS, read_envelope
from adapters.his_json.wire import NationalInbound

VOLATILE: Final = frozenset(
    {"inf_time", "sign_no", "cainfo", "signtype", "nonce", "timestamp", "serv_sign", "dev_safe_info"}
)
"""Header fields that differ between two attempts at the same business."""

FILLED: Final = frozenset(DEFAULT_FILLS) | {"fixmedins_code", "fixmedins_name", "mdtrtarea_admvs", "insuplc_admdvs"}
"""Header fields the gateway may have filled in the kept message: no difference where the hospital leaves them out."""

MAX_DIFFERENCES: Final = 20
_NAME_LENGTH: Final = 64


def fingerprint(inbound: NationalInbound) -> str:
    """SHA-256 (hex) of the canonical content."""
    return hashlib.sha256(canonical(inbound)).hexdigest()


def canonical(inbound: NationalInbound) -> bytes:
    """The content in one spelling: sorted names, no empty members, no volatile header fields, numbers normalised."""
    text = json.dumps(_content(inbound), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return text.encode("ascii")


def _content(inbound: NationalInbound) -> dict[str, Any]:
    kept = {name: value for name, value in inbound.header.items() if name not in VOLATILE}
    plain = _plain(kept | {"input": inbound.input})
    return plain if isinstance(plain, dict) else {}


def _plain(value: Any) -> Any:
    """The value without its empty members, None where nothing is left; every leaf a text that tells its kind."""
    if isinstance(value, dict):
        members = ((name, _plain(member)) for name, member in value.items())
        return {name: member for name, member in members if member is not None} or None
    if isinstance(value, list):
        return [_plain(item) for item in value] or None
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return f"bool:{value}"
    return f"text:{value}" if isinstance(value, str) else f"number:{_digits(Decimal(value))}"


def _digits(number: Decimal) -> str:
    """Sign, digits and exponent without trailing zeros; never written out, so that 1e999999 stays short."""
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    if not short or not isinstance(exponent, int):
        return "0"
    return f"{'-' if sign else ''}{short}e{exponent + len(text) - len(short)}"


def differences(old_raw: bytes, new_raw: bytes) -> list[str]:
    """Dotted names of the fields in which two messages differ, e.g. `input.data.medfee_sumamt`; never their values.

    `old_raw` may be the completed message: what the gateway filled in does not count, nor does the msgid, which is what
    the two have in common. Both have to be readable envelopes (`read_envelope` raises Refusal otherwise). At most 20.
    """
    old, new = (_content(read_envelope(raw)) for raw in (old_raw, new_raw))
    compared = {name: value for name, value in old.items() if name in new or name not in FILLED}
    names = sorted(set(_differing(compared | {"msgid": new.get("msgid")}, new, "")))
    return names[:MAX_DIFFERENCES]


def _differing(old: Any, new: Any, path: str) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in old.keys() | new.keys():
            yield from _differing(old.get(name), new.get(name), _join(path, name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _differing(left, right, _join(path, str(place)))
    else:
        yield path


def _join(path: str, name: str) -> str:
    shown = name[:_NAME_LENGTH]
    return f"{path}.{shown}" if path else shown
