"""Deposits: pre-authorisation against a credit line, its completion, its voiding, its end (D.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from simulators.bank.agreements import Agreements
from simulators.bank.books import Books
from simulators.bank.rows import Account, Agreement, Answer, Fields, Hold, Pairs, Refusal, Txn
from simulators.bank.txns import Txns
from simulators.common.journal import Journal
from simulators.common.server import Call


def _load(row: dict[str, Any]) -> Hold:
    return Hold(**row)


class Holds:
    """PreAuthorise, CompletePreAuthorisation, VoidPreAuthorisation. ``expire_at`` sets the timer of a hold's end."""

    def __init__(
        self,
        books: Books,
        journal: Journal,
        agreements: Agreements,
        txns: Txns,
        expire_at: Callable[[str, datetime], None],
    ) -> None:
        self._books = books
        self._agreements = agreements
        self._txns = txns
        self._expire_at = expire_at
        self.table = journal.table("holds", load=_load)

    # -- holding ------------------------------------------------------------------------------------------------------

    def authorise(self, call: Call, sender: str, fields: Fields) -> Answer:
        no = fields.get("AgreementNo") or self._agreements.by_line(fields["CreditLineNo"])
        agreement = self._agreements.usable(no, "PREAUTH")
        payee = self._books.payee(fields["PayeeAccount"]) if "PayeeAccount" in fields else None
        amount = int(fields["AmountFen"])
        self._agreements.check_room(agreement, amount)
        expires = call.at + timedelta(days=int(fields["ValidDays"]))
        txn = self._txns.new("PreAuthorise", sender, fields["Serial"], agreement.no, amount, "ACCP")
        hold = Hold(
            no=self._books.number("PA"),
            sender=sender,
            serial=txn.serial,
            agreement_no=agreement.no,
            certno=agreement.certno,
            amount_fen=amount,
            expires_at=expires.isoformat(timespec="seconds"),
            payee_acct=payee.acct_no if payee else "",
        )
        self.table.put(hold.no, hold)
        self._books.hold(agreement.certno, amount)
        self._expire_at(hold.no, expires)
        self._done(call, replace(txn, pre_auth_no=hold.no), "PREAUTH", agreement)
        room = self._books.available_fen(self._books.line(agreement.certno))
        pairs: Pairs = [
            ("PreAuthNo", hold.no),
            ("Status", "ACCP"),
            ("HeldFen", amount),
            ("ExpiresAt", hold.expires_at),
            ("CreditAvailableFen", room),
        ]
        return Answer(pairs, txn.serial, txn.no)

    def _done(self, call: Call, txn: Txn, kind: str, agreement: Agreement) -> None:
        """Keeps an operation that touched the hold alone."""
        line = self._books.line(agreement.certno)
        call.effect(txn.amount_fen, agreement.no, bank_txn_no=txn.no, pre_auth_no=txn.pre_auth_no)
        self._txns.movement(txn, kind, "N", line.line_no, txn.payee_acct)
        self._txns.add(txn)

    def _open(self, sender: str, fields: Fields) -> Hold:
        """The hold a request means. Raises Refusal when it is unknown, over, or named by another serial."""
        hold = self.table.get(fields["PreAuthNo"])
        if hold is None or hold.sender != sender or hold.serial != fields["OrigSerial"]:
            raise Refusal("NOOR", "预授权不存在")
        over = datetime.fromisoformat(hold.expires_at) <= self._books.now()
        if hold.status not in ("HELD", "COMPLETED") or not hold.left_fen or over:
            raise Refusal("PTNA", "预授权已完成、已撤销或已到期")
        return hold

    # -- completing and voiding ---------------------------------------------------------------------------------------

    def complete(self, call: Call, sender: str, fields: Fields) -> Answer:
        """Once, at most what is held. ``Final`` releases the rest; otherwise it stays held until voided or over."""
        hold = self._open(sender, fields)
        amount = int(fields["AmountFen"])
        if hold.status == "COMPLETED":
            raise Refusal("PTNA", "预授权只能完成一次")
        if amount > hold.amount_fen:
            raise Refusal("AM02", "完成金额超过占用金额")
        agreement = self._agreements.table[hold.agreement_no]
        payee = self._payee(hold, agreement, fields)
        final = fields["Final"] in ("true", "1")
        released = hold.amount_fen - amount if final else 0
        txn = self._txns.new("CompletePreAuthorisation", sender, fields["Serial"], agreement.no, amount, "ACSC")
        txn = replace(txn, pre_auth_no=hold.no, payee_acct=payee.acct_no, orig_serial=hold.serial)
        self.table.put(hold.no, replace(hold, status="COMPLETED", captured_fen=amount, released_fen=released))
        self._books.hold(hold.certno, -(amount + released))
        self._book(call, agreement, txn, released)
        pairs: Pairs = [
            ("Status", "ACSC"),
            ("CapturedFen", amount),
            ("ReleasedFen", released),
            ("BookingDate", txn.booking_date),
        ]
        return Answer(pairs, txn.serial, txn.no)

    def _book(self, call: Call, agreement: Agreement, txn: Txn, released: int) -> None:
        line = self._books.line(agreement.certno)
        self._books.move(line.line_no, txn.payee_acct, txn.amount_fen)
        self._agreements.count_use(agreement.no, txn.booking_date, txn.amount_fen)
        owner = self._books.accounts[txn.payee_acct].owner
        call.effect(txn.amount_fen, agreement.no, bank_txn_no=txn.no, payee=owner, released_fen=released)
        self._txns.movement(txn, "COMPLETION", "C", line.line_no, txn.payee_acct)
        self._txns.add(txn)

    def _payee(self, hold: Hold, agreement: Agreement, fields: Fields) -> Account:
        """Named by the completion, else by the hold, else the collection account of the agreement's payee."""
        if "PayeeAccount" in fields:
            return self._books.payee(fields["PayeeAccount"])
        if hold.payee_acct:
            return self._books.accounts[hold.payee_acct]
        no = f"COLL-{agreement.payee_id}"[:34]
        found = self._books.accounts.get(no)
        if found is not None:
            return found
        bank = {"bank_code": self._books.brand.bank_code, "bank_name": self._books.brand.name}
        row = {"acct_no": no, "acct_name": "收款归集户", "kind": "COLLECTION", "owner": agreement.payee_id, **bank}
        return self._books.open_account(row)

    def void(self, call: Call, sender: str, fields: Fields) -> Answer:
        """Releases all that is still held; a partial amount is refused."""
        hold = self._open(sender, fields)
        amount = int(fields["AmountFen"])
        if amount != hold.left_fen:
            raise Refusal("AM09", "撤销金额须等于尚占用金额")
        agreement = self._agreements.table[hold.agreement_no]
        txn = self._txns.new("VoidPreAuthorisation", sender, fields["Serial"], agreement.no, amount, "CANC")
        txn = replace(txn, pre_auth_no=hold.no, orig_serial=hold.serial)
        self._release(hold, "VOIDED")
        self._done(call, txn, "VOID", agreement)
        pairs: Pairs = [("Status", "CANC"), ("ReleasedFen", amount)]
        return Answer(pairs, txn.serial, txn.no)

    def _release(self, hold: Hold, status: str) -> None:
        status = "COMPLETED" if hold.status == "COMPLETED" else status
        self._books.hold(hold.certno, -hold.left_fen)
        self.table.put(hold.no, replace(hold, status=status, released_fen=hold.released_fen + hold.left_fen))

    # -- the end ------------------------------------------------------------------------------------------------------

    def expire(self, no: str) -> None:
        """What is still held at the end of its validity falls away by itself; nobody is told (facts 2.4)."""
        hold = self.table.get(no)
        if hold is None or not hold.left_fen:
            return
        left = hold.left_fen
        agreement = self._agreements.table[hold.agreement_no]
        self._release(hold, "EXPIRED")
        txn = self._txns.new("HoldExpiry", "", hold.serial, agreement.no, left, "CANC")
        txn = replace(txn, pre_auth_no=hold.no, orig_serial=hold.serial)
        detail = {"bank_txn_no": txn.no, "pre_auth_no": hold.no}
        self._books.ledger.effect("HoldExpiry", hold.serial, left, agreement.no, detail)
        self._txns.movement(txn, "EXPIRY", "N", self._books.line(hold.certno).line_no, "")

    def seen(self, txn: Txn) -> Pairs:
        """What a question about an operation on a hold shows of the hold."""
        hold = self.table[txn.pre_auth_no]
        return [
            ("PreAuthNo", hold.no),
            ("HeldFen", hold.left_fen),
            ("CapturedFen", hold.captured_fen),
            ("ReleasedFen", hold.released_fen),
            ("ExpiresAt", hold.expires_at),
        ]
