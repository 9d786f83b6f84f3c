"""Outpatient registration and visit data (2201, 2202, 2203; national-interface 3.2)."""

from __future__ import annotations

from dataclasses import replace

from simulators.platform import refusals
from simulators.platform.lookups import insurance_of, live_settlements, person_of, visit_of
from simulators.platform.message import Message, Output, text, time_of, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import OUTPATIENT, Visit


def new_mdtrt_id(m: Message) -> str:
    """A visit id of the platform: the area and a serial."""
    return f"{m.state.hospital(m.fixmedins_code).pool_area}{m.state.serial('mdtrt_id'):09d}"


def refuse_known_number(m: Message, number: str) -> None:
    """The institution's own visit number is unique as long as its visit stands. Raises Refused."""
    if any(visit.state != "cancelled" for visit in m.state.by_visit_no(m.fixmedins_code, number)):
        raise Refused(refusals.ALREADY_REGISTERED, duplicate=True)


@transaction("2201")
def register(m: Message) -> Output:
    """Registers an outpatient; gives the mdtrt_id."""
    node = m.node()
    person = person_of(m, node)
    insutype = text(node, "insutype")
    insurance_of(m, person, insutype)
    number = text(node, "ipt_otp_no")
    refuse_known_number(m, number)
    visit = Visit(
        mdtrt_id=new_mdtrt_id(m),
        kind=OUTPATIENT,
        fixmedins_code=m.fixmedins_code,
        psn_no=person.psn_no,
        insutype=insutype,
        ipt_otp_no=number,
        begntime=time_of(m, node, "begntime"),
        med_type=text(node, "med_type", "11"),
        dept_code=text(node, "dept_code", ""),
        dept_name=text(node, "dept_name", ""),
        msgid=m.msgid,
    )
    m.state.visits.put(visit.mdtrt_id, visit)
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=person.psn_no, ipt_otp_no=number)
    return {"data": {"mdtrt_id": visit.mdtrt_id, "psn_no": person.psn_no, "ipt_otp_no": number}}


@transaction("2202")
def cancel_registration(m: Message) -> Output:
    """Takes a registration back, as long as nothing stands on it."""
    visit = visit_of(m, m.node(), OUTPATIENT)
    if live_settlements(m, visit):
        raise Refused(refusals.HAS_SETTLEMENT)
    if m.state.fees_of(visit.mdtrt_id):
        raise Refused(refusals.HAS_FEES)
    m.state.visits.put(visit.mdtrt_id, replace(visit, state="cancelled"))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no)
    return None


@transaction("2203", "2203A")
def visit_data(m: Message) -> Output:
    """Visit class and diagnoses; a later upload replaces the earlier one."""
    node = m.node("mdtrtinfo", "data")
    visit = visit_of(m, node, OUTPATIENT)
    if not m.input.get("diseinfo"):
        raise Refused("诊断信息不能为空")
    changed = replace(
        visit,
        med_type=text(node, "med_type"),
        dise_codg=text(node, "dise_codg", ""),
        dise_name=text(node, "dise_name", ""),
        diagnosed=True,
    )
    m.state.visits.put(visit.mdtrt_id, changed)
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no, med_type=changed.med_type)
    return None
