"""`cainfo`: the signature some provinces want in the message itself (national interface, 1.7; register 5).

Signed are all top-level members but `cainfo` and `input`, as `name=value` in ASCII order of their names, joined by `&`:
SM2 with SM3 and the standard's default signer id, in upper-case hex. What a HIS wrote there was for another signer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import gmssl_pyx
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from adapters.insurance.exact_json import dumps, loads
from adapters.insurance.rawjson import quote, set_members

PRIVATE: Final = "cainfo_private_key"
PUBLIC: Final = "cainfo_public_key"
NONE: Final = "none"
FORMS: Final = frozenset({"sm2", "sm2_rs"})
"""DER, as the libraries write it, or the bare numbers r and s: the specification does not say which."""

_UNSIGNED: Final = frozenset({"cainfo", "input"})
_SIZE: Final = 32


def signed_text(members: Mapping[str, Any]) -> str:
    """What is signed of an envelope; null and "" both leave the value empty."""
    return "&".join(f"{name}={_plain(members[name])}" for name in sorted(members) if name not in _UNSIGNED)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value)


def with_cainfo(raw: bytes, form: str, credentials: Mapping[str, str]) -> bytes:
    """The envelope with its signature; `signtype` says SM2 and is signed too.

    The keys are hex: the number d of 32 bytes, the point x‖y of 64 bytes. Raises ValueError for an unknown form, or a
    key that is missing or none.
    """
    if form not in FORMS:
        raise ValueError(f"unknown cainfo {form}")
    typed = set_members(raw, {"signtype": quote("SM2")})
    text = signed_text(loads(typed))
    return set_members(typed, {"cainfo": quote(_signature(text.encode("utf-8"), form, credentials))})


def _signature(text: bytes, form: str, credentials: Mapping[str, str]) -> str:
    private, public = (_key(credentials, name) for name in (PRIVATE, PUBLIC))
    der: bytes = gmssl_pyx.sm2_sign(private, public, text)
    if form == "sm2":
        return der.hex().upper()
    return b"".join(number.to_bytes(_SIZE, "big") for number in decode_dss_signature(der)).hex().upper()


def _key(credentials: Mapping[str, str], name: str) -> bytes:
    wanted = _SIZE if name == PRIVATE else 2 * _SIZE
    try:
        key = bytes.fromhex(credentials.get(name, ""))
    except ValueError:
        key = b""
    if len(key) != wanted:
        raise ValueError(f"cainfo needs the credential {name}: {wanted} bytes in hex")
    return key
