"""The partners of this installation: an adapter, an address and credentials each, by name."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import orjson

from gateway.delivery.breaker import Breaker
from gateway.delivery.declare import Adapter, Codec, OperationDecl
from gateway.model.clock import Clock
from gateway.model.ids import build_msgid
from gateway.model.keys import UNSIGNED, ChannelKeys, KeyRing

CODE_VERSION: Final = "1"
_OWN_SERIALS = (5000, 9999)  # the upper half of a second's serials: the hospital's own start at 0001


@dataclass(slots=True)
class Counterpart:
    """One partner."""

    id: str
    adapter: Adapter
    url: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    breaker: Breaker = field(default_factory=Breaker)
    ring: KeyRing | None = field(default=None, repr=False)
    config_version: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Short hash over address, security and manifest, kept with every attempt; credentials stay out."""
        manifest = self.adapter.manifest.model_dump(mode="json")
        content = {"url": self.url, "security": self.security, "manifest": manifest}
        self.config_version = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]

    @property
    def keys(self) -> ChannelKeys | None:
        """The keys in force on a signed channel; None on one that is not signed."""
        return None if self.ring is None else self.ring.current()

    @property
    def security(self) -> str:
        """wsse, sm2 or none."""
        return UNSIGNED if self.ring is None else self.ring.files.security

    @property
    def codec(self) -> Codec:
        """The adapter's codec. Raises TypeError for an adapter that only has a door."""
        if self.adapter.codec is None:
            raise TypeError(f"{self.id}: the adapter sends nothing")
        return self.adapter.codec

    def declared(self, operation: str) -> OperationDecl:
        """The manifest's row. Raises KeyError for an operation the partner does not have."""
        return self.adapter.manifest.operations[operation]


Counterparts = Mapping[str, Counterpart]


class Msgids:
    """Message ids the gateway makes itself: the institution's code, the second, a serial that does not repeat in it."""

    def __init__(self, clock: Clock, first: Callable[[], int] | None = None) -> None:
        self._clock = clock
        self._first = first or (lambda: _OWN_SERIALS[0] + secrets.randbelow(4000))  # no repeat after a restart
        self._last: dict[str, tuple[datetime, int]] = {}

    def next(self, fixmedins_code: str) -> str:
        """A fresh msgid of thirty characters (national interface 1.3)."""
        now = self._clock.now().replace(microsecond=0)
        second, serial = self._last.get(fixmedins_code, (now, self._first() - 1))
        serial = serial + 1 if second == now else self._first()
        if serial > _OWN_SERIALS[1]:
            serial = _OWN_SERIALS[0]
        self._last[fixmedins_code] = (now, serial)
        return build_msgid(fixmedins_code, now, serial)
