"""The balance: hospital, platform, bank and gateway compared record by record, to the fen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from simulators.demo.ledgers import (
    FIGURES,
    BankBooks,
    Figures,
    GatewayOrder,
    GatewayVisit,
    bank_books,
    gateway_orders,
    gateway_settlements,
    gateway_visits,
    platform_settlements,
)
from simulators.demo.world import DAYS, HOSPITALS, NINGXIA, World
from simulators.hospital.books import BookedSettlement, Books, fen
from simulators.hospital.credit import yuan

_INPATIENT = frozenset({"21", "22"})
_RATIO_PERCENT = 60
_NAMES = {
    "medfee_sumamt": ("医疗费总额", "total fees"),
    "fund_pay_sumamt": ("基金支付", "fund"),
    "acct_pay": ("个人账户", "account"),
    "psn_cash_pay": ("现金自付", "cash part"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report; None where a party has no say. Fen, or a count where ``money`` is false."""

    hospital: str
    zh: str
    en: str
    his: int | None = None
    platform: int | None = None
    bank: int | None = None
    gateway: int | None = None
    money: bool = True

    @property
    def balanced(self) -> bool:
        said = {value for value in (self.his, self.platform, self.bank, self.gateway) if value is not None}
        return len(said) <= 1


@dataclass(slots=True)
class Balance:
    """The report's figures and every record on which two parties differ."""

    lines: list[Line] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    waiting: int = 0
    """Fen of failed daily payouts that wait for the monthly settlement."""

    @property
    def balanced(self) -> bool:
        return not self.differences and all(line.balanced for line in self.lines)


@dataclass(frozen=True, slots=True)
class Said:
    """What each party says about everything."""

    platform: Mapping[str, Mapping[str, Figures]]
    gateway: Mapping[str, Mapping[str, Figures]]
    bank: BankBooks
    visits: list[GatewayVisit]
    orders: list[GatewayOrder]
    accounts: Mapping[str, int]
    """Hospital → balance of its account at the bank, fen."""


async def ask_everybody(world: World) -> Said:
    accounts = (await world.sims.ask("GET", "bank", "accounts"))["accounts"]
    return Said(
        platform=platform_settlements(await world.sims.effects("platform")),
        gateway=await gateway_settlements(world),
        bank=bank_books(await world.sims.effects("bank")),
        visits=await gateway_visits(world),
        orders=await gateway_orders(world),
        accounts={row["owner"]: row["balance_fen"] for row in accounts if row["kind"] == "HOSPITAL"},
    )


async def balance(world: World) -> Balance:
    """Compares everything; nothing is corrected, every difference is named."""
    said, found = await ask_everybody(world), Balance()
    for code in HOSPITALS:
        books = world.his[code].books
        _settlements(found, books, said)
        _credit(found, books, said)
    for code in NINGXIA:
        _payouts(found, world, code, said)
    for code in HOSPITALS:
        _account(found, code, said)
    found.differences += [
        f"{line.hospital} {line.zh} {line.en}: {_said(line)}" for line in found.lines if not line.balanced
    ]
    return found


def _said(line: Line) -> str:
    parties = {"HIS": line.his, "平台 platform": line.platform, "银行 bank": line.bank, "网关 gateway": line.gateway}
    return ", ".join(f"{name} {_shown(line, value)}" for name, value in parties.items() if value is not None)


def _shown(line: Line, value: int) -> str:
    return money(value) if line.money else str(value)


def money(value: int) -> str:
    """Fen as yuan, negative amounts too."""
    return f"-{yuan(-value)}" if value < 0 else yuan(value)


# -- settlements ------------------------------------------------------------------------------------------------------


def _settlements(found: Balance, books: Books, said: Said) -> None:
    code = books.code
    his = {booked.setl_id: {name: booked.amounts[name] for name in FIGURES} for booked in books.live()}
    platform, gateway = said.platform.get(code, {}), said.gateway.get(code, {})
    count = Line(code, "有效结算笔数", "settlements", len(his), len(platform), None, len(gateway), money=False)
    found.lines.append(count)
    for name in FIGURES:
        totals = (sum(row[name] for row in rows.values()) for rows in (his, platform, gateway))
        mine, theirs, ours = totals
        found.lines.append(Line(code, *_NAMES[name], his=mine, platform=theirs, gateway=ours))
    for setl_id in sorted(his.keys() | platform.keys() | gateway.keys()):
        rows = {"HIS": his.get(setl_id), "platform": platform.get(setl_id), "gateway": gateway.get(setl_id)}
        found.differences += _settlement_differences(code, setl_id, rows)
    found.differences += [
        f"{code} setl_id {booked.setl_id}: 账单不平 bill does not close by {money(booked.identity_gap())}"
        for booked in books.live()
        if booked.identity_gap()
    ]


def _settlement_differences(code: str, setl_id: str, rows: Mapping[str, Figures | None]) -> list[str]:
    where = f"{code} setl_id {setl_id}"
    if missing := [name for name, row in rows.items() if row is None]:
        return [f"{where}: 仅 {', '.join(missing)} 没有 missing there"]
    differing = [name for name in FIGURES if len({row[name] for row in rows.values() if row is not None}) > 1]
    return [
        f"{where} {name}: " + ", ".join(f"{party} {money(row[name])}" for party, row in rows.items() if row is not None)
        for name in differing
    ]


# -- credit pay -------------------------------------------------------------------------------------------------------


def _credit(found: Balance, books: Books, said: Said) -> None:
    code = books.code
    visits = [visit for visit in said.visits if visit.hospital == code]
    bank = said.bank.credit(code)
    if not visits and not bank:
        return
    mine, ours = books.credit_net(), sum(visit.net for visit in visits)
    found.lines.append(Line(code, "信用支付净额", "credit paid, net", his=mine, bank=bank, gateway=ours))
    for visit in visits:
        found.differences += _visit_differences(books, visit, said.bank)
    known = {serial for visit in visits for serial in visit.serials}
    found.differences += [
        f"{code} 流水 serial {serial}: 银行扣款无对应就诊 the bank charged {money(net)} for no visit"
        for serial, net in said.bank.by_serial.items()
        if said.bank.hospital_of[serial] == code and serial not in known and net
    ]


def _visit_differences(books: Books, visit: GatewayVisit, bank: BankBooks) -> Iterable[str]:
    charge = books.charges[visit.visit_id]
    mine = charge.charged - charge.refunded
    theirs = sum(bank.by_serial.get(serial, 0) for serial in visit.serials)
    if not mine == visit.net == theirs:
        yield (
            f"{visit.hospital} 就诊 visit {visit.visit_id} ({visit.state}): HIS {money(mine)}, "
            f"bank {money(theirs)}, gateway {money(visit.net)}"
        )
    if charge.gap:
        yield f"{visit.hospital} 就诊 visit {visit.visit_id}: 自付差 {money(charge.gap)} of the cash part unpaid (V1)"


# -- payouts ----------------------------------------------------------------------------------------------------------


def item(booked: BookedSettlement) -> int:
    """A settlement's daily payout: 60 % of its base, half up to the fen, each for itself (R-116)."""
    return (booked.payout_base() * _RATIO_PERCENT + 50) // 100


def expected_payout(books: Books, biz_date: str, pool_area: str) -> int:
    """What a hospital expects for a settlement date: live inpatient settlements of people insured in the area."""
    return sum(
        item(booked)
        for booked in books.live()
        if booked.setl_date == biz_date and booked.med_type in _INPATIENT and booked.insuplc_admdvs == pool_area
    )


def _payouts(found: Balance, world: World, code: str, said: Said) -> None:
    books, pool_area = world.his[code].books, world.sandbox.cast.hospital(code).pool_area
    failed = world.facts.failed_orders
    orders = {order.biz_date: order for order in said.orders if order.hospital == code}
    expected = {day.isoformat(): expected_payout(books, day.isoformat(), pool_area) for day in DAYS}
    for day, amount in expected.items():
        found.differences += _order_differences(code, day, amount, orders.get(day), said.bank, failed)
    lost = sum(order.amount for order in orders.values() if order.pay_order_no in failed)
    found.waiting += lost
    paid = sum(order.amount for order in orders.values() if order.state == "PAID")
    mine = sum(expected.values()) - lost
    found.lines.append(
        Line(code, "日拨付（凭回单）", "paid, by receipt", his=mine, bank=said.bank.paid(code), gateway=paid)
    )
    basis = sum(
        fen(hospital["basis_amt"])
        for hospital in world.facts.feedback.get("hospitals", ())
        if hospital["fixmedins_code"] == code
    )
    found.lines.append(
        Line(code, "三月扣款依据", "deduction basis", his=mine, bank=said.bank.paid(code), gateway=basis)
    )


def _order_differences(
    code: str, day: str, expected: int, order: GatewayOrder | None, bank: BankBooks, failed: Mapping[str, int]
) -> list[str]:
    if order is None:
        return [f"{code} {day}: 无付款指令 no order, {money(expected)} expected"] if expected else []
    where = f"{code} {day} 指令 order {order.pay_order_no}"
    found = []
    if order.amount != expected:
        found.append(f"{where}: HIS {money(expected)}, gateway {money(order.amount)}")
    booked, due = bank.orders.get(order.pay_order_no, 0), 0 if order.pay_order_no in failed else order.amount
    if booked != due:
        found.append(f"{where}: bank {money(booked)}, gateway {money(due)}")
    wanted = "FAILED" if order.pay_order_no in failed else "PAID"
    if order.state != wanted:
        found.append(f"{where}: 状态 state {order.state}, {wanted} expected")
    return found


def _account(found: Balance, code: str, said: Said) -> None:
    booked = said.bank.credit(code) + said.bank.paid(code)
    if said.accounts[code] != booked:
        balance_text, booked_text = money(said.accounts[code]), money(booked)
        found.differences.append(f"{code} 账户余额 account balance {balance_text}, bank ledger {booked_text}")
