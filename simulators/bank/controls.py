"""The bank's own ``/_sim`` controls: lines, accounts, receipts, settings, what the bank does by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from aiohttp import web

from simulators.bank.books import Books
from simulators.bank.receipts import Receipts
from simulators.bank.rows import Line, Refusal
from simulators.bank.service import Bank
from simulators.bank.settings import SettingRefused, changed
from simulators.common.controls import json_response, read_json, unprocessable
from simulators.common.server import SimulatorApp

_CHANNELS = ("UNIONPAY", "WECHAT", "ALIPAY", "COUNTER")
_REASON = "AC04"


class ControlRefused(ValueError):
    """What was posted makes no sense; the text says why."""


def money(value: Any) -> int:
    """A decimal text of yuan as fen. Raises ControlRefused for anything else, binary fractions included."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ControlRefused('an amount is a text such as "10000.00"')
    try:
        fen = Decimal(value) * 100
    except InvalidOperation as error:
        raise ControlRefused('an amount is a text such as "10000.00"') from error
    if not fen.is_finite() or fen != fen.to_integral_value() or fen < 0:
        raise ControlRefused("an amount has two decimals and is not negative")
    return int(fen)


def yuan(fen: int) -> str:
    return f"{Decimal(fen) / 100:.2f}"


def _day(value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError) as error:
        raise ControlRefused("valid_to is YYYY-MM-DD") from error


def parse_line(line: Line, content: Any) -> Line:
    """A person's line with what was posted."""
    if not isinstance(content, dict):
        raise ControlRefused("a line is an object")
    if unknown := set(content) - {"limit", "valid_to", "free_days", "decision"}:
        raise ControlRefused(f"unknown member {sorted(unknown)[0]}; known: limit, valid_to, free_days, decision")
    changes: dict[str, Any] = {}
    if "limit" in content:
        changes["limit_fen"] = money(content["limit"])
    if "valid_to" in content:
        changes["valid_to"] = _day(content["valid_to"])
    if "free_days" in content:
        if not isinstance(content["free_days"], int) or not 0 <= content["free_days"] <= 999:
            raise ControlRefused("free_days is a whole number of days")
        changes["free_days"] = content["free_days"]
    if "decision" in content:
        if content["decision"] not in ("offer", "decline"):
            raise ControlRefused("decision is offer or decline")
        changes["decision"] = content["decision"]
    return replace(line, **changes)


def _text(content: Any, name: str, default: str | None = None) -> str:
    value = content.get(name, default) if isinstance(content, dict) else None
    if not isinstance(value, str) or (not value and default is None):
        raise ControlRefused(f"{name} is missing")
    return value


def add_bank_controls(sim: SimulatorApp, banks: Mapping[str, Bank]) -> None:
    controls = BankControls(sim, banks)
    router = sim.app.router
    router.add_get("/_sim/lines", controls.get_lines)
    router.add_put("/_sim/lines", controls.changing(controls.put_lines))
    router.add_get("/_sim/accounts", controls.get_accounts)
    router.add_put("/_sim/accounts", controls.changing(controls.put_accounts))
    router.add_get("/_sim/settings", controls.get_settings)
    router.add_put("/_sim/settings", controls.put_settings)
    router.add_get("/_sim/receipts", controls.get_receipts)
    router.add_post("/_sim/receipts/{what}", controls.receipts)
    router.add_get("/_sim/notices", controls.get_notices)
    router.add_post("/_sim/bounce", controls.changing(controls.bounce))
    router.add_post("/_sim/repayments", controls.changing(controls.repay))
    router.add_post("/_sim/defaults", controls.changing(controls.default))
    router.add_post("/_sim/agreements/suspend", controls.changing(controls.suspend))
    router.add_post("/_sim/agreements/resume", controls.changing(controls.resume))


class BankControls:
    """Handlers; those wrapped by ``changing`` get the JSON body and run inside one step.

    What names an agreement or a payment order is for the bank that knows it, ours where none does.
    """

    def __init__(self, sim: SimulatorApp, banks: Mapping[str, Bank]) -> None:
        self._sim = sim
        self._banks = banks
        self._bank = next(iter(banks.values()))

    def _of_agreement(self, no: str) -> Bank:
        return next((bank for bank in self._banks.values() if no in bank.agreements.table), self._bank)

    def _of_order(self, serial: str) -> list[Bank]:
        """The bank that was sent the payment order; all of them where none was."""
        return [bank for bank in self._banks.values() if bank.payouts.by_serial(serial)] or list(self._banks.values())

    def changing(self, action: Callable[[Any], Any]) -> Callable[[web.Request], Any]:
        async def handler(request: web.Request) -> web.Response:
            content = await read_json(request)
            try:
                with self._sim.step():
                    result = action(content)
            except (ControlRefused, SettingRefused) as error:
                return unprocessable(str(error))
            except Refusal as refusal:
                return json_response({"code": refusal.code, "detail": refusal.text}, 409)
            return json_response(result)

        return handler

    # -- lines, accounts, settings ------------------------------------------------------------------------------------

    async def get_lines(self, request: web.Request) -> web.Response:
        """By person; of somebody known to several banks the line of the bank where agreements were made."""
        shown: dict[str, Any] = {}
        for bank in self._banks.values():
            for line in bank.books.lines.values():
                if line.certno not in shown or bank.agreements.signed_by(line.certno):
                    shown[line.certno] = self._shown(bank.books, line)
        return json_response({"lines": shown})

    def _shown(self, books: Books, line: Line) -> dict[str, Any]:
        return {
            "line_no": line.line_no,
            "limit": yuan(line.limit_fen),
            "used": yuan(books.used_fen(line)),
            "held": yuan(line.held_fen),
            "available": yuan(books.available_fen(line)),
            "valid_to": line.valid_to,
            "free_days": line.free_days,
            "decision": line.decision,
        }

    def put_lines(self, content: Any) -> Any:
        if not isinstance(content, dict):
            raise ControlRefused("an object of lines by certno is expected")
        for bank in self._banks.values():
            for certno, row in content.items():
                line = bank.books.lines.get(certno) or bank.books.default_line(certno)
                bank.agreements.set_line(parse_line(line, row))
        return {"lines": len(content)}

    async def get_accounts(self, request: web.Request) -> web.Response:
        accounts = [{**asdict(a), "balance": yuan(a.balance_fen)} for a in self._bank.books.accounts.values()]
        total = sum(account["balance_fen"] for account in accounts)
        return json_response({"accounts": accounts, "total_fen": total, "total": yuan(total)})

    def put_accounts(self, content: Any) -> Any:
        """More hospital accounts, opened empty: nothing changes the sum over all accounts."""
        if not isinstance(content, list):
            raise ControlRefused("a list of accounts is expected")
        names = ("acct_no", "acct_name", "bank_code", "bank_name", "owner")
        for row in content:
            account = {name: _text(row, name) for name in names}
            if account["acct_no"] in self._bank.books.accounts:
                raise ControlRefused("the account exists")
            self._bank.books.open_account({**account, "kind": "HOSPITAL"})
        return {"accounts": len(content)}

    async def get_settings(self, request: web.Request) -> web.Response:
        return json_response(asdict(self._named(request).books.settings))

    async def put_settings(self, request: web.Request) -> web.Response:
        """With ``?bank=`` for that bank alone; else for all of them, the day switch aside, which is ours."""
        wanted = [self._named(request)] if "bank" in request.query else list(self._banks.values())
        answer: web.Response = await self.changing(partial(self._set, wanted))(request)
        return answer

    def _set(self, banks: list[Bank], content: Any) -> Any:
        for bank in banks:
            settings = changed(bank.books.settings, content)
            if bank is not banks[0]:
                settings = replace(settings, day_switch=bank.books.settings.day_switch)
            bank.books.set_settings(settings)
        return asdict(banks[0].books.settings)

    def _named(self, request: web.Request) -> Bank:
        bank = self._banks.get(request.query.get("bank", next(iter(self._banks))))
        if bank is None:
            raise web.HTTPNotFound(text=f"bank is one of {', '.join(self._banks)}")
        return bank

    # -- receipts and notices -----------------------------------------------------------------------------------------

    async def get_receipts(self, request: web.Request) -> web.Response:
        return json_response({"receipts": [row for bank in self._banks.values() for row in bank.receipts.show()]})

    async def get_notices(self, request: web.Request) -> web.Response:
        return json_response({"notices": [row for bank in self._banks.values() for row in bank.notices.show()]})

    async def receipts(self, request: web.Request) -> web.Response:
        actions: dict[str, Callable[[Receipts, str, int], int]] = {
            "hold": lambda receipts, serial, _fen: receipts.hold(serial),
            "release": lambda receipts, serial, _fen: receipts.release(serial),
            "corrupt": Receipts.corrupt,
            "duplicate": Receipts.duplicate,
        }
        action = actions.get(request.match_info["what"])
        if action is None:
            raise web.HTTPNotFound(text="hold, release, corrupt, duplicate")
        content = await read_json(request) if request.can_read_body else {}
        try:
            serial = _text(content, "pay_order_no", "")
            fen = content.get("amount_fen", 0)
            if not isinstance(fen, int) or isinstance(fen, bool) or not 0 <= fen < 10**12:
                return unprocessable("amount_fen is a whole number of fen")
            with self._sim.step():
                count = sum(action(bank.receipts, serial, fen) for bank in self._of_order(serial))
        except ControlRefused as error:
            return unprocessable(str(error))
        return json_response({"receipts": count})

    # -- what the bank does by itself ---------------------------------------------------------------------------------

    def bounce(self, content: Any) -> Any:
        serial = _text(content, "pay_order_no")
        record = self._of_order(serial)[0].payouts.bounce(serial, _text(content, "reason", _REASON))
        return {"pay_order_no": record.serial, "bank_txn_no": record.return_txn_no, "amount_fen": record.amount_fen}

    def repay(self, content: Any) -> Any:
        channel = _text(content, "channel", "COUNTER")
        if channel not in _CHANNELS:
            raise ControlRefused(f"channel is one of {', '.join(_CHANNELS)}")
        no = _text(content, "agreement_no")
        bank = self._of_agreement(no)
        serial = _text(content, "channel_serial", "") or bank.books.number("RP")
        number = bank.charges.repay(no, money(content.get("amount")), channel, serial)
        return {"bank_txn_no": number, "channel_serial": serial}

    def default(self, content: Any) -> Any:
        days = content.get("days_overdue", 1) if isinstance(content, dict) else 1
        if not isinstance(days, int) or not 0 < days < 1000:
            raise ControlRefused("days_overdue is a whole number of days")
        amount = money(_text(content, "amount"))
        if not amount:
            raise ControlRefused("an overdue amount is above zero")
        no = _text(content, "agreement_no")
        return {"cb_ref": self._of_agreement(no).default(no, amount, days)}

    def suspend(self, content: Any) -> Any:
        return self._switch(content, "SUSP")

    def resume(self, content: Any) -> Any:
        return self._switch(content, "ACTV")

    def _switch(self, content: Any, status: str) -> Any:
        no = _text(content, "agreement_no")
        if not self._of_agreement(no).agreements.switch(no, status):
            raise Refusal("NOOR", "协议不存在或已处于该状态")
        return {"agreement_no": no, "status": status}
