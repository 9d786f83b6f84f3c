"""The tables of the channel: every message of the contract, element by element, in the order of its XSD.

Elements the canonical model has no word for are listed as passed over or offered, so that a change of the contract is
noticed (a test compares these tables with the XSD).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

from adapters.bank_soap.binding import (
    BYTES,
    DAY,
    FLAG,
    FOUND,
    MOMENT,
    NUMBER,
    PACKED,
    PERSONAL,
    REMARK,
    BindingError,
    Row,
    Table,
    Values,
    absent,
    box,
    derived,
    leaf,
    many,
    missing,
    offered,
    one_of,
    part,
    passed,
)
from gateway.model import bank
from gateway.model.bank import BankStatus

VERSION: Final = "1.0"

# -- structures -----------------------------------------------------------------------------------------------------

ACCOUNT: Final = Table(
    bank.Account,
    leaf("AcctNo", "acct_no", PERSONAL),
    leaf("AcctName", "acct_name", PERSONAL),
    leaf("BankCode", "bank_code"),
    leaf("BankName", "bank_name"),
)
PAYER_ACCOUNT: Final = Table(
    bank.Account,
    leaf("AcctNo", "acct_no", PERSONAL),
    leaf("AcctName", "acct_name", PERSONAL),
    leaf("BankCode", "bank_code", optional=True),
    leaf("BankName", "bank_name", optional=True),
)

HEADER: Final = box(
    "Header",
    leaf("MsgId", "@msg_id"),
    leaf("SenderId", "@sender_id"),
    leaf("ReceiverId", "@receiver_id"),
    leaf("CreatedAt", "@created_at", MOMENT),
    leaf("TxCode", "@tx_code"),
    leaf("Version", "@version"),
)
RESULT_HEAD: Final = box(
    "ResultHead",
    leaf("RespCode", "@resp_code"),
    leaf("RespMsg", "@resp_msg", REMARK),
    leaf("Serial", "@serial", optional=True),
    leaf("BankTxnNo", "bank_txn_no", optional=True),
    leaf("BankTime", "bank_time", MOMENT),
    leaf("Duplicate", "duplicate", FLAG, optional=True),
)
SERIAL: Final = leaf("Serial", "serial")
_REASON: Final[tuple[Row, Row]] = (
    leaf("ReasonCode", "reason_code", optional=True),
    leaf("ReasonText", "reason_text", REMARK, optional=True),
)


def _fen(name: str, attr: str) -> Row:
    return leaf(name, attr, NUMBER, optional=True)


def _day(name: str, attr: str) -> Row:
    return leaf(name, attr, DAY, optional=True)


# -- requests -------------------------------------------------------------------------------------------------------


def _complete_sign(values: Values) -> None:
    """Where no account is needed (BANK_ADVANCE, R-040) the payer's name stands alone on the wire."""
    if "payer" not in values:
        values["payer"] = bank.Account.model_validate({"acct_no": "", "acct_name": values["@Name"]})
    values.setdefault("mobile", "")


def batch_digest(batch: bank.SubmitPayoutBatch) -> str:
    """SM3 over the batch as the contract words it (README of the contract, 批量摘要), lower-case hex."""
    head = (batch.serial, batch.biz_date, batch.payer.acct_no.reveal(), len(batch.records), batch.total_fen)
    lines = ["|".join(map(str, head))]
    for record in batch.records:
        payee = record.payee
        lines.append(
            f"{record.record_no}|{record.rec_serial}|{payee.acct_no.reveal()}|{payee.acct_name.reveal()}"
            f"|{payee.bank_code}|{record.amount_fen}|{record.hospital_code}|{record.purpose}"
        )
    digest = Hash(SM3())
    try:
        digest.update(("\n".join(lines) + "\n").encode())
    except UnicodeEncodeError:  # a lone surrogate; its error would repeat the whole text
        raise BindingError("DigestSm3") from None
    return digest.finalize().hex()


_RECORD: Final = Table(
    bank.PayoutRecord,
    leaf("RecordNo", "record_no", NUMBER),
    leaf("RecSerial", "rec_serial"),
    part("PayeeAccount", "payee", ACCOUNT),
    leaf("AmountFen", "amount_fen", NUMBER),
    leaf("HospitalCode", "hospital_code"),
    leaf("Purpose", "purpose"),
)

REQUESTS: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "SignAgreement": Table(
            bank.SignAgreement,
            HEADER,
            SERIAL,
            leaf("AgreementType", "agreement_type"),
            leaf("Funding", "funding", optional=True),
            box(
                "Payer",
                derived("Name", lambda request: request.payer.acct_name.reveal()),
                part("Account", "payer", PAYER_ACCOUNT, skip=lambda account: not account.acct_no),
                leaf("IdType", "id_type"),
                leaf("IdNo", "id_no", PERSONAL),
                leaf("Mobile", "mobile", PERSONAL, optional=True),
            ),
            leaf("PayeeId", "payee_id"),
            offered("PendingAgreementNo", "pending_agreement_no"),
            leaf("SmsToken", "sms_token", optional=True),
            passed("AuthRef"),
            offered("CommitmentDigest", "commitment_digest"),
            leaf("LimitCapFen", "limit_cap_fen", NUMBER, optional=True, skip=missing),
            passed("SingleLimitFen", "DayLimitFen", "MonthLimitFen"),
            leaf("ValidFrom", "valid_from", DAY),
            _day("ValidTo", "valid_to"),
            passed("CreditLineNo"),
            finish=_complete_sign,
        ),
        "CancelAgreement": Table(
            bank.CancelAgreement, HEADER, SERIAL, leaf("AgreementNo", "agreement_no"), leaf("Reason", "reason")
        ),
        "QueryAgreement": Table(
            bank.QueryAgreement,
            HEADER,
            one_of(("AgreementNo", "agreement_no"), ("SignSerial", "sign_serial")),
            passed("PayerIdNo", "PayeeId"),
        ),
        "Withhold": Table(
            bank.Withhold,
            HEADER,
            SERIAL,
            leaf("AgreementNo", "agreement_no"),
            leaf("AmountFen", "amount_fen", NUMBER),
            leaf("PayerName", "payer_name", PERSONAL),
            part("PayeeAccount", "payee", ACCOUNT),
            leaf("VisitNo", "visit_no"),
            leaf("BillNo", "bill_no"),
            leaf("Purpose", "purpose"),
            leaf("RequestedDate", "requested_date", DAY),
        ),
        "QueryTransaction": Table(
            bank.QueryTransaction,
            HEADER,
            leaf("OrigSerial", "orig_serial"),
            _day("OrigDate", "orig_date"),
            passed("BankTxnNo"),
            leaf("OrigTxCode", "orig_tx_code"),
        ),
        "Refund": Table(
            bank.Refund,
            HEADER,
            SERIAL,
            leaf("OrigSerial", "orig_serial"),
            leaf("OrigBankTxnNo", "orig_bank_txn_no", optional=True),
            leaf("RefundFen", "refund_fen", NUMBER),
            leaf("OrigAmountFen", "orig_amount_fen", NUMBER),
            leaf("Reason", "reason"),
        ),
        "PreAuthorise": Table(
            bank.PreAuthorise,
            HEADER,
            SERIAL,
            leaf("AgreementNo", "agreement_no"),
            passed("CreditLineNo"),
            leaf("AmountFen", "amount_fen", NUMBER),
            part("PayeeAccount", "payee", ACCOUNT, skip=absent, offer=True),
            leaf("AdmissionNo", "admission_no"),
            leaf("ValidDays", "valid_days", NUMBER),
        ),
        "CompletePreAuthorisation": Table(
            bank.CompletePreAuthorisation,
            HEADER,
            SERIAL,
            leaf("PreAuthNo", "pre_auth_no"),
            leaf("OrigSerial", "orig_serial"),
            leaf("AmountFen", "amount_fen", NUMBER),
            part("PayeeAccount", "payee", ACCOUNT, skip=absent, offer=True),
            leaf("Final", "final", FLAG),
        ),
        "VoidPreAuthorisation": Table(
            bank.VoidPreAuthorisation,
            HEADER,
            SERIAL,
            leaf("PreAuthNo", "pre_auth_no"),
            leaf("OrigSerial", "orig_serial"),
            leaf("AmountFen", "amount_fen", NUMBER),
        ),
        "SubmitPayoutBatch": Table(
            bank.SubmitPayoutBatch,
            HEADER,
            SERIAL,
            part("PayerAccount", "payer", ACCOUNT),
            leaf("BizDate", "biz_date", DAY),
            derived("TotalCount", lambda batch: str(len(batch.records))),
            derived("TotalFen", lambda batch: str(batch.total_fen)),
            many("Records", "records", "Record", _RECORD),
            derived("DigestSm3", batch_digest),
        ),
        "QueryPayoutBatch": Table(
            bank.QueryPayoutBatch,
            HEADER,
            leaf("BatchNo", "batch_no"),
            leaf("PageNo", "page_no", NUMBER),
            leaf("PageSize", "page_size", NUMBER),
            passed("StatusFilter"),
        ),
        "GetReceipt": Table(
            bank.GetReceipt,
            HEADER,
            one_of(("OrigSerial", "orig_serial"), ("BankTxnNo", "bank_txn_no"), ("ReceiptNo", "receipt_no")),
            leaf("Format", "format"),
        ),
    }
)

# -- replies --------------------------------------------------------------------------------------------------------

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
    *_REASON,
)
_RECORD_STATE: Final = Table(
    bank.PayoutRecordState,
    passed("RecordNo"),
    leaf("RecSerial", "rec_serial"),
    offered("AmountFen", "amount_fen", NUMBER),
    leaf("Status", "status"),
    *_REASON,
    leaf("BankTxnNo", "bank_txn_no", optional=True),
    _day("BookingDate", "booking_date"),
    leaf("ReturnedAt", "returned_at", MOMENT, optional=True),
    finish=_returned,
)
_AGREEMENT: Final[tuple[Row, ...]] = (leaf("AgreementStatus", "agreement_status", optional=True), *_REASON)

REPLIES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "SignAgreement": Table(
            bank.AgreementReply,
            RESULT_HEAD,
            leaf("AgreementNo", "agreement_no", optional=True),
            *_AGREEMENT,
            passed("CreditLineNo"),
            _fen("CreditLimitFen", "credit_limit_fen"),
            _day("ValidTo", "valid_to"),
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
            _fen("CreditLimitFen", "credit_limit_fen"),
            _fen("UsedFen", "used_fen"),
            _fen("HeldFen", "held_fen"),
            offered("CreditAvailableFen", "credit_available_fen", NUMBER, skip=missing),
            leaf("FreeDays", "free_days", NUMBER, optional=True, skip=missing),
            _day("ValidTo", "valid_to"),
            leaf("NeedSms", "need_sms", FLAG, optional=True),
            finish=_agreement_status,
        ),
        "Withhold": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *_REASON,
            _fen("AmountFen", "amount_fen"),
            _day("BookingDate", "booking_date"),
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
            _fen("OrigAmountFen", "orig_amount_fen"),
            _fen("RefundedFen", "refunded_fen"),
            leaf("PreAuthNo", "pre_auth_no", optional=True),
            _fen("HeldFen", "held_fen"),
            _fen("CapturedFen", "captured_fen"),
            _fen("ReleasedFen", "released_fen"),
            offered("ExpiresAt", "expires_at", MOMENT),
            leaf("BankTxnNo", "bank_txn_no", optional=True),
            _day("BookingDate", "booking_date"),
            finish=_transaction_status,
        ),
        "Refund": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *_REASON,
            _fen("RefundFen", "amount_fen"),
            _fen("RefundedTotalFen", "refunded_total_fen"),
            _day("BookingDate", "booking_date"),
        ),
        "PreAuthorise": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("PreAuthNo", "pre_auth_no", optional=True),
            leaf("Status", "status"),
            *_REASON,
            _fen("HeldFen", "held_fen"),
            leaf("ExpiresAt", "expires_at", MOMENT, optional=True),
            leaf("CreditAvailableFen", "credit_available_fen", NUMBER, optional=True, skip=missing),
            finish=_held,
        ),
        "CompletePreAuthorisation": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *_REASON,
            _fen("CapturedFen", "captured_fen"),
            _fen("ReleasedFen", "released_fen"),
            _day("BookingDate", "booking_date"),
            finish=_captured,
        ),
        "VoidPreAuthorisation": Table(
            bank.MoneyReply,
            RESULT_HEAD,
            leaf("Status", "status"),
            *_REASON,
            _fen("ReleasedFen", "released_fen"),
            finish=_released,
        ),
        "SubmitPayoutBatch": Table(
            bank.PayoutBatchReply,
            RESULT_HEAD,
            leaf("BatchStatus", "status"),
            *_REASON,
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
            *_REASON,
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

# -- from the bank --------------------------------------------------------------------------------------------------

# Money that came back is no state of a transaction but must not look like the settling either: (BankTxnNo, Status) is
# a key of the bank's repeats. A suspended agreement is one that does not work for now.
NOTICE_STATUS: Final[Mapping[str, BankStatus]] = MappingProxyType(
    {
        "RETURNED": BankStatus.RVSD,
        "ACTV": BankStatus.ACSC,
        "SUSP": BankStatus.PDNG,
        "EXPI": BankStatus.CANC,
    }
)


def _notice_status(values: Values) -> None:
    told = values["@Status"]
    values["status"] = NOTICE_STATUS.get(told, told)
    if values["event_type"] == "AGREEMENT" and "agreement_status" in bank.NotifyTransaction.model_fields:
        values["agreement_status"] = told


def _lift_msg_id(values: Values) -> None:
    values["msg_id"] = values["@msg_id"]


def _complete_notice(values: Values) -> None:
    _lift_msg_id(values)
    _notice_status(values)


NOTICES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        "NotifyTransaction": Table(
            bank.NotifyTransaction,
            HEADER,
            leaf("NotifyNo", "notify_no"),
            leaf("EventType", "event_type"),
            leaf("OrigSerial", "orig_serial", optional=True),
            leaf("BankTxnNo", "bank_txn_no"),
            leaf("AgreementNo", "agreement_no", optional=True),
            offered("BatchNo", "batch_no"),
            derived("Status", lambda notice: notice.status),
            leaf("ReasonCode", "reason_code", optional=True),
            offered("ReasonText", "reason_text", REMARK),
            leaf("AmountFen", "amount_fen", NUMBER, optional=True),
            _day("BookingDate", "booking_date"),
            leaf("OccurredAt", "occurred_at", MOMENT),
            leaf("Attempt", "attempt", NUMBER),
            offered("CreditLimitFen", "credit_limit_fen", NUMBER, skip=missing),
            offered("Channel", "channel"),
            offered("ChannelSerial", "channel_serial"),
            offered("DaysOverdue", "days_overdue", NUMBER, skip=missing),
            leaf("CbRef", "cb_ref", optional=True),
            finish=_complete_notice,
        ),
        "DeliverReceipt": Table(
            bank.DeliverReceipt,
            HEADER,
            leaf("NotifyNo", "notify_no"),
            part("Receipt", "receipt", RECEIPT),
            finish=_lift_msg_id,
        ),
    }
)
ACK: Final = Table(None, leaf("Ack", "@ack"), leaf("NotifyNo", "@notify_no"))
FAULT: Final = Table(None, leaf("Code", "@code"), leaf("Text", "@text", REMARK), leaf("Retry", "@retry"))
