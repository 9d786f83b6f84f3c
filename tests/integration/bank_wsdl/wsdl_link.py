"""A mapped adapter on real sockets: a bank that shares no code with it, and a door that takes what the bank pushes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from adapters.bank_wsdl import mapped
from gateway.delivery.declare import Adapter, Answer, SendContext
from gateway.model import bank
from gateway.model.keys import ChannelKeys, KeyFiles
from gateway.model.refusals import Refusal
from gateway.model.verdict import Unknown
from simulators.bank.app import BankSimulator
from simulators.bank.wsse import Keys
from simulators.common.server import Options
from simulators.sandbox.keys import make_keys

START = datetime.fromisoformat("2025-03-03T08:00:00+08:00")
DAY = date(2025, 3, 3)
CERTNO, NAME = "350502199001019990", "林䶮㛃"
HOSPITAL, PAID, AGENCY = "H35050000001", "H64000100001", "640000-01"
_ROWS = json.loads((Path(__file__).parents[3] / "simulators/data/bank_accounts.json").read_text("utf-8"))["accounts"]
ACCOUNTS = {
    row["owner"]: bank.Account.model_validate(
        {name: row[name] for name in ("acct_no", "acct_name", "bank_code", "bank_name")}
    )
    for row in _ROWS
}


@cache
def cib() -> Adapter:
    """The adapter of the shipped map."""
    return mapped("cib")


@dataclass
class Link:
    """Sends operations to a bank and keeps what comes in by the door."""

    adapter: Adapter
    path: str
    session: aiohttp.ClientSession
    clock_file: Path
    receiver: str = "CIB"
    keys: ChannelKeys | None = None
    url: str = ""
    notices: list[Any] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def codec(self) -> Any:
        return self.adapter.codec

    def context(self) -> SendContext:
        parties = {"sender_id": "XINYI", "receiver_id": self.receiver}
        return SendContext(time.time(), START, "nonce", f"M{next(self.numbers):020d}", parties, self.keys)

    async def send(self, operation: str, request: Any) -> Any:
        """The verdict of one attempt; a broken connection after sending is what delivery makes of it: Unknown."""
        context = self.context()
        out = self.codec.encode(operation, request, context)
        url = f"{self.url}{self.path}{out.path}"
        try:
            async with self.session.request(out.method, url, data=out.body, headers=dict(out.headers)) as got:
                headers = {name.lower(): value for name, value in got.headers.items()}
                answer = Answer(got.status, headers, await got.read(), context, time.time())
        except aiohttp.ClientError as error:
            return Unknown(type(error).__name__)
        return self.codec.decode(operation, request, answer)

    async def ask(self, operation: str, request: Any) -> Any:
        """What the bank says when it is asked what became of the request."""
        name, question = self.codec.question_for(operation, request)
        return self.codec.resolve(operation, request, await self.send(name, question))

    async def control(self, method: str, path: str, content: Any = None) -> Any:
        async with self.session.request(method, f"{self.url}/_sim/{path}", json=content) as got:
            assert got.status == 200, await got.text()
            return await got.json()

    async def faults(self, *faults: dict[str, Any]) -> None:
        await self.control("PUT", "faults", list(faults))

    async def effects(self, operation: str) -> list[dict[str, Any]]:
        effects = (await self.control("GET", "ledger"))["effects"]
        return [effect for effect in effects if effect["operation"] == operation]

    async def agreement(self, limit: str = "10000.00") -> str:
        await self.control("PUT", "lines", {CERTNO: {"limit": limit}})
        return str((await self.send("SignAgreement", signing())).reply.agreement_no)

    async def told(self, kind: type, count: int = 1, seconds: float = 5.0) -> list[Any]:
        """The notices of a kind once there are ``count``."""
        deadline = time.monotonic() + seconds
        while len(found := [notice for notice in self.notices if isinstance(notice, kind)]) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count}"
            await asyncio.sleep(0.02)
        return found

    def set_clock(self, business: str) -> None:
        """Business time stands still at that moment."""
        content = {"business": business, "real": time.time(), "rate": 0}
        self.clock_file.write_text(json.dumps(content), "utf-8")

    async def take(self, request: web.Request) -> web.Response:
        """The web layer in ten lines: verify, read, keep, acknowledge, sign."""
        door, kind = self.adapter.door, request.headers.get("Content-Type", "")
        guard = door.guard(self.keys, request.headers, time.time())
        status = 200
        try:
            notice = door.read_notification(await request.read(), kind, request.headers.get("SOAPAction", ""), guard)
            self.notices.append(notice)
            body = door.ack(notice, "OK", kind)
        except Refusal as refusal:
            status, body = door.fault_for(refusal, "X1", kind)
        sealed, headers = door.sealed(body, self.keys, time.time())
        return web.Response(status=status, body=sealed, headers={**headers, "Content-Type": door.media_type(kind)})


def signing(serial: str = "SIGN00000001", **change: Any) -> bank.SignAgreement:
    content = {
        "serial": serial, "payer": {"acct_no": "", "acct_name": NAME}, "id_type": "01", "id_no": CERTNO,
        "mobile": "13800000001", "payee_id": HOSPITAL, "funding": "CREDIT_LOAN", "valid_from": DAY, **change,
    }  # fmt: skip
    return bank.SignAgreement.model_validate(content)


def withholding(serial: str, agreement: str, fen: int, **change: Any) -> bank.Withhold:
    content = {
        "serial": serial, "agreement_no": agreement, "amount_fen": fen, "payer_name": NAME,
        "payee": ACCOUNTS[HOSPITAL], "visit_no": "V-1", "bill_no": "B-1", "purpose": "HSPC", "requested_date": DAY,
        **change,
    }  # fmt: skip
    return bank.Withhold.model_validate(content)


def holding(serial: str, agreement: str, fen: int) -> bank.PreAuthorise:
    return bank.PreAuthorise(
        serial=serial, agreement_no=agreement, amount_fen=fen, admission_no="A-1", valid_days=30,
        payee=ACCOUNTS[HOSPITAL],
    )  # fmt: skip


def batch(serial: str, *records: tuple[str, int, str]) -> bank.SubmitPayoutBatch:
    """A batch of (pay order, fen, hospital)."""
    rows = [
        bank.PayoutRecord(
            record_no=number, rec_serial=order, payee=ACCOUNTS[hospital], amount_fen=fen, hospital_code=hospital,
            purpose="HLTI",
        )
        for number, (order, fen, hospital) in enumerate(records, 1)
    ]  # fmt: skip
    return bank.SubmitPayoutBatch(serial=serial, payer=ACCOUNTS[AGENCY], biz_date=DAY, records=tuple(rows))


@asynccontextmanager
async def linked(
    folder: Path, adapter: Adapter | None = None, path: str = "/cib", *, signed: bool = False, receiver: str = "CIB"
) -> AsyncIterator[Link]:
    """A bank with an empty ledger and the door it pushes to; business time stands still at ``START``."""
    app = web.Application(client_max_size=8 * 1024 * 1024)
    runner = web.AppRunner(app)
    keys, bank_keys = _keys(folder) if signed else (None, None)
    async with aiohttp.ClientSession() as session:
        link = Link(adapter or cib(), path, session, folder / "clock.json", receiver, keys)
        app.router.add_post(f"/soap/bank{path}", link.take)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        link.set_clock(START.isoformat())
        gateway = f"http://127.0.0.1:{runner.addresses[0][1]}"
        sim = BankSimulator(Options(0, folder / "data", link.clock_file, gateway), cib_keys=bank_keys)
        await sim.start()
        link.url = sim.url
        try:
            yield link
        finally:
            await sim.stop()
            await runner.cleanup()


def _keys(folder: Path) -> tuple[ChannelKeys, Keys]:
    """Both sides' keys: ours, and the bank's with our certificate."""
    make_keys(folder / "keys", ("gateway", "cib"))
    at = {
        name: folder / "keys" / name for name in ("gateway.key.pem", "gateway.cert.pem", "cib.key.pem", "cib.cert.pem")
    }
    own = KeyFiles("wsse", at["gateway.key.pem"], at["gateway.cert.pem"], (at["cib.cert.pem"],))
    return own.load(), Keys.load(at["cib.key.pem"], at["cib.cert.pem"], at["gateway.cert.pem"])
