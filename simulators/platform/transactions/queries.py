"""Questions without side effects (5201, 5203, 5204, 5303; national-interface 3.17)."""

from __future__ import annotations

from typing import Any

from simulators.platform import refusals
from simulators.platform.billing import shown_settlement
from simulators.platform.dates import date_time
from simulators.platform.lookups import person_of
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import INPATIENT, Settlement, Visit
from simulators.platform.transactions.fees import shown_split


@transaction("5201", query=True)
def visits(m: Message) -> Output:
    """A person's visits at this institution; ``ipt_otp_no`` tells which one a lost answer was about."""
    node = m.node()
    return {"mdtrtinfo": [_shown_visit(m, visit) for visit in _visits(m, node)]}


@transaction("5303", query=True)
def stays(m: Message) -> Output:
    """A person's stays at this institution that are still open or were in the period."""
    node = m.node()
    return {"data": [_shown_visit(m, visit) for visit in _visits(m, node) if visit.kind == INPATIENT]}


def _visits(m: Message, node: dict[str, Any]) -> list[Visit]:
    person = person_of(m, node)
    first, last = _bound(node, "begntime", "0000"), _bound(node, "endtime", "9999")
    wanted = {name: text(node, name, "") for name in ("med_type", "mdtrt_id", "ipt_otp_no")}
    return [
        visit
        for visit in m.state.visits_of(person.psn_no)
        if visit.fixmedins_code == m.fixmedins_code
        and visit.state != "cancelled"
        and first <= visit.begntime <= last
        and all(not value or getattr(visit, name) == value for name, value in wanted.items())
    ]


def _bound(node: dict[str, Any], name: str, default: str) -> str:
    value = text(node, name, "")
    if not value:
        return default
    found = date_time(value, name)
    # a bare end date means the whole of that day
    return f"{found[:10]} 23:59:59" if name == "endtime" and len(value) <= 10 else found


def _shown_visit(m: Message, visit: Visit) -> dict[str, Any]:
    person = m.state.persons[visit.psn_no]
    return {
        "mdtrt_id": visit.mdtrt_id,
        "psn_no": visit.psn_no,
        "psn_cert_type": person.psn_cert_type,
        "certno": person.certno,
        "psn_name": person.psn_name,
        "gend": person.gend,
        "brdy": m.date(person.brdy),
        "insutype": visit.insutype,
        "begntime": visit.begntime,
        "endtime": visit.endtime or None,
        "med_type": visit.med_type,
        "ipt_otp_no": visit.ipt_otp_no,
        "fixmedins_code": visit.fixmedins_code,
        "inhosp_stas": "0" if visit.kind == INPATIENT and visit.state == "discharged" else "1",
        "adm_dept_codg": visit.dept_code,
        "adm_dept_name": visit.dept_name,
        "dise_codg": visit.dise_codg,
        "dise_name": visit.dise_name,
        "opt_time": visit.begntime,
        "memo": "",
    }


@transaction("5203", query=True)
def settlement(m: Message) -> Output:
    """Re-reads a settlement or refund row; needs setl_id, which nobody has after a time-out (variant: does not)."""
    node = m.node()
    row = _wanted(m, node)
    answer = shown_settlement(m, row)
    info = answer["setlinfo"]
    hospital = m.state.hospital(row.fixmedins_code)
    visit = m.state.visits[row.mdtrt_id]
    info["psn_pay"] = info.pop("psn_part_amt")
    info["cash_payamt"] = info.pop("psn_cash_pay")
    return {
        "setlinfo": {
            **info,
            "flxempe_flag": "0",
            "nwb_flag": "0",
            "insu_optins": row.clr_optins,
            "emp_name": "",
            "pay_loc": "2",
            "fixmedins_code": row.fixmedins_code,
            "fixmedins_name": hospital.fixmedins_name,
            "hosp_lv": hospital.hosp_lv,
            "fixmedins_poolarea": hospital.pool_area,
            "lmtpric_hosp_lv": hospital.hosp_lv,
            "dedc_hosp_lv": hospital.hosp_lv,
            "begndate": visit.begntime[:10],
            "enddate": (visit.endtime or row.setl_time)[:10],
            "refd_setl_flag": row.refd_setl_flag,
            "vali_flag": "1" if row.state == "live" else "0",
            "year": row.setl_time[:4],
            "dise_codg": visit.dise_codg,
            "dise_name": visit.dise_name,
            "invono": row.invono,
            "opter_id": m.opter,
            "opter_name": m.opter_name,
            "opt_time": row.setl_time,
        },
        "setldetail": answer["setldetail"],
    }


def _wanted(m: Message, node: dict[str, Any]) -> Settlement:
    psn_no, mdtrt_id = text(node, "psn_no"), text(node, "mdtrt_id", "")
    optional = bool(m.variant("setl_id_optional_in_5203")) and bool(mdtrt_id)
    setl_id = text(node, "setl_id", "" if optional else None)
    rows = m.state.by_setl_id(m.fixmedins_code, setl_id) if setl_id else m.state.settlements_of(mdtrt_id)
    fitting = [
        row
        for row in rows
        if row.state != "reversed"
        and (row.fixmedins_code, row.psn_no) == (m.fixmedins_code, psn_no)
        and mdtrt_id in ("", row.mdtrt_id)
    ]
    if not fitting:
        raise Refused(refusals.SETTLEMENT_UNKNOWN)
    return next((row for row in reversed(fitting) if row.refd_setl_flag == "0"), fitting[-1])


@transaction("5204", query=True)
def fee_rows(m: Message) -> Output:
    """The fee rows of a visit, or those of one of its settlements."""
    node = m.node()
    person = person_of(m, node)
    visit = m.state.visits.get(text(node, "mdtrt_id"))
    if visit is None or (visit.psn_no, visit.fixmedins_code) != (person.psn_no, m.fixmedins_code):
        raise Refused(refusals.NOT_REGISTERED)
    setl_id = text(node, "setl_id", "")
    numbers = {row.number for row in m.state.by_setl_id(m.fixmedins_code, setl_id)} if setl_id else None
    rows = []
    for fee in m.state.fees_of(visit.mdtrt_id):
        if numbers is None or fee.settlement in numbers:
            settled = m.state.settlements.get(str(fee.settlement))
            extra = {"mdtrt_id": visit.mdtrt_id, "psn_no": visit.psn_no, "chrg_bchno": fee.chrg_bchno}
            kept = {name: value for name, value in fee.shown.items() if name not in ("cnt", "pric")}
            rows.append({**shown_split(fee), **kept, **extra, "setl_id": settled.setl_id if settled else None})
    return {"data": rows}
