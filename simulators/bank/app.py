"""The banks as a program: our WSDL under ``/bocom`` (SOAP 1.1 and 1.2), other banks beside it; controls; port 8812."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from simulators.bank import soap
from simulators.bank.cib.house import CibHouse
from simulators.bank.controls import add_bank_controls
from simulators.bank.house import GRACE, REFUSE, House, statement_file
from simulators.bank.iso.door import IsoHouse
from simulators.bank.rows import Answer
from simulators.bank.service import QUERIES, Bank, MsgIdReused, lie
from simulators.bank.wsse import Keys, KeysMissing
from simulators.common import cli
from simulators.common.faults import Fault
from simulators.common.server import Call, Options, SimulatorApp
from simulators.common.timers import Timer
from simulators.common.wire import Reply

DEFAULT_PORT = 8812
BANK_ID = "BOCOM"
GATEWAY_ID = "XINYI"
_KEYS = ("Serial", "BatchNo", "OrigSerial", "SignSerial", "AgreementNo", "BankTxnNo", "ReceiptNo", "PayerIdNo")
_PUSH_TIMEOUT = aiohttp.ClientTimeout(total=10)
_message: ContextVar[soap.Message] = ContextVar("message")


class BankSimulator(SimulatorApp):
    """Our bank and others. With ``keys`` it signs; with the gateway's certificate in them it refuses the unsigned.

    ``others`` are banks in words of their own, by name; each has books of its own over the same accounts.
    """

    name = "bank"

    def __init__(
        self, options: Options, keys: Keys | None = None, cib_keys: Keys | None = None, iso_keys: Keys | None = None
    ) -> None:
        super().__init__(options)
        self.keys = keys
        seal = keys.seal if keys else None
        self.bank = Bank(self.journal, self.clock, self.ledger, self.timers, self.push, seal)
        accounts = self.bank.books.accounts
        houses: tuple[House, ...] = (CibHouse(self, accounts, cib_keys), IsoHouse(self, accounts, iso_keys))
        self.others = {house.name: house for house in houses}
        self.on_push("NotifyTransaction", self._send_notice)
        self.on_push("DeliverReceipt", self._send_receipt)
        for bank in self.banks.values():
            for kind, action in bank.due().items():
                self.timers.on(kind, self._later(action))

    @property
    def banks(self) -> dict[str, Bank]:
        """Every bank by name, ours first."""
        return {"bocom": self.bank, **{name: house.bank for name, house in self.others.items()}}

    def seed_state(self) -> None:
        self.bank.books.seed()
        for house in self.others.values():
            house.seed()

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/bocom", self._wsdl)
        app.router.add_post("/bocom", self._soap)
        app.router.add_get("/bocom/statements/{day}", self._statement)
        for house in self.others.values():
            house.routes(app)
        add_bank_controls(self, self.banks)

    def _later(self, action: Callable[[str], None]) -> Any:
        async def run(timer: Timer) -> None:
            with self.step():
                action(timer.payload["key"])

        return run

    # -- the door -----------------------------------------------------------------------------------------------------

    async def _wsdl(self, request: web.Request) -> web.Response:
        if "wsdl" not in {name.lower() for name in request.query}:
            raise web.HTTPNotFound(text="POST SOAP here; the WSDL is at ?wsdl")
        body = soap.wsdl(f"{request.scheme}://{request.host}/bocom")
        return web.Response(body=body, content_type="text/xml", charset="utf-8")

    async def _soap(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            message = self._read(request, body)
        except soap.Fault as fault:
            self.note_refused(request, "", "", body, code=fault.code)
            return soap.fault_reply(fault).response()
        _message.set(message)
        REFUSE.set(partial(self._refused, message))
        arrived = self.clock.now()
        key = next((message.fields[name] for name in _KEYS if name in message.fields), "")

        def handle(call: Call) -> Reply:
            if self.clock.now() - arrived > timedelta(minutes=self.bank.books.settings.settling_minutes) + GRACE:
                # By now the caller may have been told NOT_FOUND for good.
                return self._turned_away(call, soap.Fault("EXPIRED_IN_QUEUE", "排队超时，未处理"))
            return self._handle(call, message)

        return await self.run(request, message.operation, key, handle, body=body)

    def _read(self, request: web.Request, body: bytes) -> soap.Message:
        content_type = request.headers.get("Content-Type", "")
        if len(body) > soap.BATCH_LIMIT:
            raise soap.Fault("TOO_LARGE", "报文超出大小限制")
        root = soap.parse_xml(body)
        version = soap.version_of(root, content_type)
        content = soap.body_of(root, version)
        if self.keys is not None and self.keys.peer is not None:
            content = self.keys.verified_body(root, version)
        return soap.read_operation(content, version, soap.soap_action(request.headers, content_type), len(body))

    def _handle(self, call: Call, message: soap.Message) -> Reply:
        try:
            result = self.bank.handle(call, dict(message.header), message.fields)
        except MsgIdReused:
            return self._turned_away(call, soap.Fault("REPLAYED", "同一 MsgId 内容不同"))
        return self._reply(message, *result, lie_fen=call.lie_fen)

    def _turned_away(self, call: Call, fault: soap.Fault) -> Reply:
        call.verdict = "refused"
        call.detail["code"] = fault.code
        fault.version = _message.get().version
        return self._sealed(soap.fault_reply(fault), fault.version)

    def _reply(self, message: soap.Message, answer: Answer, at: str, duplicate: bool, *, lie_fen: int = 0) -> Reply:
        pairs = lie(message.operation, answer.pairs, lie_fen) if lie_fen else answer.pairs
        head = [
            ("RespCode", "000000"),
            ("RespMsg", "业务拒绝" if answer.refused else "处理成功"),
            ("Serial", answer.serial),
            ("BankTxnNo", answer.txn_no),
            ("BankTime", at),
            ("Duplicate", True if duplicate else None),
        ]
        content = soap.contract_element(f"{message.operation}Response", [("ResultHead", head), *pairs])
        return self._sealed(soap.reply(message.version, content), message.version)

    def _sealed(self, reply: Reply, version: str) -> Reply:
        if self.keys is None:
            return reply
        return Reply(self.keys.sign(reply.body, version), reply.status, reply.content_type)

    def refusal(self, call: Call, fault: Fault) -> Reply:
        """The fault ``reject``, in the words of the bank whose request is under way."""
        return REFUSE.get()(call, fault)

    def _refused(self, message: soap.Message, call: Call, fault: Fault) -> Reply:
        """A business refusal kept like any other; a question can only be refused as a whole."""
        if message.operation in QUERIES:
            return self._turned_away(call, soap.Fault(fault.code or "REJECTED", fault.message or "查询被拒绝"))
        sender = message.header["SenderId"]
        if self.bank.knows(sender, message.fields["Serial"]):
            # What has been answered before cannot be refused any more.
            with self.step():
                return self._handle(call, message)
        with self.step():
            result = self.bank.refuse_by_fault(message.operation, sender, message.fields, fault.code, fault.message)
        return self._reply(message, *result)

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        return await statement_file(self, self.bank, "bocom", request)

    # -- pushes -------------------------------------------------------------------------------------------------------

    async def _send_notice(self, payload: dict[str, Any]) -> bool:
        """One attempt. The next one is a timer of its own in business time, so the frame never repeats this one."""
        bank, post = self._house(payload)
        notices, no = bank.notices, payload["no"]
        if no not in notices.table:
            return True
        try:
            acked = await post("NotifyTransaction", notices.pairs(no)) == "OK"
        except (aiohttp.ClientError, TimeoutError, OSError):
            acked = False
        with self.step():
            wait = notices.attempted(no, acked) if no in notices.table else None
            if wait is not None:
                self.timers.add("push:NotifyTransaction", payload, business=wait.total_seconds())
        return True

    async def _send_receipt(self, payload: dict[str, Any]) -> bool:
        """Until the gateway has it; MISMATCH means that it has and disagrees."""
        bank, post = self._house(payload)
        receipt = bank.receipts.to_deliver(payload["no"])
        if receipt is None:
            return True
        ack = await post("DeliverReceipt", [("NotifyNo", f"N{payload['no']}"), ("Receipt", receipt)])
        if ack not in ("OK", "MISMATCH"):
            return False
        with self.step():
            bank.receipts.delivered(payload["no"])
        return True

    def _house(self, payload: dict[str, Any]) -> tuple[Bank, Callable[[str, Any], Awaitable[str]]]:
        """The bank that pushes, and how it posts in its own words."""
        other = self.others.get(payload.get("bank", ""))
        return (self.bank, self._post) if other is None else (other.bank, other.post)

    async def _post(self, operation: str, pairs: Any) -> str:
        """Sends one message of BankNotifyPort; returns its Ack, empty when the answer has none."""
        with self.step():
            message_id = self.bank.books.number("MB")
        header = [
            ("MsgId", message_id),
            ("SenderId", BANK_ID),
            ("ReceiverId", GATEWAY_ID),
            ("CreatedAt", self.clock.now().isoformat(timespec="milliseconds")),
            ("TxCode", operation),
            ("Version", "1.0"),
        ]
        content = soap.contract_element(operation, [("Header", header), *pairs])
        body = soap.to_bytes(soap.envelope(soap.SOAP11, content))
        if self.keys is not None:
            body = self.keys.sign(body, soap.SOAP11)
        headers = {"Content-Type": soap.content_type(soap.SOAP11), "SOAPAction": f'"{soap.NS}:{operation}"'}
        url = f"{self.options.gateway}/soap/bank/bocom"
        async with self.session.post(url, data=body, headers=headers, timeout=_PUSH_TIMEOUT) as response:
            return soap.ack(await response.read()) if response.status == 200 else ""


def main(argv: Sequence[str]) -> int:
    """Runs the bank until it is told to stop; returns the exit code (2: a key or certificate cannot be read)."""
    parser = cli.parser("bank", DEFAULT_PORT)
    parser.add_argument("--key", type=Path, help="银行私钥 PEM the bank's own key: sign everything sent")
    parser.add_argument("--cert", type=Path, help="银行证书 PEM the bank's own certificate")
    parser.add_argument("--gateway-cert", type=Path, help="网关证书 PEM refuse what it has not signed")
    parser.add_argument("--cib-key", type=Path, help="/cib 的私钥 PEM the key of the bank under /cib")
    parser.add_argument("--cib-cert", type=Path, help="/cib 的证书 PEM the certificate of the bank under /cib")
    parser.add_argument("--iso-key", type=Path, help="/iso 的私钥 PEM the key of the bank under /iso")
    parser.add_argument("--iso-cert", type=Path, help="/iso 的证书 PEM the certificate of the bank under /iso")
    arguments = parser.parse_args(argv)
    try:
        keys = _keys(arguments.key, arguments.cert, arguments.gateway_cert)
        cib = _keys(arguments.cib_key, arguments.cib_cert, arguments.gateway_cert) if arguments.cib_key else None
        iso = _keys(arguments.iso_key, arguments.iso_cert, arguments.gateway_cert) if arguments.iso_key else None
    except KeysMissing as error:
        parser.exit(2, f"{error}\n")
    return cli.serve(BankSimulator(cli.options(arguments), keys, cib, iso))


def _keys(key: Path | None, certificate: Path | None, peer: Path | None) -> Keys | None:
    if key is None and certificate is None and peer is None:
        return None
    if key is None or certificate is None:
        raise KeysMissing("--key and --cert go together")
    return Keys.load(key, certificate, peer)
