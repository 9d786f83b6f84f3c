"""The ISO 20022 messages of this channel: names, roots, namespaces, and the codes both directions share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.model.bank import BankStatus
from gateway.model.xml import Limits

CREDIT_TRANSFER: Final = "pain.001.001.09"
STATUS_REPORT: Final = "pain.002.001.10"
REVERSAL: Final = "pain.007.001.10"
DIRECT_DEBIT: Final = "pain.008.001.09"
ADVICE: Final = "camt.054.001.08"

ROOTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        CREDIT_TRANSFER: "CstmrCdtTrfInitn",
        STATUS_REPORT: "CstmrPmtStsRpt",
        REVERSAL: "CstmrPmtRvsl",
        DIRECT_DEBIT: "CstmrDrctDbtInitn",
        ADVICE: "BkToCstmrDbtCdtNtfctn",
    }
)
_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"

# Which message carries an operation; a status question names the message it is about.
ORDERS: Final[Mapping[str, str]] = MappingProxyType(
    {"Withhold": DIRECT_DEBIT, "Refund": REVERSAL, "SubmitPayoutBatch": CREDIT_TRANSFER}
)

CURRENCY: Final = "CNY"
CLEARING: Final = "CNAPS"  # external code of China's bank branch codes (联行号)
NOT_PROVIDED: Final = "NOTPROVIDED"

# Proprietary reasons of this channel (contract, chapter 4): what no external code says.
NOT_RECEIVED: Final = "NOT_RECEIVED"  # the bank's answer to a question about a message it never got
SAME_DAY: Final = "RVSD"  # a reversal that undid the booking within the bank's day
RETURNED: Final = "RTRN"  # a settled transfer whose money came back (退汇), with the moment in AddtlInf

# ExternalPaymentTransactionStatus1Code. ACWC (accepted with a change), BLCK and tomorrow's codes are UNKN: asked after.
STATUSES: Final[Mapping[str, BankStatus]] = MappingProxyType(
    {
        "RCVD": BankStatus.RCVD,
        "ACTC": BankStatus.RCVD,
        "ACCP": BankStatus.ACCP,
        "ACFC": BankStatus.ACCP,
        "ACSP": BankStatus.ACSP,
        "PDNG": BankStatus.PDNG,
        "ACSC": BankStatus.ACSC,
        "ACCC": BankStatus.ACCC,
        "RJCT": BankStatus.RJCT,
        "CANC": BankStatus.CANC,
    }
)
# PART exists for groups alone: its transactions say which of them are done.
GROUP_STATUSES: Final[Mapping[str, BankStatus]] = MappingProxyType({**STATUSES, "PART": BankStatus.ACSP})
PENDING: Final = frozenset({BankStatus.RCVD, BankStatus.ACCP, BankStatus.ACSP, BankStatus.PDNG})
SETTLED: Final = frozenset({BankStatus.ACSC, BankStatus.ACCC})

# A record of a batch is some thirty elements long on its way out and back.
SINGLE: Final = Limits(256 * 1024, 2_000)
BATCH: Final = Limits(6 * 1024 * 1024, 200_000)


def namespace(message: str) -> str:
    """The namespace of a message such as ``pain.002.001.10``."""
    return _NAMESPACE + message


def message_of(space: str) -> str | None:
    """The message a namespace stands for; None for any other namespace or version."""
    name = space.removeprefix(_NAMESPACE)
    return name if name in ROOTS and space.startswith(_NAMESPACE) else None
