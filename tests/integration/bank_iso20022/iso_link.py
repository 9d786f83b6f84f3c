"""The ISO adapter on real sockets: a bank that shares no code with it, and a door that takes what the bank pushes."""

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

from adapters.bank_iso20022 import ADAPTER, door
from gateway.delivery.declare import Answer, SendContext
from gateway.model import bank
from gateway.model.keys import ChannelKeys
from gateway.model.refusals import Refusal
from gateway.model.verdict import Unknown
from simulators.bank.app import BankSimulator
from simulators.bank.wsse import Keys
from simulators.common.server import Options

START = datetime.fromisoformat("2025-03-03T08:00:00+08:00")
DAY = date(2025, 3, 3)
CERTNO = "530102199001019990"
NAME = "阿依古丽·䶮"
HOSPITAL, PAID = "H53010000001", "H64000100001"
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
    keys: ChannelKeys | None = None
    clock_file: Path = Path()
    notices: list[Any] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    raw: list[tuple[str, bytes]] = field(default_factory=list)
    ack: str = "OK"
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def context(self) -> SendContext:
        number = next(self.numbers)
        said = {"sender_id": "XINYI", "agent": "301731000016"}
        return SendContext(time.time(), START, f"{number:032x}", f"M{number:020d}", said, self.keys)

    async def send(self, operation: str, request: Any) -> Any:
        """The verdict of one attempt; a broken connection after sending is what delivery makes of it: Unknown."""
        context = self.context()
        out = codec.encode(operation, request, context)
        self.raw.append((operation, out.body))
        try:
            async with self.session.request(
                out.method, f"{self.url}/iso{out.path}", data=out.body, headers=dict(out.headers)
            ) as got:
                headers = {name.lower(): value for name, value in got.headers.items()}
                answer = Answer(got.status, headers, await got.read(), context, time.time())
        except aiohttp.ClientError as error:
            return Unknown(type(error).__name__)
        self.raw.append((f"{operation} answer", answer.body))
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

    async def told(self, kind: type, count: int = 1, seconds: float = 8.0) -> list[Any]:
        """The notices of a kind once there are ``count``."""
        deadline = time.monotonic() + seconds
        while len(found := [notice for notice in self.notices if isinstance(notice, kind)]) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count}; refused {self.refused}"
            await asyncio.sleep(0.02)
        return found

    async def until_refused(self, code: str, seconds: float = 8.0) -> None:
        """Returns when the door has refused a push with ``code``."""
        deadline = time.monotonic() + seconds
        while code not in self.refused:
            assert time.monotonic() < deadline, self.refused
            await asyncio.sleep(0.02)

    async def take(self, request: web.Request) -> web.Response:
        """The web layer in ten lines: read, keep, acknowledge."""
        body, kind = await request.read(), request.headers.get("Content-Type", "")
        self.raw.append(("push", body))
        try:
            guard = door.guard(self.keys, request.headers, time.time())
            notice = door.read_notification(body, kind, "", guard)
        except Refusal as refusal:
            self.refused.append(refusal.code)
            status, said = door.fault_for(refusal, "X1", kind)
        else:
            self.notices.append(notice)
            status, said = 200, door.ack(notice, self.ack, kind)
        sealed, headers = door.sealed(said, self.keys, time.time())
        return web.Response(status=status, body=sealed, headers={**headers, "Content-Type": door.media_type(kind)})

    def set_clock(self, business: str) -> None:
        """Business time stands still at a moment."""
        draft = self.clock_file.with_suffix(".tmp")
        draft.write_text(json.dumps({"business": business, "real": time.time(), "rate": 0}), "utf-8")
        draft.replace(self.clock_file)


def signing(serial: str = "SIGN00000001", **change: Any) -> bank.SignAgreement:
    return bank.SignAgreement.model_validate(
        {
            "serial": serial, "payer": {"acct_no": "", "acct_name": NAME}, "id_type": "01", "id_no": CERTNO,
            "mobile": "13800000001", "payee_id": HOSPITAL, "funding": "CREDIT_LOAN", "valid_from": DAY, **change,
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


def refunding(serial: str, original: str, fen: int, of_fen: int) -> bank.Refund:
    return bank.Refund(serial=serial, orig_serial=original, refund_fen=fen, orig_amount_fen=of_fen)


def batch(serial: str, *records: tuple[str, int, str], **change: Any) -> bank.SubmitPayoutBatch:
    """A batch of (pay order, fen, hospital)."""
    rows = [
        bank.PayoutRecord(
            record_no=number, rec_serial=order, payee=ACCOUNTS[hospital], amount_fen=fen, hospital_code=hospital,
            purpose="GOVI",
        )
        for number, (order, fen, hospital) in enumerate(records, 1)
    ]  # fmt: skip
    content = {"serial": serial, "payer": ACCOUNTS["640000-01"], "biz_date": date(2025, 2, 28), "records": tuple(rows)}
    return bank.SubmitPayoutBatch.model_validate({**content, **change})


@asynccontextmanager
async def linked(folder: Path, keys: ChannelKeys | None = None, bank_keys: Keys | None = None) -> AsyncIterator[Link]:
    """A bank with an empty ledger and the door it pushes to; business time stands still at ``START``."""
    app = web.Application(client_max_size=8 * 1024 * 1024)
    runner = web.AppRunner(app)
    async with aiohttp.ClientSession() as session:
        link = Link("", session, keys, folder / "clock.json")
        app.router.add_post("/soap/bank/iso", link.take)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        link.set_clock(START.isoformat())
        sim = BankSimulator(
            Options(0, folder / "data", link.clock_file, f"http://127.0.0.1:{port}"), iso_keys=bank_keys
        )
        await sim.start()
        link.url = sim.url
        try:
            yield link
        finally:
            await sim.stop()
            await runner.cleanup()
