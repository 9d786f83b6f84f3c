"""RFC 9421 signatures as this bank agreed on them: Content-Digest and X-Request-Id, one certificate pinned.

Only RSA keys here; times are real ones, whatever the sandbox clock says.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import Certificate

from simulators.bank.house import TurnedAway
from simulators.bank.wsse import Keys

_OLDEST_SECONDS = 300 + 120
_FASTEST_SECONDS = 120
_INPUT = re.compile(
    r'sig=(\("content-digest"( "x-request-id")?\);created=([0-9]+);keyid="([0-9a-f]+)";alg="rsa-v1_5-sha256")'
)


def digest(body: bytes) -> str:
    """Content-Digest (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _name(certificate: Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _base(content_digest: str, request_id: str, parameters: str) -> bytes:
    numbered = f'"x-request-id": {request_id}\n' if request_id else ""
    return f'"content-digest": {content_digest}\n{numbered}"@signature-params": {parameters}'.encode()


def sealed(content_digest: str, keys: Keys | None, request_id: str = "") -> dict[str, str]:
    """The headers of a message with this digest, signed where the bank has a key."""
    made = {"Content-Digest": content_digest}
    if request_id:
        made["X-Request-Id"] = request_id
    if keys is None:
        return made
    covered = '"content-digest" "x-request-id"' if request_id else '"content-digest"'
    parameters = f'({covered});created={int(time.time())};keyid="{_name(keys.cert)}";alg="rsa-v1_5-sha256"'
    signature = keys.key.sign(_base(content_digest, request_id, parameters), padding.PKCS1v15(), hashes.SHA256())
    return {
        **made,
        "Signature-Input": f"sig={parameters}",
        "Signature": f"sig=:{base64.b64encode(signature).decode()}:",
    }


def check(body: bytes, headers: Mapping[str, str], keys: Keys | None) -> None:
    """Raises TurnedAway UNAUTHENTICATED, SIGNATURE_INVALID or TIMESTAMP_EXPIRED; nothing where no peer is pinned."""
    if keys is None or keys.peer is None:
        return
    if "Signature" not in headers:
        raise TurnedAway("UNAUTHENTICATED", "报文未签名")
    found = _INPUT.fullmatch(headers.get("Signature-Input", ""))
    stated = headers.get("Content-Digest", "")
    if found is None or stated != digest(body) or found[4] != _name(keys.peer):
        raise TurnedAway("SIGNATURE_INVALID", "签名无效")
    number = headers.get("X-Request-Id", "") if found[2] else ""
    if not number:
        raise TurnedAway("SIGNATURE_INVALID", "签名未覆盖 X-Request-Id")
    _verify(keys.peer, headers["Signature"], _base(stated, number, found[1]))
    age = time.time() - int(found[3])
    if not -_FASTEST_SECONDS <= age < _OLDEST_SECONDS:
        raise TurnedAway("TIMESTAMP_EXPIRED", "时间戳已过期")


def _verify(peer: Certificate, header: str, base: bytes) -> None:
    public = peer.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise TurnedAway("SIGNATURE_INVALID", "签名无效")
    try:
        raw = base64.b64decode(header.removeprefix("sig=:").removesuffix(":"), validate=True)
        public.verify(raw, base, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature) as error:
        raise TurnedAway("SIGNATURE_INVALID", "签名无效") from error
