"""The outer message of the mobile payment centre: string to sign, signature, cipher text (national interface 5.1–5.3).

Pure. The plain `data` is signed and not transmitted; the cipher text is transmitted and not signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from adapters.mobile_pay import sm
from gateway.model.clock import SHANGHAI
from gateway.model.exact_json import NotJson, dumps, loads

UNSIGNED: Final = frozenset({"signData", "encData", "extra"})
TIMESTAMPS: Final = ("text", "ms", "s")
_MAX_DEPTH: Final = 32


class BadEnvelope(ValueError):
    """Unreadable, not signed by the centre, or not for us; the text shows nothing of the content."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What was agreed with the centre; from the counterpart's credentials."""

    app_id: str
    app_secret: str = field(repr=False)
    private: bytes = field(repr=False)
    public: bytes = field(repr=False)
    peer: bytes
    version: str = "2.0.1"
    timestamp: str = "text"
    user_id: str = sm.DEFAULT_USER_ID

    @classmethod
    def of(cls, credentials: Mapping[str, str]) -> Channel:
        """Raises ValueError naming the credential that is missing or makes no sense."""
        needed = ("app_id", "app_secret", "private_key", "public_key", "platform_public_key")
        missing = [name for name in needed if not credentials.get(name)]
        if missing:
            raise ValueError(f"the mobile payment centre needs the credential {missing[0]!r}")
        stamp = credentials.get("timestamp", "text")
        if stamp not in TIMESTAMPS:
            raise ValueError(f"timestamp: one of {', '.join(TIMESTAMPS)} is expected")
        return cls(
            app_id=credentials["app_id"],
            app_secret=credentials["app_secret"],
            private=sm.private_key(credentials["private_key"]),
            public=sm.public_key(credentials["public_key"]),
            peer=sm.public_key(credentials["platform_public_key"]),
            version=credentials.get("version", "2.0.1"),
            timestamp=stamp,
            user_id=credentials.get("user_id", sm.DEFAULT_USER_ID),
        )

    @property
    def key(self) -> bytes:
        """The key of `encData`."""
        return sm.data_key(self.app_id, self.app_secret)

    def stamp(self, real_now: float) -> str:
        """`timestamp` in the agreed form; real time, whatever the business clock says."""
        if self.timestamp == "ms":
            return str(int(real_now * 1000))
        if self.timestamp == "s":
            return str(int(real_now))
        return datetime.fromtimestamp(real_now, SHANGHAI).strftime("%Y%m%d%H%M%S")


def canonical(value: Any, *, texts: bool = False) -> Any:
    """``value`` with names sorted at every level and empty members left out; None where nothing is left.

    ``texts`` writes numbers as texts, as one of the known ports does (5.3).
    """
    if isinstance(value, Mapping):
        members = ((str(name), canonical(value[name], texts=texts)) for name in sorted(value))
        return {name: member for name, member in members if member is not None and member != ""}
    if isinstance(value, list | tuple):
        return [canonical(item, texts=texts) for item in value]
    if texts and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return value


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else dumps(value)


def string_to_sign(message: Mapping[str, Any], app_secret: str, *, texts: bool = False) -> str:
    """`name=value&…&key=<appSecret>` over everything but `signData`, `encData` and `extra` (5.3)."""
    parts = []
    for name in sorted(message):
        value = message[name]
        if name in UNSIGNED or value is None or value == "":
            continue
        shown = dumps(canonical(value, texts=texts)) if isinstance(value, Mapping | list) else _scalar(value)
        parts.append(f"{name}={shown}&")
    return "".join(parts) + f"key={app_secret}"


def write(channel: Channel, data: Mapping[str, Any], real_now: float, extra: Mapping[str, Any] | None = None) -> bytes:
    """A message of ours; ``extra`` are further top-level members, of an acknowledgement. Signed as well."""
    content = canonical(data)
    outer: dict[str, Any] = {
        **(extra or {}),
        "appId": channel.app_id,
        "version": channel.version,
        "timestamp": channel.stamp(real_now),
        "encType": "SM4",
        "signType": "SM2",
    }
    text = string_to_sign(outer | {"data": content}, channel.app_secret)
    outer["encData"] = sm.seal(channel.key, dumps(content))
    outer["signData"] = sm.sign(text, channel.private, channel.public, channel.user_id)
    return dumps(outer).encode("utf-8")


def parse(body: bytes) -> dict[str, Any]:
    """The top level, not yet verified. Raises BadEnvelope."""
    try:
        outer = loads(body, unique=True)
    except NotJson as error:
        raise BadEnvelope(f"no JSON ({error})") from None
    if not isinstance(outer, dict):
        raise BadEnvelope("no JSON object")
    return outer


def read(channel: Channel, outer: Mapping[str, Any]) -> dict[str, Any]:
    """The verified plain `data` of a message of the centre; empty where it carries none. Raises BadEnvelope."""
    if outer.get("appId") not in (None, "", channel.app_id):
        raise BadEnvelope("another appId")
    data = _opened(channel, outer)
    signed = dict(outer) | {"data": data}
    sign_data = outer.get("signData")
    if not isinstance(sign_data, str) or not any(
        sm.verify(text, sign_data, channel.peer, channel.user_id) for text in _readings(signed, channel.app_secret)
    ):
        raise BadEnvelope("signData is not the centre's")
    return data or {}


def _opened(channel: Channel, outer: Mapping[str, Any]) -> dict[str, Any] | None:
    enc = outer.get("encData")
    if enc in (None, ""):
        return None
    try:
        data = loads(sm.unseal(channel.key, str(enc)), unique=True)
    except (sm.Undecipherable, NotJson):
        raise BadEnvelope("encData cannot be opened") from None
    if not isinstance(data, dict) or not _shallow(data):
        raise BadEnvelope("encData holds no object")
    return data


def _readings(message: Mapping[str, Any], secret: str) -> Iterator[str]:
    """Numbers as they stand, and where there are any, as texts."""
    kept = string_to_sign(message, secret)
    yield kept
    as_texts = string_to_sign(message, secret, texts=True)
    if as_texts != kept:
        yield as_texts


def _shallow(value: Any, left: int = _MAX_DEPTH) -> bool:
    if not isinstance(value, dict | list):
        return True
    items = value.values() if isinstance(value, dict) else value
    return left > 0 and all(_shallow(item, left - 1) for item in items)
