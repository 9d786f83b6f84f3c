"""Reconciliation by totals (3201): settlements of a day, group by group, against the platform's (R-115, U3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

import structlog

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.flows.payout.claims import mark_ready
from gateway.flows.payout.jobs import close_task, keep_going
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Row, Unit
from gateway.model.clock import SHANGHAI, from_micros, to_micros
from gateway.model.ids import derive_number
from gateway.model.insurance import CANCEL, SETTLE, NationalMessage, NationalReply
from gateway.model.machines import CLAIM
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused

INFNO: Final = "3201"
EQUAL: Final = "EQUAL"
DIFFERS_TASK: Final = "RECON_BREAK"
_COUNTED: Final = "state IN ('ACCEPTED', 'RECONCILED', 'RECON_DIFF', 'CANCELLED')"
_CHUNK: Final = 300
_log = structlog.get_logger("recon")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What one question is about: a hospital's settlement date, insurance type, clearing type and clearing agency."""

    hospital: str
    setl_date: str
    insutype: str
    clr_type: str
    clr_optins: str

    @property
    def id(self) -> str:
        """The group's number, the same on every run."""
        return derive_number("G", self.hospital, self.setl_date, self.insutype, self.clr_type, self.clr_optins)


@dataclass(frozen=True, slots=True)
class Totals:
    """Signed sums in fen and the count of rows, refund rows included (3.11, flag 1)."""

    count: int
    medfee_fen: int
    fund_fen: int
    acct_fen: int

    @classmethod
    def of(cls, claims: Sequence[Entity]) -> Totals:
        """Add up."""
        sums = (sum(claim[name] for claim in claims) for name in ("medfee_fen", "fund_fen", "acct_fen"))
        return cls(len(claims), *sums)

    def shown(self) -> dict[str, Any]:
        """As `/v1` shows them."""
        return {
            "count": self.count, "medfee_sumamt": format_yuan(self.medfee_fen),
            "fund_pay_sumamt": format_yuan(self.fund_fen), "acct_pay": format_yuan(self.acct_fen),
        }  # fmt: skip


async def unreconciled_dates(house: House, hospital: str, before: date) -> list[date]:
    """Days of a hospital with something to reconcile: settlements, differences, outcomes nobody knows."""
    rows = await house.journal.store.rows(
        "SELECT DISTINCT setl_date FROM claim WHERE hospital = :hospital AND setl_date <> '' AND setl_date < :before "
        "AND state IN ('ACCEPTED','RECON_DIFF') UNION SELECT setl_date FROM recon_group "
        "WHERE state = 'DIFFERS' AND hospital = :hospital AND setl_date < :before "
        "UNION SELECT setl_date FROM recon_break WHERE state IN ('OPEN','REPAIRING') AND hospital = :hospital "
        "AND setl_date < :before",
        {"hospital": hospital, "before": before.isoformat()},
    )
    days = {date.fromisoformat(row["setl_date"]) for row in rows}
    days |= {day for claim in await undecided(house, hospital) if (day := sent_on(claim)) < before}
    return sorted(days)


async def undecided(house: House, hospital: str) -> list[Entity]:
    """Settlements and cancellations of a hospital that only the platform can tell about."""
    return await house.journal.entities.find(
        "claim", "hospital = :hospital AND state IN ('UNKNOWN','RECON_PENDING')", hospital=hospital
    )


def sent_on(claim: Entity) -> date:
    """The business day a claim's message was first sent, Asia/Shanghai."""
    return from_micros(claim.created_at).astimezone(SHANGHAI).date()


async def unknown_of(house: House, hospital: str) -> list[Row]:
    """Settlements and cancellations of a hospital whose outcome nobody knows yet: a difference may be one of them."""
    names = ", ".join(f"'{infno}'" for infno in sorted(SETTLE | CANCEL))
    return await house.journal.store.rows(
        "SELECT operation_id, name, key, since FROM operation WHERE state IN ('UNKNOWN','ACCEPTED') "
        f"AND counterpart = :insurance AND hospital = :hospital AND name IN ({names}) ORDER BY since",
        {"insurance": house.insurance, "hospital": hospital},
    )


async def groups_of(house: House, hospital: str, day: date) -> dict[GroupKey, list[Entity]]:
    """Settlements of a hospital's date that count, by the group 3201 asks about."""
    claims = await house.journal.entities.find(
        "claim", f"setl_date = :day AND hospital = :hospital AND {_COUNTED}", day=day.isoformat(), hospital=hospital
    )
    groups: dict[GroupKey, list[Entity]] = {}
    for claim in claims:
        key = GroupKey(hospital, day.isoformat(), claim["insutype"], claim["clr_type"], claim["clr_optins"])
        groups.setdefault(key, []).append(claim)
    return groups


async def counted(house: House, claims: Sequence[Entity]) -> list[Entity]:
    """The rows the platform counts: a cancelled settlement beside its refund row, but no repetition and no reversal."""
    found = []
    for claim in claims:
        if claim.get("same_as"):
            continue
        if claim.state == "CANCELLED":
            refund = await house.journal.entities.get("claim", f"{claim.hospital}|{claim.get('cancelled_by', '')}")
            if refund is None or not refund["refund"]:
                continue  # reversed by 2601: at the platform it never was
        found.append(claim)
    return found


# -- one group --------------------------------------------------------------------------------------------------------


async def ask(
    house: House, key: GroupKey, claims: Sequence[Entity], run: str, act: Act, hosp_lv: int | None, *, told: bool
) -> bool | None:
    """Ask about a group and enter the answer. None while there is none; ``told``: a difference becomes a task."""
    totals = Totals.of(await counted(house, claims))
    reply = await _answer(house, key, totals, run)
    if reply is None:
        return None
    equal = reply.stmt_rslt == EQUAL
    found: dict[str, Any] = {
        "ours": totals.shown(), "theirs": reply.stmt_text, "hosp_lv": hosp_lv, "decisions": [], "explained": False,
    }  # fmt: skip
    await enter(
        house, key.hospital, key.setl_date, [claim.id for claim in claims], "matched" if equal else "differs", act
    )
    await keep_going(partial(_enter_result, house, key, found, equal, act, told))
    return equal


async def _answer(house: House, key: GroupKey, totals: Totals, run: str) -> NationalReply | None:
    """The platform's word about a group; None while there is none."""
    try:
        message = await _message(house, key, totals, run)
    except Refusal as refusal:
        _log.warning("reconciliation not sent", hospital=key.hospital, code=refusal.code)
        return None
    digest = hashlib.sha256(message.model_dump_json().encode()).hexdigest()[:16]
    op_key = f"{key.id}|{derive_number('R', run)}|{digest}"
    order = Order(house.insurance, INFNO, op_key, message, f"{run}|{key.hospital}", key.id, key.hospital)
    verdict = await signing_in.send(house, order)
    match verdict:
        case Done(reply) if isinstance(reply, NationalReply):
            return reply
        case Refused(code, text):
            _log.warning("reconciliation refused", hospital=key.hospital, code=code, text=text[:80])
    return None


async def _message(house: House, key: GroupKey, totals: Totals, run: str) -> NationalMessage:
    hospital = house.hospital(key.hospital)
    message = NationalMessage(
        infno=INFNO, fixmedins_code=hospital.code, fixmedins_name=hospital.name, mdtrtarea_admvs=hospital.pool_area,
        input={
            "data": {
                "insutype": key.insutype, "clr_type": key.clr_type, "setl_optins": key.clr_optins,
                "stmt_begndate": key.setl_date, "stmt_enddate": key.setl_date,
                "medfee_sumamt": format_yuan(totals.medfee_fen), "fund_pay_sumamt": format_yuan(totals.fund_fen),
                "acct_pay": format_yuan(totals.acct_fen), "fixmedins_setl_cnt": totals.count, "refd_setl_flag": "1",
            }
        },
    )  # fmt: skip
    return await signing_in.completed(house, message, f"{run}|{key.hospital}")


async def enter(house: House, hospital: str, setl_date: str, claim_ids: Sequence[str], event: str, act: Act) -> None:
    """Settlements `matched` or `differs`, with their day's mark for the build, a part at a time.

    A group's result follows them, so whatever is cut off leaves settlements that are not reconciled and is done again.
    """
    for start in range(0, len(claim_ids), _CHUNK):
        part = claim_ids[start : start + _CHUNK]
        await keep_going(partial(_enter_part, house, hospital, setl_date, part, event, act))


async def _enter_part(
    house: House, hospital: str, setl_date: str, claim_ids: Sequence[str], event: str, act: Act
) -> None:
    unit = Unit()
    columns = {"reconciled_at": to_micros(house.clock.now())} if event == "matched" else {}
    named: dict[str, Any] = {f"id{place}": claim_id for place, claim_id in enumerate(claim_ids)}
    claims = await house.journal.entities.find("claim", f"id IN ({', '.join(f':{name}' for name in named)})", **named)
    for claim in claims:
        if CLAIM.allows(claim.state, event):
            house.journal.entities.move(unit, claim, event, act, columns=columns)
    pool_area = house.hospital(hospital).pool_area
    if unit and house.agency_of(pool_area) is not None:
        mark_ready(unit, house, pool_area, setl_date, hospital)
    if unit:
        await house.journal.commit(unit)


async def _enter_result(
    house: House, key: GroupKey, result: Mapping[str, Any], equal: bool, act: Act, told: bool
) -> None:
    """The group's state, and the task of a difference or its end."""
    unit = Unit()
    group = await house.journal.entities.get("recon_group", key.id) or _open(unit, house, key, act)
    group = house.journal.entities.move(unit, group, "equal" if equal else "differs", act, data=result)
    if equal:
        await close_task(house, unit, DIFFERS_TASK, group.id, act)
    elif told:
        await tell(unit, house, group, act)
    await house.journal.commit(unit)


async def tell(unit: Unit, house: House, group: Entity, act: Act) -> None:
    """Add the task of a group that differs and whose settlements nobody has named."""
    due_date = (date.fromisoformat(group["setl_date"]) + timedelta(days=2)).isoformat()
    await house.journal.raise_task(
        unit, DIFFERS_TASK, group.id, act, suggested="recon.close", due_date=due_date, hospital=group.hospital
    )


def _open(unit: Unit, house: House, key: GroupKey, act: Act) -> Entity:
    return house.journal.entities.create(
        unit, "recon_group", key.id, "opened", act, hospital=key.hospital,
        columns={
            "setl_date": key.setl_date, "insutype": key.insutype, "clr_type": key.clr_type,
            "clr_optins": key.clr_optins,
        },
        data={"decisions": []},
    )  # fmt: skip
