"""Breaks: what a comparison found, entered, repaired where a rule allows, else given to a person (6.4, R-115)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.flows.payout.jobs import close_task, keep_going
from gateway.flows.recon.detail import Scope, Statement
from gateway.flows.recon.findings import DUPLICATE, OWNERS, PROPOSED, THEIRS_ONLY, Finding, findings_of
from gateway.flows.recon.totals import DIFFERS_TASK, enter, tell
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.insurance import CANCEL
from gateway.model.machines import CLAIM, RECON_BREAK
from gateway.model.verdict import Done, Refused

OPEN: Final = frozenset({"OPEN", "REPAIRING"})
DAYS: Final = 2  # from the settlement date until a break is due
UNDECIDED: Final = frozenset({"UNKNOWN", "RECON_PENDING"})


async def compare(house: House, statement: Statement, act: Act) -> bool:
    """Enter a comparison: matched settlements RECONCILED, the others RECON_DIFF with a break each.

    True when a repair was carried out, so that the totals are worth asking again.
    """
    findings = [await _known(house, statement.scope, found) for found in findings_of(statement.rows, statement.claims)]
    broken = {found.claim.id for found in findings if found.claim is not None and found.kind != DUPLICATE}
    scope, ours = statement.scope, [claim.id for claim in statement.claims]
    numbers = {found.number(scope.id) for found in findings}
    entered = [
        await keep_going(partial(_enter, house, statement, found, act)) for found in findings
    ]  # fmt: skip
    await enter(house, scope.hospital, scope.setl_date, [one for one in ours if one in broken], "differs", act)
    await _let_go(house, scope, numbers, act)
    closed = {found["claim"] for found in entered if found.state == "CLOSED"}
    matched = [one for one in ours if one not in broken or one in closed]
    await enter(house, scope.hospital, scope.setl_date, matched, "matched", act)
    repaired = False
    for found in entered:
        repaired |= await _repair(house, found, act)
    await _explain(house, scope, entered, act, repaired)
    return repaired


async def _known(house: House, scope: Scope, found: Finding) -> Finding:
    """A row only the platform has may be of a message of ours that never got its answer."""
    if found.kind != THEIRS_ONLY or not found.msgid:
        return found
    return replace(found, claim=await house.journal.entities.get("claim", f"{scope.hospital}|{found.msgid}"))


# -- entering ---------------------------------------------------------------------------------------------------------


async def _enter(house: House, statement: Statement, found: Finding, act: Act) -> Entity:
    """The finding's break; the same finding again changes nothing, another content voids a first decision."""
    scope, number = statement.scope, found.number(statement.scope.id)
    known = await house.journal.entities.get("recon_break", number)
    content = found.shown()
    automatic = _is_automatic(found)
    data: dict[str, Any] = {
        **content, "proposed": "recon.reverse" if automatic else PROPOSED[found.kind],
        "owner": "plan" if automatic else OWNERS[found.kind], "seen": statement.number, "decisions": [],
    }  # fmt: skip
    unit = Unit()
    if known is None:
        fresh = house.journal.entities.create(
            unit, "recon_break", number, "found", act, hospital=scope.hospital,
            columns={
                "setl_date": scope.setl_date, "clr_type": scope.clr_type, "clr_optins": scope.clr_optins,
                "setl_id": found.setl_id, "msgid": found.msgid,
            },
            data={**data, "due": due_of(scope.setl_date)},
            sealed={"psn_no": "" if found.row is None else found.row.psn_no},
        )  # fmt: skip
        house.journal.index(unit, "recon_break", number, setl_id=found.setl_id)
    elif known.get("seen") == statement.number or (known.state != "REPAIRED" and not _changed(known, content)):
        return known
    else:
        event = "found" if known.state == "REPAIRED" else "changed"
        fresh = house.journal.entities.move(unit, known, event, act, data=data)
    if not automatic:
        await _tell(unit, house, fresh, act)
    await house.journal.commit(unit)
    return fresh


def _changed(known: Entity, content: dict[str, Any]) -> bool:
    """Whether the sides stand otherwise than they did; our own state alone is the break's own doing."""
    return any(_stable(known.get(name)) != _stable(content[name]) for name in ("kind", "ours", "theirs"))


def _stable(side: Any) -> Any:
    return {name: value for name, value in side.items() if name != "state"} if isinstance(side, dict) else side


def _is_automatic(found: Finding) -> bool:
    """6.4: centre-only, and the message is ours without a known outcome."""
    return found.kind == THEIRS_ONLY and found.claim is not None and found.claim.state in UNDECIDED


def due_of(setl_date: str) -> str:
    """The day a break of a settlement date is due."""
    return (date.fromisoformat(setl_date) + timedelta(days=DAYS)).isoformat()


async def _tell(unit: Unit, house: House, broken: Entity, act: Act) -> None:
    await house.journal.raise_task(
        unit, DIFFERS_TASK, broken.id, act, suggested=broken["proposed"], due_date=broken["due"],
        hospital=broken.hospital,
    )  # fmt: skip


# -- what is gone, and what the group's difference is ------------------------------------------------------------------


async def breaks_of(house: House, scope: Scope) -> list[Entity]:
    """The breaks of a scope."""
    return await house.journal.entities.find(
        "recon_break", "setl_date = :day AND hospital = :hospital AND clr_type = :clr_type AND clr_optins = :optins",
        day=scope.setl_date, hospital=scope.hospital, clr_type=scope.clr_type, optins=scope.clr_optins,
    )  # fmt: skip


async def _let_go(house: House, scope: Scope, numbers: Collection[str], act: Act) -> None:
    """Breaks that a newer comparison does not show any more."""
    for broken in await breaks_of(house, scope):
        if broken.state in OPEN and broken.id not in numbers:
            await keep_going(partial(_end, house, broken.id, "gone", act))


async def _end(house: House, number: str, event: str, act: Act) -> Entity | None:
    broken = await house.journal.entities.get("recon_break", number)
    if broken is None or not RECON_BREAK.allows(broken.state, event):
        return broken
    unit = Unit()
    moved = house.journal.entities.move(unit, broken, event, act)
    await close_task(house, unit, DIFFERS_TASK, broken.id, act)
    await house.journal.commit(unit)
    return moved


async def _explain(house: House, scope: Scope, entered: Sequence[Entity], act: Act, repaired: bool) -> None:
    """A group that differs is explained by its breaks, ended when persons closed them all, else a task of its own."""
    groups = await house.journal.entities.find(
        "recon_group",
        "setl_date = :day AND hospital = :hospital AND clr_type = :clr_type AND clr_optins = :optins "
        "AND state = 'DIFFERS'",
        day=scope.setl_date, hospital=scope.hospital, clr_type=scope.clr_type, optins=scope.clr_optins,
    )  # fmt: skip
    over = bool(entered) and not repaired and all(broken.state == "CLOSED" for broken in entered)
    for group in groups:
        unit = Unit()
        if entered:
            house.journal.entities.move(unit, group, "closed" if over else "explained", act, data={"explained": True})
            await close_task(house, unit, DIFFERS_TASK, group.id, act)
        else:
            await tell(unit, house, group, act)
        if unit:
            await house.journal.commit(unit)


# -- repairs a rule allows --------------------------------------------------------------------------------------------


async def _repair(house: House, broken: Entity, act: Act) -> bool:
    """Undo (a settlement) or complete (a cancellation) what the platform executed without our knowing. True if done.

    The question of the operation is the repair: a settlement's is 2601 with its msgid, a cancellation is sent again.
    """
    if broken.state == "REPAIRED":
        return True  # in a former run of the same comparison
    claim = None if broken["claim"] is None else await house.journal.entities.get("claim", broken["claim"])
    if broken["kind"] != THEIRS_ONLY or broken.state not in OPEN or claim is None:
        return False
    if broken["owner"] != "plan":
        return False
    if claim.state in UNDECIDED and not await _ask(house, claim, act):
        if broken.state == "OPEN":
            unit = Unit()
            house.journal.entities.move(unit, broken, "repairing", act)
            await house.journal.commit(unit)
        return False
    await keep_going(partial(_end, house, broken.id, "repaired", act))
    return True


async def _ask(house: House, claim: Entity, act: Act) -> bool:
    """Ask after a claim's message; True once its outcome is certain, and the record of a reversed one says so."""
    op = await signing_in.sent_as(house, claim["infno"], claim.id)
    if op is None:
        return False
    verdict = await house.asker.ask(op) if op.state in ("UNKNOWN", "ACCEPTED") else await house.delivery.journalled(op)
    if not isinstance(verdict, Done | Refused):
        return False
    if isinstance(verdict, Refused) and claim["infno"] not in CANCEL:
        await keep_going(partial(_reversed, house, claim.id, verdict.code, act))
    return True


async def _reversed(house: House, claim_id: str, code: str, act: Act) -> None:
    """The flow that goes on after the answer finds the record so, whichever of the two is first."""
    claim = await house.journal.entities.get("claim", claim_id)
    if claim is None or not CLAIM.allows(claim.state, "reversed"):
        return
    unit = Unit()
    house.journal.entities.move(unit, claim, "reversed", act, data={"code": code})
    await house.journal.commit(unit)
