"""Pharmacies settle without a registration: rows and settlement come in one message (2101, 2102)."""

from __future__ import annotations

from simulators.platform import refusals
from simulators.platform.billing import Bill, bill_insurance, book, figures, shown_estimate, shown_settlement
from simulators.platform.lookups import person_of
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import PHARMACY, Person, Visit
from simulators.platform.transactions.fees import new_fee
from simulators.platform.transactions.outpatient import new_mdtrt_id


@transaction("2101", query=True)
def presettle(m: Message) -> Output:
    """Calculates; whatever the calculation needed is forgotten again."""
    try:
        bill = _bill(m)
        return shown_estimate(m, bill, figures(m, bill, final=False))
    finally:
        m.sim.journal.rollback()


@transaction("2102", "2102A")
def settle(m: Message) -> Output:
    """Settles a purchase; its row serials guard against a second one."""
    bill = _bill(m)
    return shown_settlement(m, book(m, bill, figures(m, bill, final=True)))


def _bill(m: Message) -> Bill:
    node = m.node("druginfo", "data")
    person = person_of(m, node)
    insurance = bill_insurance(m, person, node, "310")
    rows = m.rows("drugdetail", "feedetail")
    serials = [text(row, "feedetl_sn") for row in rows]
    _refuse_known(m, person, serials)
    visit = Visit(
        mdtrt_id=new_mdtrt_id(m),
        kind=PHARMACY,
        fixmedins_code=m.fixmedins_code,
        psn_no=person.psn_no,
        insutype=insurance.insutype,
        ipt_otp_no=serials[0],
        begntime=text(node, "begntime", m.time),
        med_type=text(node, "med_type", "41"),
        msgid=m.msgid,
    )
    m.state.visits.put(visit.mdtrt_id, visit)
    fees = [new_fee(m, row, visit.mdtrt_id, "") for row in rows]
    return Bill(person, insurance, PHARMACY, visit.mdtrt_id, "", visit.med_type, fees, node)


def _refuse_known(m: Message, person: Person, serials: list[str]) -> None:
    """A row bought and not given back cannot be bought again. Raises Refused."""
    for visit in m.state.visits_of(person.psn_no):
        if visit.kind == PHARMACY and visit.fixmedins_code == m.fixmedins_code:
            known = {fee.feedetl_sn for fee in m.state.fees_of(visit.mdtrt_id) if fee.settlement}
            if known.intersection(serials):
                raise Refused(refusals.ALREADY_SETTLED, duplicate=True)
