"""How the platform knows who asks: four variants of the province's gateway (national interface, 1.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping

from gateway.delivery.declare import SendContext

DEFAULT_AUTH = "tif"


def tif_signature(timestamp: str, token: str, nonce: str) -> str:
    """Variant A: hex SHA-256 of timestamp, token, nonce, timestamp. The body is not covered: use a private line."""
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


def csb_signature(secret_key: str, signed: Mapping[str, str]) -> str:
    """Variant B: Base64 HMAC-SHA1 over the sorted `name=value` pairs of the other `_api_*` headers."""
    text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    return base64.b64encode(hmac.new(secret_key.encode(), text.encode(), hashlib.sha1).digest()).decode("ascii")


def _tif(infno: str, context: SendContext) -> dict[str, str]:
    timestamp = str(int(context.real_now))
    return {
        "x-tif-paasid": context.credentials["paasid"],
        "x-tif-timestamp": timestamp,
        "x-tif-nonce": context.nonce,
        "x-tif-signature": tif_signature(timestamp, context.credentials["token"], context.nonce),
    }


def _csb(infno: str, context: SendContext) -> dict[str, str]:
    signed = {
        "_api_access_key": context.credentials["access_key"],
        "_api_name": infno,
        "_api_timestamp": str(int(context.real_now * 1000)),
        "_api_version": context.credentials.get("api_version", "1.0.0"),
    }
    return signed | {"_api_signature": csb_signature(context.credentials["secret_key"], signed)}


def _apikey(infno: str, context: SendContext) -> dict[str, str]:
    return {"apikey": context.credentials["apikey"]}


def _none(infno: str, context: SendContext) -> dict[str, str]:
    return {}


_VARIANTS: Mapping[str, Callable[[str, SendContext], dict[str, str]]] = {
    "tif": _tif,
    "csb": _csb,
    "apikey": _apikey,
    "none": _none,
}


def auth_headers(infno: str, context: SendContext) -> dict[str, str]:
    """Headers of the variant named by `variant["auth"]` (default tif).

    Raises ValueError for an unknown variant or a credential that is missing: both are mistakes of the settings.
    """
    name = context.variant.get("auth", DEFAULT_AUTH)
    if name not in _VARIANTS:
        raise ValueError(f"unknown authentication variant {name}")
    try:
        return _VARIANTS[name](infno, context)
    except KeyError as missing:
        raise ValueError(f"authentication {name} needs the credential {missing}") from None
