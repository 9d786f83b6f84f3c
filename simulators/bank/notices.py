"""What the bank tells the gateway by itself: NotifyTransaction, repeated until it is acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from simulators.bank.books import Books
from simulators.bank.rows import Pairs
from simulators.common.journal import Journal

_SPACING_MINUTES = (1, 2, 4)
_LONGEST_MINUTES = 60
_LAST_ATTEMPT = 99

Push = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice; ``content`` are the XSD's own elements by name. ``acked``: the gateway answered OK."""

    no: str
    event: str
    cause: str
    content: dict[str, Any]
    occurred_at: str
    attempts: int = 0
    acked: bool = False


def _load(row: dict[str, Any]) -> Notice:
    return Notice(**row)


def spacing(attempts: int) -> timedelta:
    """Until the next attempt after ``attempts`` of them: 1, 2, 4 minutes, then doubling up to an hour."""
    if attempts <= len(_SPACING_MINUTES):
        return timedelta(minutes=_SPACING_MINUTES[attempts - 1])
    return timedelta(minutes=min(_LONGEST_MINUTES, 2 ** (attempts - 1)))


class Notices:
    """The notices; ``push`` is the frame's (it draws the faults ``duplicate_push`` and ``late_push``)."""

    def __init__(self, books: Books, journal: Journal, push: Push) -> None:
        self._books = books
        self._push = push
        self.table = journal.table("notices", load=_load)

    def tell(self, event: str, cause: str, content: dict[str, Any], *, sync: bool = False) -> None:
        """Adds a notice to the step under way. ``sync``: the gateway could have read it in an answer already."""
        wanted = self._books.settings.auto_notices
        if wanted == "none" or (sync and wanted != "all"):
            return
        no = self._books.number("NT")
        at = self._books.now().isoformat(timespec="milliseconds")
        self.table.put(no, Notice(no, event, cause, content, at))
        self._push("NotifyTransaction", {"no": no}, cause=cause, real=0.2)

    def attempted(self, no: str, acked: bool) -> timedelta | None:
        """Writes down one attempt; returns the business time until the next one, None when there is none."""
        notice = self.table[no]
        if notice.acked:  # an earlier copy of the same notice got through meanwhile
            return None
        notice = replace(notice, attempts=notice.attempts + 1, acked=acked)
        self.table.put(no, notice)
        return None if acked or notice.attempts >= _LAST_ATTEMPT else spacing(notice.attempts)

    def pairs(self, no: str) -> Pairs:
        """The body of the next attempt, Header aside."""
        notice = self.table[no]
        content = notice.content
        return [
            ("NotifyNo", notice.no),
            ("EventType", notice.event),
            *((name, content.get(name)) for name in ("OrigSerial", "BankTxnNo", "AgreementNo", "BatchNo", "Status")),
            *((name, content.get(name)) for name in ("ReasonCode", "ReasonText", "AmountFen", "BookingDate")),
            ("OccurredAt", notice.occurred_at),
            ("Attempt", min(notice.attempts + 1, _LAST_ATTEMPT)),
            *((name, content.get(name)) for name in ("CreditLimitFen", "Channel", "ChannelSerial", "DaysOverdue")),
            ("CbRef", content.get("CbRef")),
        ]

    def show(self) -> list[dict[str, Any]]:
        return [asdict(notice) for notice in self.table.values()]
