"""E-receipts (电子回单): made with every booked payout record, pushed within two seconds, or asked for (D.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from lxml import etree

from simulators.bank.books import Books
from simulators.bank.notices import Push
from simulators.bank.payouts import Payouts
from simulators.bank.rows import Account, Answer, Fields, Pairs, Receipt, Record
from simulators.bank.words import amount_in_words
from simulators.common.journal import Journal, Table
from simulators.common.server import Call

_NEXT = "*next"
_ALL = "*all"
_PUSH_AFTER_SECONDS = 0.3
Seal = Callable[[bytes], bytes]


def _load(row: dict[str, Any]) -> Receipt:
    return Receipt(**row)


def sm3(content: bytes) -> str:
    made = hashes.Hash(hashes.SM3())
    made.update(content)
    return made.finalize().hex()


class Receipts:
    """The receipts and what people do to them. ``seal`` signs the bytes when the bank has a key."""

    def __init__(self, books: Books, journal: Journal, push: Push, seal: Seal | None) -> None:
        self._books = books
        self._push = push
        self._seal = seal
        self.table = journal.table("receipts", load=_load)
        self._marks: Table[dict[str, Any]] = journal.table("receipt_marks")
        self._of_record: dict[str, list[str]] = {}
        self.table.watch(self._index)
        self.payouts: Payouts

    def _index(self, key: str, old: Receipt | None, new: Receipt | None) -> None:
        if old is None and new is not None:
            self._of_record.setdefault(new.record_key, []).append(key)
        elif new is None and old is not None:
            self._of_record[old.record_key].remove(key)

    # -- making and pushing -------------------------------------------------------------------------------------------

    def issue(self, record: Record) -> None:
        """The receipt of a record just booked, as the controls want it."""
        mark = {**self._take(_NEXT), **self._take(record.serial)}
        held = bool(mark.get("held") or self._marks.get(_ALL))
        self._make(record, mark.get("amount_fen") or record.amount_fen, spoilt=bool(mark.get("spoilt")), held=held)
        if mark.get("twice"):
            self._make(record, mark.get("second_fen") or record.amount_fen, spoilt=False, held=held)

    def _take(self, name: str) -> dict[str, Any]:
        mark: dict[str, Any] = self._marks.get(name) or {}
        self._marks.delete(name)
        return mark

    def _make(self, record: Record, amount_fen: int, *, spoilt: bool, held: bool) -> None:
        copies = len(self._of_record.get(record.key, ()))
        no = f"HD{record.txn_no}" + (f"-{copies + 1}" if copies else "")
        receipt = Receipt(no, record.key, amount_fen, "HELD" if held else "WAITING", spoilt)
        self.table.put(no, receipt)
        if self._books.settings.auto_receipts and not held:
            self._send(receipt)

    def _send(self, receipt: Receipt) -> None:
        self._push("DeliverReceipt", {"no": receipt.no}, cause="SubmitPayoutBatch", real=_PUSH_AFTER_SECONDS)

    def to_deliver(self, no: str) -> Pairs | None:
        """The ``Receipt`` element of a push; None when it is held back or gone."""
        receipt = self.table.get(no)
        return None if receipt is None or receipt.state == "HELD" else self._pairs(receipt)

    def delivered(self, no: str) -> None:
        receipt = self.table.get(no)
        if receipt is not None:
            self.table.put(no, replace(receipt, state="DELIVERED"))

    # -- content ------------------------------------------------------------------------------------------------------

    def _pairs(self, receipt: Receipt) -> Pairs:
        record = self.payouts.records[receipt.record_key]
        payer = self._books.accounts[self.payouts.batches[record.batch_no].payer_acct]
        payee = self._books.accounts[record.payee_acct]
        code = hashlib.sha256(receipt.no.encode()).hexdigest()[:12].upper()
        plain: list[tuple[str, Any]] = [
            ("ReceiptNo", receipt.no),
            ("VerifyCode", code),
            ("OrigSerial", record.serial),
            ("BankTxnNo", record.txn_no),
            ("BizType", "PAYOUT"),
            ("Payer", payer.pairs),
            ("Payee", payee.pairs),
            ("Currency", "CNY"),
            ("AmountFen", receipt.amount_fen),
            ("AmountInWords", amount_in_words(receipt.amount_fen)),
            ("FeeFen", 0),
            ("Summary", "医保基金拨付"),
            ("Postscript", record.serial),
            ("TxnTime", record.booked_at),
            ("BookingDate", record.booking_date),
            ("ValueDate", record.booking_date),
            ("PrintCount", 0),
        ]
        return [*plain, *self._file(receipt, document(self._books.brand.name, plain, payer, payee))]

    def _file(self, receipt: Receipt, content: bytes) -> Pairs:
        sent = content[:-1] + b" " if receipt.spoilt else content
        return [
            ("Format", "XML"),
            ("Content", sent),
            ("Size", len(content)),
            ("Sha256", hashlib.sha256(content).hexdigest()),
            ("Sm3", sm3(content)),
            ("SealSignature", self._seal(content) if self._seal else None),
        ]

    # -- questions ----------------------------------------------------------------------------------------------------

    def get(self, call: Call, fields: Fields) -> Answer:
        """READY, PREPARING (booked soon, or held back), NONE. The format is XML whatever was asked for."""
        record, receipt = self._asked(fields)
        if record is None or record.status == "RJCT":
            return Answer([("ReceiptStatus", "NONE")])
        if receipt is None or receipt.state == "HELD":
            return Answer([("ReceiptStatus", "PREPARING")])
        return Answer([("ReceiptStatus", "READY"), ("Receipt", self._pairs(receipt))])

    def _asked(self, fields: Fields) -> tuple[Record | None, Receipt | None]:
        if "ReceiptNo" in fields:
            receipt = self.table.get(fields["ReceiptNo"])
            return (None if receipt is None else self.payouts.records[receipt.record_key]), receipt
        by_serial = "OrigSerial" in fields
        record = self.payouts.by_serial(fields["OrigSerial"]) if by_serial else self.payouts.by_txn(fields["BankTxnNo"])
        numbers = self._of_record.get(record.key, []) if record else []
        return record, (self.table[numbers[0]] if numbers else None)

    # -- controls -----------------------------------------------------------------------------------------------------

    def _made_for(self, serial: str) -> list[Receipt]:
        record = self.payouts.by_serial(serial)
        return [self.table[no] for no in self._of_record.get(record.key, ())] if record else []

    def _mark(self, name: str, **mark: Any) -> None:
        self._marks.put(name, {**(self._marks.get(name) or {}), **mark})

    def hold(self, serial: str) -> int:
        """Keeps receipts back: of one payment order, or of all until released. Returns how many were waiting."""
        waiting = [r for r in (self._made_for(serial) if serial else self.table.values()) if r.state == "WAITING"]
        for receipt in waiting:
            self.table.put(receipt.no, replace(receipt, state="HELD"))
        if not serial:
            self._marks.put(_ALL, {"held": True})
        elif not self._made_for(serial):
            self._mark(serial, held=True)
        return len(waiting)

    def release(self, serial: str) -> int:
        """Sends what was held back and puts right what was spoilt; returns how many were sent."""
        if serial:
            self._marks.delete(serial)
        else:
            for name in list(self._marks.keys()):
                self._marks.delete(name)
        chosen = self._made_for(serial) if serial else list(self.table.values())
        wrong = [r for r in chosen if r.state == "HELD" or r.spoilt or r.amount_fen != self._true_amount(r)]
        for receipt in wrong:
            right = replace(receipt, state="WAITING", spoilt=False, amount_fen=self._true_amount(receipt))
            self.table.put(receipt.no, right)
            self._send(right)
        return len(wrong)

    def _true_amount(self, receipt: Receipt) -> int:
        return self.payouts.records[receipt.record_key].amount_fen

    def corrupt(self, serial: str, amount_fen: int) -> int:
        """Spoils the receipt of an order (or the next one made): another amount, or bytes unlike the digests."""
        made = self._made_for(serial) if serial else []
        spoilt = not amount_fen
        for receipt in made:
            changed = replace(receipt, spoilt=spoilt, amount_fen=amount_fen or receipt.amount_fen)
            if changed.state == "DELIVERED":
                changed = replace(changed, state="WAITING")
                self._send(changed)
            self.table.put(receipt.no, changed)
        if not made:
            self._mark(serial or _NEXT, spoilt=spoilt, amount_fen=amount_fen)
        return len(made)

    def duplicate(self, serial: str, amount_fen: int) -> int:
        """A second receipt with a number of its own for the same order (or for the next one booked)."""
        record = self.payouts.by_serial(serial) if serial else None
        if record is None or not record.txn_no:
            self._mark(serial or _NEXT, twice=True, second_fen=amount_fen)
            return 0
        self._make(record, amount_fen or record.amount_fen, spoilt=False, held=bool(self._marks.get(_ALL)))
        return 1

    def show(self) -> list[dict[str, Any]]:
        order = self.payouts.records
        return [{**asdict(r), "pay_order_no": order[r.record_key].serial} for r in self.table.values()]


def document(bank: str, plain: Pairs, payer: Account, payee: Account) -> bytes:
    """The receipt's own file: an XML document, the same bytes whenever it is asked for."""
    root = etree.Element(
        "ElectronicReceipt", title=f"{bank}电子回单", notice="本回单不作为收款方发货依据，请勿重复记账"
    )
    for name, value in plain:
        if name in ("Payer", "Payee"):
            account = payer if name == "Payer" else payee
            part = etree.SubElement(root, name)
            for inner, text in account.pairs:
                etree.SubElement(part, inner).text = str(text)
        else:
            etree.SubElement(root, name).text = str(value)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
