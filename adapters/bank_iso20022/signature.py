"""Signatures of this channel: RFC 9421 over the body's digest and the exchange's number (contract, chapter 2). Pure.

ISO 20022 messages and JSON travel side by side here, so what is signed are bytes, not XML: no canonicalisation, nothing
to wrap. The set of components, their order and their spelling are fixed; a header that says it otherwise is no
signature. A question's number comes back signed with its answer, so no answer can be another's. Certificates are
pinned; time is real time.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import gmssl_pyx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.model.keys import ChannelKeys, Sm2Keys, WsseKeys

WINDOW: Final = 300.0  # seconds a message is good for
SKEW: Final = 120.0  # seconds two clocks may differ
INVALID: Final = "SIGNATURE_INVALID"
EXPIRED: Final = "TIMESTAMP_EXPIRED"
REQUEST_ID: Final = "x-request-id"
DIGEST: Final = "content-digest"

_RSA: Final = "rsa-v1_5-sha256"
_SM2: Final = "sm2-sm3"
_CURVES: Final[Mapping[str, tuple[str, HashAlgorithm, int]]] = {
    "secp256r1": ("ecdsa-p256-sha256", SHA256(), 32),
    "secp384r1": ("ecdsa-p384-sha384", SHA384(), 48),
    "secp521r1": ("ecdsa-p521-sha512", SHA512(), 66),
}
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_INPUT: Final = re.compile(
    r'sig=(\("content-digest"(?P<id> "x-request-id")?\);created=(?P<created>[0-9]{1,12})'
    r';keyid="(?P<key>[0-9a-f]{64})";alg="(?P<alg>[a-z0-9_-]{1,24})")'
)
_SIGNATURE: Final = re.compile(r"sig=:([A-Za-z0-9+/=]{1,2048}):")


class BadSignature(ValueError):
    """Not to be trusted. ``code`` is SIGNATURE_INVALID or TIMESTAMP_EXPIRED; ``reason`` repeats nothing of the text."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


# -- digest ---------------------------------------------------------------------------------------------------------


def digest_of(body: bytes) -> str:
    """Content-Digest of a body (RFC 9530)."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"


def stated_digest(headers: Mapping[str, str]) -> str:
    """The SHA-256 a message says it has, in hexadecimal; empty where it says none that can be read."""
    found = _DIGEST.fullmatch(headers.get(DIGEST, "").strip())
    return b64decode(found[1]).hex() if found else ""


# -- signing --------------------------------------------------------------------------------------------------------


def seal(body: bytes, keys: ChannelKeys | None, real_now: float, request_id: str = "") -> dict[str, str]:
    """The headers a message leaves with: its digest, its number, and where there are keys its signature."""
    made = {"Content-Digest": digest_of(body), **({"X-Request-Id": request_id} if request_id else {})}
    if keys is None:
        return made
    numbered = ' "x-request-id"' if request_id else ""
    said = f'("content-digest"{numbered});created={int(real_now)};keyid="{_own_id(keys)}";alg="{_own_alg(keys)}"'
    signature = b64encode(_sign(_base(made["Content-Digest"], request_id, said), keys)).decode()
    return {**made, "Signature-Input": f"sig={said}", "Signature": f"sig=:{signature}:"}


def _base(digest: str, request_id: str, parameters: str) -> bytes:
    lines = [f'"content-digest": {digest}']
    if request_id:
        lines.append(f'"x-request-id": {request_id}')
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode()


def key_id(key: bytes) -> str:
    """How a key is named: SHA-256 over the certificate's DER bytes, or over the point of an SM2 key, in hexadecimal."""
    return hashlib.sha256(key).hexdigest()


def _own_id(keys: ChannelKeys) -> str:
    return key_id(keys.public if isinstance(keys, Sm2Keys) else keys.certificate.public_bytes(Encoding.DER))


def _own_alg(keys: ChannelKeys) -> str:
    return _SM2 if isinstance(keys, Sm2Keys) else _alg_of(keys.key.public_key())


def _alg_of(key: object) -> str:
    """The one algorithm allowed for a public key."""
    return _CURVES[key.curve.name][0] if isinstance(key, ec.EllipticCurvePublicKey) else _RSA


def _sign(base: bytes, keys: ChannelKeys) -> bytes:
    if isinstance(keys, Sm2Keys):
        return _raw(gmssl_pyx.sm2_sign(keys.private, keys.public, base), 32)
    if isinstance(keys.key, rsa.RSAPrivateKey):
        return keys.key.sign(base, padding.PKCS1v15(), SHA256())
    _, algorithm, size = _CURVES[keys.key.curve.name]
    return _raw(keys.key.sign(base, ec.ECDSA(algorithm)), size)


def _raw(der: bytes, size: int) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


# -- verifying ------------------------------------------------------------------------------------------------------


def verify(
    body: bytes,
    headers: Mapping[str, str],
    keys: ChannelKeys,
    real_now: float,
    *,
    request_id: str = "",
    since: float | None = None,
) -> None:
    """Raises BadSignature unless a pinned key signed this body, for ``request_id`` where one is given, in time.

    ``headers`` have lower-case names, times are Unix seconds of real time; with ``since`` (when the question left) an
    answer that is older is refused.
    """
    found = _INPUT.fullmatch(headers.get("signature-input", "").strip())
    signature = _SIGNATURE.fullmatch(headers.get("signature", "").strip())
    if found is None or signature is None:
        raise BadSignature(INVALID, "not signed" if "signature" not in headers else "unreadable signature")
    if stated_digest(headers) != hashlib.sha256(body).hexdigest():
        raise BadSignature(INVALID, "Content-Digest is not the body's")
    number = headers.get(REQUEST_ID, "").strip() if found["id"] else ""
    if request_id and number != request_id:
        raise BadSignature(INVALID, "signed for another exchange")
    base = _base(headers[DIGEST].strip(), number, found[1])
    if not _true(base, _decoded(signature[1]), found["key"], found["alg"], keys, real_now):
        raise BadSignature(INVALID, "not signed by a key that was agreed on")
    _check_time(float(found["created"]), real_now, since)


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise BadSignature(INVALID, "unreadable signature") from None


def _true(base: bytes, signature: bytes, key: str, alg: str, keys: ChannelKeys, real_now: float) -> bool:
    if isinstance(keys, Sm2Keys):
        peers = [peer for peer in keys.peers if key_id(peer) == key]
        return alg == _SM2 and any(_sm2_true(peer, base, signature) for peer in peers)
    return any(_x509_true(peer, base, signature, alg) for peer in _named(keys, key, real_now))


def _named(keys: WsseKeys, key: str, real_now: float) -> list[x509.Certificate]:
    """The pinned certificates of a name that have begun and not ended."""
    found = [peer for der, peer in keys.peers.items() if key_id(der) == key]
    now = datetime.fromtimestamp(real_now, UTC)
    return [one for one in found if one.not_valid_before_utc <= now <= one.not_valid_after_utc]


def _x509_true(peer: x509.Certificate, base: bytes, signature: bytes, alg: str) -> bool:
    public = peer.public_key()
    if alg != _alg_of(public):
        return False
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, base, padding.PKCS1v15(), SHA256())
        elif isinstance(public, ec.EllipticCurvePublicKey):
            _, algorithm, size = _CURVES[public.curve.name]
            public.verify(_der(signature, size), base, ec.ECDSA(algorithm))
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def _der(signature: bytes, size: int) -> bytes:
    """Raises ValueError for a signature of another length."""
    if len(signature) != 2 * size:
        raise ValueError("length")
    return encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))


def _sm2_true(public: bytes, base: bytes, signature: bytes) -> bool:
    try:
        return bool(gmssl_pyx.sm2_verify(public, base, _der(signature, 32)))
    except (gmssl_pyx.GmsslInnerError, ValueError):
        return False


def _check_time(created: float, real_now: float, since: float | None) -> None:
    if not created - SKEW <= real_now < created + WINDOW + SKEW:
        raise BadSignature(EXPIRED, "outside the time window")
    if since is not None and created < since - SKEW:
        raise BadSignature(EXPIRED, "older than what it answers")
