"""The bank's codes (chapters 3 and 4 of its contract) beside the services' words, and how it writes values."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from simulators.common.clock import SHANGHAI

OPERATIONS = {
    "openCredit": ("SignAgreement", "YX1001"),
    "closeCredit": ("CancelAgreement", "YX1002"),
    "queryCredit": ("QueryAgreement", "YX1003"),
    "payBill": ("Withhold", "YX2001"),
    "refundBill": ("Refund", "YX2002"),
    "queryTrade": ("QueryTransaction", "YX2003"),
    "freezeQuota": ("PreAuthorise", "YX3001"),
    "freezePay": ("CompletePreAuthorisation", "YX3002"),
    "unfreezeQuota": ("VoidPreAuthorisation", "YX3003"),
    "batchPay": ("SubmitPayoutBatch", "YX4001"),
    "queryBatch": ("QueryPayoutBatch", "YX4002"),
    "fetchReceipt": ("GetReceipt", "YX5001"),
}
"""The bank's operation → the services' operation and the transaction code."""
NAMES = {ours: theirs for theirs, (ours, _) in OPERATIONS.items()}
PUSHES = {"NotifyTransaction": ("tradeNotice", "YX9001"), "DeliverReceipt": ("receiptNotice", "YX9002")}

DONE, WORKING, NOT_FOUND, OTHER_REASON = "YX000000", "YX000001", "YX100001", "YX200005"
ACKS = {"YX000000": "OK", "YX900001": "RETRY", "YX700002": "MISMATCH"}
REASONS = {
    "MD01": "YX200001", "AC06": "YX200002", "AG01": "YX200003", "DUPL": "YX200004", "NARR": OTHER_REASON,
    "DT01": "YX200006", "AM04": "YX300001", "AM14": "YX300002", "AM02": "YX300003", "AM09": "YX300004",
    "AM10": "YX300005", "AC01": "YX400001", "BE01": "YX400002", "RC01": "YX400003", "AC04": "YX400004",
    "NOOR": "YX500001", "PTNA": "YX500002", "CH03": "YX500003", "DU04": "YX600001", "RF01": "YX600002",
    "FF01": "YX600003", "AM05": "YX600004", "FRAD": "YX700001", "FF10": "YX800001",
}  # fmt: skip
TRADE_STATUS = {
    "RCVD": "0", "PDNG": "1", "ACSP": "1", "ACSC": "2", "RJCT": "3", "RVSD": "4", "RFND": "5", "CANC": "6", "ACCP": "7",
    "UNKN": "8", "RETURNED": "9",
}  # fmt: skip
AGREEMENT_STATUS = {"ACTV": "A", "PDNG": "P", "SUSP": "S", "CANC": "C", "EXPI": "E", "RJCT": "R"}
BATCH_STATUS = {"RCVD": "10", "ACCP": "20", "ACSP": "30", "PART": "40", "ACSC": "50", "RJCT": "60"}
RECEIPT_STATUS = {"READY": "Y", "PREPARING": "W", "NONE": "N"}
EVENTS = {
    "WITHHOLD": "E01", "REFUND": "E02", "PREAUTH": "E03", "COMPLETION": "E04", "VOID": "E05", "PAYOUT_RECORD": "E06",
    "PAYOUT_RETURN": "E07", "AGREEMENT": "E08", "REPAYMENT": "E09", "DEFAULT": "E10",
}  # fmt: skip
REPAY_WAYS = {"UNIONPAY": "U", "WECHAT": "W", "ALIPAY": "Z", "COUNTER": "C"}
TRADE_KINDS = {
    "PAY": "Withhold", "RFD": "Refund", "FRZ": "PreAuthorise", "FPY": "CompletePreAuthorisation",
    "UFZ": "VoidPreAuthorisation",
}  # fmt: skip
KIND_OF_TRADE = {ours: theirs for theirs, ours in TRADE_KINDS.items()}
AGREEMENT_KINDS = {"1": "WITHHOLD", "2": "PREAUTH", "3": "BOTH"}
LOANS = {"D": "DEBIT_CARD", "C": "CREDIT_CARD", "L": "CREDIT_LOAN", "A": "BANK_ADVANCE"}
CERTS = {"0": "01", "1": "03", "9": "99"}
CLOSED_BY = {"1": "MD16", "2": "MD17", "3": "MD16"}


def reason(code: str) -> str:
    """The bank's code for a reason; one it has no code for is its "other"."""
    return REASONS.get(code, OTHER_REASON)


def fen(yuan: str) -> str:
    """Yuan with two decimals, as the XSD has checked, into fen."""
    return str(int(Decimal(yuan) * 100))


def yuan(amount_fen: int) -> str:
    return f"{Decimal(amount_fen) / 100:.2f}"


def iso_day(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


def day(iso: str) -> str:
    return iso.replace("-", "")


def moment(iso: str) -> str:
    """An ISO moment as fourteen digits of Beijing time."""
    return datetime.fromisoformat(iso).astimezone(SHANGHAI).strftime("%Y%m%d%H%M%S")


def yes(flag: bool) -> str:
    return "Y" if flag else "N"
