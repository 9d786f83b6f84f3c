"""Claims as the payout sees them: which hospital days wait for a decision, and what each claim is (D.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final

from gateway.flows.house import House
from gateway.handlers.base import Decision, Reason, load_handler
from gateway.handlers.payout import Claim, PayoutAmount, base_of
from gateway.journal.entities import Entity
from gateway.journal.store import Unit
from gateway.model.clock import to_micros
from gateway.model.ids import settlement_key
from gateway.model.insurance import NationalMessage
from gateway.model.profile import LocalityProfile
from gateway.model.refusals import Refusal

# Label of an item → the event of its machine that leads there.
EVENTS: Final[Mapping[str, str]] = {
    "IN_SUMMARY": "in_summary",
    "ZERO_SKIPPED": "zero",
    "NEGATIVE_EXCLUDED": "negative",
    "OUT_OF_SCOPE": "out_of_scope",
    "RECON_DIFF": "recon_diff",
    "CONFLICT": "conflict",
    "CANCELLED": "cancelled",
}
HELD_OUT: Final = frozenset(EVENTS) - {"IN_SUMMARY"}
DECIDED: Final = frozenset({"RECONCILED", "RECON_DIFF", "CANCELLED"})
_NEEDS_AREA: Final = frozenset({"IN_SUMMARY", "ZERO_SKIPPED"})


@dataclass(frozen=True, slots=True)
class Ready:
    """A hospital's settlement date with claims whose payout is to be decided."""

    setl_date: date
    hospital: str
    marked_at: int


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with its label, base, ratio and amount (fen), and why."""

    claim: Entity
    key: str
    label: str
    base_fen: int
    ratio: Decimal
    amount_fen: int
    reasons: tuple[Reason, ...]

    @property
    def reason(self) -> str:
        """The deciding rule's words."""
        return self.reasons[-1].detail if self.reasons else ""


def mark_ready(unit: Unit, house: House, claim_area: str, setl_date: str, hospital: str) -> None:
    """Add that a hospital's settlement date has to be looked at by the next build."""
    unit.run(
        "INSERT INTO payout_ready (pool_area, setl_date, hospital, marked_at) "
        "VALUES (:area, :day, :hospital, :at) "
        "ON CONFLICT (pool_area, setl_date, hospital) DO UPDATE SET marked_at = payout_ready.marked_at + 1",
        {"area": claim_area, "day": setl_date, "hospital": hospital, "at": to_micros(house.clock.now())},
    )


def take_off(unit: Unit, pool_area: str, ready: Ready) -> None:
    """Add that a hospital day is decided, unless it was marked again meanwhile."""
    unit.run(
        "DELETE FROM payout_ready WHERE pool_area = :area AND setl_date = :day AND hospital = :hospital "
        "AND marked_at = :at",
        {
            "area": pool_area, "day": ready.setl_date.isoformat(), "hospital": ready.hospital, "at": ready.marked_at,
        },
        expect=None,
    )  # fmt: skip


async def ready_days(house: House, pool_area: str, before: date) -> list[Ready]:
    """Hospital days before a date that wait for a decision, oldest first."""
    rows = await house.journal.store.rows(
        "SELECT setl_date, hospital, marked_at FROM payout_ready WHERE pool_area = :area AND setl_date < :before "
        "ORDER BY setl_date, hospital",
        {"area": pool_area, "before": before.isoformat()},
    )
    return [Ready(date.fromisoformat(r["setl_date"]), r["hospital"], r["marked_at"]) for r in rows]


async def judged_claims(house: House, ready: Ready, profile: LocalityProfile) -> list[Judged]:
    """Every claim of a hospital's settlement date whose fate is certain, with its label."""
    claims = await house.journal.entities.find(
        "claim", "setl_date = :day AND hospital = :hospital", day=ready.setl_date.isoformat(), hospital=ready.hospital
    )
    level = await _level(house, ready)
    found = []
    for claim in claims:
        key = item_key(claim)
        if claim.state in DECIDED and key is not None:
            found.append(await judge(house, claim, key, profile, level))
    return found


def item_key(claim: Entity) -> str | None:
    """The key of a claim's one item; a refund under its original's setl_id gets one of its own, a repetition none."""
    if claim["settlement_key"] is not None:
        return str(claim["settlement_key"])
    if not claim["refund"]:
        return None
    return f"{settlement_key(claim['pool_area'], claim.hospital, claim['setl_id'])}|{claim['msgid']}"


async def judge(house: House, claim: Entity, key: str, profile: LocalityProfile, level: int | None) -> Judged:
    """The label of a claim. What is contradicted or differs is held out before any amount is computed (U2, R-115)."""
    if claim["conflict"]:
        return _held_out(
            claim, key, profile, "CONFLICT", Reason("payout.conflict", "note", "同一结算编号内容不一致", "D.5")
        )
    if claim.state == "RECON_DIFF":
        return _held_out(claim, key, profile, "RECON_DIFF", Reason("payout.recon", "note", "对账不平", "R-115"))
    decision = await _amount(house, claim, profile, level)
    found = decision.require()
    return Judged(claim, key, found.label, found.base_fen, found.ratio, found.amount_fen, decision.reasons)


def _held_out(claim: Entity, key: str, profile: LocalityProfile, label: str, why: Reason) -> Judged:
    payout = profile.payout
    if payout is None:
        raise Refusal("NOT_LIVE")
    base = base_of(claim.get("amounts", {}), claim["insutype"], payout)
    return Judged(claim, key, label, base, payout.daily_ratio, 0, (why,))


async def _amount(house: House, claim: Entity, profile: LocalityProfile, level: int | None) -> Decision[PayoutAmount]:
    """The profile's amount handler; where the person is insured is looked up only if everything else is in scope."""
    payout = profile.payout
    if payout is None:
        raise Refusal("NOT_LIVE")
    handler = load_handler("amount", payout.handlers.amount)
    facts = Claim(
        fixmedins_code=claim.hospital, insutype=claim["insutype"], med_type=claim["med_type"],
        insuplc_admdvs=claim["pool_area"], setl_date=date.fromisoformat(claim["setl_date"]),
        amounts=claim.get("amounts", {}), refund=bool(claim["refund"]), valid=claim.state != "CANCELLED",
        hosp_lv=level, pool_area=claim["pool_area"],
    )  # fmt: skip
    decision: Decision[PayoutAmount] = handler(facts, profile)
    if decision.value is None or decision.value.label not in _NEEDS_AREA:
        return decision
    facts = replace(facts, insuplc_admdvs=await insured_in(house, claim))
    if payout.resettle == "delta":
        facts = replace(facts, paid_before_fen=await _paid_before(house, claim))
    again: Decision[PayoutAmount] = handler(facts, profile)
    return again


async def insured_in(house: House, claim: Entity) -> str:
    """The person's insuring area as the hospital's message said; kept with the claim, else read from the message."""
    kept = claim.get("insuplc_admdvs")
    if kept is not None:
        return str(kept)
    op = await house.journal.operations.by_key(house.insurance, claim["infno"], claim.id)
    if op is None:
        return ""
    request = await house.journal.operations.request(op)
    return NationalMessage.model_validate_json(request).insuplc_admdvs if request else ""


async def _paid_before(house: House, claim: Entity) -> int:
    """What daily payouts of the same stay already got, in fen (AMB-25)."""
    row = await house.journal.store.row(
        "SELECT SUM(i.amount_fen) AS fen FROM claim c JOIN payout_item i ON i.settlement_key = c.settlement_key "
        "WHERE c.hospital = :hospital AND c.mdtrt_id = :mdtrt AND c.id <> :own AND i.state IN "
        "('IN_SUMMARY', 'SUBMITTED', 'UNKNOWN', 'STATUS_OK', 'RECEIPT_PENDING', 'PAID')",
        {"hospital": claim.hospital, "mdtrt": claim["mdtrt_id"], "own": claim.id},
    )
    return int(row["fen"] or 0) if row is not None else 0


async def _level(house: House, ready: Ready) -> int | None:
    """The hospital's level as the platform gave it that morning; None: the profile's counts."""
    groups = await house.journal.entities.find(
        "recon_group", "setl_date = :day AND hospital = :hospital",
        day=ready.setl_date.isoformat(), hospital=ready.hospital,
    )  # fmt: skip
    levels: list[Any] = [group.get("hosp_lv") for group in groups]
    return next((int(level) for level in levels if level is not None), None)
