"""Clearing applications of an institution (3203, 3204, 3205; national-interface 3.14, behaviour 19)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from simulators.common.clock import SHANGHAI
from simulators.platform import refusals
from simulators.platform.dates import date_time, days
from simulators.platform.message import Message, Output, amount, text, transaction
from simulators.platform.money import Fen, half_up, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import Application, Settlement

_HOUR, _DAY = 3600, 86_400
_WALK = ((0, "10"), (_HOUR, "20"), (_DAY, "30"), (3 * _DAY, "40"), (5 * _DAY, "50"), (7 * _DAY, "60"))
_CLEARED = ("50", "60")
_DEPOSIT_RATIO = 500
_CHECKED = {
    "medfee_sumamt": "medfee_sumamt",
    "fund_appy_sum": "fund_pay_sumamt",
    "acct_pay": "acct_pay",
    "cash_payamt": "psn_cash_pay",
}


def status(m: Message, row: Application) -> str:
    """clr_stas, which follows from the business time since the application: 10 → 60 in a week, or 70."""
    since = datetime.fromisoformat(row.opt_time).replace(tzinfo=SHANGHAI)
    passed = (m.now - since).total_seconds()
    if row.rejected and passed >= _DAY:
        return "70"
    return next(code for after, code in reversed(_WALK) if passed >= after or after == 0)


def refuse_if_cleared(m: Message, settlement: Settlement) -> None:
    """A settlement in a clearing already done cannot be taken back. Raises Refused."""
    day = settlement.setl_time[:10]
    for row in m.state.applications.values():
        covers = row.fixmedins_code == settlement.fixmedins_code and row.clr_type == settlement.clr_type
        if covers and row.begndate <= day <= row.enddate and not row.withdrawn and status(m, row) in _CLEARED:
            raise Refused(refusals.CANCEL_FORBIDDEN)


@transaction("3203", "3203A")
def apply(m: Message) -> Output:
    """Applies for the clearing of a period; the sums have to be the platform's own."""
    node = m.node()
    clr_type = text(node, "clr_type")
    first, last = (date_time(text(node, name), name)[:10] for name in ("begndate", "enddate"))
    asked = {name: amount(node, name) for name in (*_CHECKED, "med_sumfee") if name in _CHECKED or name in node}
    for row in _mine(m):
        if row.clr_type == clr_type and row.begndate <= last and first <= row.enddate:
            raise Refused("该清算期已申报，不能重复申报", duplicate=True)
    _check_sums(m, clr_type, days(first, last), asked)
    number = f"{m.fixmedins_code[1:7]}CLR{m.state.serial('application'):010d}"
    row = Application(
        clr_appy_evt_id=number,
        fixmedins_code=m.fixmedins_code,
        clr_type=clr_type,
        clr_way=text(node, "clr_way", ""),
        setlym=text(node, "setlym", first[:7].replace("-", "")),
        begndate=first,
        enddate=last,
        opt_time=m.time,
        amounts=asked,
        clr_optins=text(node, "clr_optins", m.state.hospital(m.fixmedins_code).pool_area),
        rejected=bool(m.variant("clearing_rejected")),
    )
    m.state.applications.put(number, row)
    m.effect(asked["fund_appy_sum"], clr_appy_evt_id=number, clr_type=clr_type, begndate=first, enddate=last)
    return {"result": {"clr_appy_evt_id": number}}


def _check_sums(m: Message, clr_type: str, period: list[str], asked: dict[str, int]) -> None:
    rows = [s for day in period for s in m.state.settled_on(m.fixmedins_code, day) if s.clr_type == clr_type]
    for name, ours in _CHECKED.items():
        total = sum(row.amounts[ours] for row in rows)
        if asked[name] != total:
            raise Refused(f"{name}与中心不一致：中心{yuan(total)}，申报{yuan(asked[name])}")


def _mine(m: Message) -> list[Application]:
    rows = m.state.applications.values()
    return [row for row in rows if row.fixmedins_code == m.fixmedins_code and _stands(m, row)]


def _stands(m: Message, row: Application) -> bool:
    return not row.withdrawn and status(m, row) != "70"


@transaction("3204", "3204A")
def withdraw(m: Message) -> Output:
    """Withdraws an application not yet under audit."""
    row = m.state.applications.get(text(m.node(), "clr_appy_evt_id"))
    if row is None or row.fixmedins_code != m.fixmedins_code:
        raise Refused("未找到清算申请")
    if row.withdrawn:
        raise Refused("清算申请已撤销", duplicate=True)
    if status(m, row) not in ("10", "20"):
        raise Refused("清算申请已进入审核，不能撤销")
    m.state.applications.put(row.clr_appy_evt_id, replace(row, withdrawn=True))
    m.effect(-row.amounts["fund_appy_sum"], clr_appy_evt_id=row.clr_appy_evt_id)
    return None


@transaction("3205", "3205A", query=True)
def ask(m: Message) -> Output:
    """The institution's applications with their status, all or by number or period."""
    node = m.node()
    number = text(node, "clr_appy_evt_id", "")
    first, last = text(node, "begndate", "0000-00-00")[:10], text(node, "enddate", "9999-12-31")[:10]
    rows = [r for r in m.state.applications.values() if r.fixmedins_code == m.fixmedins_code and not r.withdrawn]
    chosen = [r for r in rows if number in ("", r.clr_appy_evt_id) and r.begndate <= last and first <= r.enddate]
    if number and not chosen:
        raise Refused("未找到清算申请")
    return {"clr_appys": [_shown(m, row) for row in chosen]}


def _shown(m: Message, row: Application) -> dict[str, Any]:
    code = status(m, row)
    return {
        "fixmedins_code": row.fixmedins_code,
        "fixmedins_name": m.state.hospital(row.fixmedins_code).fixmedins_name,
        "clr_stas": code,
        "opt_time": row.opt_time,
        "medfee_sumamt": Fen(row.amounts["medfee_sumamt"]),
        "hi_agre_sumfee": Fen(row.amounts["medfee_sumamt"]),
        "fund_appy_sum": Fen(row.amounts["fund_appy_sum"]),
        "cash_payamt": Fen(row.amounts["cash_payamt"]),
        "acct_pay": Fen(row.amounts["acct_pay"]),
        "begndate": row.begndate,
        "enddate": row.enddate,
        "clr_ym": row.setlym,
        "clr_optins": row.clr_optins,
        "optins_no": row.clr_optins,
        "clr_appy_evt_id": row.clr_appy_evt_id,
        **(_paid(row) if code in _CLEARED else {}),
    }


def _paid(row: Application) -> dict[str, Any]:
    """What is paid: the sum applied for less reserve and deduction (7.2; ACT_DFR_AMT = DFR_AMT - DPST - DET)."""
    due = row.amounts["fund_appy_sum"]
    reserve = half_up(due, _DEPOSIT_RATIO)
    return {"dfr_amt": Fen(due), "dpst_sumamt": Fen(reserve), "det_sumamt": Fen(0), "act_dfr_amt": Fen(due - reserve)}
