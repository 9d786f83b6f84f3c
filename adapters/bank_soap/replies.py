"""The tables of the twelve answers and of the e-receipt, element by element, in the order of the XSD.

Where an answer has no status of its own (agreements, batches, questions) it is derived from what it tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.bank_soap.binding import (
    BYTES,
    DAY,
    FLAG,
    FOUND,
    MOMENT,
    NUMBER,
    PACKED,
    REMARK,
    BindingError,
    Row,
    Table,
    Values,
    absent,
    derived,
    leaf,
    many,
    missing,
    offered,
    part,
    passed,
)
from adapters.bank_soap.structures import ACCOUNT, REASON, RESULT_HEAD, day, fen
from gateway.model import bank
from gateway.model.bank import BankStatus

# An agreement's state says what became of the operation; SUSP is an agreement that was signed.
MANDATE_STATUS: Final[Mapping[str, BankStatus]] = MappingProxyType(
    {
        "ACTV": BankStatus.ACSC,
        "SUSP": BankStatus.ACSC,
        "PDNG": BankStatus.PDNG,
        "RJCT": BankStatus.RJCT,
        "CANC": BankStatus.CANC,
        "EXPI": BankStatus.CANC,
    }
)
# PART says that some records are done: the records tell which.
BATCH_STATUS: Final[Mapping[str, BankStatus]] = MappingProxyType(
    {
        "RCVD": BankStatus.RCVD,
        "ACCP": BankStatus.ACCP,
        "ACSP": BankStatus.ACSP,
        "PART": BankStatus.ACSP,
        "ACSC": BankStatus.ACSC,
        "RJCT": BankStatus.RJCT,
    }
)
RECEIPT_STATUS: Final[Mapping[str, BankStatus]] = MappingProxyType(
    {"READY": BankStatus.ACSC, "PREPARING": BankStatus.PDNG, "NONE": BankStatus.UNKN}
)


def _agreement_status(values: Values) -> None:
    values["status"] = MANDATE_STATUS.get(values.get("agreement_status", ""), BankStatus.UNKN)


def _transaction_status(values: Values) -> None:
    """The question's own status repeats the original's; UNKN where the bank does not know it."""
    values["status"] = values.get("orig_status", BankStatus.UNKN)


def _batch_status(values: Values) -> None:
    values["status"] = BATCH_STATUS.get(values.get("batch_status", ""), BankStatus.UNKN)


def _receipt_status(values: Values) -> None:
    values["status"] = RECEIPT_STATUS[values["receipt_status"]]


def _held(values: Values) -> None:
    values["amount_fen"] = values.get("held_fen", 0)


def _captured(values: Values) -> None:
    values["amount_fen"] = values.get("captured_fen", 0)


def _released(values: Values) -> None:
    values["amount_fen"] = values.get("released_fen", 0)


def _returned(values: Values) -> None:
    """RETURNED is a settled record whose money came back: settled, with the moment of the return."""
    if values["status"] == "RETURNED":
        if "returned_at" not in values:
            raise BindingError("ReturnedAt")
        values["status"] = BankStatus.ACSC


def _sized(values: Values) -> None:
    """The file is as long as the bank says. Its digests are judged by a rule, not here (D.7)."""
    if int(values["@Size"]) != len(values["content"]):
        raise BindingError("Size")


RECEIPT: Final = Table(
    bank.Receipt,
    leaf("ReceiptNo", "receipt_no"),
    leaf("VerifyCode", "verify_code"),
    leaf("OrigSerial", "orig_serial", optional=True),
    leaf("BankTxnNo", "bank_txn_no"),
    leaf("BizType", "biz_type"),
    part("Payer", "payer", ACCOUNT),
    part("Payee", "payee", ACCOUNT),
    leaf("Currency", "currency"),
    leaf("AmountFen", "amount_fen", NUMBER),
    leaf("AmountInWords", "amount_in_words"),
    offered("FeeFen", "fee_fen", NUMBER),
    leaf("Summary", "summary", optional=True),
    leaf("Purpose", "purpose", optional=True),
    leaf("Postscript", "postscript", optional=True),
    leaf("TxnTime", "txn_time", MOMENT),
    leaf("BookingDate", "booking_date", DAY),
    offered("ValueDate", "value_date", DAY),
    passed("PrintCount"),
    leaf("Format", "format"),
    leaf("Content", "content", BYTES),
    derived("Size", lambda receipt: str(len(receipt.content))),
    leaf("Sha256", "sha256"),
    leaf("Sm3", "sm3"),
    leaf("SealSignature", "seal_signature", PACKED, optional=True),
    finish=_sized,
)
_REJECTED: Final = Table(
    bank.RejectedRecord,
    passed("RecordNo"),
    leaf("RecSerial", "rec_serial"),
    *REASON,
)
_RECORD_STATE: Final = Table(
    bank.PayoutRecordState,
    passed("RecordNo"),
    leaf("RecSerial", "rec_serial"),
    offered("AmountFen", "amount_fen", NUMBER),
    leaf("Status", "status"),
    *REASON,
    leaf("BankTxnNo", "bank_txn_no", optional=True),
    day("BookingDate", "booking_date"),
    leaf("ReturnedAt", "returned_at", MOMENT, optional=True),
    finish=_returned,
)
_AGREEMENT: Final[tuple[Row, ...]] = (leaf("AgreementStatus", "agreement_status", optional=True), *REASON)

REPLIES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "SignAgreement": Table(
            bank.AgreementReply,
            RESULT_HEAD,
            leaf("AgreementNo", "agreement_no", optional=True),
            *_AGREEMENT,
            passed("CreditLineNo"),
            fen("CreditLimitFen", "credit_limit_fen"),
            day("ValidTo", "valid_to"),
            leaf("FreeDays", "free_days", NUMBER, optional=True, skip=missing),
            leaf("NeedSms", "need_sms", FLAG),
            finish=_agreement_status,
        ),
        "CancelAgreement": Table(bank.AgreementReply, RESULT_HEAD, *_AGREEMENT, finish=_agreement_status),
        "QueryAgreement": Table(
            bank.AgreementReply,
            RESULT_HEAD,
            leaf("QueryResult", "found", FOUND),
            leaf("AgreementNo", "agreement_no", optional=True),
            *_AGREEMENT,
            passed("CreditLineNo", "SingleLimitFen", "DayLimitFen", "MonthLimitFen", "UsedTodayFen"),
            fen("CreditLimitFen", "credit_limit_fen"),
            fen("UsedFen", "used_fen"),
            fen("HeldFen", "held_fen"),
            offered("CreditAvailableFen", "credit_available_fen", NUMBER, skip=missing),
            leaf("FreeDays", "free_days", NUMBER, optional=True, skip=missing),
            day("ValidTo", "valid_to"),
            leaf("NeedSms", "need_sms", FLAG, optional=True),
            finish=_agreement_status,
        ),
        "Withhold": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *REASON,
            fen("AmountFen", "amount_fen"),
            day("BookingDate", "booking_date"),
            passed("FeeFen", "CreditUsedFen"),
        ),
        "QueryTransaction": Table(
            bank.TransactionReply,
            RESULT_HEAD,
            leaf("QueryResult", "found", FOUND),
            leaf("OrigSerial", "@orig_serial", optional=True),
            leaf("OrigTxCode", "@orig_tx_code", optional=True),
            leaf("OrigStatus", "orig_status", optional=True),
            leaf("OrigReason", "orig_reason", optional=True),
            leaf("OrigReasonText", "reason_text", REMARK, optional=True),
            fen("OrigAmountFen", "orig_amount_fen"),
            fen("RefundedFen", "refunded_fen"),
            leaf("PreAuthNo", "pre_auth_no", optional=True),
            fen("HeldFen", "held_fen"),
            fen("CapturedFen", "captured_fen"),
            fen("ReleasedFen", "released_fen"),
            offered("ExpiresAt", "expires_at", MOMENT),
            leaf("BankTxnNo", "bank_txn_no", optional=True),
            day("BookingDate", "booking_date"),
            finish=_transaction_status,
        ),
        "Refund": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *REASON,
            fen("RefundFen", "amount_fen"),
            fen("RefundedTotalFen", "refunded_total_fen"),
            day("BookingDate", "booking_date"),
        ),
        "PreAuthorise": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("PreAuthNo", "pre_auth_no", optional=True),
            leaf("Status", "status"),
            *REASON,
            fen("HeldFen", "held_fen"),
            leaf("ExpiresAt", "expires_at", MOMENT, optional=True),
            leaf("CreditAvailableFen", "credit_available_fen", NUMBER, optional=True, skip=missing),
            finish=_held,
        ),
        "CompletePreAuthorisation": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *REASON,
            fen("CapturedFen", "captured_fen"),
            fen("ReleasedFen", "released_fen"),
            day("BookingDate", "booking_date"),
            finish=_captured,
        ),
        "VoidPreAuthorisation": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *REASON,
            fen("ReleasedFen", "released_fen"),
            finish=_released,
        ),
        "SubmitPayoutBatch": Table(
            bank.PayoutBatchReply,
            RESULT_HEAD,
            leaf("BatchStatus", "status"),
            *REASON,
            leaf("BankBatchNo", "bank_batch_no", optional=True),
            leaf("AcceptedCount", "accepted_count", NUMBER, optional=True),
            leaf("AcceptedFen", "@accepted_fen", NUMBER, optional=True, skip=missing),
            many("RejectedRecords", "rejected", "Record", _REJECTED, optional=True),
        ),
        "QueryPayoutBatch": Table(
            bank.PayoutStateReply,
            RESULT_HEAD,
            leaf("QueryResult", "found", FOUND),
            leaf("BatchNo", "@batch_no"),
            offered("BankBatchNo", "bank_batch_no"),
            leaf("BatchStatus", "batch_status", optional=True),
            *REASON,
            leaf("TotalCount", "total_count", NUMBER, optional=True),
            leaf("TotalFen", "@total_fen", NUMBER, optional=True, skip=missing),
            passed("Totals", "PageNo", "PageCount"),
            many("Records", "records", "Record", _RECORD_STATE, optional=True, total="AmountFen"),
            finish=_batch_status,
        ),
        "GetReceipt": Table(
            bank.ReceiptReply,
            RESULT_HEAD,
            leaf("ReceiptStatus", "receipt_status"),
            part("Receipt", "receipt", RECEIPT, skip=absent),
            finish=_receipt_status,
        ),
    }
)
