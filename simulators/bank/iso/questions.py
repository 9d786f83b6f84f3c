"""The JSON requests of this door as the fields of the bank's products, and their JSON answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from simulators.bank.house import TurnedAway
from simulators.bank.iso.documents import CREDIT_TRANSFER, DIRECT_DEBIT, REVERSAL, fen, yuan
from simulators.bank.iso.orders import Order
from simulators.bank.rows import Answer, Fields

_ORDERS = {DIRECT_DEBIT: "Withhold", REVERSAL: "Refund"}
_MOST = 2000


def read(body: bytes, expected: str) -> Order:
    """The order in a JSON message. Raises TurnedAway."""
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise TurnedAway("MALFORMED", "不是合法的 JSON") from error
    if not isinstance(content, dict) or list(content) != [expected] or not isinstance(content[expected], dict):
        raise TurnedAway("MALFORMED", "不是此地址接受的报文")
    return _READERS[expected](_Said(content[expected]))


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(members)
    if len(content) != len(members):
        raise ValueError("a member twice")
    return content


class _Said:
    """A message's members, all of them texts but those that nest."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if not found:
            raise TurnedAway("INVALID_FIELD", f"缺少 {name}")
        return found

    def get(self, name: str) -> str:
        found = self._content.get(name, "")
        if not isinstance(found, str):
            raise TurnedAway("INVALID_FIELD", f"{name} 须为文本")
        return found

    def part(self, name: str) -> _Said:
        found = self._content.get(name)
        if not isinstance(found, dict):
            raise TurnedAway("INVALID_FIELD", f"缺少 {name}")
        return _Said(found)

    def order(self, operation: str, key: str, fields: Fields, **more: str) -> Order:
        kept = {name: value for name, value in fields.items() if value != ""}
        return Order(operation, self["InitgPty"], self["MsgId"], key, kept, **more)


def _initiation(said: _Said) -> Order:
    debtor = said.part("Dbtr")
    cap = said.get("MaxAmt")
    payer = {
        "Name": debtor["Nm"],
        "IdType": debtor["IdTp"],
        "IdNo": debtor["Id"],
        "Mobile": debtor.get("MobNb"),
        "Account": debtor.get("Acct"),
    }
    fields: Fields = {
        "Serial": said["MndtReqId"],
        "AgreementType": said["Tp"],
        "Funding": said["Fndg"],
        "Payer": {name: value for name, value in payer.items() if value},
        "PayeeId": said["CdtrSchmeId"],
        "PendingAgreementNo": said.get("PdgMndtId"),
        "SmsToken": said.get("OTP"),
        "LimitCapFen": str(fen(cap, "MaxAmt")) if cap else "",
        "ValidFrom": said["FrDt"],
        "ValidTo": said.get("ToDt"),
    }
    return said.order("SignAgreement", said["MndtReqId"], fields)


def _cancellation(said: _Said) -> Order:
    fields: Fields = {"Serial": said["CxlReqId"], "AgreementNo": said["MndtId"], "Reason": said["Rsn"]}
    return said.order("CancelAgreement", said["CxlReqId"], fields)


def _mandate(said: _Said) -> Order:
    number, serial = said.get("MndtId"), said.get("MndtReqId")
    if bool(number) == bool(serial):
        raise TurnedAway("INVALID_FIELD", "MndtId 与 MndtReqId 须恰有一个")
    return said.order("QueryAgreement", number or serial, {"AgreementNo": number, "SignSerial": serial})


def _status(said: _Said) -> Order:
    about, message = said["OrgnlMsgId"], said["OrgnlMsgNmId"]
    if message == CREDIT_TRANSFER:
        asked: Fields = {"BatchNo": about, "PageNo": "1", "PageSize": str(_MOST)}
        return said.order("QueryPayoutBatch", about, asked, message=message, about=about)
    if message not in _ORDERS:
        raise TurnedAway("INVALID_FIELD", "OrgnlMsgNmId")
    asked = {"OrigSerial": about, "OrigTxCode": _ORDERS[message]}
    return said.order("QueryTransaction", about, asked, message=message, about=about)


def _advice(said: _Said) -> Order:
    names = {"EndToEndId": "OrigSerial", "AcctSvcrTxId": "BankTxnNo", "AcctSvcrRef": "ReceiptNo"}
    given = {field: said.get(name) for name, field in names.items() if said.get(name)}
    if len(given) != 1:
        raise TurnedAway("INVALID_FIELD", "EndToEndId、AcctSvcrTxId、AcctSvcrRef 须恰有一个")
    return said.order("GetReceipt", next(iter(given.values())), {**given, "Format": "XML"})


_READERS: dict[str, Callable[[_Said], Order]] = {
    "MndtInitnReq": _initiation,
    "MndtCxlReq": _cancellation,
    "MndtStsReq": _mandate,
    "PmtStsReq": _status,
    "NtfctnReq": _advice,
}


# -- answers --------------------------------------------------------------------------------------------------------


def write(name: str, content: dict[str, Any]) -> bytes:
    """A JSON message; members without a value are left out."""
    kept = {key: value for key, value in content.items() if value not in (None, "", {})}
    return json.dumps({name: kept}, ensure_ascii=False).encode()


def mandate(order: Order, answer: Answer, at: str, *, duplicate: bool) -> bytes:
    """MndtAccptncRpt or MndtStsRpt."""
    told = dict(answer.pairs)
    shared = {
        "CreDtTm": at,
        "MndtId": told.get("AgreementNo"),
        "Sts": told.get("AgreementStatus"),
        "Rsn": _reason(told),
        "CdtLine": _line(told),
        "OTPReqrd": bool(told.get("NeedSms")),
    }
    if order.operation != "QueryAgreement":
        return write("MndtAccptncRpt", {**shared, "OrgnlReqId": order.key, "Dplct": duplicate or None})
    asked = {"MndtReqId": order.fields.get("SignSerial")}
    if "AgreementNo" in order.fields:
        shared["MndtId"] = order.fields["AgreementNo"]
    return write("MndtStsRpt", {**shared, **asked, "Fnd": told["QueryResult"] == "FOUND"})


def _reason(told: dict[str, Any]) -> dict[str, str]:
    if not told.get("ReasonCode"):
        return {}
    text = {"AddtlInf": told["ReasonText"]} if told.get("ReasonText") else {}
    return {"Cd": told["ReasonCode"], **text}


def _line(told: dict[str, Any]) -> dict[str, Any]:
    if told.get("CreditLimitFen") is None:
        return {}
    amounts = {"Lmt": "CreditLimitFen", "Usd": "UsedFen", "Hld": "HeldFen", "Avlbl": "CreditAvailableFen"}
    line = {name: yuan(told[field]) for name, field in amounts.items() if told.get(field) is not None}
    more = {"FreeDays": told.get("FreeDays"), "ToDt": told.get("ValidTo")}
    return {**line, "Ccy": "CNY", **{name: value for name, value in more.items() if value is not None}}
