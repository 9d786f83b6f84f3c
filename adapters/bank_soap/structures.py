"""Structures every message of the channel shares: accounts, the request's header, the answer's result head."""

from __future__ import annotations

from typing import Final

from adapters.bank_soap.binding import DAY, FLAG, MOMENT, NUMBER, PERSONAL, REMARK, Row, Table, box, leaf
from gateway.model import bank

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
REASON: Final[tuple[Row, Row]] = (
    leaf("ReasonCode", "reason_code", optional=True),
    leaf("ReasonText", "reason_text", REMARK, optional=True),
)


def fen(name: str, attr: str) -> Row:
    """An optional amount in fen; absent is zero."""
    return leaf(name, attr, NUMBER, optional=True)


def day(name: str, attr: str) -> Row:
    """An optional day of Asia/Shanghai."""
    return leaf(name, attr, DAY, optional=True)
