"""The services' answers and pushes in the bank's words: names and values in the order of its XSD. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simulators.bank.cib import words
from simulators.bank.rows import Answer, Pairs

Tree = Sequence[tuple[str, Any]]
"""Elements by name; None is left out, a sequence of pairs nests, a list of such sequences repeats."""
Told = dict[str, Any]


def result(operation: str, answer: Answer, at: str, duplicate: bool) -> Tree:
    """The parts ``retHead`` and ``body``."""
    told = dict(answer.pairs)
    stamp = words.moment(at)
    head: Tree = [
        ("retCode", _code(told, answer)),
        ("retMsg", _message(told, answer)),
        ("orderNo", answer.serial or None),
        ("bankSeq", answer.txn_no or None),
        ("bankDate", stamp[:8]),
        ("bankTime", stamp[8:]),
        ("repeatFlag", "Y" if duplicate else None),
    ]
    return [("retHead", head), ("body", _TOLD[operation](told))]


def _code(told: Told, answer: Answer) -> str:
    if answer.refused:
        return words.reason(told.get("ReasonCode", ""))
    if told.get("QueryResult") == "NOT_FOUND":
        return words.NOT_FOUND
    return words.WORKING if told.get("Status") == "PDNG" else words.DONE


def _message(told: Told, answer: Answer) -> str:
    if answer.refused:
        return str(told.get("ReasonText") or "业务拒绝")
    return "未查到" if told.get("QueryResult") == "NOT_FOUND" else "处理成功"


# -- values -------------------------------------------------------------------------------------------------------


def _yuan(told: Told, name: str) -> str | None:
    value = told.get(name)
    return None if value is None else words.yuan(value)


def _day(told: Told, name: str) -> str | None:
    return words.day(told[name]) if told.get(name) else None


def _moment(told: Told, name: str) -> str | None:
    return words.moment(told[name]) if told.get(name) else None


def _trade(told: Told, name: str = "Status") -> str | None:
    return words.TRADE_STATUS[told[name]] if told.get(name) else None


def _agreement(told: Told) -> str | None:
    return words.AGREEMENT_STATUS[told["AgreementStatus"]] if told.get("AgreementStatus") else None


def _why(told: Told, name: str = "ReasonCode") -> str | None:
    return words.reason(told[name]) if told.get(name) else None


def _account(pairs: Pairs) -> Tree:
    told = dict(pairs)
    return [
        ("acctNo", told["AcctNo"]), ("acctNm", told["AcctName"]), ("bankNo", told["BankCode"]),
        ("bankNm", told["BankName"]),
    ]  # fmt: skip


# -- answers ------------------------------------------------------------------------------------------------------


def _sign(told: Told) -> Tree:
    return [
        ("agrNo", told.get("AgreementNo")),
        ("agrSts", _agreement(told)),
        ("smsFlag", words.yes(bool(told.get("NeedSms")))),
        ("creditAmt", _yuan(told, "CreditLimitFen")),
        ("freeDays", told.get("FreeDays")),
        ("endDate", _day(told, "ValidTo")),
    ]


def _cancel(told: Told) -> Tree:
    return [("agrSts", _agreement(told))]


def _ask_agreement(told: Told) -> Tree:
    return [
        ("agrNo", told.get("AgreementNo")),
        ("agrSts", _agreement(told)),
        ("failCode", _why(told)),
        ("failMsg", told.get("ReasonText") or None),
        ("creditAmt", _yuan(told, "CreditLimitFen")),
        ("usedAmt", _yuan(told, "UsedFen")),
        ("frzAmt", _yuan(told, "HeldFen")),
        ("availAmt", _yuan(told, "CreditAvailableFen")),
        ("freeDays", told.get("FreeDays")),
        ("endDate", _day(told, "ValidTo")),
        ("smsFlag", None if "NeedSms" not in told else words.yes(told["NeedSms"])),
    ]


def _withhold(told: Told) -> Tree:
    return [("tradeSts", _trade(told)), ("payAmt", _yuan(told, "AmountFen")), ("acctDate", _day(told, "BookingDate"))]


def _refund(told: Told) -> Tree:
    return [
        ("tradeSts", _trade(told)),
        ("refundAmt", _yuan(told, "RefundFen")),
        ("totalRefundAmt", _yuan(told, "RefundedTotalFen")),
        ("acctDate", _day(told, "BookingDate")),
    ]


def _ask_trade(told: Told) -> Tree:
    return [
        ("oriOrderNo", told.get("OrigSerial")),
        ("tranKind", words.KIND_OF_TRADE[told["OrigTxCode"]] if "OrigTxCode" in told else None),
        ("tradeSts", _trade(told, "OrigStatus")),
        ("failCode", _why(told, "OrigReason")),
        ("failMsg", told.get("OrigReasonText") or None),
        ("tradeAmt", _yuan(told, "OrigAmountFen")),
        ("totalRefundAmt", _yuan(told, "RefundedFen")),
        ("frzNo", told.get("PreAuthNo")),
        ("frzAmt", _yuan(told, "HeldFen")),
        ("frzPayAmt", _yuan(told, "CapturedFen")),
        ("frzBackAmt", _yuan(told, "ReleasedFen")),
        ("expTime", _moment(told, "ExpiresAt")),
        ("acctDate", _day(told, "BookingDate")),
    ]


def _freeze(told: Told) -> Tree:
    return [
        ("tradeSts", _trade(told)),
        ("frzNo", told.get("PreAuthNo")),
        ("frzAmt", _yuan(told, "HeldFen")),
        ("availAmt", _yuan(told, "CreditAvailableFen")),
        ("expTime", _moment(told, "ExpiresAt")),
    ]


def _freeze_pay(told: Told) -> Tree:
    return [
        ("tradeSts", _trade(told)),
        ("payAmt", _yuan(told, "CapturedFen")),
        ("backAmt", _yuan(told, "ReleasedFen")),
        ("acctDate", _day(told, "BookingDate")),
    ]


def _unfreeze(told: Told) -> Tree:
    return [("tradeSts", _trade(told)), ("backAmt", _yuan(told, "ReleasedFen"))]


def _batch(told: Told) -> Tree:
    rejected = [dict(pairs) for _, pairs in told.get("RejectedRecords") or ()]
    rows = [
        [("orderNo", row["RecSerial"]), ("failCode", _why(row)), ("failMsg", row["ReasonText"])] for row in rejected
    ]
    return [
        ("batchSts", words.BATCH_STATUS[told["BatchStatus"]]),
        ("bankBatchNo", told.get("BankBatchNo")),
        ("okNum", told.get("AcceptedCount")),
        ("okAmt", _yuan(told, "AcceptedFen")),
        ("fails", [("row", rows)] if rows else None),
    ]


def _row(pairs: Pairs) -> Tree:
    row = dict(pairs)
    return [
        ("orderNo", row["RecSerial"]),
        ("payAmt", words.yuan(row["AmountFen"])),
        ("tradeSts", _trade(row)),
        ("failCode", _why(row)),
        ("failMsg", row["ReasonText"] or None),
        ("bankSeq", row["BankTxnNo"] or None),
        ("acctDate", _day(row, "BookingDate")),
        ("backTime", _moment(row, "ReturnedAt")),
    ]


def _ask_batch(told: Told) -> Tree:
    found = "BatchStatus" in told
    return [
        ("batchNo", told["BatchNo"]),
        ("bankBatchNo", told.get("BankBatchNo")),
        ("batchSts", words.BATCH_STATUS[told["BatchStatus"]] if found else None),
        ("failCode", _why(told)),
        ("failMsg", told.get("ReasonText") or None),
        ("totalNum", told.get("TotalCount")),
        ("totalAmt", _yuan(told, "TotalFen")),
        ("rows", [("row", [_row(pairs) for _, pairs in told["Records"]])] if found else None),
    ]


def _receipt(pairs: Pairs) -> Tree:
    told = dict(pairs)
    return [
        ("rcptNo", told["ReceiptNo"]),
        ("checkCode", told["VerifyCode"]),
        ("orderNo", told["OrigSerial"]),
        ("bankSeq", told["BankTxnNo"]),
        ("bizKind", told["BizType"]),
        ("payer", _account(told["Payer"])),
        ("payee", _account(told["Payee"])),
        ("ccy", told["Currency"]),
        ("payAmt", words.yuan(told["AmountFen"])),
        ("amtInWords", told["AmountInWords"]),
        ("digestMsg", told["Summary"]),
        ("postMsg", told["Postscript"]),
        ("tradeTime", words.moment(told["TxnTime"])),
        ("acctDate", words.day(told["BookingDate"])),
        ("fileKind", told["Format"]),
        ("file", told["Content"]),
        ("fileSize", told["Size"]),
        ("sha256", told["Sha256"]),
        ("sm3", told["Sm3"]),
        ("seal", told["SealSignature"]),
    ]


def _ask_receipt(told: Told) -> Tree:
    receipt = told.get("Receipt")
    return [
        ("rcptSts", words.RECEIPT_STATUS[told["ReceiptStatus"]]),
        ("rcpt", None if receipt is None else _receipt(receipt)),
    ]


_TOLD: dict[str, Callable[[Told], Tree]] = {
    "SignAgreement": _sign,
    "CancelAgreement": _cancel,
    "QueryAgreement": _ask_agreement,
    "Withhold": _withhold,
    "Refund": _refund,
    "QueryTransaction": _ask_trade,
    "PreAuthorise": _freeze,
    "CompletePreAuthorisation": _freeze_pay,
    "VoidPreAuthorisation": _unfreeze,
    "SubmitPayoutBatch": _batch,
    "QueryPayoutBatch": _ask_batch,
    "GetReceipt": _ask_receipt,
}

# -- pushes -------------------------------------------------------------------------------------------------------


def push(operation: str, pairs: Pairs) -> Tree:
    """The part ``body`` of a push."""
    told = dict(pairs)
    if operation == "DeliverReceipt":
        return [("noticeNo", told["NotifyNo"]), ("rcpt", _receipt(told["Receipt"]))]
    status = words.AGREEMENT_STATUS if told["EventType"] in ("AGREEMENT", "DEFAULT") else words.TRADE_STATUS
    return [
        ("noticeNo", told["NotifyNo"]),
        ("eventNo", words.EVENTS[told["EventType"]]),
        ("tryNum", told["Attempt"]),
        ("orderNo", told.get("OrigSerial")),
        ("batchNo", told.get("BatchNo")),
        ("agrNo", told.get("AgreementNo")),
        ("bankSeq", told["BankTxnNo"]),
        ("sts", status[told["Status"]]),
        ("failCode", _why(told)),
        ("failMsg", told.get("ReasonText") or None),
        ("tradeAmt", _yuan(told, "AmountFen")),
        ("creditAmt", _yuan(told, "CreditLimitFen")),
        ("acctDate", _day(told, "BookingDate")),
        ("eventTime", words.moment(told["OccurredAt"])),
        ("repayWay", words.REPAY_WAYS[told["Channel"]] if told.get("Channel") else None),
        ("repaySeq", told.get("ChannelSerial")),
        ("overDays", told.get("DaysOverdue")),
        ("pbcNo", told.get("CbRef")),
    ]
