"""pain.002: what the bank says of a message of the sender's, at once or when it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulators.bank.iso.documents import CREDIT_TRANSFER, STATUS_REPORT, Elements, Fen, document, yuan
from simulators.bank.iso.orders import Order
from simulators.bank.rows import Answer

SAME_DAY = "RVSD"
RETURNED = "RTRN"
NOT_RECEIVED = "NOT_RECEIVED"
_TEXT = 105


def _whole(order: Order, msg_id: str, at: str, group: Elements, transactions: Iterable[Elements]) -> bytes:
    listed = [("TxInfAndSts", one) for one in transactions]
    block = ("OrgnlPmtInfAndSts", [("OrgnlPmtInfId", order.about), *listed])
    head = [("OrgnlMsgId", order.about), ("OrgnlMsgNmId", order.message)]
    content = [
        ("GrpHdr", [("MsgId", msg_id), ("CreDtTm", at)]),
        ("OrgnlGrpInfAndSts", [*head, *group]),
        *([block] if listed else []),
    ]
    return document(STATUS_REPORT, content)


def _reason(code: str, text: str, *, own: bool = False) -> Elements:
    kind = "Prtry" if own else "Cd"
    return [("Rsn", [(kind, code)] if code else None), ("AddtlInf", text[:_TEXT])]


def rejection(order: Order, msg_id: str, at: str, code: str, text: str) -> bytes:
    """The whole message, for a reason that concerns all of it."""
    return _whole(order, msg_id, at, [("GrpSts", "RJCT"), ("StsRsnInf", _reason(code, text))], ())


def unknown(order: Order, msg_id: str, at: str) -> bytes:
    """A question about a message the bank never got."""
    return _whole(order, msg_id, at, [("StsRsnInf", _reason(NOT_RECEIVED, "未收到该报文", own=True))], ())


# -- one payment ----------------------------------------------------------------------------------------------------


def payment(order: Order, answer: Answer, msg_id: str, at: str) -> bytes:
    """The answer to a direct debit or a reversal."""
    told = dict(answer.pairs)
    amount = told.get("AmountFen", told.get("RefundFen"))
    return _payment(order, msg_id, at, {**told, "Fen": amount, "TxnNo": answer.txn_no}, told["Status"])


def payment_state(order: Order, answer: Answer, msg_id: str, at: str) -> bytes:
    """How a direct debit or a reversal stands. What was given back later was booked all the same."""
    told = dict(answer.pairs)
    if told["QueryResult"] != "FOUND":
        return unknown(order, msg_id, at)
    names = {"ReasonCode": "OrigReason", "ReasonText": "OrigReasonText", "Fen": "OrigAmountFen"}
    said = {name: told.get(field) for name, field in names.items()}
    status = told["OrigStatus"]
    if told["OrigTxCode"] == "Withhold" and status in ("RFND", "RVSD"):
        status = "ACSC"
    return _payment(order, msg_id, at, {**told, **said, "TxnNo": answer.txn_no}, status)


def _payment(order: Order, msg_id: str, at: str, told: dict[str, Any], status: str) -> bytes:
    undone = status == SAME_DAY
    plain = "ACSC" if undone else status
    reasons = [("StsRsnInf", _reason(SAME_DAY, "当日冲正", own=True))] if undone else []
    if told.get("ReasonCode"):
        reasons.append(("StsRsnInf", _reason(told["ReasonCode"], told.get("ReasonText") or "")))
    transaction = [
        ("OrgnlInstrId", order.about),
        ("OrgnlEndToEndId", order.end_to_end or order.about),
        ("TxSts", plain),
        *reasons,
        ("AcctSvcrRef", told["TxnNo"]),
        ("OrgnlTxRef", _terms(told.get("Fen"), told.get("BookingDate"))),
    ]
    return _whole(order, msg_id, at, [("GrpSts", plain)], [transaction])


def _terms(fen: Any, day: Any) -> Elements | None:
    terms = [("Amt", [("InstdAmt", Fen(int(fen)))] if fen else None), ("IntrBkSttlmDt", day)]
    return terms if fen or day else None


# -- a batch --------------------------------------------------------------------------------------------------------


def batch(order: Order, answer: Answer, msg_id: str, at: str) -> bytes:
    """The first word about a batch: what of it was taken, and each record that was not."""
    told = dict(answer.pairs)
    if told["BatchStatus"] == "RJCT":
        return rejection(order, msg_id, at, told["ReasonCode"], told["ReasonText"])
    refused = [dict(record) for _, record in told["RejectedRecords"] or ()]
    amounts = {row["RecSerial"]: int(row["AmountFen"]) for row in order.fields["Records"]["Record"]}
    lost = sum(amounts[record["RecSerial"]] for record in refused)
    status = "ACCP" if not refused else "PART" if told["AcceptedCount"] else "RJCT"
    group = [
        ("OrgnlNbOfTxs", len(amounts)),
        ("OrgnlCtrlSum", yuan(sum(amounts.values()))),
        ("GrpSts", status),
        *_tally("ACCP", told["AcceptedCount"], told["AcceptedFen"]),
        *_tally("RJCT", len(refused), lost),
    ]
    listed = (_record({**record, "Status": "RJCT", "AmountFen": amounts[record["RecSerial"]]}) for record in refused)
    return _whole(order, msg_id, at, group, listed)


def batch_state(order: Order, answer: Answer, msg_id: str, at: str) -> bytes:
    """How every record of a batch stands."""
    told = dict(answer.pairs)
    if told["QueryResult"] != "FOUND":
        return unknown(order, msg_id, at)
    if told["ReasonCode"]:
        return rejection(order, msg_id, at, told["ReasonCode"], told["ReasonText"])
    group = [
        ("OrgnlNbOfTxs", told["TotalCount"]),
        ("OrgnlCtrlSum", yuan(told["TotalFen"])),
        ("GrpSts", told["BatchStatus"]),
    ]
    return _whole(order, msg_id, at, group, [_record(dict(record)) for _, record in told["Records"]])


def record_status(content: dict[str, Any], msg_id: str, at: str) -> bytes:
    """One record of a batch, told by the bank itself."""
    order = Order("SubmitPayoutBatch", "", "", "", {}, CREDIT_TRANSFER, content["BatchNo"])
    told = {**content, "RecSerial": content["OrigSerial"]}
    if told["Status"] == "RJCT":
        told["BankTxnNo"] = ""
    return _whole(order, msg_id, at, [("GrpSts", "PART")], [_record(told)])


def _tally(status: str, count: int, fen: int) -> list[tuple[str, Any]]:
    row = [("DtldNbOfTxs", count), ("DtldSts", status), ("DtldCtrlSum", yuan(fen))]
    return [("NbOfTxsPerSts", row)] if count else []


def _record(told: dict[str, Any]) -> Elements:
    """A returned record was settled: its money came back, which is another event (退汇)."""
    back = told["Status"] == "RETURNED"
    reasons = [("StsRsnInf", _reason(RETURNED, told["ReturnedAt"], own=True))] if back else []
    if told.get("ReasonCode"):
        reasons.append(("StsRsnInf", _reason(told["ReasonCode"], told.get("ReasonText") or "")))
    return [
        ("OrgnlInstrId", told["RecSerial"]),
        ("OrgnlEndToEndId", told["RecSerial"]),
        ("TxSts", "ACSC" if back else told["Status"]),
        *reasons,
        ("AcctSvcrRef", told.get("BankTxnNo")),
        ("OrgnlTxRef", _terms(told.get("AmountFen"), told.get("BookingDate"))),
    ]
