"""A bank on a real port, zeep as its client (from the WSDL alone) and a gateway's door that takes pushes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import zeep
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from lxml import etree
from zeep.helpers import serialize_object

from simulators.bank.app import BankSimulator
from simulators.bank.wsse import Keys
from simulators.common.server import Options

NS = "urn:xinyi:bank-channel:v1"
CONTRACT = Path(__file__).resolve().parents[3] / "adapters" / "bank_soap" / "contract"
ACCOUNTS = {
    row["owner"]: {
        "AcctNo": row["acct_no"],
        "AcctName": row["acct_name"],
        "BankCode": row["bank_code"],
        "BankName": row["bank_name"],
    }
    for row in json.loads((CONTRACT.parents[2] / "simulators/data/bank_accounts.json").read_text("utf-8"))["accounts"]
}
HOSPITAL = "H43050000001"
AGENCY = ACCOUNTS["640000-01"]
CERTNO = "430502199001019990"
START = "2025-03-03T08:00:00+08:00"


@cache
def _zeep() -> zeep.Client:
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_external=True)
    return zeep.Client(
        str(CONTRACT / "bank.wsdl"), settings=settings, transport=zeep.Transport(operation_timeout=20, timeout=20)
    )


class Client:
    """zeep over requests in a thread, and the bank's controls over aiohttp."""

    def __init__(self, url: str, session: aiohttp.ClientSession, clock_file: Path, *, soap12: bool = False) -> None:
        self.url = url
        self.session = session
        self._clock_file = clock_file
        binding = f"{{{NS}}}BankPortSoap{'12' if soap12 else '11'}"
        self._service = _zeep().create_service(binding, f"{url}/bocom")
        self.sent = 0

    def header(self, operation: str) -> dict[str, Any]:
        self.sent += 1
        return {
            "MsgId": f"M{time.time_ns()}-{self.sent}",
            "SenderId": "XINYI",
            "ReceiverId": "BOCOM",
            "CreatedAt": datetime.fromisoformat(START),
            "TxCode": operation,
            "Version": "1.0",
        }

    async def call(self, operation: str, **fields: Any) -> dict[str, Any]:
        """One operation; raises zeep.exceptions.Fault."""
        fields.setdefault("Header", self.header(operation))
        answer = await asyncio.to_thread(self._service[operation], **fields)
        return dict(serialize_object(answer, dict))

    def message(self, operation: str, **fields: Any) -> bytes:
        """The envelope of one operation, to be signed and posted by hand."""
        made = _zeep().create_message(self._service, operation, Header=self.header(operation), **fields)
        return etree.tostring(made)

    async def post(self, body: bytes, kind: str = "text/xml; charset=utf-8", **headers: str) -> tuple[int, bytes]:
        sent = {"Content-Type": kind, **headers}
        async with self.session.post(f"{self.url}/bocom", data=body, headers=sent) as answer:
            return answer.status, await answer.read()

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.url}/_sim/{path}") as answer:
            return await answer.json()

    async def control(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.url}/_sim/{path}", json=content or {}) as answer:
            return answer.status, await answer.json()

    async def settings(self, **settings: Any) -> None:
        status, answer = await self.control("PUT", "settings", settings)
        assert status == 200, answer

    async def faults(self, *faults: dict[str, Any]) -> None:
        async with self.session.put(f"{self.url}/_sim/faults", json=list(faults)) as answer:
            assert answer.status == 200, await answer.text()

    async def effects(self, operation: str = "") -> list[dict[str, Any]]:
        effects: list[dict[str, Any]] = (await self.get("ledger"))["effects"]
        return [effect for effect in effects if operation in ("", effect["operation"])]

    async def statement(self, day: str) -> tuple[int, list[list[str]]]:
        async with self.session.get(f"{self.url}/bocom/statements/{day}") as answer:
            return answer.status, [line.split("|") for line in (await answer.text()).splitlines()]

    def set_clock(self, business: str) -> None:
        stand_still(self._clock_file, business)

    # -- requests -----------------------------------------------------------------------------------------------------

    async def sign(self, serial: str = "SIGN00000001", certno: str = CERTNO, **change: Any) -> dict[str, Any]:
        fields = {
            "Serial": serial,
            "AgreementType": "BOTH",
            "Funding": "CREDIT_LOAN",
            "Payer": {"Name": "测试甲", "IdType": "01", "IdNo": certno, "Mobile": "13800001234"},
            "PayeeId": "XINYI",
            "ValidFrom": START[:10],
            **change,
        }
        return await self.call("SignAgreement", **fields)

    async def agreement(self, limit: str = "10000.00", certno: str = CERTNO) -> str:
        await self.control("PUT", "lines", {certno: {"limit": limit}})
        return str((await self.sign(f"SIGN{certno}", certno))["AgreementNo"])

    async def withhold(self, serial: str, agreement: str, fen: int, **change: Any) -> dict[str, Any]:
        fields = {
            "Serial": serial,
            "AgreementNo": agreement,
            "AmountFen": fen,
            "PayerName": "测试甲",
            "PayeeAccount": ACCOUNTS[HOSPITAL],
            "VisitNo": "V-1",
            "BillNo": "B-1",
            "Purpose": "HSPC",
            "RequestedDate": START[:10],
            **change,
        }
        return await self.call("Withhold", **fields)

    async def refund(self, serial: str, original: str, fen: int, of_fen: int, **change: Any) -> dict[str, Any]:
        fields = {"Serial": serial, "OrigSerial": original, "RefundFen": fen, "OrigAmountFen": of_fen, "Reason": "CUST"}
        return await self.call("Refund", **{**fields, **change})

    async def hold(self, serial: str, agreement: str, fen: int, **change: Any) -> dict[str, Any]:
        fields = {
            "Serial": serial,
            "AgreementNo": agreement,
            "AmountFen": fen,
            "PayeeAccount": ACCOUNTS[HOSPITAL],
            "AdmissionNo": "A-1",
            "ValidDays": 30,
            **change,
        }
        return await self.call("PreAuthorise", **fields)

    async def complete(self, serial: str, held: dict[str, Any], fen: int, **change: Any) -> dict[str, Any]:
        fields = {
            "Serial": serial,
            "PreAuthNo": held["PreAuthNo"],
            "OrigSerial": held["ResultHead"]["Serial"],
            "AmountFen": fen,
            "Final": True,
            **change,
        }
        return await self.call("CompletePreAuthorisation", **fields)

    async def void(self, serial: str, held: dict[str, Any], fen: int) -> dict[str, Any]:
        numbers = {"PreAuthNo": held["PreAuthNo"], "OrigSerial": held["ResultHead"]["Serial"]}
        return await self.call("VoidPreAuthorisation", Serial=serial, **numbers, AmountFen=fen)

    async def available(self, agreement: str) -> int:
        return int((await self.call("QueryAgreement", AgreementNo=agreement))["CreditAvailableFen"])

    async def balance(self, owner: str) -> int:
        accounts = (await self.get("accounts"))["accounts"]
        return sum(account["balance_fen"] for account in accounts if account["owner"] == owner)

    async def transaction(self, serial: str, operation: str = "Withhold") -> dict[str, Any]:
        # The schema is a choice; zeep is told which branch by the names alone.
        return await self.call("QueryTransaction", OrigSerial=serial, OrigTxCode=operation)

    async def payout(self, serial: str, *records: dict[str, Any], **change: Any) -> dict[str, Any]:
        return await self.call("SubmitPayoutBatch", **batch(serial, *records, **change))

    async def batch_state(self, serial: str, **change: Any) -> dict[str, Any]:
        return await self.call("QueryPayoutBatch", **{"BatchNo": serial, "PageNo": 1, "PageSize": 100, **change})


def stand_still(clock_file: Path, business: str) -> None:
    """Business time stops at ``business``; written as the gateway writes it."""
    draft = clock_file.with_suffix(".tmp")
    draft.write_text(json.dumps({"business": business, "real": time.time(), "rate": 0}), "utf-8")
    draft.replace(clock_file)


def record(number: int, serial: str, fen: int, hospital: str = "H64000100001", **change: Any) -> dict[str, Any]:
    return {
        "RecordNo": number,
        "RecSerial": serial,
        "PayeeAccount": ACCOUNTS[hospital],
        "AmountFen": fen,
        "HospitalCode": hospital,
        "Purpose": "GOVI",
        **change,
    }


def digest(serial: str, day: str, payer: str, total: int, records: tuple[dict[str, Any], ...]) -> str:
    """The contract's digest, written here a second time from its words."""
    text = f"{serial}|{day}|{payer}|{len(records)}|{total}\n"
    for row in records:
        payee = row["PayeeAccount"]
        text += f"{row['RecordNo']}|{row['RecSerial']}|{payee['AcctNo']}|{payee['AcctName']}|{payee['BankCode']}"
        text += f"|{row['AmountFen']}|{row['HospitalCode']}|{row['Purpose']}\n"
    return sm3(text.encode())


def batch(serial: str, *records: dict[str, Any], **change: Any) -> dict[str, Any]:
    total = sum(row["AmountFen"] for row in records)
    return {
        "Serial": serial,
        "PayerAccount": AGENCY,
        "BizDate": "2025-03-03",
        "TotalCount": len(records),
        "TotalFen": total,
        "Records": {"Record": list(records)},
        "DigestSm3": digest(serial, "2025-03-03", AGENCY["AcctNo"], total, records),
        **change,
    }


def sm3(content: bytes) -> str:
    made = hashes.Hash(hashes.SM3())
    made.update(content)
    return made.finalize().hex()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Gateway:
    """The door ``/soap/bank/bocom``: takes pushes and answers ``ack`` (or HTTP 500 for an empty one)."""

    acks: dict[str, str] = field(default_factory=lambda: {"NotifyTransaction": "OK", "DeliverReceipt": "OK"})
    raw: list[bytes] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    schema: etree.XMLSchema = field(default_factory=lambda: etree.XMLSchema(file=str(CONTRACT / "bank-types.xsd")))

    async def take(self, request: web.Request) -> web.Response:
        self.raw.append(await request.read())
        content = etree.fromstring(self.raw[-1])[-1][0]
        self.schema.assertValid(content)
        operation = etree.QName(content).localname
        assert request.headers["SOAPAction"] == f'"{NS}:{operation}"'
        self.received.append({"operation": operation, **_read(content)})
        ack = self.acks[operation]
        if not ack:
            return web.Response(status=500)
        number = content.findtext("{*}NotifyNo")
        body = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
            f'<{operation}Response xmlns="{NS}">'
            f"<Ack>{ack}</Ack><NotifyNo>{number}</NotifyNo></{operation}Response></e:Body></e:Envelope>"
        )
        return web.Response(text=body, content_type="text/xml")

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [message for message in self.received if message["operation"] == operation]

    async def wait(self, operation: str, count: int = 1, seconds: float = 3.0) -> list[dict[str, Any]]:
        """The messages of an operation once there are ``count``; fails after ``seconds``."""
        deadline = time.monotonic() + seconds
        while len(self.of(operation)) < count:
            assert time.monotonic() < deadline, f"{len(self.of(operation))} of {count} {operation}"
            await asyncio.sleep(0.02)
        return self.of(operation)


def _read(element: etree._Element) -> dict[str, Any]:
    return {etree.QName(child).localname: _read(child) if len(child) else child.text for child in element}


@asynccontextmanager
async def running(
    folder: Path, *, soap12: bool = False, keys: Keys | None = None
) -> AsyncIterator[tuple[Client, Gateway, BankSimulator]]:
    """A bank with an empty ledger, a client and a gateway's door; business time stands still at ``START``."""
    gateway = Gateway()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_post("/soap/bank/bocom", gateway.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    clock_file = folder / "clock.json"
    sim = BankSimulator(Options(0, folder / "data", clock_file, f"http://127.0.0.1:{port}"), keys)
    async with aiohttp.ClientSession() as session:
        stand_still(clock_file, START)
        await sim.start()
        client = Client(sim.url, session, clock_file, soap12=soap12)
        try:
            yield client, gateway, sim
        finally:
            await sim.stop()
            await runner.cleanup()


def later(**by: int) -> str:
    return (datetime.fromisoformat(START) + timedelta(**by)).isoformat()
