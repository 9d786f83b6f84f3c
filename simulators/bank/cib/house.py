"""The bank's house: its books with their own day switch, its door, its pushes."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp import web
from lxml import etree

from simulators.bank.books import Brand
from simulators.bank.cib import replies, requests, wire, words
from simulators.bank.house import Ask, House, TurnedAway
from simulators.bank.rows import Answer, Pairs
from simulators.bank.settings import Settings
from simulators.bank.soap import SOAP12, Fault
from simulators.bank.wsse import Keys
from simulators.common.journal import Table
from simulators.common.server import SimulatorApp
from simulators.common.wire import Reply

BANK_ID = "CIB"
GATEWAY_ID = "XINYI"
_KEYS = ("Serial", "BatchNo", "OrigSerial", "SignSerial", "AgreementNo", "BankTxnNo", "ReceiptNo")
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class CibHouse(House):
    """With ``keys`` it signs; with the gateway's certificate in them it refuses what is not signed."""

    name = "cib"
    brand = Brand("兴业银行", "309290000107", "Q")
    settings = Settings(day_switch="22:30")

    def __init__(self, sim: SimulatorApp, accounts: Table[Any], keys: Keys | None) -> None:
        super().__init__(sim, accounts, keys.seal if keys else None)
        self._keys = keys

    # -- the door -----------------------------------------------------------------------------------------------------

    def read(self, request: web.Request, body: bytes) -> Ask:
        kind = request.headers.get("Content-Type", "")
        if kind.partition(";")[0].strip().lower() != "application/soap+xml" or "gb18030" not in kind.lower():
            raise TurnedAway("MALFORMED", "内容类型须为 application/soap+xml; charset=GB18030")
        root, text = wire.parse(body)
        message = wire.read(self._signed(root))
        if message.name not in words.OPERATIONS:
            raise TurnedAway("UNKNOWN_OPERATION", "不支持的交易")
        operation, code = words.OPERATIONS[message.name]
        head = message.parts["sysHead"]
        if f"{wire.SERVICE}/{message.name}" not in kind or head["tranCode"] != code or head["orgNo"] != BANK_ID:
            raise TurnedAway("INVALID_FIELD", "动作、交易码或机构号与报文体不符")
        fields = requests.fields(operation, message.parts["body"])
        key = next((fields[name] for name in _KEYS if name in fields), "")
        return Ask(operation, head["chnlNo"], head["msgSeq"], key, fields, text)

    def _signed(self, root: etree._Element) -> etree._Element:
        """The element that may be read: where the gateway's certificate is known, what it has signed."""
        placed = wire.only_child(root)
        if self._keys is None or self._keys.peer is None:
            return placed
        try:
            return self._keys.verified_body(root, SOAP12)
        except Fault as fault:
            raise TurnedAway(fault.code, fault.text) from fault

    def answer(self, ask: Ask, answer: Answer, at: str, duplicate: bool) -> Reply:
        tree = replies.result(ask.operation, answer, at, duplicate)
        return self._sealed(wire.envelope(f"{words.NAMES[ask.operation]}Response", tree), 200)

    def fault(self, away: TurnedAway, *, server: bool = False) -> Reply:
        return self._sealed(wire.fault(away.code, away.text, server=server), 500 if server else 400)

    def contract(self, address: str) -> bytes:
        return wire.wsdl(address)

    def _sealed(self, root: etree._Element, status: int) -> Reply:
        return Reply(self._bytes(root), status, wire.CONTENT_TYPE)

    def _bytes(self, root: etree._Element) -> bytes:
        if self._keys is not None:
            root = etree.fromstring(self._keys.sign(etree.tostring(root, encoding="UTF-8"), SOAP12))
        return wire.to_bytes(root)

    # -- pushes -------------------------------------------------------------------------------------------------------

    async def post(self, operation: str, pairs: Pairs) -> str:
        name, code = words.PUSHES[operation]
        with self.sim.step():
            number = self.bank.books.number("MB")
        stamp = words.moment(self.sim.clock.now().isoformat())
        head: replies.Tree = [
            ("tranCode", code),
            ("chnlNo", BANK_ID),
            ("orgNo", GATEWAY_ID),
            ("msgSeq", number),
            ("tranDate", stamp[:8]),
            ("tranTime", stamp[8:]),
            ("ver", "2.0"),
        ]
        body = self._bytes(wire.envelope(name, [("sysHead", head), ("body", replies.push(operation, pairs))]))
        headers = {"Content-Type": f'{wire.CONTENT_TYPE}; action="{wire.SERVICE}/{name}"'}
        url = f"{self.sim.options.gateway}/soap/bank/{self.name}"
        async with self.sim.session.post(url, data=body, headers=headers, timeout=_TIMEOUT) as response:
            return _ack(await response.read()) if response.status == 200 else ""


def _ack(body: bytes) -> str:
    """The word an acknowledgement says; empty for anything that is none."""
    try:
        message = wire.read(wire.only_child(wire.parse(body)[0]))
    except TurnedAway:
        return ""
    return words.ACKS.get(str(message.parts.get("ret", {}).get("retCode", "")), "")
