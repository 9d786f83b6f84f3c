"""Who the hospital is: the header signatures hospitals already send to the platform (national interface, 1.7).

Timestamps are judged by real time, whatever the sandbox clock says. Whether a nonce was seen before is the web layer's
question: it needs a memory.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final

from gateway.model.refusals import Refusal

WINDOW_SECONDS: Final = 180
NONCE: Final = "x-tif-nonce"
_TIF: Final = ("x-tif-paasid", "x-tif-timestamp", NONCE, "x-tif-signature")
_CSB: Final = ("_api_access_key", "_api_name", "_api_timestamp", "_api_version")
_CSB_SIGNATURE: Final = "_api_signature"
_LONGEST: Final = 256

SecretOf = Callable[[str], str | None]


def uses_csb(headers: Mapping[str, str]) -> bool:
    """True where the caller signs with `_api_*` headers instead of `x-tif-*`."""
    return any(name.lower() == _CSB_SIGNATURE for name in headers)


def nonce_of(headers: Mapping[str, str]) -> str:
    """The nonce of a request signed in the x-tif way, for the replay check; "" without one."""
    return next((value.strip() for name, value in headers.items() if name.lower() == NONCE), "")


def verify_tif(headers: Mapping[str, str], token_of: SecretOf, real_now: float) -> str:
    """The paasid of a request whose `x-tif-*` headers are right.

    `token_of` gives the secret token of a paasid, None for an unknown one; `real_now` is unix seconds. Header names and
    the signature's hex are case-insensitive. Raises Refusal UNAUTHENTICATED (a header missing, unknown paasid, wrong
    signature) or TIMESTAMP_EXPIRED (rightly signed, more than 180 s away).
    """
    paasid, timestamp, nonce, signature = _present(headers, _TIF)
    token = token_of(paasid)
    # An unknown paasid takes the same way as a wrong token, so that answers do not tell which codes exist.
    text = f"{timestamp}{token or ''}{nonce}{timestamp}"
    expected = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest().upper()
    if not _equal(expected, signature.upper()) or not token:
        raise Refusal("UNAUTHENTICATED", "签名信息错误")
    _check_window(timestamp, 1, real_now)
    return paasid


def verify_csb(headers: Mapping[str, str], secret_of: SecretOf, real_now: float) -> str:
    """The access key of a request whose `_api_*` headers are right; `_api_name` is left to the caller to compare.

    `secret_of` gives the secret key of an access key. Raises as `verify_tif`.
    """
    *signed, signature = _present(headers, (*_CSB, _CSB_SIGNATURE))
    access_key, _name, timestamp, _version = signed
    secret = secret_of(access_key)
    text = "&".join(f"{name}={value}" for name, value in zip(_CSB, signed, strict=True))
    digest = hmac.new((secret or "").encode(), text.encode("utf-8", "replace"), hashlib.sha1).digest()
    if not _equal(base64.b64encode(digest).decode("ascii"), signature) or not secret:
        raise Refusal("UNAUTHENTICATED", "签名不一致")
    _check_window(timestamp, 1000, real_now)
    return access_key


def _present(headers: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    given = {name.lower(): value.strip() for name, value in headers.items()}
    values = [given.get(name, "") for name in names]
    if not all(values):
        raise Refusal("UNAUTHENTICATED", "签名参数不完整")
    if any(len(value) > _LONGEST for value in values):
        raise Refusal("UNAUTHENTICATED", "签名信息错误")
    return values


def _equal(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _check_window(timestamp: str, per_second: int, real_now: float) -> None:
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise Refusal("UNAUTHENTICATED", "时间戳不合法")
    if abs(real_now - int(timestamp) / per_second) > WINDOW_SECONDS:
        raise Refusal("TIMESTAMP_EXPIRED", f"时间戳与服务器时间相差超过 {WINDOW_SECONDS} 秒")
