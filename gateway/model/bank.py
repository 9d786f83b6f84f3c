"""The canonical words between flows and any bank, whatever it speaks on its wire.

Amounts are integer fen, days are dates of Asia/Shanghai. Nothing medical has a field here (R-056).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from gateway.model.masked import AccountNo, CertNo, PersonName, Phone


class BankStatus(StrEnum):
    """ISO 20022 transaction status, and three of ours (facts of the channel, 8.1)."""

    RCVD = "RCVD"
    ACCP = "ACCP"
    ACSP = "ACSP"
    PDNG = "PDNG"
    ACSC = "ACSC"
    ACCC = "ACCC"
    RJCT = "RJCT"
    CANC = "CANC"
    RVSD = "RVSD"
    RFND = "RFND"
    UNKN = "UNKN"


class BankModel(BaseModel):
    """Frozen, and refuses fields nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class Account(BankModel):
    """An account at a bank; ``bank_code`` is the twelve-digit 联行号."""

    acct_no: AccountNo
    acct_name: PersonName
    bank_code: str = ""
    bank_name: str = ""


class BankRequest(BankModel):
    """Every request carries its serial: the idempotency key at the bank (8.1)."""

    serial: str = Field(pattern=r"^[A-Za-z0-9]{8,32}$")


class BankReply(BankModel):
    """What every reply says besides its own fields."""

    status: BankStatus
    reason_code: str = ""
    reason_text: str = ""
    bank_txn_no: str = ""
    bank_time: datetime | None = None
    duplicate: bool = False


class SignAgreement(BankRequest):
    """Ask the bank to sign a withholding agreement (R-011); without ``sms_token`` the bank may ask for one."""

    agreement_type: str = "BOTH"
    payer: Account
    id_type: str
    id_no: CertNo
    mobile: Phone
    payee_id: str
    sms_token: str = ""
    funding: str
    valid_from: date
    valid_to: date | None = None
    limit_cap_fen: int | None = None
    pending_agreement_no: str = ""  # second step: the number the first one was answered with
    commitment_digest: str = ""


class AgreementReply(BankReply):
    """Answer to SignAgreement, CancelAgreement and QueryAgreement."""

    agreement_no: str = ""
    agreement_status: str = ""  # PDNG, ACTV, RJCT, SUSP, CANC, EXPI
    credit_limit_fen: int = 0
    used_fen: int = 0
    held_fen: int = 0
    free_days: int | None = None
    valid_to: date | None = None
    need_sms: bool = False
    found: bool = True
    credit_available_fen: int | None = None


class CancelAgreement(BankRequest):
    """End an agreement; the bank refuses while there is debt."""

    agreement_no: str
    reason: str = "MD16"


class QueryAgreement(BankRequest):
    """By number, or by the serial of the signing where no number is known."""

    agreement_no: str = ""
    sign_serial: str = ""


class Withhold(BankRequest):
    """One-off charge of a settlement's cash part (R-015, R-019)."""

    agreement_no: str
    amount_fen: int = Field(gt=0)
    payer_name: PersonName
    payee: Account
    visit_no: str
    bill_no: str
    purpose: str
    requested_date: date


class MoneyReply(BankReply):
    """Answer to Withhold, Refund and the three of the deposit."""

    amount_fen: int = 0
    booking_date: date | None = None
    refunded_total_fen: int = 0
    pre_auth_no: str = ""
    held_fen: int = 0
    captured_fen: int = 0
    released_fen: int = 0
    expires_at: datetime | None = None
    credit_available_fen: int | None = None


class Refund(BankRequest):
    """Give back part or all of a charge; a full one before the bank's day switch may be answered RVSD."""

    orig_serial: str
    orig_bank_txn_no: str = ""
    refund_fen: int = Field(gt=0)
    orig_amount_fen: int = Field(gt=0)
    reason: str = "CUST"


class PreAuthorise(BankRequest):
    """Hold a deposit on the line (R-074)."""

    agreement_no: str
    amount_fen: int = Field(gt=0)
    admission_no: str
    valid_days: int
    payee: Account | None = None


class CompletePreAuthorisation(BankRequest):
    """Capture at most what is held and release the rest (R-075, H1)."""

    pre_auth_no: str
    orig_serial: str
    amount_fen: int = Field(gt=0)
    final: bool = True
    payee: Account | None = None


class VoidPreAuthorisation(BankRequest):
    """Release a whole hold."""

    pre_auth_no: str
    orig_serial: str
    amount_fen: int = Field(gt=0)


class QueryTransaction(BankRequest):
    """What became of ``orig_serial``; our own question has a serial of its own."""

    orig_serial: str
    orig_tx_code: str
    orig_date: date | None = None


class TransactionReply(BankReply):
    """``found`` false is final only after the bank's settling time."""

    found: bool
    orig_status: BankStatus | None = None
    orig_reason: str = ""
    orig_amount_fen: int = 0
    refunded_fen: int = 0
    booking_date: date | None = None
    pre_auth_no: str = ""
    held_fen: int = 0
    captured_fen: int = 0
    released_fen: int = 0
    expires_at: datetime | None = None


class PayoutRecord(BankModel):
    """One payment order inside a batch; ``rec_serial`` is the pay_order_no."""

    record_no: int
    rec_serial: str
    payee: Account
    amount_fen: int = Field(gt=0)
    hospital_code: str
    purpose: str


class SubmitPayoutBatch(BankRequest):
    """Orders of one summary; ``serial`` is the batch number. Never sent a second time (R-122)."""

    payer: Account
    biz_date: date
    records: tuple[PayoutRecord, ...] = Field(min_length=1, max_length=2000)

    @property
    def total_fen(self) -> int:
        """Sum of the records in fen."""
        return sum(record.amount_fen for record in self.records)


class RejectedRecord(BankModel):
    """A record the bank refused singly."""

    rec_serial: str
    reason_code: str = ""
    reason_text: str = ""


class PayoutBatchReply(BankReply):
    """``status`` is the batch's: RCVD, ACCP, RJCT."""

    bank_batch_no: str = ""
    accepted_count: int = 0
    rejected: tuple[RejectedRecord, ...] = ()


class QueryPayoutBatch(BankRequest):
    """Where the records of a batch stand."""

    batch_no: str
    page_no: int = 1
    page_size: int = 2000


class PayoutRecordState(BankModel):
    """Per-record truth; a record may be returned days after it was settled."""

    rec_serial: str
    status: BankStatus
    reason_code: str = ""
    reason_text: str = ""
    bank_txn_no: str = ""
    booking_date: date | None = None
    returned_at: datetime | None = None
    amount_fen: int = 0


class PayoutStateReply(BankReply):
    """``found`` false: the bank does not know the batch (final only after the settling time)."""

    found: bool
    batch_status: str = ""
    bank_batch_no: str = ""
    total_count: int = 0
    records: tuple[PayoutRecordState, ...] = ()


class GetReceipt(BankRequest):
    """Ask for an e-receipt by order number, bank serial or receipt number."""

    orig_serial: str = ""
    bank_txn_no: str = ""
    receipt_no: str = ""
    format: str = "XML"


class Receipt(BankModel):
    """The bank's e-receipt: the only proof of a payment (R-123)."""

    receipt_no: str
    verify_code: str = ""
    orig_serial: str = ""
    bank_txn_no: str = ""
    biz_type: str = ""
    payer: Account
    payee: Account
    currency: str = "CNY"
    amount_fen: int
    amount_in_words: str
    txn_time: datetime
    booking_date: date
    summary: str = ""
    purpose: str = ""
    postscript: str = ""
    format: str = "XML"
    content: bytes = b""
    sha256: str = ""
    sm3: str = ""
    seal_signature: str = ""


class ReceiptReply(BankReply):
    """READY carries the receipt; PREPARING and NONE do not."""

    receipt_status: str
    receipt: Receipt | None = None


class NotifyTransaction(BankModel):
    """The bank tells of a change. ``event_type`` as in the notify WSDL."""

    msg_id: str
    notify_no: str
    event_type: str
    orig_serial: str = ""
    batch_no: str = ""
    agreement_no: str = ""
    agreement_status: str = ""
    bank_txn_no: str = ""
    status: BankStatus
    reason_code: str = ""
    reason_text: str = ""
    channel: str = ""
    channel_serial: str = ""
    credit_limit_fen: int | None = None
    days_overdue: int | None = None
    amount_fen: int = 0
    booking_date: date | None = None
    occurred_at: datetime
    cb_ref: str = ""
    attempt: int = 1


class DeliverReceipt(BankModel):
    """The bank pushes an e-receipt."""

    msg_id: str
    notify_no: str
    receipt: Receipt
