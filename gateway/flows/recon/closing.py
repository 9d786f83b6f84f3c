"""Two persons close a difference: a break named by 3202, or a group whose totals alone are known (D.5, 6.4)."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.api import Caller
from gateway.flows.house import House
from gateway.flows.payout.claims import mark_ready
from gateway.flows.payout.jobs import close_task, keep_going
from gateway.flows.payout.leaving import on_claim_changed
from gateway.flows.recon.findings import DIFFERS, DUPLICATE, OURS_ONLY, THEIRS_ONLY
from gateway.flows.recon.totals import DIFFERS_TASK
from gateway.flows.settling import columns_of, kept_of
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.clock import to_micros
from gateway.model.insurance import NationalMessage, NationalReply
from gateway.model.machines import CLAIM, MACHINES
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused

# Resolutions that do something besides the close; any other one says that our record stands.
REVERSE: Final = "reverse"  # 2601 with the platform's msgid
ACCEPT_THEIRS: Final = "accept_theirs"  # the platform's amounts (5203) become ours
NOT_INSURED: Final = "not_insured"  # our record is no insurance settlement
_CARRIED_OUT: Final = {REVERSE: (THEIRS_ONLY, DUPLICATE), ACCEPT_THEIRS: (DIFFERS,), NOT_INSURED: (OURS_ONLY,)}
_SETTLED_BY: Final = {"11": ("2207", "2208"), "21": ("2304", "2305"), "41": ("2102", "2103")}
_UNDONE: Final = frozenset({"NOT_FOUND", "ALREADY_DONE"})


async def close(
    house: House, break_id: str, resolution: str, reason: str, caller: Caller, act: Act
) -> tuple[Entity, bool]:
    """Note a person's word; another person's same resolution closes the break. Returns (break, closed).

    Raises Refusal NOT_FOUND, ILLEGAL_STATE (also when the platform refuses a reversal), SAME_PERSON, INVALID_FIELD for
    a resolution that does not fit the kind, IN_PROGRESS when the platform has not answered what the resolution needs:
    the second person says it again.
    """
    return await keep_going(partial(_close, house, break_id, resolution, reason, caller, act))


async def _close(
    house: House, break_id: str, resolution: str, reason: str, caller: Caller, act: Act
) -> tuple[Entity, bool]:
    broken = await _break_of(house, break_id)
    decisions = broken.get("decisions", [])
    if any(row["in"] == act.exchange_id for row in decisions if act.exchange_id):
        return broken, broken.state == "CLOSED"  # this very call was cut off after its commit
    MACHINES[broken.kind].after(broken.state, "decided")
    if broken.get("kind", DIFFERS) not in _CARRIED_OUT.get(resolution, (broken.get("kind", DIFFERS),)):
        raise Refusal("INVALID_FIELD", "该差异不能这样处理", field="resolution")
    same = [row for row in decisions if row["resolution"] == resolution]
    if any(row["by"] == caller.id for row in same):
        raise Refusal("SAME_PERSON")
    noted = {
        "by": caller.id, "at": house.clock.now().isoformat(), "resolution": resolution, "reason": reason,
        "in": act.exchange_id,
    }  # fmt: skip
    unit = Unit()
    left = await _carry_out(unit, house, broken, resolution, act) if same else None
    event = "closed" if same else "decided"
    moved = house.journal.entities.move(unit, broken, event, act, data={"decisions": [*decisions, noted]})
    await house.journal.commit(unit)
    if left is not None:
        await on_claim_changed(house, left, act)
    return moved, bool(same)


async def _break_of(house: House, break_id: str) -> Entity:
    """A break, or a group that stands for one. Raises Refusal NOT_FOUND."""
    for kind in ("recon_break", "recon_group"):
        found = await house.journal.entities.get(kind, break_id)
        if found is not None:
            return found
    raise Refusal("NOT_FOUND", field="break_id")


async def _carry_out(unit: Unit, house: House, broken: Entity, resolution: str, act: Act) -> Entity | None:
    """Add what a close means; returns a claim that leaves the payout by it."""
    await close_task(house, unit, DIFFERS_TASK, broken.id, act)
    if broken.kind == "recon_group":
        await _release_group(unit, house, broken, act)
        return None
    claim = None if broken["claim"] is None else await house.journal.entities.get("claim", broken["claim"])
    if resolution == REVERSE:
        await _reverse(house, broken, act)
        return None
    if claim is None:
        return None
    if resolution == NOT_INSURED:
        return house.journal.entities.move(unit, claim, "cancelled", act, data={"cancelled_by": broken.id})
    columns: dict[str, object] = {}
    data: dict[str, object] = {}
    if resolution == ACCEPT_THEIRS:
        columns, data = await _their_amounts(house, claim, act)
    _release(unit, house, claim, act, columns, data)
    return None


def _release(
    unit: Unit, house: House, claim: Entity, act: Act, columns: dict[str, object], data: dict[str, object]
) -> None:
    """Add that a settlement is reconciled by two persons' word, and payable."""
    if not CLAIM.allows(claim.state, "matched"):
        return
    now = to_micros(house.clock.now())
    house.journal.entities.move(unit, claim, "matched", act, columns={**columns, "reconciled_at": now}, data=data)
    if house.agency_of(claim["pool_area"]) is not None:
        mark_ready(unit, house, claim["pool_area"], claim["setl_date"], claim.hospital)


async def _release_group(unit: Unit, house: House, group: Entity, act: Act) -> None:
    claims = await house.journal.entities.find(
        "claim",
        "setl_date = :day AND hospital = :hospital AND insutype = :insutype AND clr_type = :clr_type "
        "AND clr_optins = :clr_optins AND state IN ('ACCEPTED','RECON_DIFF')",
        day=group["setl_date"], hospital=group.hospital, insutype=group["insutype"], clr_type=group["clr_type"],
        clr_optins=group["clr_optins"],
    )  # fmt: skip
    now = to_micros(house.clock.now())
    for claim in claims:
        house.journal.entities.move(unit, claim, "matched", act, columns={"reconciled_at": now})
    area = house.hospital(group.hospital).pool_area
    if house.agency_of(area) is not None:
        mark_ready(unit, house, area, group["setl_date"], group.hospital)


# -- the platform's part ----------------------------------------------------------------------------------------------


async def _reverse(house: House, broken: Entity, act: Act) -> None:
    """2601 with the msgid the platform named; a second one for the same message is harmless."""
    settled, cancelled = _SETTLED_BY.get(broken["clr_type"][-2:], _SETTLED_BY["11"])
    content = {
        "psn_no": broken.sealed.get("psn_no", ""), "omsgid": broken["msgid"],
        "oinfno": cancelled if broken["refund"] else settled,
    }  # fmt: skip
    verdict = await _asked(house, "2601", broken, content, act)
    if isinstance(verdict, Done) or (isinstance(verdict, Refused) and verdict.code in _UNDONE):
        return
    if isinstance(verdict, Refused):
        raise Refusal("ILLEGAL_STATE", f"医保平台拒绝冲正（{verdict.code}）")
    raise Refusal("IN_PROGRESS", "2601")


async def _their_amounts(house: House, claim: Entity, act: Act) -> tuple[dict[str, object], dict[str, object]]:
    """What the platform holds of a settlement (5203), as our record keeps it; number and key stay."""
    content = {"psn_no": claim["psn_no"], "setl_id": claim["setl_id"], "mdtrt_id": claim["mdtrt_id"]}
    verdict = await _asked(house, "5203", claim, content, act)
    if not isinstance(verdict, Done) or not isinstance(verdict.reply, NationalReply) or not verdict.reply.settlement:
        raise Refusal("IN_PROGRESS", "5203")
    theirs = verdict.reply.settlement
    columns = columns_of(claim, theirs)
    kept = ("medfee_fen", "fund_fen", "acct_fen", "cash_fen", "digest")
    return {name: columns[name] for name in kept}, dict(kept_of(theirs))


async def _asked(house: House, infno: str, about: Entity, content: dict[str, object], act: Act) -> object:
    hospital = house.hospital(about.hospital)
    message = NationalMessage(
        infno=infno, fixmedins_code=hospital.code, fixmedins_name=hospital.name, mdtrtarea_admvs=hospital.pool_area,
        psn_no=str(content["psn_no"]), input={"data": content},
    )  # fmt: skip
    message = await signing_in.completed(house, message, act.exchange_id)
    order = Order(
        house.insurance, infno, f"{about.id}|close|{about.version}", message, act.exchange_id, about.id, hospital.code
    )
    return await signing_in.send(house, order)
