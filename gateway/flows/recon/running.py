"""A hospital's day reconciled: totals (3201), the settlements that differ (3202), repairs, totals again (6.4).

Every morning each hospital's dates with something unreconciled are asked about, yesterday's and older ones. A run that
was cut off leaves something unreconciled, so it asks again and comes to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final

import structlog

from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.flows.recon.breaks import compare
from gateway.flows.recon.detail import Scope, can_detail, statement_of
from gateway.flows.recon.totals import GroupKey, ask, groups_of, sent_on, undecided, unknown_of
from gateway.journal.entities import Act
from gateway.journal.store import Unit
from gateway.model.machines import CLAIM

ROUNDS: Final = 3
_CLR_TYPES: Final = {"2207": "11", "2208": "11", "2304": "21", "2305": "21", "2102": "41", "2103": "41"}
_log = structlog.get_logger("recon")


@dataclass(slots=True)
class _Day:
    """What a round works on."""

    house: House
    hospital: str
    date: date
    run: str
    act: Act
    hosp_lv: int | None
    answered: bool = True
    scopes: set[Scope] = field(default_factory=set)


async def reconcile(house: House, hospital: str, day: date, run: str, act: Act, hosp_lv: int | None = None) -> bool:
    """Ask about a hospital's date until it is equal or every difference has an owner. False when an answer is missing.

    ``run`` names this run: the same run asks once, another one asks again.
    """
    for row in await unknown_of(house, hospital):
        _log.info("outcome unknown before reconciliation", operation_id=row["operation_id"], hospital=hospital)
    await _give_to_reconciliation(house, hospital, act)
    for number in range(1, ROUNDS + 1):
        name = run if number == 1 else f"{run}|{number}"
        work = _Day(house, hospital, day, name, act, hosp_lv)
        await _totals(work)
        if not await _details(work):
            break
    return work.answered


async def _give_to_reconciliation(house: House, hospital: str, act: Act) -> None:
    """A claim whose plan of questions is exhausted is closed by 3202 from now on (D.5)."""
    for claim in await undecided(house, hospital):
        op = await signing_in.sent_as(house, claim["infno"], claim.id)
        if claim.state == "UNKNOWN" and op is not None and op.owner == "person":
            unit = Unit()
            house.journal.entities.move(unit, claim, "plan_exhausted", act)
            await house.journal.commit(unit)


async def _totals(work: _Day) -> None:
    """Every group with something to reconcile; notes whose settlements have to be compared one by one."""
    groups = await groups_of(work.house, work.hospital, work.date)
    differing = await _differing(work)
    told = not can_detail(work.house)
    for key in sorted(groups.keys() | differing, key=lambda key: key.id):
        claims = groups.get(key, [])
        if key not in differing and not any(CLAIM.allows(claim.state, "matched") for claim in claims):
            continue
        equal = await ask(work.house, key, claims, work.run, work.act, work.hosp_lv, told=told)
        work.answered &= equal is not None
        if equal is False:
            work.scopes.add(Scope.of(key))
    work.scopes |= await _with_breaks(work)
    for claim in await undecided(work.house, work.hospital):
        if sent_on(claim) == work.date:
            work.scopes |= _where(work, claim["infno"], set(groups))


async def _differing(work: _Day) -> set[GroupKey]:
    found = await work.house.journal.entities.find(
        "recon_group", "setl_date = :day AND hospital = :hospital AND state = 'DIFFERS'",
        day=work.date.isoformat(), hospital=work.hospital,
    )  # fmt: skip
    return {
        GroupKey(group.hospital, group["setl_date"], group["insutype"], group["clr_type"], group["clr_optins"])
        for group in found
    }


async def _with_breaks(work: _Day) -> set[Scope]:
    """Where a difference was found before: only the settlements themselves say that it is gone, totals do not."""
    found = await work.house.journal.entities.find(
        "recon_break", "setl_date = :day AND hospital = :hospital AND state IN ('OPEN','REPAIRING')",
        day=work.date.isoformat(), hospital=work.hospital,
    )  # fmt: skip
    return {Scope(one.hospital, one["setl_date"], one["clr_type"], one["clr_optins"]) for one in found}


def _where(work: _Day, infno: str, groups: set[GroupKey]) -> set[Scope]:
    """Where a message without an answer would be found: the day's clearing agencies, the hospital's own among them."""
    clr_type = _CLR_TYPES[infno[:4]]
    own = Scope(work.hospital, work.date.isoformat(), clr_type, work.house.hospital(work.hospital).pool_area)
    return {own} | {Scope.of(key) for key in groups if key.clr_type == clr_type}


async def _details(work: _Day) -> bool:
    """Compare settlement by settlement where totals differ. True when a repair makes the totals worth asking again."""
    if not can_detail(work.house):
        return False
    repaired = False
    for scope in sorted(work.scopes, key=lambda scope: scope.id):
        statement = await statement_of(work.house, scope, work.run)
        if statement is None:
            work.answered = False
            continue
        repaired |= await compare(work.house, statement, work.act)
    return repaired
