"""Withholdings and refunds against a credit line, and the question what became of one (D.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from simulators.bank.agreements import Agreements
from simulators.bank.books import CLEARING, Books
from simulators.bank.notices import Notices
from simulators.bank.rows import Agreement, Answer, Fields, Pairs, Refusal, Txn
from simulators.bank.txns import Txns
from simulators.common.server import Call

_CAPTURES = ("Withhold", "CompletePreAuthorisation")
_DONE = ("ACSC", "RFND", "RVSD")


class Charges:
    """Withhold, Refund, QueryTransaction, and repayments by the person."""

    def __init__(
        self,
        books: Books,
        agreements: Agreements,
        txns: Txns,
        notices: Notices,
        deposit_of: Callable[[Txn], Pairs],
        later: Callable[[str, float], None],
    ) -> None:
        """``deposit_of``: what a question about a deposit shows; ``later`` books a pending one, in business seconds."""
        self._books = books
        self._deposit_of = deposit_of
        self._later = later
        self._agreements = agreements
        self._txns = txns
        self._notices = notices

    # -- withholding --------------------------------------------------------------------------------------------------

    def withhold(self, call: Call, sender: str, fields: Fields) -> Answer:
        agreement = self._agreements.usable(fields["AgreementNo"], "WITHHOLD")
        if fields["PayerName"] != agreement.name:
            raise Refusal("BE01", "付款人姓名与协议不符")
        payee = self._books.payee(fields["PayeeAccount"])
        if fields["RequestedDate"] > self._books.bank_day():
            raise Refusal("CH03", "要求执行日晚于当日")
        amount = int(fields["AmountFen"])
        self._agreements.check_room(agreement, amount)
        wait = self._books.settings.pending_seconds
        status = "PDNG" if wait else "ACSC"
        txn = self._txns.new("Withhold", sender, fields["Serial"], agreement.no, amount, status)
        txn = replace(txn, payee_acct=payee.acct_no)
        if wait:
            self._books.hold(agreement.certno, amount)
            self._txns.add(txn)
            self._later(txn.no, wait)
        else:
            self._book(agreement, txn)
        return self._answer(call, agreement, txn)

    def _answer(self, call: Call, agreement: Agreement, txn: Txn) -> Answer:
        used = self._books.used_fen(self._books.line(agreement.certno))
        pairs: Pairs = [
            ("Status", txn.status),
            ("AmountFen", txn.amount_fen),
            ("BookingDate", txn.booking_date),
            ("FeeFen", 0),
            ("CreditUsedFen", used),
        ]
        return Answer(pairs, txn.serial, txn.no)

    def _book(self, agreement: Agreement, txn: Txn, *, cause: str = "") -> None:
        """Debits the loan account and credits the payee; the one place where a withholding becomes money."""
        line = self._books.line(agreement.certno)
        self._books.move(line.line_no, txn.payee_acct, txn.amount_fen)
        self._agreements.count_use(agreement.no, txn.booking_date, txn.amount_fen)
        payee = self._books.accounts[txn.payee_acct]
        detail = {"bank_txn_no": txn.no, "payee": payee.owner, "payee_acct": txn.payee_acct}
        self._books.ledger.effect("Withhold", txn.serial, txn.amount_fen, agreement.no, detail)
        self._txns.movement(txn, "WITHHOLD", "C", line.line_no, txn.payee_acct)
        self._txns.add(txn, cause)

    def book_pending(self, no: str) -> None:
        """Books a withholding that was answered PDNG."""
        txn = self._txns.table.get(no)
        if txn is None or txn.status != "PDNG":
            return
        agreement = self._agreements.table[txn.agreement_no]
        self._books.hold(agreement.certno, -txn.amount_fen)
        now = self._books.now().isoformat(timespec="milliseconds")
        booked = replace(txn, status="ACSC", at=now, booking_date=self._books.bank_day())
        self._book(agreement, booked, cause="Withhold")

    # -- refund -------------------------------------------------------------------------------------------------------

    def refund(self, call: Call, sender: str, fields: Fields) -> Answer:
        """Partial refunds up to what was charged; the whole at once on the same bank day is a reversal (RVSD)."""
        amount = int(fields["RefundFen"])
        original = self._refundable(sender, fields, amount)
        agreement = self._agreements.table[original.agreement_no]
        reversal = amount == original.amount_fen and original.booking_date == self._books.bank_day()
        status = "RVSD" if reversal else "ACSC"
        txn = self._txns.new("Refund", sender, fields["Serial"], agreement.no, amount, status)
        txn = replace(txn, payee_acct=original.payee_acct, orig_serial=original.serial)
        total = self._undo(agreement, original, amount, reversal)
        call.effect(amount, agreement.no, bank_txn_no=txn.no, orig_serial=original.serial, status=status)
        line = self._books.line(agreement.certno)
        self._txns.movement(txn, "REVERSAL" if reversal else "REFUND", "D", original.payee_acct, line.line_no)
        self._txns.add(txn)
        pairs: Pairs = [
            ("Status", status),
            ("RefundFen", amount),
            ("RefundedTotalFen", total),
            ("BookingDate", txn.booking_date),
        ]
        return Answer(pairs, txn.serial, txn.no)

    def _undo(self, agreement: Agreement, original: Txn, amount: int, reversal: bool) -> int:
        """Moves the money back and marks the original; returns what has been refunded of it in all."""
        self._books.move(original.payee_acct, self._books.line(agreement.certno).line_no, amount)
        self._agreements.count_use(agreement.no, original.booking_date, -amount)
        total = original.refunded_fen + amount
        whole = "RVSD" if reversal else "RFND"
        status = whole if total == original.amount_fen else original.status
        self._txns.table.put(original.no, replace(original, refunded_fen=total, status=status))
        return total

    def _refundable(self, sender: str, fields: Fields, amount: int) -> Txn:
        original = self._txns.find(sender, fields["OrigSerial"])
        if original is None or original.operation not in _CAPTURES or original.status not in _DONE:
            raise Refusal("NOOR", "原交易不存在或未成功")
        if fields.get("OrigBankTxnNo", original.no) != original.no:
            raise Refusal("NOOR", "原交易流水号不符")
        if int(fields["OrigAmountFen"]) != original.amount_fen:
            raise Refusal("AM09", "原交易金额不符")
        if original.refunded_fen + amount > original.amount_fen:
            raise Refusal("AM02", "累计退款超过原交易金额")
        if self._books.accounts[original.payee_acct].balance_fen < amount:
            raise Refusal("AM04", "收款账户余额不足，无法退款")
        return original

    # -- questions ----------------------------------------------------------------------------------------------------

    def query(self, call: Call, sender: str, fields: Fields) -> Answer:
        """FOUND or NOT_FOUND as the books are at this moment."""
        if "BankTxnNo" in fields:
            txn = self._txns.table.get(fields["BankTxnNo"])
        else:
            txn = self._txns.find(sender, fields["OrigSerial"])
        if txn is None or txn.sender != sender or txn.operation != fields["OrigTxCode"]:
            return Answer([("QueryResult", "NOT_FOUND")], fields.get("OrigSerial", ""))
        return Answer([("QueryResult", "FOUND"), *self._seen(call, txn)], txn.serial, txn.no)

    def _seen(self, call: Call, txn: Txn) -> Pairs:
        return [
            ("OrigSerial", txn.serial),
            ("OrigTxCode", txn.operation),
            ("OrigStatus", txn.status),
            ("OrigReason", txn.reason),
            ("OrigReasonText", txn.reason_text),
            ("OrigAmountFen", txn.amount_fen),
            ("RefundedFen", txn.refunded_fen if txn.operation in _CAPTURES else None),
            *(self._deposit_of(txn) if txn.pre_auth_no else ()),
            ("BankTxnNo", txn.no),
            ("BookingDate", txn.booking_date),
        ]

    # -- by the person ------------------------------------------------------------------------------------------------

    def repay(self, agreement_no: str, amount_fen: int, channel: str, channel_serial: str) -> str:
        """A repayment that reached the bank; returns its BankTxnNo. Raises Refusal when there is not as much debt."""
        agreement = self._agreements.table.get(agreement_no)
        if agreement is None:
            raise Refusal("MD01", "协议不存在")
        line = self._books.line(agreement.certno)
        if not 0 < amount_fen <= self._books.used_fen(line):
            raise Refusal("AM09", "还款金额超过欠款")
        self._books.move(CLEARING, line.line_no, amount_fen)
        txn = self._txns.new("Repayment", "", channel_serial, agreement_no, amount_fen, "ACSC")
        detail = {"bank_txn_no": txn.no, "channel": channel}
        self._books.ledger.effect("Repayment", channel_serial, amount_fen, agreement_no, detail)
        self._txns.movement(txn, "REPAYMENT", "N", CLEARING, line.line_no)
        content = {
            "BankTxnNo": txn.no,
            "AgreementNo": agreement_no,
            "Status": "ACSC",
            "AmountFen": amount_fen,
            "BookingDate": txn.booking_date,
            "Channel": channel,
            "ChannelSerial": channel_serial,
        }
        self._notices.tell("REPAYMENT", "Repayment", content)
        return txn.no
