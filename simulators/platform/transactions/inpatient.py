"""Admission and discharge (2401 to 2405; national-interface 3.8)."""

from __future__ import annotations

from dataclasses import replace

from simulators.platform import refusals
from simulators.platform.lookups import insurance_of, live_settlements, person_of, visit_of
from simulators.platform.message import Message, Output, text, time_of, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import INPATIENT, SentMessage, Visit
from simulators.platform.state import message_key
from simulators.platform.transactions.outpatient import new_mdtrt_id, refuse_known_number


@transaction("2401")
def admit(m: Message) -> Output:
    """Admits a patient; gives the mdtrt_id. May be taken back by 2601."""
    node = m.node("mdtrtinfo", "data")
    person = person_of(m, node)
    insutype = text(node, "insutype")
    insurance_of(m, person, insutype)
    number = text(node, "ipt_no", "") or text(node, "ipt_otp_no")
    refuse_known_number(m, number)
    if m.variant("second_stay_refused"):
        _refuse_second_stay(m, person.psn_no)
    visit = Visit(
        mdtrt_id=new_mdtrt_id(m),
        kind=INPATIENT,
        fixmedins_code=m.fixmedins_code,
        psn_no=person.psn_no,
        insutype=insutype,
        ipt_otp_no=number,
        begntime=time_of(m, node, "begntime"),
        med_type=text(node, "med_type", "21"),
        dise_codg=text(node, "dscg_maindiag_code", ""),
        dise_name=text(node, "dscg_maindiag_name", ""),
        diagnosed=True,
        dept_code=text(node, "adm_dept_codg", ""),
        dept_name=text(node, "adm_dept_name", ""),
        msgid=m.msgid,
    )
    m.state.visits.put(visit.mdtrt_id, visit)
    sent = SentMessage("2401", person.psn_no, visit.mdtrt_id)
    m.state.messages.put(message_key(m.fixmedins_code, "2401", m.msgid), sent)
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=person.psn_no, ipt_no=number)
    return {"result": {"mdtrt_id": visit.mdtrt_id}}


def _refuse_second_stay(m: Message, psn_no: str) -> None:
    if any(v.kind == INPATIENT and v.state == "open" for v in m.state.visits_of(psn_no) if _same_place(m, v)):
        raise Refused("参保人已在本机构住院，不能重复办理入院", duplicate=True)


def _same_place(m: Message, visit: Visit) -> bool:
    return visit.fixmedins_code == m.fixmedins_code


@transaction("2402")
def discharge(m: Message) -> Output:
    """Discharges; before or after the settlement, as the province has it (variants)."""
    node = m.node("dscginfo", "data")
    visit = visit_of(m, node, INPATIENT)
    if visit.state == "discharged":
        raise Refused(refusals.ALREADY_DISCHARGED, duplicate=True)
    if m.variant("discharge_needs_settlement") and not live_settlements(m, visit):
        raise Refused(refusals.NOT_SETTLED_YET)
    endtime = time_of(m, node, "endtime")
    if endtime[:10] < visit.begntime[:10]:
        raise Refused("出院日期早于入院日期")
    m.state.visits.put(visit.mdtrt_id, replace(visit, state="discharged", endtime=endtime))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no)
    return None


@transaction("2403")
def change_admission(m: Message) -> Output:
    """Changes admission data of a stay still open."""
    node = m.node("adminfo", "mdtrtinfo", "data")
    visit = visit_of(m, node, INPATIENT)
    if visit.state != "open":
        raise Refused("患者已出院，不能变更住院信息")
    changed = replace(
        visit,
        begntime=time_of(m, node, "begntime", visit.begntime),
        med_type=text(node, "med_type", visit.med_type),
        dise_codg=text(node, "dscg_maindiag_code", visit.dise_codg),
        dise_name=text(node, "dscg_maindiag_name", visit.dise_name),
        dept_code=text(node, "adm_dept_codg", visit.dept_code),
        dept_name=text(node, "adm_dept_name", visit.dept_name),
    )
    m.state.visits.put(visit.mdtrt_id, changed)
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no)
    return None


@transaction("2404")
def cancel_admission(m: Message) -> Output:
    """Takes an admission back, as long as nothing stands on it."""
    visit = visit_of(m, m.node(), INPATIENT)
    refuse_if_used(m, visit)
    m.state.visits.put(visit.mdtrt_id, replace(visit, state="cancelled"))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no)
    return None


def refuse_if_used(m: Message, visit: Visit) -> None:
    """An admission that carries fees or a settlement cannot be undone. Raises Refused."""
    if live_settlements(m, visit):
        raise Refused(refusals.HAS_SETTLEMENT)
    if m.state.fees_of(visit.mdtrt_id):
        raise Refused(refusals.HAS_FEES)


@transaction("2405")
def undo_discharge(m: Message) -> Output:
    """Opens a discharged stay again, once its final settlement is cancelled."""
    visit = visit_of(m, m.node(), INPATIENT)
    if visit.state != "discharged":
        raise Refused("患者未办理出院，不能撤销出院", duplicate=True)
    if any(not settlement.mid_setl for settlement in live_settlements(m, visit)):
        raise Refused(refusals.HAS_SETTLEMENT)
    m.state.visits.put(visit.mdtrt_id, replace(visit, state="open", endtime=""))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no)
    return None
