"""Finding what a transaction talks about, and the platform's refusals when it is not there."""

from __future__ import annotations

from typing import Any

from simulators.platform import refusals
from simulators.platform.message import Message, text
from simulators.platform.refusals import Refused
from simulators.platform.rows import Insurance, Person, Settlement, Visit


def person_of(m: Message, node: dict[str, Any]) -> Person:
    """The person of ``psn_no``. Raises Refused: unknown, or insured in another area than the envelope says."""
    person = m.state.persons.get(text(node, "psn_no"))
    if person is None:
        raise Refused(refusals.PERSON_UNKNOWN)
    if m.insuplc_admdvs and all(row.insuplc_admdvs != m.insuplc_admdvs for row in person.insurances):
        raise Refused("参保地医保区划与参保信息不符")
    return person


def insurance_of(m: Message, person: Person, insutype: str) -> Insurance:
    """The person's insurance row in force. Raises Refused: not insured so, or suspended."""
    rows = [row for row in person.insurances if row.insutype == insutype]
    local = [row for row in rows if row.insuplc_admdvs == m.insuplc_admdvs]
    if not rows:
        raise Refused(f"参保人无{insutype}险种参保信息")
    row = (local or rows)[0]
    if row.psn_insu_stas != "1":
        raise Refused(refusals.INSURANCE_STOPPED)
    return row


def visit_of(m: Message, node: dict[str, Any], *kinds: str) -> Visit:
    """The visit of ``mdtrt_id``, which must be this institution's and this person's. Raises Refused."""
    visit = m.state.visits.get(text(node, "mdtrt_id"))
    if visit is None or visit.fixmedins_code != m.fixmedins_code or visit.state == "cancelled":
        raise Refused(refusals.NOT_REGISTERED)
    if visit.psn_no != text(node, "psn_no") or (kinds and visit.kind not in kinds):
        raise Refused(refusals.NOT_REGISTERED)
    return visit


def settlement_of(m: Message, node: dict[str, Any], *kinds: str) -> Settlement:
    """The settlement of ``setl_id`` at this institution: the one still in force, else the newest. Raises Refused."""
    found = [
        row
        for row in m.state.by_setl_id(m.fixmedins_code, text(node, "setl_id"))
        if row.refd_setl_flag == "0" and row.state != "reversed" and (not kinds or row.kind in kinds)
    ]
    mdtrt_id = text(node, "mdtrt_id", "")
    found = [row for row in found if not mdtrt_id or row.mdtrt_id == mdtrt_id]
    if not found or found[-1].psn_no != text(node, "psn_no"):
        raise Refused(refusals.SETTLEMENT_UNKNOWN)
    return next((row for row in reversed(found) if row.state == "live"), found[-1])


def live_settlements(m: Message, visit: Visit) -> list[Settlement]:
    """The settlements in force of a visit."""
    return [s for s in m.state.settlements_of(visit.mdtrt_id) if s.refd_setl_flag == "0" and s.state == "live"]
