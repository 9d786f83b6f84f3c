"""The platform of a running town, asked directly with the gateway's own codec and transport, in any variant."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from adapters.insurance import ADAPTER
from gateway.delivery.counterparts import Msgids
from gateway.delivery.declare import SendContext, Timeouts
from gateway.delivery.transport import NothingLeft, OutcomeLost, Transport
from gateway.model.clock import SystemClock
from gateway.model.insurance import NationalMessage
from gateway.model.verdict import Done, NotSent, Unknown, Verdict
from tests.support.sandbox import Town

TIF = {"paasid": "xinyi", "token": "sandbox-platform"}
HOSPITAL = NationalMessage(
    infno="", fixmedins_code="H43050000001", fixmedins_name="邵阳示例医院", mdtrtarea_admvs="430500",
    insuplc_admdvs="430500",
)  # fmt: skip
# The codec knows no clock, and the platform judges these messages by its own: any msgids do that are not used twice.
_MSGIDS = Msgids(SystemClock())


@dataclass
class Line:
    """Codec and transport to one platform. ``real_skew``: seconds by which our clock is off."""

    url: str
    credentials: Mapping[str, str] = field(default_factory=lambda: dict(TIF))
    variant: Mapping[str, str] = field(default_factory=dict)
    real_skew: float = 0.0
    read_seconds: float = 10.0
    sign_no: str = ""
    nonce: str = ""

    async def ask(self, message: NationalMessage) -> Verdict[Any]:
        """One message, as delivery sends it."""
        context = SendContext(
            real_now=time.time() + self.real_skew, business_now=SystemClock().now(),
            nonce=self.nonce or secrets.token_hex(16), msgid=_MSGIDS.next(message.fixmedins_code),
            credentials=self.credentials, variant=self.variant,
        )  # fmt: skip
        codec, transport = ADAPTER.codec, Transport()
        assert codec is not None
        out = codec.encode(message.infno, message, context)
        try:
            answer = await transport.send(self.url + out.path, out, Timeouts(read=self.read_seconds), fresh=True)
        except NothingLeft as error:
            return NotSent(str(error))
        except OutcomeLost as error:
            return Unknown(str(error))
        finally:
            await transport.close()
        return codec.decode(message.infno, message, type(answer)(answer.status, answer.headers, answer.body, context))

    async def sign_in(self) -> Verdict[Any]:
        """9001, its number kept for what follows."""
        said = await self.ask(ADAPTER.codec.sign_in(HOSPITAL, opter_no="1", mac="00-00", ip="127.0.0.1"))  # type: ignore[union-attr]
        if isinstance(said, Done):
            self.sign_no = said.reply.sign_no
        return said

    def message(self, infno: str, content: Mapping[str, Any]) -> NationalMessage:
        """A message of the gateway's own."""
        return HOSPITAL.model_copy(update={"infno": infno, "sign_no": self.sign_no, "input": content})


class Province:
    """The platform simulator's controls, everything as it was when the context ends."""

    def __init__(self, town: Town, session: aiohttp.ClientSession, **switches: Any) -> None:
        self._url, self._session, self._switches = town.simulator("platform"), session, switches

    async def __aenter__(self) -> None:
        await self.set(**self._switches)

    async def __aexit__(self, *_error: object) -> None:
        await self.set()

    async def set(self, **switches: Any) -> None:
        """Turn the named variants on, or all off."""
        async with self._session.put(f"{self._url}/_sim/variants", json=switches) as answer:
            assert answer.status == 200, await answer.text()
