"""The adapter on real sockets: a bank that shares no code with it, and a door that takes what the bank pushes."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from adapters.bank_soap import ADAPTER, door
from gateway.delivery.declare import Answer, SendContext
from gateway.model import bank
from gateway.model.refusals import Refusal
from gateway.model.verdict import Unknown
from simulators.bank.app import BankSimulator
from simulators.common.server import Options

START = datetime.fromisoformat("2025-03-03T08:00:00+08:00")
DAY = date(2025, 3, 3)
CERTNO = "430502199001019990"
NAME = "阿依古丽·䶮"
HOSPITAL, PAID = "H43050000001", "H64000100001"
_ROWS = json.loads((Path(__file__).parents[3] / "simulators/data/bank_accounts.json").read_text("utf-8"))["accounts"]
ACCOUNTS = {
    row["owner"]: bank.Account.model_validate(
        {name: row[name] for name in ("acct_no", "acct_name", "bank_code", "bank_name")}
    )
    for row in _ROWS
}
codec = ADAPTER.codec


@dataclass
class Link:
    """Sends operations to the bank and keeps what comes in by the door."""

    url: str
    session: aiohttp.ClientSession
    soap_version: str = "1.1"
    notices: list[Any] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def context(self) -> SendContext:
        parties = {"sender_id": "XINYI", "receiver_id": "BOCOM", "soap_version": self.soap_version}
        return SendContext(time.time(), START, "nonce", f"M{next(self.numbers):020d}", parties)

    async def send(self, operation: str, request: Any) -> Any:
        """The verdict of one attempt; a broken connection after sending is what delivery makes of it: Unknown."""
        out = codec.encode(operation, request, self.context())
        try:
            async with self.session.request(
                out.method, f"{self.url}/bocom{out.path}", data=out.body, headers=dict(out.headers)
            ) as got:
                answer = Answer(got.status, dict(got.headers), await got.read())
        except aiohttp.ClientError as error:
            return Unknown(type(error).__name__)
        return codec.decode(operation, request, answer)

    async def ask(self, operation: str, request: Any) -> Any:
        """What the bank says when it is asked what became of the request."""
        name, question = codec.question_for(operation, request)
        return codec.resolve(operation, request, await self.send(name, question))

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

    async def take(self, request: web.Request) -> web.Response:
        """The web layer in ten lines: read, keep, acknowledge."""
        content_type = request.headers.get("Content-Type", "")
        soap = door.soap_version(content_type)
        try:
            notice = door.read_notification(await request.read(), content_type, request.headers.get("SOAPAction", ""))
        except Refusal as refusal:
            status, body = door.fault(refusal.code, refusal.detail, "NO", soap)
            return web.Response(status=status, body=body, headers={"Content-Type": door.media_type(soap)})
        self.notices.append(notice)
        return web.Response(body=door.ack(notice, "OK", soap), headers={"Content-Type": door.media_type(soap)})


def signing(serial: str = "SIGN00000001", **change: Any) -> bank.SignAgreement:
    return bank.SignAgreement.model_validate(
        {
            "serial": serial, "payer": {"acct_no": "", "acct_name": NAME}, "id_type": "01", "id_no": CERTNO,
            "mobile": "13800000001", "payee_id": "XINYI", "funding": "BANK_ADVANCE", "valid_from": DAY, **change,
        }
    )  # fmt: skip


def withholding(serial: str, agreement: str, fen: int, **change: Any) -> bank.Withhold:
    return bank.Withhold.model_validate(
        {
            "serial": serial, "agreement_no": agreement, "amount_fen": fen, "payer_name": NAME,
            "payee": ACCOUNTS[HOSPITAL], "visit_no": "V-1", "bill_no": "B-1", "purpose": "HSPC",
            "requested_date": DAY, **change,
        }
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
    return bank.SubmitPayoutBatch(serial=serial, payer=ACCOUNTS["640000-01"], biz_date=DAY, records=tuple(rows))


@asynccontextmanager
async def linked(folder: Path, soap_version: str = "1.1") -> AsyncIterator[Link]:
    """A bank with an empty ledger and the door it pushes to; business time stands still at ``START``."""
    app = web.Application(client_max_size=8 * 1024 * 1024)
    runner = web.AppRunner(app)
    async with aiohttp.ClientSession() as session:
        link = Link("", session, soap_version)
        app.router.add_post("/soap/bank/bocom", link.take)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        clock_file = folder / "clock.json"
        clock_file.write_text(json.dumps({"business": START.isoformat(), "real": time.time(), "rate": 0}), "utf-8")
        sim = BankSimulator(Options(0, folder / "data", clock_file, f"http://127.0.0.1:{port}"))
        await sim.start()
        link.url = sim.url
        try:
            yield link
        finally:
            await sim.stop()
            await runner.cleanup()
