"""The bank's books: accounts with double entry, lines, numbers, the bank day. No rule of a product lives here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from simulators.bank.rows import Account, Fields, Line, Movement, Refusal
from simulators.bank.settings import Settings
from simulators.common.clock import BusinessClock
from simulators.common.journal import Journal, Table
from simulators.common.ledger import Ledger

SEED_FILE = Path(__file__).resolve().parents[1] / "data" / "bank_accounts.json"
CLEARING = "CLEARING"
"""Money from outside the bank (repayments by other channels) comes out of this account."""
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DEFAULT_LIMIT_FEN = 800_000
_DEFAULT_FREE_DAYS = 50


@dataclass(frozen=True, slots=True)
class Brand:
    """The bank's own name and bank code (联行号); ``mark`` keeps its numbers apart from those of other banks."""

    name: str
    bank_code: str
    mark: str = ""


BOCOM = Brand("交通银行", "301290000007")


def _account(row: dict[str, Any]) -> Account:
    return Account(**row)


def _line(row: dict[str, Any]) -> Line:
    return Line(**row)


def _movement(row: dict[str, Any]) -> Movement:
    return Movement(**row)


def base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits or "0"


class Books:
    """Tables shared by all products, and the only place where a balance changes."""

    def __init__(self, journal: Journal, clock: BusinessClock, ledger: Ledger, brand: Brand = BOCOM) -> None:
        self.brand = brand
        self.clock = clock
        self.ledger = ledger
        self.accounts = journal.table("accounts", load=_account)
        self.lines = journal.table("lines", load=_line)
        self.movements = journal.table("movements", load=_movement)
        self._settings: Table[dict[str, Any]] = journal.table("settings")
        self._numbers: Table[Any] = journal.table("numbers")
        self._by_day: dict[str, list[str]] = {}
        self.movements.watch(self._index_day)
        self._certno_of: dict[str, str] = {}
        self.lines.watch(self._index_line)

    def _index_day(self, key: str, old: Movement | None, new: Movement | None) -> None:
        if old is not None:
            self._by_day[old.booking_date].remove(key)
        if new is not None:
            self._by_day.setdefault(new.booking_date, []).append(key)

    def _index_line(self, key: str, old: Line | None, new: Line | None) -> None:
        if new is not None:
            self._certno_of[new.line_no] = key
        elif old is not None:
            self._certno_of.pop(old.line_no, None)

    def begin(self, settings: Settings | None = None) -> None:
        """What a first start knows: where numbers begin, and settings that are not the usual ones."""
        # A reset must not give out a number again: the gateway knows bank numbers for ever.
        self._numbers.put("epoch", self.brand.mark + base36(time.time_ns() // 1_000_000))
        if settings is not None:
            self.set_settings(settings)

    def seed(self) -> None:
        """A first start, with the accounts from the seed file; all banks of the simulator know the same ones."""
        self.begin()
        for row in json.loads(SEED_FILE.read_text(encoding="utf-8"))["accounts"]:
            self.open_account(row)

    def open_account(self, row: dict[str, Any]) -> Account:
        account = _account(row)
        self.accounts.put(account.acct_no, account)
        return account

    # -- settings, numbers, time --------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        return Settings(**(self._settings.get("settings") or {}))

    def set_settings(self, settings: Settings) -> None:
        self._settings.put("settings", asdict(settings))

    def number(self, prefix: str) -> str:
        """A number never given out before, also not before a reset: prefix, epoch, nine digits."""
        last = (self._numbers.get(prefix) or 0) + 1
        self._numbers.put(prefix, last)
        return f"{prefix}{self._numbers.get('epoch')}{last:09d}"

    def now(self) -> datetime:
        return self.clock.now()

    def bank_day(self, at: datetime | None = None) -> str:
        """The booking date: from the day switch on it is the next day's."""
        moment = at or self.now()
        if moment.strftime("%H:%M") >= self.settings.day_switch:
            moment += timedelta(days=1)
        return moment.date().isoformat()

    def day_is_over(self, day: str) -> bool:
        return self.bank_day() > day

    # -- money --------------------------------------------------------------------------------------------------------

    def move(self, payer: str, payee: str, amount_fen: int) -> None:
        """Moves money between two accounts; the sum over all accounts stays. Raises ValueError below one fen."""
        if amount_fen < 1:
            raise ValueError("only positive amounts move")
        source, target = self.accounts[payer], self.accounts[payee]
        self.accounts.put(payer, replace(source, balance_fen=source.balance_fen - amount_fen))
        target = self.accounts[payee]
        self.accounts.put(payee, replace(target, balance_fen=target.balance_fen + amount_fen))

    def record(self, movement: Movement) -> None:
        self.movements.put(str(len(self.movements) + 1), movement)

    def statement(self, day: str) -> Iterable[tuple[str, Movement]]:
        for key in self._by_day.get(day, ()):
            yield key, self.movements[key]

    def payee(self, fields: Fields) -> Account:
        """The account a request names as payee. Raises Refusal: unknown AC01, another name BE01, another bank RC01."""
        account = self.accounts.get(fields["AcctNo"])
        if account is None or account.kind not in ("HOSPITAL", "AGENCY"):
            raise Refusal("AC01", "收款账户不存在")
        if account.acct_name != fields["AcctName"]:
            raise Refusal("BE01", "收款户名与账号不符")
        if account.bank_code != fields["BankCode"]:
            raise Refusal("RC01", "收款行号与账号不符")
        return account

    # -- credit lines -------------------------------------------------------------------------------------------------

    def default_line(self, certno: str) -> Line:
        """What a person nobody has spoken about is offered: 8,000.00, 50 days free, to the end of 2025 or later."""
        valid_to = max("2025-12-31", f"{self.now().year}-12-31")
        return Line("", certno, _DEFAULT_LIMIT_FEN, valid_to, _DEFAULT_FREE_DAYS, "offer")

    def line(self, certno: str) -> Line:
        """The person's line, opened with its loan account when there is none yet."""
        line = self.lines.get(certno)
        return line if line is not None else self.put_line(self.default_line(certno))

    def certno_of(self, line_no: str) -> str:
        """Whose line it is; an empty text for an unknown one."""
        return self._certno_of.get(line_no, "")

    def put_line(self, line: Line) -> Line:
        if not line.line_no:
            line = replace(line, line_no=self.number("CL"))
            self.open_account(
                {
                    "acct_no": line.line_no,
                    "acct_name": "个人信用就医贷款户",
                    "bank_code": self.brand.bank_code,
                    "bank_name": self.brand.name,
                    "kind": "LOAN",
                    "owner": line.line_no,
                }
            )
        self.lines.put(line.certno, line)
        return line

    def used_fen(self, line: Line) -> int:
        """What the person owes; a refund of something already repaid leaves a credit (溢缴款), which is no debt."""
        return max(0, -self.accounts[line.line_no].balance_fen)

    def available_fen(self, line: Line) -> int:
        """limit − used − held; negative after a lowered limit (I2)."""
        return line.limit_fen - self.used_fen(line) - line.held_fen

    def hold(self, certno: str, amount_fen: int) -> None:
        """Holds on the line (a negative amount releases)."""
        line = self.lines[certno]
        self.put_line(replace(line, held_fen=line.held_fen + amount_fen))
