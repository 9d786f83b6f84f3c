"""Orders of the payment centre: uploaded, paid, refunded, revoked (national-interface 5.4). Amounts in fen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from simulators.common.journal import Journal
from simulators.common.server import Call
from simulators.common.variants import Variants
from simulators.platform.money import fen_of, yuan
from simulators.platform.refusals import Refused

Push = Callable[["MobileOrder"], None]
_OPEN = ("0", "1")
_PAID = ("6", "8", "9", "10", "11")


@dataclass(frozen=True, slots=True)
class MobileOrder:
    pay_ord_id: str
    pay_token: str
    med_org_ord: str
    org: str
    fund: int
    acct: int
    own: int
    stas: str = "1"
    back_hi: int = 0
    back_cash: int = 0
    refunds: tuple[str, ...] = ()
    asked: int = 0

    @property
    def fee(self) -> int:
        return self.fund + self.acct + self.own

    def shown(self) -> dict[str, Any]:
        return {
            "payOrdId": self.pay_ord_id, "medOrgOrd": self.med_org_ord, "ordStas": self.stas,
            "feeSumamt": yuan(self.fee), "ownPayAmt": yuan(self.own), "psnAcctPay": yuan(self.acct),
            "fundPay": yuan(self.fund), "deposit": "0.00",
        }  # fmt: skip


def _load(row: dict[str, Any]) -> MobileOrder:
    return MobileOrder(**{**row, "refunds": tuple(row["refunds"])})


class MobileOrders:
    """The centre's books. ``tell`` sends a 6302 about an order."""

    def __init__(self, journal: Journal, variants: Variants, tell: Push) -> None:
        self.table = journal.table("mobile_orders", load=_load)
        self._variants, self._tell = variants, tell
        self.transactions: dict[str, Callable[[Call, dict[str, Any]], dict[str, Any]]] = {
            "6201": self.upload, "6202": self.pay, "6203": self.refund, "6301": self.query, "6401": self.revoke,
        }  # fmt: skip

    def order(self, data: dict[str, Any]) -> MobileOrder:
        """The order asked for. Raises Refused."""
        found = self.table.get(str(data.get("payOrdId") or ""))
        if found is None:
            raise Refused("支付订单不存在")
        if data.get("payToken") not in (None, "", found.pay_token):
            raise Refused("payToken不正确")
        return found

    def upload(self, call: Call, data: dict[str, Any]) -> dict[str, Any]:
        """6201: one order per institution and its own number."""
        number, org = str(data.get("medOrgOrd") or ""), str(data.get("orgCodg") or "")
        if not number or not org:
            raise Refused("medOrgOrd、orgCodg不能为空")
        known = next((o for o in self.table.values() if (o.org, o.med_org_ord) == (org, number)), None)
        if known is None:
            known = self._new(call, org, number, _fee(data))
        else:
            call.verdict = "duplicate"
        return {**known.shown(), "payToken": known.pay_token, "extData": {"mdtrtId": f"MD{known.pay_ord_id[-7:]}"}}

    def _new(self, call: Call, org: str, number: str, fee: int) -> MobileOrder:
        serial = len(self.table) + 1
        identity = f"ORD{org[1:7]}{call.at:%Y%m%d%H%M%S}{serial:07d}"
        fund, acct = fee * 60 // 100, fee * 15 // 100
        made = MobileOrder(identity, f"PT{serial:014d}", number, org, fund, acct, fee - fund - acct)
        self.table.put(identity, made)
        call.effect(0, org, medOrgOrd=number, payOrdId=identity)
        return made

    def pay(self, call: Call, data: dict[str, Any]) -> dict[str, Any]:
        """6202: settled at once, or `2` at first where the variant says so."""
        order = self.order(data)
        if order.stas in _PAID:
            raise Refused("订单已支付，请勿重复支付", duplicate=True)
        if order.stas not in _OPEN:
            raise Refused(f"订单状态{order.stas}不正确")
        call.effect(order.fee, order.org, payOrdId=order.pay_ord_id)
        paid = self._put(replace(order, stas="2" if self._variants["mobile_pay_settling"] else "6"))
        if paid.stas == "6":
            self._tell(paid)
        if self._variants["mobile_pay_unknown"]:
            return {"_message": "系统异常，请稍后查询"}
        return {**paid.shown(), "extData": {"setlId": f"S{paid.pay_ord_id[-7:]}"}}

    def query(self, call: Call, data: dict[str, Any]) -> dict[str, Any]:
        """6301."""
        order = self.order(data)
        call.verdict = "query"
        if order.stas == "2":
            order = self._put(replace(order, asked=order.asked + 1, stas="6" if order.asked else "2"))
            if order.stas == "6":
                self._tell(order)
        return order.shown()

    def revoke(self, call: Call, data: dict[str, Any]) -> dict[str, Any]:
        """6401: before the payment alone."""
        order = self.order(data)
        if order.stas == "12":
            raise Refused("订单已撤销", duplicate=True)
        if order.stas not in _OPEN:
            raise Refused("订单已支付，不能撤销")
        call.effect(0, order.org, payOrdId=order.pay_ord_id)
        return {"payOrdId": order.pay_ord_id, "ordStas": self._put(replace(order, stas="12")).stas}

    def refund(self, call: Call, data: dict[str, Any]) -> dict[str, Any]:
        """6203: all of it, the insurance part or the cash part."""
        order = self.order(data)
        serial = str(data.get("appRefdSn") or "")
        if serial in order.refunds:
            raise Refused("退款流水重复", duplicate=True)
        if order.stas not in _PAID:
            raise Refused(f"订单状态{order.stas}不正确，不能退费")
        hi, cash = _parts(order, data)
        if hi + cash <= 0 or order.back_hi + hi > order.fund + order.acct or order.back_cash + cash > order.own:
            raise Refused("退费金额超过可退金额")
        if fen_of(data.get("totlRefdAmt") or "0", "totlRefdAmt") != hi + cash:
            raise Refused("退费金额不符")
        call.effect(hi + cash, order.org, payOrdId=order.pay_ord_id, appRefdSn=serial)
        done = replace(
            order, back_hi=order.back_hi + hi, back_cash=order.back_cash + cash, refunds=(*order.refunds, serial)
        )
        done = self._put(replace(done, stas=_after_refund(done)))
        self._tell(done)
        return {"payOrdId": done.pay_ord_id, "appRefdSn": serial, "ordStas": done.stas}

    def _put(self, order: MobileOrder) -> MobileOrder:
        self.table.put(order.pay_ord_id, order)
        return order


def _fee(data: dict[str, Any]) -> int:
    rows = data.get("feedetailList") or []
    total = sum(fen_of(row["detItemFeeSumamt"], "detItemFeeSumamt") for row in rows)
    fee = fen_of(data.get("medfeeSumamt") or total, "medfeeSumamt")
    if fee <= 0 or (rows and total != fee):
        raise Refused("费用总额不正确")
    return fee


def _parts(order: MobileOrder, data: dict[str, Any]) -> tuple[int, int]:
    """(insurance, cash) of a refund in fen."""
    kind = str(data.get("refdType") or "ALL")
    hi = order.fund + order.acct - order.back_hi
    if kind == "HI":
        return hi, 0
    cash = order.own - order.back_cash
    return (hi, cash) if kind == "ALL" else (0, fen_of(data.get("cashRefdAmt") or yuan(cash), "cashRefdAmt"))


def _after_refund(order: MobileOrder) -> str:
    hi, cash = order.back_hi == order.fund + order.acct, order.back_cash == order.own
    if hi:
        return "7" if cash else "11" if order.back_cash else "8"
    return "9" if cash else "10"


def notice_of(order: MobileOrder, now: datetime, status: str = "") -> dict[str, Any]:
    """What a 6302 says of an order."""
    shown = order.shown()
    shown["ownpayAmt"] = shown.pop("ownPayAmt")
    shown.pop("deposit")
    return {
        **shown, "ordStas": status or order.stas, "callType": "SEY", "traceTime": f"{now:%Y%m%d%H%M%S}",
        "orgCode": order.org, "orgName": "示例医院", "setlType": "ALL", "hiChrgTime": f"{now:%Y%m%d%H%M%S}",
        "hiDocSn": f"D{order.pay_ord_id[-7:]}", "revsToken": f"RT{order.pay_ord_id[-7:]}",
    }  # fmt: skip
