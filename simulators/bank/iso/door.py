"""``/iso``: a bank that speaks ISO 20022 and JSON, over the same services as the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from simulators.bank.books import Brand
from simulators.bank.house import Ask, House, TurnedAway
from simulators.bank.iso import advices, documents, orders, questions, reports, signatures
from simulators.bank.iso.orders import Order
from simulators.bank.iso.statements import statement
from simulators.bank.notices import Notice
from simulators.bank.rows import Answer, Pairs
from simulators.bank.wsse import Keys
from simulators.common.journal import Table
from simulators.common.server import Call, SimulatorApp
from simulators.common.wire import Reply

XML = "application/xml; charset=utf-8"
JSON = "application/json; charset=utf-8"
_MESSAGES = {
    "direct-debits": documents.DIRECT_DEBIT,
    "credit-transfers": documents.CREDIT_TRANSFER,
    "reversals": documents.REVERSAL,
}
_QUESTIONS = {
    "mandates": "MndtInitnReq",
    "mandate-cancellations": "MndtCxlReq",
    "mandate-status-requests": "MndtStsReq",
    "payment-status-requests": "PmtStsReq",
    "notification-requests": "NtfctnReq",
}
_REPORTS = {
    "Withhold": reports.payment,
    "Refund": reports.payment,
    "SubmitPayoutBatch": reports.batch,
    "QueryTransaction": reports.payment_state,
    "QueryPayoutBatch": reports.batch_state,
}
_SINGLE_LIMIT = 256 * 1024
_BATCH_LIMIT = 6 * 1024 * 1024
_PUSH_TIMEOUT = aiohttp.ClientTimeout(total=10)
_request_id: ContextVar[str] = ContextVar("request_id", default="")


class IsoHouse(House):
    """The bank of Kunming. With ``keys`` it signs; with the gateway's certificate in them it refuses the unsigned."""

    name: ClassVar[str] = "iso"
    brand: ClassVar[Brand] = Brand("昆明沙盒银行", "301731000016", "K")

    def __init__(self, sim: SimulatorApp, accounts: Table[Any], keys: Keys | None) -> None:
        super().__init__(sim, accounts, None)  # a receipt is a camt.054: the HTTP message is what is signed
        self._keys = keys

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/iso/{kind}", self._take)
        app.router.add_get("/iso/statements/{day}", self._statement)

    # -- requests -----------------------------------------------------------------------------------------------------

    def read(self, request: web.Request, body: bytes) -> Ask:
        _request_id.set(request.headers.get("X-Request-Id", ""))
        kind = request.match_info["kind"]
        if len(body) > (_BATCH_LIMIT if kind == "credit-transfers" else _SINGLE_LIMIT):
            raise TurnedAway("TOO_LARGE", "报文超出大小限制")
        signatures.check(body, request.headers, self._keys)
        media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        order = _read(kind, media, body)
        text = body.decode()
        return Ask(order.operation, order.sender, order.msg_id, order.key, order.fields, text, order)

    def answer(self, ask: Ask, answer: Answer, at: str, duplicate: bool) -> Reply:
        """The message its operation is answered with: a pain.002, a camt.054 or JSON."""
        order: Order = ask.more
        make = _REPORTS.get(order.operation)
        if make is not None:
            return self._sealed(make(self._complete(order), answer, self.bank.books.number("MR"), at), XML)
        if order.operation == "GetReceipt":
            return self._receipt(answer)
        return self._sealed(questions.mandate(order, answer, at, duplicate=duplicate), JSON)

    def _complete(self, order: Order) -> Order:
        """A question about a reversal does not say which charge it undid; the bank remembers."""
        txn = self.bank.txns.find(order.sender, order.about)
        if txn is None or order.message != documents.REVERSAL or order.end_to_end:
            return order
        return replace(order, end_to_end=txn.orig_serial)

    def _receipt(self, answer: Answer) -> Reply:
        told = dict(answer.pairs)
        if told["ReceiptStatus"] != "READY":
            return self._sealed(questions.write("NtfctnStsRpt", {"Sts": told["ReceiptStatus"]}), JSON)
        body, digest = self._copy(told["Receipt"])
        return Reply(body, 200, XML, signatures.sealed(digest, self._keys, _request_id.get()))

    def _copy(self, pairs: Pairs) -> tuple[bytes, str]:
        """A receipt's bytes, the same ones at any time, and their digest; a spoilt one keeps the whole one's digest."""
        receipt = self.bank.receipts.table[dict(pairs)["ReceiptNo"]]
        record = self.bank.payouts.records[receipt.record_key]
        body = advices.receipt(pairs, self.bank.payouts.batches[record.batch_no].serial)
        return (body + b" " if receipt.spoilt else body), signatures.digest(body)

    def fault(self, away: TurnedAway, *, server: bool = False) -> Reply:
        """MsgRjct: nothing was done, except that a MsgId may have been used before for something that was."""
        ask_first = server or away.code == "REPLAYED"
        said = {"Cd": away.code, "Txt": away.text[:200], "Retry": "QUERY_FIRST" if ask_first else "NO"}
        return self._sealed(questions.write("MsgRjct", said), JSON, 500 if server else 400)

    def _sealed(self, body: bytes, kind: str, status: int = 200) -> Reply:
        headers = signatures.sealed(signatures.digest(body), self._keys, _request_id.get())
        return Reply(body, status, kind, headers)

    # -- pushes -------------------------------------------------------------------------------------------------------

    async def post(self, operation: str, pairs: Pairs) -> str:
        """One attempt at a notice or a receipt, a repetition being the same bytes."""
        told = dict(pairs)
        if operation == "DeliverReceipt":
            body, digest = self._copy(told["Receipt"])
            return await self._post(body, XML, digest)
        body, kind = self._message(self.bank.notices.table[told["NotifyNo"]])
        return await self._post(body, kind, signatures.digest(body))

    def _message(self, notice: Notice) -> tuple[bytes, str]:
        if notice.event in ("AGREEMENT", "DEFAULT"):
            return _mandate_notice(notice), JSON
        if notice.event == "PAYOUT_RECORD":
            return reports.record_status(notice.content, notice.no, notice.occurred_at), XML
        return advices.advice(notice.no, self._entry(notice)), XML

    async def _post(self, body: bytes, kind: str, digest: str) -> str:
        headers = {"Content-Type": kind, **signatures.sealed(digest, self._keys)}
        url = f"{self.sim.options.gateway}/soap/bank/iso"
        async with self.sim.session.post(url, data=body, headers=headers, timeout=_PUSH_TIMEOUT) as response:
            said = await response.read()
            return _acknowledged(said) if response.status == 200 else ""

    def _entry(self, notice: Notice) -> advices.Entry:
        content, event = notice.content, notice.event
        account, references = self._place(notice)
        return advices.Entry(
            kind=event,
            number=notice.no,
            account=self.bank.books.accounts[account],
            amount_fen=content["AmountFen"],
            booking_date=content["BookingDate"],
            moment=notice.occurred_at,
            references=[("AcctSvcrRef", content["BankTxnNo"]), *references],
            channel=content.get("Channel", "") if event == "REPAYMENT" else "",
            reason=content.get("ReasonCode", "") if event == "PAYOUT_RETURN" else "",
        )

    def _place(self, notice: Notice) -> tuple[str, documents.Elements]:
        """Whose account an entry is on, and its references in the standard's order."""
        content, bank = notice.content, self.bank
        if notice.event == "PAYOUT_RETURN":
            record = bank.payouts.by_serial(content["OrigSerial"])
            payer = bank.payouts.batches[record.batch_no].payer_acct if record else ""
            return payer, [("PmtInfId", content["BatchNo"]), ("EndToEndId", content["OrigSerial"])]
        mandate = ("MndtId", content["AgreementNo"])
        if notice.event == "REPAYMENT":
            line = bank.books.line(bank.agreements.table[content["AgreementNo"]].certno)
            return line.line_no, [("TxId", content["ChannelSerial"]), mandate]
        txn = bank.txns.table[content["BankTxnNo"]]
        return txn.payee_acct, [("InstrId", txn.serial), ("EndToEndId", txn.orig_serial or txn.serial), mandate]

    # -- the day's end ------------------------------------------------------------------------------------------------

    async def _statement(self, request: web.Request) -> web.StreamResponse:
        """camt.053, 404 before the day switch."""
        day = request.match_info["day"]
        _request_id.set(request.headers.get("X-Request-Id", ""))
        try:
            asked = date.fromisoformat(f"{day[:4]}-{day[4:6]}-{day[6:]}").isoformat()
        except ValueError as error:
            raise web.HTTPNotFound(text="YYYYMMDD") from error

        def handle(call: Call) -> Reply:
            call.verdict = "query"
            books = self.bank.books
            if not books.day_is_over(asked):
                return self._sealed(questions.write("NtfctnStsRpt", {"Sts": "PREPARING"}), JSON, 404)
            return self._sealed(statement(books, asked, books.now().isoformat(timespec="milliseconds")), XML)

        return await self.sim.run(request, "Statement", day, handle, body=b"")


def _read(kind: str, media: str, body: bytes) -> Order:
    """Raises TurnedAway, also for a message that came to another's address."""
    if kind in _MESSAGES and media == "application/xml":
        return orders.read(*documents.read(body, _MESSAGES[kind]))
    if kind in _QUESTIONS and media == "application/json":
        return questions.read(body, _QUESTIONS[kind])
    raise TurnedAway("UNKNOWN_OPERATION", "不支持的交易或内容类型")


def _mandate_notice(notice: Notice) -> bytes:
    content: Mapping[str, Any] = notice.content
    limit = content.get("CreditLimitFen")
    line = {} if limit is None else {"CdtLine": {"Lmt": documents.yuan(limit), "Ccy": "CNY"}}
    default: dict[str, Any] = {}
    if notice.event == "DEFAULT":
        default = {
            "Dflt": {
                "Amt": documents.yuan(content["AmountFen"]),
                "DaysOvrdue": content["DaysOverdue"],
                "CdtBureauRef": content["CbRef"],
            }
        }
    head = {"MsgId": notice.no, "NtfctnId": notice.no, "OccrdDtTm": notice.occurred_at}
    mandate = {"MndtId": content["AgreementNo"], "Sts": content["Status"], "AcctSvcrTxId": content["BankTxnNo"]}
    return questions.write("MndtNtfctn", {**head, **mandate, **line, **default})


def _acknowledged(body: bytes) -> str:
    """The word of an acknowledgement; empty for anything that is none."""
    try:
        said = json.loads(body)
    except ValueError:
        return ""
    found = said.get("Ack") if isinstance(said, dict) else None
    return str(found.get("Sts", "")) if isinstance(found, dict) else ""
