"""The tables of what the bank sends by itself, of the acknowledgements, and of the fault detail both sides use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from adapters.bank_soap.binding import MOMENT, NUMBER, REMARK, Table, Values, derived, leaf, missing, offered, part
from adapters.bank_soap.replies import RECEIPT
from adapters.bank_soap.structures import HEADER, day
from gateway.model import bank
from gateway.model.bank import BankStatus

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
            day("BookingDate", "booking_date"),
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
