"""What the others say happened: the platform's and the bank's ledgers of effects, and the gateway over ``/v1``. Fen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulators.demo.world import DAYS, World
from simulators.hospital.books import fen

_SETTLEMENTS = frozenset({"2207", "2304"})
_CANCELLATIONS = frozenset({"2208", "2305"})
_CAPTURES = frozenset({"Withhold", "CompletePreAuthorisation"})
_LIVE = frozenset({"ACCEPTED", "RECONCILED", "RECON_DIFF"})
FIGURES = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay", "psn_cash_pay")

Figures = dict[str, int]
"""The amount fields of a settlement in fen."""


def figures(row: Mapping[str, Any]) -> Figures:
    return {name: fen(row.get(name)) for name in FIGURES}


def platform_settlements(effects: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Figures]]:
    """Settlements in force at the platform: hospital → setl_id → amounts; cancelled and reversed ones are gone."""
    live: dict[str, dict[str, Figures]] = defaultdict(dict)
    gone: dict[str, dict[str, Figures]] = defaultdict(dict)
    refund_of: dict[str, str] = {}
    for effect in effects:
        hospital, detail, operation = effect["party"], effect["detail"], effect["operation"]
        if operation in _SETTLEMENTS:
            live[hospital][detail["setl_id"]] = figures(detail)
        elif operation in _CANCELLATIONS:
            refund_of[detail["setl_id"]] = detail["cancels"]
            gone[hospital][detail["cancels"]] = live[hospital].pop(detail["cancels"])
        elif operation == "2601" and detail["oinfno"] in _SETTLEMENTS:
            live[hospital].pop(detail["setl_id"])
        elif operation == "2601" and detail["oinfno"] in _CANCELLATIONS:
            original = refund_of[detail["setl_id"]]
            live[hospital][original] = gone[hospital].pop(original)
    return live


@dataclass(frozen=True, slots=True)
class BankBooks:
    """What the bank executed: ``by_serial`` net of refunds under the charge's own serial, the rest by hospital."""

    by_serial: dict[str, int]
    hospital_of: dict[str, str]
    """Serial of a charge → hospital whose account got it."""
    orders: dict[str, int]
    """pay_order_no → fen booked, returns taken off."""
    order_hospital: dict[str, str]

    def credit(self, hospital: str) -> int:
        return sum(net for serial, net in self.by_serial.items() if self.hospital_of[serial] == hospital)

    def paid(self, hospital: str) -> int:
        return sum(net for order, net in self.orders.items() if self.order_hospital[order] == hospital)


def bank_books(effects: Iterable[Mapping[str, Any]]) -> BankBooks:
    """The bank's ledger by charge and by payout order."""
    books = BankBooks({}, {}, {}, {})
    for effect in effects:
        operation, key, amount, detail = effect["operation"], effect["key"], effect["amount_fen"], effect["detail"]
        if operation in _CAPTURES:
            books.by_serial[key] = books.by_serial.get(key, 0) + amount
            books.hospital_of[key] = detail["payee"]
        elif operation == "Refund":
            books.by_serial[detail["orig_serial"]] -= amount
        elif operation in ("SubmitPayoutBatch", "PayoutReturn"):
            sign = 1 if operation == "SubmitPayoutBatch" else -1
            books.orders[key] = books.orders.get(key, 0) + sign * amount
            books.order_hospital[key] = effect["party"]
    return books


async def gateway_settlements(world: World) -> dict[str, dict[str, Figures]]:
    """Settlements in force by the gateway's word: hospital → setl_id → amounts."""
    live: dict[str, dict[str, Figures]] = defaultdict(dict)
    for day in DAYS:
        for row in await world.staff["auditor"].rows("/v1/settlements", date=day.isoformat()):
            if row["state"] in _LIVE and not row.get("refund"):
                live[row["fixmedins_code"]][row["setl_id"]] = figures(row)
    return live


@dataclass(frozen=True, slots=True)
class GatewayVisit:
    """A credit visit by the gateway's word; ``serials`` of its charges at the bank."""

    hospital: str
    visit_id: str
    state: str
    net: int
    serials: tuple[str, ...]


async def gateway_visits(world: World) -> list[GatewayVisit]:
    """Every visit the hospitals booked a charge for."""
    found = []
    for code, his in world.his.items():
        for visit_id in his.books.charges:
            shown = await his.v1.get(f"/v1/visits/{visit_id}")
            serials = tuple(str(charge["serial"]) for charge in shown["charges"] if charge.get("serial"))
            net = 0 if shown["state"] == "REVERSED" else fen(shown["charged_amt"])
            found.append(GatewayVisit(code, visit_id, shown["state"], net, serials))
    return found


@dataclass(frozen=True, slots=True)
class GatewayOrder:
    """A payment order by the gateway's word."""

    hospital: str
    biz_date: str
    pay_order_no: str
    amount: int
    state: str


async def gateway_orders(world: World) -> list[GatewayOrder]:
    """Every order of the payout week."""
    orders = []
    for day in DAYS:
        for summary in (await world.staff["auditor"].get(f"/v1/payouts/{day}"))["summaries"]:
            orders += [
                GatewayOrder(
                    order["fixmedins_code"], day.isoformat(), order["pay_order_no"], fen(order["sum_amt"]),
                    order["state"],
                )
                for order in summary["orders"]
            ]  # fmt: skip
    return orders
