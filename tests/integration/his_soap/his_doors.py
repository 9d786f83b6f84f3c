"""Both HIS doors over a real runner and journal, with a platform in place of the flow: for what a town cannot show."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from adapters.his_json import ADAPTER as NATIONAL
from adapters.his_soap import ADAPTER as SOAP
from gateway.flows import relay
from gateway.flows.house import House
from gateway.flows.runner import Ending, Reply, Runner
from gateway.flows.scheduler import Scheduler
from gateway.journal.exchanges import Exchange
from gateway.model.fieldmap_file import load_maps
from gateway.model.insurance import NationalAnswer, NationalMessage
from gateway.model.refusals import Refusal
from gateway.settings import Limits, Settings
from gateway.web import server
from gateway.web.context import Desk
from gateway.web.metrics import Metrics
from tests.support.journals import open_journal
from tests.support.plain_house import plain_house
from tests.support.site import hospital

PLAIN, QINGZHU, BAISHI = "H43050000001", "H43050000002", "H44010000001"
MAPS = {PLAIN: "", QINGZHU: "qingzhu", BAISHI: "baishi"}
Answer = Callable[[NationalMessage], Reply]


def platform(raw: str, creditpay: Mapping[str, Any] | None = None) -> Reply:
    """The platform's own words."""
    return Reply(200, NationalAnswer(raw=raw, creditpay=creditpay).model_dump_json().encode())


@dataclass
class Doors:
    """The running doors, the messages that came through, and what the next one is answered."""

    url: str
    session: aiohttp.ClientSession
    desk: Desk
    real: Callable[[], float]
    answer: Answer = field(default=lambda message: platform('{"infcode":0,"output":{"echo":"' + message.msgid + '"}}'))
    seen: list[NationalMessage] = field(default_factory=list)
    nonces: int = 0

    async def flow(self, _house: House, _exchange: Exchange, body: bytes) -> Reply:
        """In the place of the relay."""
        message = NationalMessage.model_validate_json(body)
        self.seen.append(message)
        return self.answer(message)

    def headers(self, code: str) -> dict[str, str]:
        """The x-tif headers of a hospital (national interface, 1.7 A)."""
        self.nonces += 1
        stamp, nonce = str(int(self.real())), f"n{self.nonces}"
        digest = hashlib.sha256(f"{stamp}sandbox-{code}{nonce}{stamp}".encode()).hexdigest()
        return {
            "x-tif-paasid": code, "x-tif-timestamp": stamp, "x-tif-nonce": nonce, "x-tif-signature": digest,
        }  # fmt: skip

    async def post(self, path: str, body: bytes, code: str, kind: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Post bytes; status, bytes and headers of the answer."""
        headers = {**self.headers(code), "Content-Type": kind}
        async with self.session.post(self.url + path, data=body, headers=headers) as answer:
            return answer.status, await answer.read(), dict(answer.headers)


def refusal(code: str, detail: str = "") -> Answer:
    """A flow that says no."""

    def answer(_message: NationalMessage) -> Reply:
        raise Refusal(code, detail)

    return answer


def waiting(_message: NationalMessage) -> Reply:
    """A flow whose outcome is not known yet."""
    return Reply(200, b"", "PENDING", Ending.WAITING)


@asynccontextmanager
async def open_doors(path: Path) -> AsyncIterator[Doors]:
    """Both doors on loopback."""
    async with open_journal(path / "doors.db") as journal, aiohttp.ClientSession() as session:
        hospitals = {
            code: hospital(code, "", code[1:7]).model_copy(update={"map": name}) for code, name in MAPS.items()
        }
        house = replace(plain_house(journal), hospitals=hospitals)
        doors = Doors("", session, None, journal.clock.real)  # type: ignore[arg-type]
        refused = dict.fromkeys(("his_json", "his_soap"), relay.refused)
        limits = Limits(body=100_000)
        doors.desk = Desk(
            settings=Settings(store="sqlite:///x", data_dir=path, vault_key_file=path / "key", limits=limits),
            house=house, runner=Runner(house, {"national": doors.flow}, refused), scheduler=Scheduler(house, {}),
            metrics=Metrics(), endpoints=(), clients={}, doors={"his_json": NATIONAL.door, "his_soap": SOAP.door},
            maps=load_maps(), ready=True,
        )  # fmt: skip
        runner = web.AppRunner(server.build(doors.desk))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        doors.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield doors
        await asyncio.wait_for(runner.cleanup(), 10)
