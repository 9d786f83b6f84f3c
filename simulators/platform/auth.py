"""Header checks of the platform's own gateway: variants A to D of national-interface 1.7. Always real time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Mapping

import orjson

from simulators.common.variants import Variants
from simulators.common.wire import Reply

_WINDOW_SECONDS = 180
_INSTITUTION = re.compile(r"[HP]\d{11}")
_CSB_SIGNED = ("_api_access_key", "_api_name", "_api_timestamp", "_api_version")


def _tif_refused(text: str) -> Reply:
    return Reply(orjson.dumps({"code": 400001, "msg": text}), 500)


INCOMPLETE = _tif_refused("身份校验参数不完整")
WRONG = _tif_refused("身份校验信息错误")
CSB_REFUSED = Reply(orjson.dumps({"code": 401, "message": "签名不一致"}), 401)
APIKEY_REFUSED = Reply(orjson.dumps({"code": 401, "message": "apikey无效"}), 401)


def tif_signature(token: str, timestamp: str, nonce: str) -> str:
    """hex(SHA-256(timestamp + token + nonce + timestamp))."""
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


def csb_signature(secret: str, headers: Mapping[str, str]) -> str:
    """Base64(HMAC-SHA1(secret, the four headers as name=value sorted and joined by &))."""
    canonical = "&".join(f"{name}={headers.get(name, '')}" for name in _CSB_SIGNED)
    return base64.b64encode(hmac.new(secret.encode(), canonical.encode(), hashlib.sha1).digest()).decode()


class Gatekeeper:
    """Who may call. Besides the clients named at the start every institution may, with the token ``sandbox-<code>``."""

    def __init__(self, clients: Mapping[str, str]) -> None:
        self._clients = dict(clients)
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    def refusal(self, headers: Mapping[str, str], variants: Variants) -> Reply | None:
        """None when the caller may pass, else the answer that turns it away."""
        if variants["auth_none"]:
            return None
        if variants["auth_apikey"]:
            known = any(hmac.compare_digest(headers.get("apikey", ""), token) for token in self._clients.values())
            return None if known else APIKEY_REFUSED
        return self._csb(headers) if variants["auth_csb"] else self._tif(headers)

    def caller(self, headers: Mapping[str, str]) -> str:
        """The institution that calls under its own name; empty for a client that speaks for many."""
        paasid = headers.get("x-tif-paasid", "")
        return paasid if paasid not in self._clients and _INSTITUTION.fullmatch(paasid) else ""

    def _token(self, paasid: str) -> str | None:
        if paasid in self._clients:
            return self._clients[paasid]
        return f"sandbox-{paasid}" if _INSTITUTION.fullmatch(paasid) else None

    def _tif(self, headers: Mapping[str, str]) -> Reply | None:
        names = ("x-tif-paasid", "x-tif-timestamp", "x-tif-nonce", "x-tif-signature")
        paasid, timestamp, nonce, signature = (headers.get(name, "") for name in names)
        if not (paasid and timestamp and nonce and signature):
            return INCOMPLETE
        token = self._token(paasid)
        if token is None or not self._in_window(timestamp, 1):
            return WRONG
        if not hmac.compare_digest(signature.lower(), tif_signature(token, timestamp, nonce)):
            return WRONG
        return None if self._fresh(paasid, nonce) else WRONG

    def _csb(self, headers: Mapping[str, str]) -> Reply | None:
        key, timestamp = headers.get("_api_access_key", ""), headers.get("_api_timestamp", "")
        secret = self._token(key)
        if secret is None or not self._in_window(timestamp, 1000):
            return CSB_REFUSED
        right = hmac.compare_digest(headers.get("_api_signature", ""), csb_signature(secret, headers))
        return None if right else CSB_REFUSED

    @staticmethod
    def _in_window(timestamp: str, per_second: int) -> bool:
        if not timestamp.isdigit():
            return False
        return abs(time.time() - int(timestamp) / per_second) <= _WINDOW_SECONDS

    def _fresh(self, paasid: str, nonce: str) -> bool:
        """A nonce counts once; those too old to pass the window are forgotten."""
        now = time.monotonic()
        while self._nonces and next(iter(self._nonces.values())) < now - 2 * _WINDOW_SECONDS:
            self._nonces.popitem(last=False)
        if (paasid, nonce) in self._nonces:
            return False
        self._nonces[paasid, nonce] = now
        return True
