"""The bank's requests read into the services' fields, operation by operation. The XSD has been kept by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.bank.cib import words
from simulators.bank.payouts import digest
from simulators.bank.rows import Fields

Body = dict[str, Any]


def fields(operation: str, body: Body) -> Fields:
    """The fields of a services' operation; what the bank was not told is left out."""
    return {name: value for name, value in _READ[operation](body).items() if value not in (None, "")}


def _account(acct: Body) -> Fields:
    return {
        "AcctNo": acct["acctNo"], "AcctName": acct["acctNm"], "BankCode": acct["bankNo"], "BankName": acct["bankNm"],
    }  # fmt: skip


def _payee(body: Body) -> Fields | None:
    return _account(body["payee"]) if "payee" in body else None


def _day(body: Body, name: str) -> str | None:
    return words.iso_day(body[name]) if name in body else None


def _sign(body: Body) -> Fields:
    payer = {"Name": body["custNm"], "IdType": words.CERTS[body["certType"]], "IdNo": body["certNo"]}
    if "tel" in body:
        payer["Mobile"] = body["tel"]
    return {
        "Serial": body["orderNo"],
        "AgreementType": words.AGREEMENT_KINDS[body["agrKind"]],
        "Funding": words.LOANS[body["loanKind"]],
        "Payer": payer,
        "PayeeId": body["mchNo"],
        "PendingAgreementNo": body.get("preAgrNo"),
        "SmsToken": body.get("smsCode"),
        "ValidFrom": words.iso_day(body["beginDate"]),
        "ValidTo": _day(body, "endDate"),
    }


def _cancel(body: Body) -> Fields:
    return {"Serial": body["orderNo"], "AgreementNo": body["agrNo"], "Reason": words.CLOSED_BY[body["closeBy"]]}


def _ask_agreement(body: Body) -> Fields:
    return {"AgreementNo": body.get("agrNo"), "SignSerial": body.get("openOrderNo")}


def _withhold(body: Body) -> Fields:
    return {
        "Serial": body["orderNo"],
        "AgreementNo": body["agrNo"],
        "AmountFen": words.fen(body["payAmt"]),
        "PayerName": body["custNm"],
        "PayeeAccount": _account(body["payee"]),
        "VisitNo": body["visitNo"],
        "BillNo": body["billNo"],
        "Purpose": body["useCode"],
        "RequestedDate": words.iso_day(body["payDate"]),
    }


def _refund(body: Body) -> Fields:
    return {
        "Serial": body["orderNo"],
        "OrigSerial": body["oriOrderNo"],
        "OrigBankTxnNo": body.get("oriBankSeq"),
        "OrigAmountFen": words.fen(body["oriAmt"]),
        "RefundFen": words.fen(body["refundAmt"]),
        "Reason": "CUST",
    }


def _ask_trade(body: Body) -> Fields:
    kind = words.TRADE_KINDS[body["tranKind"]]
    return {"OrigSerial": body["oriOrderNo"], "OrigTxCode": kind, "OrigDate": _day(body, "oriDate")}


def _freeze(body: Body) -> Fields:
    return {
        "Serial": body["orderNo"],
        "AgreementNo": body["agrNo"],
        "AmountFen": words.fen(body["frzAmt"]),
        "AdmissionNo": body["inHospNo"],
        "ValidDays": body["frzDays"],
        "PayeeAccount": _payee(body),
    }


def _freeze_pay(body: Body) -> Fields:
    """The bank knows one way only: what is not captured is released."""
    return {
        "Serial": body["orderNo"],
        "PreAuthNo": body["frzNo"],
        "OrigSerial": body["frzOrderNo"],
        "AmountFen": words.fen(body["payAmt"]),
        "Final": "true",
        "PayeeAccount": _payee(body),
    }


def _unfreeze(body: Body) -> Fields:
    return {
        "Serial": body["orderNo"],
        "PreAuthNo": body["frzNo"],
        "OrigSerial": body["frzOrderNo"],
        "AmountFen": words.fen(body["backAmt"]),
    }


def _row(row: Body) -> Fields:
    return {
        "RecordNo": row["rowNo"],
        "RecSerial": row["orderNo"],
        "PayeeAccount": _account(row["payee"]),
        "AmountFen": words.fen(row["payAmt"]),
        "HospitalCode": row["hospNo"],
        "Purpose": row["useCode"],
    }


def _batch(body: Body) -> Fields:
    """This bank has no digest of its own; the services' one is made here of what was read."""
    made: Fields = {
        "Serial": body["batchNo"],
        "PayerAccount": _account(body["payer"]),
        "BizDate": words.iso_day(body["bizDate"]),
        "TotalCount": body["totalNum"],
        "TotalFen": words.fen(body["totalAmt"]),
        "Records": {"Record": [_row(row) for row in body["rows"]["row"]]},
    }
    return {**made, "DigestSm3": digest(made)}


def _ask_batch(body: Body) -> Fields:
    return {"BatchNo": body["batchNo"], "PageNo": body["pageNo"], "PageSize": body["pageNum"]}


def _receipt(body: Body) -> Fields:
    return {
        "OrigSerial": body.get("orderNo"),
        "BankTxnNo": body.get("bankSeq"),
        "ReceiptNo": body.get("rcptNo"),
        "Format": body["fileKind"],
    }


_READ: dict[str, Callable[[Body], Fields]] = {
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
    "GetReceipt": _receipt,
}
