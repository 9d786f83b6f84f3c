"""What a channel's keys do to a message on its way out and back, whichever of the two signatures was agreed on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from adapters.bank_soap import sm2, wsse
from gateway.model.keys import ChannelKeys, Sm2Keys, WsseKeys

Check = Callable[[bytes, etree._Element, str], etree._Element]
_DECLARATION: Final = re.compile(rb"^(?:\xef\xbb\xbf)?<\?xml[ \t\r\n]")


def seal(root: etree._Element, version: str, keys: ChannelKeys | None, real_now: float) -> tuple[bytes, dict[str, str]]:
    """Bytes and further HTTP headers of a message of ours, signed where there are keys."""
    if isinstance(keys, WsseKeys):
        wsse.sign(root, version, keys, real_now)
    body = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return body, {sm2.HEADER: sm2.sign(body, keys)} if isinstance(keys, Sm2Keys) else {}


@dataclass(frozen=True, slots=True)
class Guard:
    """Looks at a message before it is read. ``headers`` have lower-case names, times are Unix seconds of real time.

    ``since``: when the question left that the message answers.
    """

    keys: ChannelKeys
    headers: Mapping[str, str]
    real_now: float
    since: float | None = None

    def check(self, raw: bytes, root: etree._Element, version: str) -> etree._Element:
        """The Body that may be read. Raises BadSignature."""
        if isinstance(self.keys, Sm2Keys):
            sm2.verify(raw, self.headers.get(sm2.HEADER, ""), self.keys)
            return _body(root, version)
        # They are no part of what is signed, so they could be put into an amount afterwards.
        if b"<!--" in raw or raw.count(b"<?") > bool(_DECLARATION.match(raw)):
            raise wsse.BadSignature(wsse.INVALID, "comment or processing instruction in a signed message")
        return wsse.verify(root, version, self.keys, self.real_now, self.since)


def _body(root: etree._Element, version: str) -> etree._Element:
    found = root.find(f"{{{version}}}Body")
    if found is None:
        raise wsse.BadSignature(wsse.INVALID, "no Body")
    return found
