"""Payout batches (D.6): checked whole before anything is booked, booked record by record; money that comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives import hashes

from simulators.bank.books import Books
from simulators.bank.notices import Notices
from simulators.bank.rows import Account, Answer, Batch, Fields, Movement, Pairs, Record, Refusal
from simulators.common.faults import Fault
from simulators.common.journal import Journal
from simulators.common.server import Call

_STATUSES = ("RCVD", "ACSP", "PDNG", "ACSC", "ACCC", "RJCT", "CANC", "RETURNED")
_DEFAULT_REFUSAL = "AC04"


def _load_batch(row: dict[str, Any]) -> Batch:
    return Batch(**{**row, "keys": tuple(row["keys"])})


def _load_record(row: dict[str, Any]) -> Record:
    return Record(**row)


def digest(fields: Fields) -> str:
    """DigestSm3 of a batch as the contract defines it (README of the contract, "Batch digest")."""
    head = (fields["Serial"], fields["BizDate"], fields["PayerAccount"]["AcctNo"])
    lines = ["|".join((*head, fields["TotalCount"], fields["TotalFen"]))]
    for record in fields["Records"]["Record"]:
        payee = record["PayeeAccount"]
        account = (payee["AcctNo"], payee["AcctName"], payee["BankCode"])
        own = (record["AmountFen"], record["HospitalCode"], record["Purpose"])
        lines.append("|".join((record["RecordNo"], record["RecSerial"], *account, *own)))
    sm3 = hashes.Hash(hashes.SM3())
    sm3.update("".join(f"{line}\n" for line in lines).encode())
    return sm3.finalize().hex()


class Payouts:
    """``booked`` is told of every record booked (receipts); ``later`` books a batch in business seconds."""

    def __init__(
        self,
        books: Books,
        journal: Journal,
        notices: Notices,
        booked: Callable[[Record], None],
        later: Callable[[str, float], None],
    ) -> None:
        self._books = books
        self._notices = notices
        self._booked = booked
        self._later = later
        self.batches = journal.table("batches", load=_load_batch)
        self.records = journal.table("records", load=_load_record)
        self._batch_of: dict[tuple[str, str], str] = {}
        self._by_serial: dict[str, str] = {}
        self._by_txn: dict[str, str] = {}
        self.batches.watch(self._index_batch)
        self.records.watch(self._index_record)

    def _index_batch(self, key: str, old: Batch | None, new: Batch | None) -> None:
        row = new or old
        if row is not None:
            _place(self._batch_of, (row.sender, row.serial), key, new is not None)

    def _index_record(self, key: str, old: Record | None, new: Record | None) -> None:
        row = new or old
        if row is None:
            return
        _place(self._by_serial, row.serial, key, new is not None)
        for number in (row.txn_no, row.return_txn_no):
            if number:
                _place(self._by_txn, number, key, new is not None)

    def by_serial(self, serial: str) -> Record | None:
        """The record of a payment order (its RecSerial)."""
        return self.records.get(self._by_serial.get(serial, ""))

    def by_txn(self, number: str) -> Record | None:
        return self.records.get(self._by_txn.get(number, ""))

    # -- submitting ---------------------------------------------------------------------------------------------------

    def submit(self, call: Call, sender: str, fields: Fields) -> Answer:
        records: list[Fields] = fields["Records"]["Record"]
        payer = self._check(fields, records)
        no = self._books.number("BB")
        made = [self._make(no, record, call.rejected_records) for record in records]
        batch = Batch(
            no=no,
            sender=sender,
            serial=fields["Serial"],
            payer_acct=payer.acct_no,
            biz_date=fields["BizDate"],
            total_fen=int(fields["TotalFen"]),
            keys=tuple(record.key for record in made),
            at=call.at.isoformat(timespec="milliseconds"),
        )
        self.batches.put(no, batch)
        for record in made:
            self.records.put(record.key, record)
        self._book_soon(no)
        return self._accepted(call, batch, made)

    def _check(self, fields: Fields, records: list[Fields]) -> Account:
        """Everything that turns the whole batch away, before anything is booked. Raises Refusal."""
        serials = [record["RecSerial"] for record in records]
        total = sum(int(record["AmountFen"]) for record in records)
        if int(fields["TotalCount"]) != len(records) or int(fields["TotalFen"]) != total:
            raise Refusal("AM10", "笔数或合计金额不符")
        if len({record["RecordNo"] for record in records}) != len(records) or len(set(serials)) != len(serials):
            raise Refusal("RF01", "批内序号或流水号重复")
        if self._books.settings.dedup and any(serial in self._by_serial for serial in serials):
            raise Refusal("RF01", "流水号与以往批次重复")
        if fields["DigestSm3"] != digest(fields):
            raise Refusal("FF01", "批次摘要不符")
        payer = self._books.accounts.get(fields["PayerAccount"]["AcctNo"])
        if payer is None or payer.kind != "AGENCY":
            raise Refusal("AC01", "付款账户不存在")
        if payer.acct_name != fields["PayerAccount"]["AcctName"]:
            raise Refusal("BE01", "付款户名与账号不符")
        if payer.balance_fen < total:
            raise Refusal("AM04", "付款账户余额不足")
        return payer

    def _make(self, batch_no: str, fields: Fields, told_to_refuse: dict[str, Fault]) -> Record:
        """One record, refused singly where its payee account is wrong (or a fault names its hospital)."""
        record = Record(
            key=f"{batch_no}-{int(fields['RecordNo']):04d}",
            batch_no=batch_no,
            number=int(fields["RecordNo"]),
            serial=fields["RecSerial"],
            payee_acct=fields["PayeeAccount"]["AcctNo"],
            amount_fen=int(fields["AmountFen"]),
            hospital=fields["HospitalCode"],
            status="ACSP",
        )
        try:
            fault = told_to_refuse.get(record.hospital)
            if fault is not None:
                raise Refusal(fault.code or _DEFAULT_REFUSAL, fault.message or "收款账户不可用")
            payee = self._books.payee(fields["PayeeAccount"])
            if payee.owner != record.hospital:
                raise Refusal("BE01", "账户不属于该机构")
        except Refusal as refusal:
            return replace(record, status="RJCT", reason=refusal.code, reason_text=refusal.text)
        return record

    def _accepted(self, call: Call, batch: Batch, records: list[Record]) -> Answer:
        rejected = [record for record in records if record.status == "RJCT"]
        accepted = [record for record in records if record.status != "RJCT"]
        pairs: Pairs = [
            ("BatchStatus", "ACCP"),
            ("BankBatchNo", batch.no),
            ("AcceptedCount", len(accepted)),
            ("AcceptedFen", sum(record.amount_fen for record in accepted)),
            ("RejectedRecords", [("Record", _rejected(record)) for record in rejected] or None),
        ]
        return Answer(pairs, batch.serial)

    def refused(self, sender: str, fields: Fields, refusal: Refusal) -> None:
        """Keeps a batch that was turned away as a whole: a question by its number is answered RJCT."""
        batch = Batch(
            no=self._books.number("BB"),
            sender=sender,
            serial=fields["Serial"],
            payer_acct=fields["PayerAccount"]["AcctNo"],
            biz_date=fields["BizDate"],
            total_fen=int(fields["TotalFen"]),
            keys=(),
            at=self._books.now().isoformat(timespec="milliseconds"),
            reason=refusal.code,
            reason_text=refusal.text,
        )
        self.batches.put(batch.no, batch)

    # -- booking ------------------------------------------------------------------------------------------------------

    def _book_soon(self, batch_no: str) -> None:
        wait = self._books.settings.payout_seconds
        if wait:
            self._later(batch_no, wait)
        else:
            self.book(batch_no)

    def book(self, batch_no: str) -> None:
        """Books every accepted record of a batch and tells of each record, the refused ones too."""
        batch = self.batches.get(batch_no)
        if batch is None:
            return
        for key in batch.keys:
            record = self.records[key]
            if record.status == "ACSP":
                record = self._book(batch, record)
            self._tell(batch, record, "PAYOUT_RECORD", record.txn_no)

    def _book(self, batch: Batch, record: Record) -> Record:
        now = self._books.now().isoformat(timespec="milliseconds")
        number, day = self._books.number("BT"), self._books.bank_day()
        record = replace(record, status="ACSC", txn_no=number, booked_at=now, booking_date=day)
        self._books.move(batch.payer_acct, record.payee_acct, record.amount_fen)
        self.records.put(record.key, record)
        detail = {"bank_txn_no": number, "batch_no": batch.serial, "payee_acct": record.payee_acct}
        self._books.ledger.effect("SubmitPayoutBatch", record.serial, record.amount_fen, record.hospital, detail)
        self._movement(batch, record, "PAYOUT", "C", number)
        self._booked(record)
        return record

    def _movement(self, batch: Batch, record: Record, kind: str, direction: str, number: str) -> None:
        back = kind == "PAYOUT_RETURN"
        self._books.record(
            Movement(
                kind=kind,
                serial=record.serial,
                batch_no=batch.serial,
                txn_no=number,
                orig_serial=record.serial if back else "",
                amount_fen=record.amount_fen,
                direction=direction,
                payer=record.payee_acct if back else batch.payer_acct,
                payee=batch.payer_acct if back else record.payee_acct,
                status=record.status,
                booked_at=self._books.now().isoformat(timespec="milliseconds"),
                booking_date=self._books.bank_day(),
            )
        )

    def _tell(self, batch: Batch, record: Record, event: str, number: str) -> None:
        content = {
            "OrigSerial": record.serial,
            "BankTxnNo": number or record.key,
            "BatchNo": batch.serial,
            "Status": record.status,
            "ReasonCode": record.reason,
            "ReasonText": record.reason_text,
            "AmountFen": record.amount_fen,
            "BookingDate": self._books.bank_day(),
        }
        self._notices.tell(event, "SubmitPayoutBatch", content)

    def bounce(self, serial: str, reason: str) -> Record:
        """The money of a booked record comes back (退汇). Raises Refusal when it was not booked or is back already."""
        record = self.by_serial(serial)
        if record is None or record.status != "ACSC":
            raise Refusal("NOOR", "该笔未入账或已退回")
        batch = self.batches[record.batch_no]
        now = self._books.now().isoformat(timespec="milliseconds")
        number = self._books.number("BT")
        record = replace(record, status="RETURNED", reason=reason, returned_at=now, return_txn_no=number)
        self._books.move(record.payee_acct, batch.payer_acct, record.amount_fen)
        self.records.put(record.key, record)
        detail = {"bank_txn_no": number, "orig_bank_txn_no": record.txn_no, "reason": reason}
        self._books.ledger.effect("PayoutReturn", record.serial, record.amount_fen, record.hospital, detail)
        self._movement(batch, record, "PAYOUT_RETURN", "D", number)
        self._tell(batch, record, "PAYOUT_RETURN", number)
        return record

    # -- questions ----------------------------------------------------------------------------------------------------

    def query(self, call: Call, sender: str, fields: Fields) -> Answer:
        """Per-record truth, paged; the filter narrows the records, never the totals."""
        page, size = int(fields["PageNo"]), int(fields["PageSize"])
        head: Pairs = [("BatchNo", fields["BatchNo"])]
        batch = self.batches.get(self._batch_of.get((sender, fields["BatchNo"]), ""))
        if batch is None:
            return Answer([("QueryResult", "NOT_FOUND"), *head, ("PageNo", page), ("PageCount", 0)])
        records = [self.records[key] for key in batch.keys]
        wanted = [r for r in records if r.status == fields.get("StatusFilter", r.status)]
        shown = wanted[(page - 1) * size : page * size]
        pairs: Pairs = [
            ("QueryResult", "FOUND"),
            *head,
            ("BankBatchNo", batch.no),
            ("BatchStatus", _batch_status(batch, records)),
            ("ReasonCode", batch.reason),
            ("ReasonText", batch.reason_text),
            ("TotalCount", len(records)),
            ("TotalFen", batch.total_fen),
            ("Totals", [("Total", total) for total in _totals(records)]),
            ("PageNo", page),
            ("PageCount", -(-len(wanted) // size)),
            ("Records", [("Record", _shown(record)) for record in shown]),
        ]
        return Answer(pairs, batch.serial)


def _place(index: dict[Any, str], name: Any, key: str, there: bool) -> None:
    if there:
        index[name] = key
    else:
        index.pop(name, None)


def _rejected(record: Record) -> Pairs:
    return [
        ("RecordNo", record.number),
        ("RecSerial", record.serial),
        ("ReasonCode", record.reason),
        ("ReasonText", record.reason_text),
    ]


def _shown(record: Record) -> Pairs:
    return [
        ("RecordNo", record.number),
        ("RecSerial", record.serial),
        ("AmountFen", record.amount_fen),
        ("Status", record.status),
        ("ReasonCode", record.reason),
        ("ReasonText", record.reason_text),
        ("BankTxnNo", record.txn_no),
        ("BookingDate", record.booking_date),
        ("ReturnedAt", record.returned_at),
    ]


def _batch_status(batch: Batch, records: list[Record]) -> str:
    """RJCT and ACSC when all records agree, ACSP while one is not booked, else PART."""
    statuses = {record.status for record in records}
    if batch.reason or statuses == {"RJCT"}:
        return "RJCT"
    if "ACSP" in statuses:
        return "ACSP"
    return "ACSC" if statuses == {"ACSC"} else "PART"


def _totals(records: Iterable[Record]) -> list[Pairs]:
    counts: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for record in records:
        counts[record.status] += 1
        sums[record.status] += record.amount_fen
    return [
        [("Status", status), ("Count", counts[status]), ("SumFen", sums[status])]
        for status in _STATUSES
        if counts[status]
    ]
