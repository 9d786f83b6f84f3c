"""The tables of the twelve requests, element by element, in the order of the XSD.

Elements the canonical model has no word for are listed as passed over or offered, so that a change of the contract is
noticed (a test compares the tables with the XSD).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.hashes import SM3, Hash

from adapters.bank_soap.binding import (
    DAY,
    FLAG,
    NUMBER,
    PERSONAL,
    BindingError,
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
from adapters.bank_soap.structures import ACCOUNT, HEADER, PAYER_ACCOUNT, SERIAL, day
from gateway.model import bank


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
            day("ValidTo", "valid_to"),
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
            day("OrigDate", "orig_date"),
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
