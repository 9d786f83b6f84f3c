"""The SM2 variant: a detached signature over the raw bytes of the body, in an HTTP header (GB/T 32918, SM3). Pure.

No canonicalisation, so there is nothing to wrap. The header holds r‖s, 32 bytes each, in Base64; the signer's id is the
standard's default. Freshness is the channel's own: MsgId and Serial are inside what is signed.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

import gmssl_pyx
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from adapters.bank_soap.wsse import INVALID, BadSignature
from gateway.model.keys import Sm2Keys

HEADER: Final = "x-xinyi-sm2-signature"
_SIZE: Final = 32


def sign(body: bytes, keys: Sm2Keys) -> str:
    """The header's value for bytes of ours."""
    r, s = decode_dss_signature(gmssl_pyx.sm2_sign(keys.private, keys.public, body))
    return b64encode(r.to_bytes(_SIZE, "big") + s.to_bytes(_SIZE, "big")).decode()


def verify(body: bytes, header: str, keys: Sm2Keys) -> None:
    """Raises BadSignature unless one of the pinned keys signed exactly these bytes."""
    try:
        raw = b64decode(header, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 2 * _SIZE:
        raise BadSignature(INVALID, f"no {HEADER}" if not header else f"unreadable {HEADER}")
    signature = encode_dss_signature(int.from_bytes(raw[:_SIZE], "big"), int.from_bytes(raw[_SIZE:], "big"))
    if not any(_signed_by(peer, body, signature) for peer in keys.peers):
        raise BadSignature(INVALID, "not signed by a key that was agreed on")


def _signed_by(public: bytes, body: bytes, signature: bytes) -> bool:
    try:
        return bool(gmssl_pyx.sm2_verify(public, body, signature))
    except gmssl_pyx.GmsslInnerError:
        return False
