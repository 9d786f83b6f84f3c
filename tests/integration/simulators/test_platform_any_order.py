"""Whatever a hospital does in whatever order: ledger, account, 3201 and 5203 tell the same story, to the fen."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.platform.money import fen_of, yuan
from tests.integration.simulators.platform_his import PERSON, His, hospital

PSN = PERSON["psn_no"]
STEP = st.tuples(
    st.sampled_from(["settle", "settle_again", "cancel", "reverse_settlement", "reverse_cancellation"]),
    st.integers(0, 3),
    st.sampled_from(["", "drop_after", "drop_before", "http_500_after", "garbage"]),
)


class Visit:
    """A visit of the story with every message sent for it."""

    def __init__(self, mdtrt_id: str, total: str) -> None:
        self.mdtrt_id = mdtrt_id
        self.total = total
        self.setl_id = ""
        self.settlements: list[str] = []
        self.cancellations: list[str] = []


async def send(his: His, infno: str, payload: dict[str, Any], fault: str) -> dict[str, Any]:
    """Sends under a fault; what comes back, or nothing."""
    await his.faults(*([{"operation": infno, "nth": 1, "kind": fault}] if fault else []))
    try:
        return await his.ask(infno, payload)
    except (aiohttp.ClientError, AssertionError, ValueError):
        return {}


async def act(his: His, visit: Visit, kind: str, fault: str) -> None:
    data = {"psn_no": PSN, "mdtrt_id": visit.mdtrt_id, "setl_id": visit.setl_id or "none"}
    if kind.startswith("settle"):
        answer = await send(his, "2207", his.settle_data(visit.mdtrt_id, visit.total), fault)
        visit.settlements.append(his.last_msgid)
        visit.setl_id = ((answer.get("output") or {}).get("setlinfo") or {}).get("setl_id") or visit.setl_id
    elif kind == "cancel":
        await send(his, "2208", {"data": data}, fault)
        visit.cancellations.append(his.last_msgid)
    else:
        infno, sent = ("2207", visit.settlements) if kind == "reverse_settlement" else ("2208", visit.cancellations)
        for omsgid in sent[-1:]:
            await send(his, "2601", {"data": {"psn_no": PSN, "omsgid": omsgid, "oinfno": infno}}, fault)


async def play(steps: list[tuple[str, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with hospital(Path(folder)) as his:
            totals = ("100.00", "33.33", "0.01", "2500.55")
            visits = [Visit(await his.outpatient(total), total) for total in totals]
            for kind, which, fault in steps:
                await act(his, visits[which], kind, fault)
            await his.faults()
            await balanced(his)


async def balanced(his: His) -> None:
    effects = await his.effects("2207", "2208", "2601")
    net = {name: _net(effects, name) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")}
    assert net["medfee_sumamt"] == sum(e["amount_fen"] for e in effects) >= 0
    assert fen_of(await his.balance(), "balc") == 130_000 - net["acct_pay"]
    day = (await his.done("9001", {"signIn": {"opter_no": "OP1"}}))["signinoutb"]["sign_time"][:10]
    count = _count(effects)
    data = {
        "insutype": "310",
        "clr_type": "11",
        "setl_optins": "430500",
        "stmt_begndate": day,
        "stmt_enddate": day,
        "fixmedins_setl_cnt": count,
        **{name: yuan(fen) for name, fen in net.items()},
    }
    info = (await his.done("3201", {"data": data}))["stmtinfo"]
    assert info["stmt_rslt"] == "0", (info, data)


def _sign(effect: dict[str, Any]) -> int:
    """A reversal shows the amounts of what it undid."""
    return -1 if effect["operation"] == "2601" else 1


def _net(effects: list[dict[str, Any]], name: str) -> int:
    return sum(_sign(e) * fen_of(e["detail"][name], name) for e in effects)


def _count(effects: list[dict[str, Any]]) -> int:
    """Rows in force: a settlement and its refund are two, a reversal takes one away."""
    return sum(_sign(e) for e in effects)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=3, max_size=14))
def test_the_books_balance_after_any_story(steps: list[tuple[str, int, str]]) -> None:
    asyncio.run(play(steps))
