"""Signing, cancelling and asking after agreements (D.1), and what the bank does to them by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulators.bank.books import Books
from simulators.bank.rows import Agreement, Answer, Fields, Line, Pairs, Refusal
from simulators.common.journal import Journal, Table
from simulators.common.server import Call

_SMS_TRIES = 3
_LIVE = ("ACTV", "SUSP")


def _load(row: dict[str, Any]) -> Agreement:
    return Agreement(**{**row, "serials": tuple(row["serials"])})


class Agreements:
    """The agreements; ``changed`` is called with an agreement whose state or line the bank itself has changed."""

    def __init__(self, books: Books, journal: Journal, changed: Callable[[Agreement, Line], None]) -> None:
        self._books = books
        self._changed = changed
        self.table = journal.table("agreements", load=_load)
        self._usage: Table[int] = journal.table("usage")
        self._by_serial: dict[str, str] = {}
        self._by_certno: dict[str, list[str]] = {}
        self.table.watch(self._index)

    def _index(self, key: str, old: Agreement | None, new: Agreement | None) -> None:
        if old is not None:
            self._by_certno[old.certno].remove(key)
            for serial in old.serials:
                self._by_serial.pop(serial, None)
        if new is not None:
            self._by_certno.setdefault(new.certno, []).append(key)
            for serial in new.serials:
                self._by_serial[serial] = key

    def _of(self, certno: str, payee_id: str) -> list[Agreement]:
        numbers = self._by_certno.get(certno, ())
        return [a for a in map(self.table.__getitem__, numbers) if a.payee_id == payee_id]

    # -- signing ------------------------------------------------------------------------------------------------------

    def sign(self, call: Call, fields: Fields) -> Answer:
        """One step, or two where the bank wants an SMS code: PDNG first, then a new serial with the code."""
        payer = fields["Payer"]
        certno = payer["IdNo"]
        offered = self._books.lines.get(certno) or self._books.default_line(certno)
        if offered.decision == "decline":
            raise Refusal("NARR", "银行审批未通过")
        same = self._of(certno, fields["PayeeId"])
        if any(self._status(agreement) in _LIVE for agreement in same):
            raise Refusal("DUPL", "已有生效协议")
        valid_to = min(fields.get("ValidTo") or offered.valid_to, offered.valid_to)
        if valid_to < max(fields["ValidFrom"], self._books.now().date().isoformat()):
            raise Refusal("DT01", "协议期限无效")
        waiting = next((a for a in same if a.status == "PDNG"), None)
        settings = self._books.settings
        if not settings.needs_sms or fields.get("AuthRef"):
            return self._activate(call, self._make(fields, waiting, valid_to))
        if not fields.get("SmsToken"):
            return self._ask_for_code(call, self._make(fields, waiting, valid_to))
        return self._second_step(call, fields, waiting, settings.sms_token)

    def _second_step(self, call: Call, fields: Fields, waiting: Agreement | None, code: str) -> Answer:
        if waiting is None or fields.get("PendingAgreementNo", waiting.no) != waiting.no:
            raise Refusal("MD01", "没有待确认的签约")
        if fields["SmsToken"] == code:
            return self._activate(call, replace(waiting, serials=(*waiting.serials, fields["Serial"])))
        self._count_wrong_code(waiting, fields["Serial"])
        # A refusal that keeps the try it has cost: answered, not raised.
        call.verdict = "refused"
        pairs = [
            ("AgreementStatus", "RJCT"),
            ("ReasonCode", "NARR"),
            ("ReasonText", "短信验证码不符"),
            ("NeedSms", True),
        ]
        return Answer(pairs, fields["Serial"], refused=True)

    def _count_wrong_code(self, waiting: Agreement, serial: str) -> None:
        waiting = replace(waiting, sms_tries=waiting.sms_tries + 1, serials=(*waiting.serials, serial))
        if waiting.sms_tries >= _SMS_TRIES:
            waiting = replace(waiting, status="RJCT", reason="NARR", reason_text="短信验证码错误次数过多")
        self.table.put(waiting.no, waiting)

    def _make(self, fields: Fields, waiting: Agreement | None, valid_to: str) -> Agreement:
        """The agreement as asked for; a signing under way is taken up again under its number."""
        return Agreement(
            no=waiting.no if waiting else self._books.number("AG"),
            certno=fields["Payer"]["IdNo"],
            payee_id=fields["PayeeId"],
            kind=fields["AgreementType"],
            funding=fields.get("Funding", "CREDIT_LOAN"),
            name=fields["Payer"]["Name"],
            single_fen=int(fields.get("SingleLimitFen", 0)),
            day_fen=int(fields.get("DayLimitFen", 0)),
            month_fen=int(fields.get("MonthLimitFen", 0)),
            valid_to=valid_to,
            status="PDNG",
            serials=(*(waiting.serials if waiting else ()), fields["Serial"]),
        )

    def _ask_for_code(self, call: Call, agreement: Agreement) -> Answer:
        self.table.put(agreement.no, agreement)
        pairs = [("AgreementNo", agreement.no), ("AgreementStatus", "PDNG"), ("NeedSms", True)]
        return Answer(pairs, agreement.serials[-1])

    def _activate(self, call: Call, agreement: Agreement) -> Answer:
        self.table.put(agreement.no, replace(agreement, status="ACTV"))
        line = self._books.line(agreement.certno)
        call.effect(0, agreement.no, limit_fen=line.limit_fen, valid_to=agreement.valid_to)
        pairs: Pairs = [
            ("AgreementNo", agreement.no),
            ("AgreementStatus", "ACTV"),
            ("CreditLineNo", line.line_no),
            ("CreditLimitFen", line.limit_fen),
            ("ValidTo", agreement.valid_to),
            ("FreeDays", line.free_days),
            ("NeedSms", False),
        ]
        return Answer(pairs, agreement.serials[-1])

    def refused(self, fields: Fields, refusal: Refusal) -> None:
        """Keeps a signing that was turned away: a question by its serial is answered RJCT."""
        agreement = replace(self._make(fields, None, ""), status="RJCT", reason=refusal.code, reason_text=refusal.text)
        self.table.put(agreement.no, agreement)

    # -- cancelling and asking ----------------------------------------------------------------------------------------

    def cancel(self, call: Call, fields: Fields) -> Answer:
        """Refused while the person owes or a deposit is held."""
        agreement = self.table.get(fields["AgreementNo"])
        if agreement is None or self._status(agreement) not in (*_LIVE, "PDNG", "EXPI"):
            raise Refusal("MD01", "协议不存在或已终止")
        line = self._books.line(agreement.certno)
        if self._books.used_fen(line) or line.held_fen:
            raise Refusal("NARR", "尚有未结清欠款或占用")
        self.table.put(agreement.no, replace(agreement, status="CANC"))
        call.effect(0, agreement.no, reason=fields["Reason"])
        return Answer([("AgreementStatus", "CANC")], fields["Serial"])

    def query(self, call: Call, fields: Fields) -> Answer:
        agreement = self._find(fields)
        if agreement is None:
            return Answer([("QueryResult", "NOT_FOUND")])
        return Answer(self._seen(call, agreement))

    def _seen(self, call: Call, agreement: Agreement) -> Pairs:
        head: Pairs = [
            ("QueryResult", "FOUND"),
            ("AgreementNo", agreement.no),
            ("AgreementStatus", self._status(agreement)),
            ("ReasonCode", agreement.reason),
            ("ReasonText", agreement.reason_text),
        ]
        line = self._books.lines.get(agreement.certno)
        if line is None or agreement.status == "RJCT":
            return head
        return [
            *head,
            ("CreditLineNo", line.line_no),
            ("SingleLimitFen", agreement.single_fen or None),
            ("DayLimitFen", agreement.day_fen or None),
            ("MonthLimitFen", agreement.month_fen or None),
            ("UsedTodayFen", self.used_on(agreement.no, self._books.bank_day())),
            ("CreditLimitFen", line.limit_fen),
            ("UsedFen", self._books.used_fen(line)),
            ("HeldFen", line.held_fen),
            ("CreditAvailableFen", self._books.available_fen(line)),
            ("FreeDays", line.free_days),
            ("ValidTo", agreement.valid_to),
            ("NeedSms", agreement.status == "PDNG"),
        ]

    def _find(self, fields: Fields) -> Agreement | None:
        if "AgreementNo" in fields:
            return self.table.get(fields["AgreementNo"])
        if "SignSerial" in fields:
            return self.table.get(self._by_serial.get(fields["SignSerial"], ""))
        found = self._of(fields["PayerIdNo"], fields["PayeeId"])
        return max(found, key=lambda a: (self._status(a) in _LIVE, a.no), default=None)

    def _status(self, agreement: Agreement) -> str:
        expired = agreement.status in _LIVE and agreement.valid_to < self._books.now().date().isoformat()
        return "EXPI" if expired else agreement.status

    # -- for the other products ---------------------------------------------------------------------------------------

    def usable(self, no: str, kind: str) -> Agreement:
        """The agreement, if it allows ``kind`` (WITHHOLD, PREAUTH) now. Raises Refusal MD01, AC06 or AG01."""
        agreement = self.table.get(no)
        status = "" if agreement is None else self._status(agreement)
        if agreement is None or status not in _LIVE:
            raise Refusal("MD01", "协议不存在、未生效或已到期")
        if status == "SUSP":
            raise Refusal("AC06", "协议已暂停")
        if agreement.kind not in (kind, "BOTH"):
            raise Refusal("AG01", "协议不含该业务")
        return agreement

    def signed_by(self, certno: str) -> bool:
        """Whether the person has made an agreement here."""
        return bool(self._by_certno.get(certno))

    def by_line(self, line_no: str) -> str:
        """The newest live agreement of a credit line, or an empty text."""
        numbers = self._by_certno.get(self._books.certno_of(line_no), ())
        live = [no for no in numbers if self._status(self.table[no]) in _LIVE]
        return live[-1] if live else ""

    def check_room(self, agreement: Agreement, amount_fen: int, own_hold_fen: int = 0) -> None:
        """Raises Refusal: over a limit of the agreement or over the line AM14, a debit card without cover AM04."""
        day = self._books.bank_day()
        over = (
            amount_fen > (agreement.single_fen or amount_fen)
            or self._over(agreement.no, day, agreement.day_fen, amount_fen)
            or self._over(agreement.no, day[:7], agreement.month_fen, amount_fen)
        )
        room = self._books.available_fen(self._books.line(agreement.certno)) + own_hold_fen
        if agreement.funding == "DEBIT_CARD" and amount_fen > room:
            raise Refusal("AM04", "余额不足")
        if over or amount_fen > room:
            raise Refusal("AM14", "超出授信额度或协议限额")

    def _over(self, no: str, period: str, limit_fen: int, amount_fen: int) -> bool:
        return bool(limit_fen) and self.used_on(no, period) + amount_fen > limit_fen

    def used_on(self, no: str, period: str) -> int:
        """Fen withheld, refunds deducted, on a day (``YYYY-MM-DD``) or in a month (``YYYY-MM``)."""
        return int(self._usage.get(f"{no}|{period}") or 0)

    def count_use(self, no: str, day: str, amount_fen: int) -> None:
        for period in (day, day[:7]):
            self._usage.put(f"{no}|{period}", self.used_on(no, period) + amount_fen)

    # -- by the bank itself -------------------------------------------------------------------------------------------

    def set_line(self, line: Line) -> None:
        """A line as the bank now grants it; its live agreements are told of a new limit."""
        before = self._books.lines.get(line.certno)
        after = self._books.put_line(line)
        if before is None or before.limit_fen == after.limit_fen:
            return
        for no in self._by_certno.get(line.certno, ()):
            if self._status(self.table[no]) in _LIVE:
                self._changed(self.table[no], after)

    def switch(self, no: str, status: str) -> bool:
        """Suspends (SUSP) or resumes (ACTV); False when the agreement is not in the other state."""
        agreement = self.table.get(no)
        if agreement is None or agreement.status not in _LIVE or agreement.status == status:
            return False
        agreement = replace(agreement, status=status)
        self.table.put(no, agreement)
        self._changed(agreement, self._books.line(agreement.certno))
        return True
