"""The payout week: every morning yesterday's settlements are paid; one order fails for good, one receipt comes late."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from simulators.demo.world import NINGXIA, World
from simulators.hospital.books import fen
from simulators.hospital.credit import yuan
from simulators.hospital.v1 import V1Refused

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.3
REFUSED_HOSPITAL, REFUSED_DAY = NINGXIA[1], date(2025, 3, 5)
LATE_HOSPITAL, LATE_DAY = NINGXIA[0], date(2025, 3, 4)
_AT_REST = frozenset({"PAID", "STATUS_FAIL", "FAILED", "RETURNED"})


async def summary_of(world: World, biz_date: date) -> dict[str, Any]:
    """The one summary of a settlement date. Raises ValueError when there is none or a supplement nobody expects."""
    shown = await world.staff["auditor"].get(f"/v1/payouts/{biz_date}")
    summaries = shown["summaries"]
    if len(summaries) != 1:
        raise ValueError(f"{biz_date}: {len(summaries)} summaries")
    return dict(summaries[0])


async def pay(world: World, biz_date: date) -> None:
    """Approves (two people) and submits the summary the morning's jobs built, and waits for the receipts."""
    summary = await summary_of(world, biz_date)
    world.stage.say(
        f"{biz_date} 汇总单 {summary['summary_no']}：{summary['item_count']} 笔 {summary['sum_amt']} 元",
        f"payout summary built at 08:30: {len(summary['orders'])} orders",
    )
    await _prepare_mishaps(world, biz_date, summary)
    await _approve_and_submit(world, biz_date, summary)
    await _await_receipts(world, biz_date)
    if biz_date == REFUSED_DAY:
        await _note_failure(world, biz_date)


async def _approve_and_submit(world: World, biz_date: date, summary: dict[str, Any]) -> None:
    body = {"summary_no": summary["summary_no"], "content_hash": summary["content_hash"]}
    for role in ("preparer", "approver"):
        shown = await world.staff[role].post(f"/v1/payouts/{biz_date}/approve", body, f"approve-{biz_date}-{role}")
        summary = _found(shown, summary["summary_no"])
    await world.staff["approver"].post(f"/v1/payouts/{biz_date}/submit", body, f"submit-{biz_date}")
    world.facts.counts["summaries approved by two people"] += 1


def _found(shown: dict[str, Any], summary_no: str) -> dict[str, Any]:
    """The summary in an answer that may show it alone or among its day's."""
    if "summaries" in shown:
        return dict(next(one for one in shown["summaries"] if one["summary_no"] == summary_no))
    return shown


async def _prepare_mishaps(world: World, biz_date: date, summary: dict[str, Any]) -> None:
    if biz_date == LATE_DAY:
        order = _order(summary, LATE_HOSPITAL)
        await world.sims.ask("POST", "bank", "receipts/hold", {"pay_order_no": order["pay_order_no"]})
    if biz_date == REFUSED_DAY:
        fault = {"operation": "SubmitPayoutBatch", "kind": "reject", "record": REFUSED_HOSPITAL, "code": "AC04"}
        await world.sims.ask("PUT", "bank", "faults", [fault])


def _order(summary: dict[str, Any], fixmedins_code: str) -> dict[str, Any]:
    return dict(next(order for order in summary["orders"] if order["fixmedins_code"] == fixmedins_code))


async def _await_receipts(world: World, biz_date: date) -> None:
    """Until every order is proven by its receipt, failed, or known to wait for a late receipt."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        orders = (await summary_of(world, biz_date))["orders"]
        open_orders = [order for order in orders if order["state"] not in _AT_REST]
        if all(_waits_for_late_receipt(order, biz_date) for order in open_orders):
            break
        if asyncio.get_running_loop().time() > deadline:
            states = ", ".join(f"{order['pay_order_no']} {order['state']}" for order in open_orders)
            raise ValueError(f"{biz_date}: {states}")
        await asyncio.sleep(_POLL_SECONDS)
    for order in orders:
        world.facts.counts["receipts in time"] += order["state"] == "PAID"
        _tell(world, order)


def _waits_for_late_receipt(order: dict[str, Any], biz_date: date) -> bool:
    late = biz_date == LATE_DAY and order["fixmedins_code"] == LATE_HOSPITAL
    return late and order["state"] == "STATUS_OK"


def _tell(world: World, order: dict[str, Any]) -> None:
    words = {
        "PAID": ("凭电子回单已支付", "proven by its e-receipt"),
        "STATUS_OK": ("银行状态成功，回单未到，不算已付", "status says success, no receipt yet: not paid"),
        "STATUS_FAIL": ("银行拒付，不再二次拨付", "refused by the bank, never sent again"),
    }
    zh, en = words.get(order["state"], (order["state"], order["state"]))
    world.stage.say(f"{order['fixmedins_code']} {order['sum_amt']} 元：{zh}", en)


async def _note_failure(world: World, biz_date: date) -> None:
    await world.sims.ask("DELETE", "bank", "faults")
    world.facts.faults.append(("bank", "SubmitPayoutBatch", "reject"))
    order = _order(await summary_of(world, biz_date), REFUSED_HOSPITAL)
    world.facts.failed_orders[order["pay_order_no"]] = fen(order["sum_amt"])
    path = f"/v1/payout-orders/{order['pay_order_no']}/resubmit"
    try:
        await world.staff["approver"].post(path, {"reason": "银行账户已更正"}, f"resubmit-{order['pay_order_no']}")
    except V1Refused as refusal:
        world.facts.resubmit_code = refusal.code
    world.stage.say(f"重新提交被拒绝：{world.facts.resubmit_code}", "a second submission is refused")


async def release_late_receipt(world: World) -> None:
    """The held receipt comes after all, working days later, and proves its order."""
    order = _order(await summary_of(world, LATE_DAY), LATE_HOSPITAL)
    await world.sims.ask("POST", "bank", "receipts/release", {"pay_order_no": order["pay_order_no"]})
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while (order := _order(await summary_of(world, LATE_DAY), LATE_HOSPITAL))["state"] != "PAID":
        if asyncio.get_running_loop().time() > deadline:
            raise ValueError(f"{order['pay_order_no']} is {order['state']} although its receipt was released")
        await asyncio.sleep(_POLL_SECONDS)
    world.facts.counts["receipts late"] += 1
    world.stage.say(f"迟到的回单到达：{order['sum_amt']} 元", "the late e-receipt has arrived")


async def feedback(world: World, month: str) -> None:
    """The month's deduction basis; run by the preparer when the job of the due date has not sent it yet."""
    path = f"/v1/feedback/{month}"
    try:
        shown = await world.staff["auditor"].get(path)
    except V1Refused as refusal:
        if refusal.code != "NOT_FOUND":
            raise
        shown = {}
    if not shown.get("sent_at"):
        shown = await world.staff["preparer"].post(path, {}, f"feedback-{month}")
    world.facts.feedback = dict(shown)
    total = sum(fen(hospital["basis_amt"]) for hospital in shown["hospitals"])
    world.stage.say(f"{month} 数据回传（应传日 {shown['due_date']}）：{yuan(total)} 元", "month's deduction basis")
