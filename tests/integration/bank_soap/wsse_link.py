"""A signed channel on real sockets: the bank with its keys, our delivery with ours, and what may stand between them."""

from __future__ import annotations

import atexit
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from lxml import etree
from pydantic import BaseModel

from adapters.bank_soap import ADAPTER, door
from gateway.delivery.counterparts import Counterpart, Msgids
from gateway.delivery.delivery import Delivery, Order
from gateway.delivery.transport import Transport
from gateway.journal.operations import Operation
from gateway.model.clock import SystemClock
from gateway.model.keys import KeyFiles, KeyRing
from gateway.model.refusals import Refusal
from simulators.bank.app import BankSimulator
from simulators.bank.wsse import Keys
from simulators.common.server import Options
from simulators.sandbox.keys import make_keys
from tests.integration.bank_soap.bank_link import CERTNO, START, signing
from tests.support.journals import StillClock, open_journal

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
Passage = Callable[[aiohttp.ClientResponse], Awaitable[web.Response]]


class BusinessStill(StillClock):
    """Business time stands still, real time is real: signatures live in it."""

    def real(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class SignedLink:
    """Delivery on one side, the bank and its controls on the other."""

    delivery: Delivery
    session: aiohttp.ClientSession
    bank: str
    gateway: str
    keys: Keys
    """The bank's side, to verify what reaches it."""
    notices: list[Any] = field(default_factory=list)
    acks: list[bytes] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def send(self, operation: str, request: BaseModel) -> Any:
        """The journalled verdict."""
        key = getattr(request, "serial", "") or str(next(self.numbers))
        return await self.delivery.deliver(Order("bocom", operation, key, request, "X1", "S1"))

    async def operation(self, name: str, key: str) -> Operation:
        found = await self.delivery.journal.operations.by_key("bocom", name, key)
        assert found is not None
        return found

    async def control(self, method: str, path: str, content: Any = None) -> Any:
        async with self.session.request(method, f"{self.bank}/_sim/{path}", json=content) as got:
            assert got.status == 200, await got.text()
            return await got.json()

    async def effects(self, operation: str) -> list[dict[str, Any]]:
        effects = (await self.control("GET", "ledger"))["effects"]
        return [effect for effect in effects if effect["operation"] == operation]

    async def agreement(self) -> str:
        await self.control("PUT", "lines", {CERTNO: {"limit": "10000.00"}})
        return str((await self.send("SignAgreement", signing())).reply.agreement_no)

    def shown(self, raw: bytes) -> etree._Element:
        """A message of ours as the bank reads it; raises its fault for one that it would refuse."""
        return self.keys.verified_body(etree.fromstring(raw), SOAP11)

    async def take(self, request: web.Request) -> web.Response:
        """The web layer in ten lines: verify, read, keep, acknowledge signed."""
        keys, kind = self.delivery.counterparts["bocom"].keys, request.headers.get("Content-Type", "")
        guard = door.guard(keys, request.headers, time.time())
        try:
            notice = door.read_notification(await request.read(), kind, request.headers.get("SOAPAction", ""), guard)
        except Refusal as refusal:
            status, body = door.fault_for(refusal, "X1", kind)
            return web.Response(status=status, body=body, headers={"Content-Type": door.media_type(kind)})
        self.notices.append(notice)
        body, headers = door.sealed(door.ack(notice, "OK", kind), keys, time.time())
        self.acks.append(body)
        return web.Response(body=body, headers={**headers, "Content-Type": door.media_type(kind)})


@cache
def _made(name: str) -> Path:
    """Keys as a sandbox makes them; made once, since that takes its time."""
    folder = Path(tempfile.mkdtemp(prefix=f"xinyi-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_keys(folder, ("gateway", "bocom"))
    return folder


def copy_keys(folder: Path) -> Path:
    """The keys of both sides in a folder of the test's own."""
    if not folder.exists():
        shutil.copytree(_made("keys"), folder)
    return folder


def other_keys(folder: Path) -> Path:
    """Keys of the same names that nobody trusts."""
    return Path(shutil.copytree(_made("other"), folder))


def key_files(folder: Path, security: str = "wsse") -> KeyFiles:
    """The gateway's side, from the files a sandbox makes."""
    return KeyFiles(security, folder / "gateway.key.pem", folder / "gateway.cert.pem", (folder / "bocom.cert.pem",))


def bank_keys(folder: Path) -> Keys:
    """The bank's side."""
    return Keys.load(folder / "bocom.key.pem", folder / "bocom.cert.pem", folder / "gateway.cert.pem")


@asynccontextmanager
async def served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server on a free port that gives everything to one handler."""
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def between(bank: str, session: aiohttp.ClientSession, passage: Passage | None) -> AsyncIterator[str]:
    """The bank's address, or that of somebody in between who does as he likes with its answers."""
    if passage is None:
        yield bank
        return

    async def handler(request: web.Request) -> web.Response:
        kept = {name: request.headers[name] for name in ("Content-Type", "SOAPAction") if name in request.headers}
        async with session.request(
            request.method, f"{bank}{request.path}", data=await request.read(), headers=kept
        ) as answer:
            return await passage(answer)

    async with served(handler) as url:
        yield url


@asynccontextmanager
async def signed_link(
    folder: Path, *, bank_signs: bool = True, passage: Passage | None = None, ring: KeyRing | None = None
) -> AsyncIterator[SignedLink]:
    """Both sides with their keys. ``passage`` sits on the way of the bank's answers."""
    copy_keys(folder / "keys")
    clock_file = folder / "clock.json"
    clock_file.write_text(json.dumps({"business": START.isoformat(), "real": time.time(), "rate": 0}), "utf-8")
    theirs, transport = bank_keys(folder / "keys"), Transport()
    ours = ring or KeyRing(key_files(folder / "keys"), time.monotonic)
    links: list[SignedLink] = []

    async def take(request: web.Request) -> web.Response:
        return await links[0].take(request)

    async with aiohttp.ClientSession() as session, served(take) as gateway:
        options = Options(0, folder / "bank", clock_file, gateway)
        sim = BankSimulator(options, theirs if bank_signs else None)
        await sim.start()
        async with (
            open_journal(folder / "xinyi.db", BusinessStill(START)) as journal,
            between(sim.url, session, passage) as url,
        ):
            parties = {"sender_id": "XINYI", "receiver_id": "BOCOM"}
            partner = Counterpart("bocom", ADAPTER, f"{url}/bocom", parties, ring=ours)
            delivery = Delivery(journal, {"bocom": partner}, transport, Msgids(SystemClock()))
            links.append(SignedLink(delivery, session, sim.url, gateway, theirs))
            try:
                yield links[0]
            finally:
                await transport.close()
                await sim.stop()
