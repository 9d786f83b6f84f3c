"""The canonical words of mobile payment 医保移动支付: what goes to the payment centre, what it answers, what it tells.

An order's status is the centre's `ordStas` (national interface 5.4). Amounts are fen inside and yuan with two decimals
on the wire; tokens, names and numbers of persons are never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from pydantic import Field

from gateway.model.insurance import InsuranceModel
from gateway.model.masked import Masked
from gateway.model.money import InvalidAmount, format_yuan, parse_yuan

UPLOAD: Final = "6201"
PAY: Final = "6202"
REFUND: Final = "6203"
QUERY: Final = "6301"
REVOKE: Final = "6401"
MOBILE: Final = frozenset({UPLOAD, PAY, REFUND, QUERY, REVOKE})
"""What a hospital may ask of the payment centre; 6302 comes the other way."""

AMOUNTS: Final = frozenset({
    "medfeeSumamt", "fulamtOwnpayAmt", "overlmtSelfpay", "preselfpayAmt", "inscpScpAmt", "totlRefdAmt",
    "psnAcctRefdAmt", "fundRefdAmt", "cashRefdAmt", "feeSumamt", "ownPayAmt", "ownpayAmt", "psnAcctPay", "fundPay",
    "deposit", "detItemFeeSumamt",
})  # fmt: skip
"""Fields that are yuan with two decimals, at whatever level they stand."""

_SAME_AMOUNT: Final[Mapping[str, str]] = MappingProxyType({"ownpayAmt": "ownPayAmt"})  # 6302 spells it differently
SHOWN_AMOUNTS: Final = ("feeSumamt", "ownPayAmt", "psnAcctPay", "fundPay")

PROGRESS: Final = ("0", "1", "2", "3", "4", "5", "15", "14", "16", "6", "10", "9", "8", "11", "13", "12", "7")
"""Every `ordStas` by how far the order has come: of two messages the later status holds, whichever came last."""

STATUS_EVENTS: Final[Mapping[str, str]] = MappingProxyType({
    "0": "saved", "1": "saved", "2": "settling", "3": "settling", "4": "settling", "5": "settling", "6": "paid",
    "7": "refunded", "8": "part_refunded", "9": "part_refunded", "10": "part_refunded", "11": "part_refunded",
    "12": "revoked", "13": "revoked", "14": "abnormal", "15": "failed", "16": "abnormal",
})  # fmt: skip
"""`ordStas` → event of the order's machine."""


class Token(Masked):
    """A token or an authorisation of a payment: nothing of it is shown."""

    __slots__ = ()


class MobileRequest(InsuranceModel):
    """A request to the payment centre. ``data`` is the business object, numbers as texts.

    ``about`` is what a question about the order needs besides; ``before`` the order's status when this was sent first.
    """

    infno: str
    hospital: str
    data: Mapping[str, Any] = Field(repr=False)
    about: Mapping[str, str] = Field(default_factory=dict, repr=False)
    before: str = ""

    def text(self, name: str) -> str:
        """A scalar of the business object; "" where it is absent."""
        return _text(self.data.get(name))


class MobileReply(InsuranceModel):
    """What the centre answered: its code ("0" is success), its message, its business object."""

    code: str
    message: str = ""
    data: Mapping[str, Any] = Field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """The centre did what was asked."""
        return self.code == "0"

    @property
    def pay_ord_id(self) -> str:
        """支付订单号; "" where the answer names none."""
        return _text(self.data.get("payOrdId"))

    @property
    def ord_stas(self) -> str:
        """A status of the table, or ""."""
        found = _text(self.data.get("ordStas"))
        return found if found in STATUS_EVENTS else ""

    @property
    def amounts(self) -> dict[str, int]:
        """The order's amounts in fen, those that can be read."""
        return amounts_of(self.data)


class MobileNotice(InsuranceModel):
    """6302: the centre tells what became of an order. Amounts in fen."""

    pay_ord_id: str
    med_org_ord: str = ""
    ord_stas: str
    org_code: str
    call_type: str = ""
    setl_type: str = ""
    trace_time: str = ""
    amounts: Mapping[str, int] = Field(default_factory=dict)
    revs_token: Token = Token("")


def business_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The business object of a national `input`: its `data` node, or the input itself where there is none."""
    held = content.get("data")
    return held if isinstance(held, Mapping) else content


def as_texts(value: Any, name: str = "") -> Any:
    """``value`` with every number as text, amounts with two decimals (5.3). Raises InvalidAmount."""
    if isinstance(value, Mapping):
        return {str(key): as_texts(member, str(key)) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [as_texts(item, name) for item in value]
    if name in AMOUNTS and value not in (None, ""):
        return format_yuan(parse_yuan(value, field=name, allow_negative=True))
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def amounts_of(data: Mapping[str, Any]) -> dict[str, int]:
    """`feeSumamt`, `ownPayAmt`, `psnAcctPay` and `fundPay` in fen; what is absent or unreadable is left out."""
    found: dict[str, int] = {}
    for name, value in data.items():
        known = _SAME_AMOUNT.get(name, name)
        if known in SHOWN_AMOUNTS and value not in (None, ""):
            try:
                found[known] = parse_yuan(value, field=known, allow_negative=True)
            except InvalidAmount:
                continue
    return found


def further(status: str, than: str) -> bool:
    """Whether an order with ``status`` has come further than one with ``than``; "" is before everything."""
    return PROGRESS.index(status) > (PROGRESS.index(than) if than else -1)


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, bool | Mapping | list) else str(value).strip()
