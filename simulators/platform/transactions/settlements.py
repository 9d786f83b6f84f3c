"""Pre-settlement, settlement, cancellation (2206, 2207, 2208, 2303, 2304, 2305; national-interface 3.4 to 3.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from simulators.platform import refusals
from simulators.platform.billing import (
    Bill,
    bill_insurance,
    book,
    effect_detail,
    figures,
    log,
    negated,
    own_account,
    shown_estimate,
    shown_settlement,
)
from simulators.platform.lookups import live_settlements, person_of, settlement_of, visit_of
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import INPATIENT, OUTPATIENT, PHARMACY, Fee, Settlement, Visit
from simulators.platform.state import fee_key
from simulators.platform.transactions.clearing import refuse_if_cleared

_NO_BATCH = ("0", "0000")


@transaction("2206", "2206A", query=True)
def presettle_outpatient(m: Message) -> Output:
    """Calculates; changes nothing and may be asked again and again."""
    bill = _outpatient_bill(m)
    return shown_estimate(m, bill, figures(m, bill, final=False))


@transaction("2207", "2207A")
def settle_outpatient(m: Message) -> Output:
    """Settles a batch: once."""
    bill = _outpatient_bill(m)
    return shown_settlement(m, book(m, bill, figures(m, bill, final=True)))


@transaction("2303", query=True)
def presettle_inpatient(m: Message) -> Output:
    """Calculates; changes nothing and may be asked again and again."""
    bill = _inpatient_bill(m, final=False)
    return shown_estimate(m, bill, figures(m, bill, final=False))


@transaction("2304", "2304A")
def settle_inpatient(m: Message) -> Output:
    """Settles a stay: once, or for a stage of it with mid_setl_flag 1."""
    bill = _inpatient_bill(m, final=True)
    return shown_settlement(m, book(m, bill, figures(m, bill, final=True)))


def _outpatient_bill(m: Message) -> Bill:
    node = m.node()
    visit = visit_of(m, node, OUTPATIENT)
    batch = text(node, "chrg_bchno", "0")
    fees = m.state.fees_of(visit.mdtrt_id)
    mine = fees if _whole_visit(batch, fees) else [fee for fee in fees if fee.chrg_bchno == batch]
    if m.variant("diagnosis_required") and not visit.diagnosed:
        raise Refused("未上传门诊就诊信息，不能结算")
    return _bill(m, visit, node, mine, batch)


def _whole_visit(batch: str, fees: Sequence[Fee]) -> bool:
    """Some HIS know no batches and send 0: then every open row is meant."""
    return batch in _NO_BATCH and all(fee.chrg_bchno != batch for fee in fees)


def _inpatient_bill(m: Message, *, final: bool) -> Bill:
    node = m.node()
    visit = visit_of(m, node, INPATIENT)
    if any(not settlement.mid_setl for settlement in live_settlements(m, visit)):
        raise Refused(refusals.ALREADY_SETTLED, duplicate=True)
    midway = text(node, "mid_setl_flag", "0") == "1"
    if final and m.variant("settle_needs_discharge") and not midway and visit.state != "discharged":
        raise Refused(refusals.NOT_DISCHARGED)
    return _bill(m, visit, node, m.state.fees_of(visit.mdtrt_id), "")


def _bill(m: Message, visit: Visit, node: dict[str, Any], fees: Sequence[Fee], batch: str) -> Bill:
    unsettled = [fee for fee in fees if not fee.settlement]
    if not unsettled:
        if fees:
            raise Refused(refusals.ALREADY_SETTLED, duplicate=True)
        raise Refused(refusals.NO_FEES)
    person = person_of(m, node)
    insurance = bill_insurance(m, person, node, visit.insutype)
    med_type = text(node, "med_type", visit.med_type)
    return Bill(person, insurance, visit.kind, visit.mdtrt_id, batch, med_type, unsettled, node)


@transaction("2208")
def cancel_outpatient(m: Message) -> Output:
    """Cancels an outpatient settlement, whole."""
    return cancel(m, OUTPATIENT)


@transaction("2305")
def cancel_inpatient(m: Message) -> Output:
    """Cancels an inpatient settlement, whole; the patient stays discharged."""
    return cancel(m, INPATIENT)


@transaction("2103")
def cancel_pharmacy(m: Message) -> Output:
    """Cancels a pharmacy settlement, whole."""
    return cancel(m, PHARMACY)


def cancel(m: Message, kind: str) -> Output:
    """Books the refund row, gives the account its money back and opens the fee rows again."""
    original = settlement_of(m, m.node(), kind)
    if original.state != "live":
        raise Refused(refusals.ALREADY_CANCELLED, duplicate=True)
    refuse_if_cleared(m, original)
    state = m.state
    refund = replace(_refund_row(m, original), fees=release_fees(m, original))
    state.settlements.put(str(refund.number), refund)
    state.settlements.put(str(original.number), replace(original, state="cancelled"))
    state.balances.put(refund.psn_no, refund.balc)
    log(m, refund)
    m.effect(refund.amounts["medfee_sumamt"], **effect_detail(refund), cancels=original.setl_id)
    return _shown_refund(m, refund, original)


def _refund_row(m: Message, original: Settlement) -> Settlement:
    amounts, details = negated(original)
    number = m.state.serial("settlement")
    same_id = bool(m.variant("refund_positive_same_id"))
    new_id = f"{original.clr_optins}{8_000_000_000 + number}"
    given_back = own_account(original.amounts, beside=account_beside(original))
    return replace(
        original,
        number=number,
        setl_id=original.setl_id if same_id else new_id,
        infno=m.infno,
        msgid=m.msgid,
        setl_time=m.time,
        amounts=amounts,
        details=details,
        balc=m.state.balance(original.psn_no) + given_back,
        refd_setl_flag="1",
        cancels=original.number,
        verbatim={},
        forced=None,
    )


def account_beside(row: Settlement) -> bool:
    """Whether a row reports mutual aid beside the account (I3 tells)."""
    a = row.amounts
    return bool(a["acct_mulaid_pay"]) and a["psn_part_amt"] == a["acct_pay"] + a["psn_cash_pay"] + a["acct_mulaid_pay"]


def _shown_refund(m: Message, refund: Settlement, original: Settlement) -> Output:
    if m.variant("refund_positive_same_id"):
        refund = replace(refund, amounts=original.amounts, details=original.details)
    answer = shown_settlement(m, refund)
    if m.variant("refund_fields_null"):
        answer["setlinfo"] |= dict.fromkeys(("psn_part_amt", "hosp_part_amt", "acct_mulaid_pay"))
    return answer


def release_fees(m: Message, settlement: Settlement) -> list[str]:
    """The rows a settlement took become open again; returns their serials."""
    taken = [fee for fee in m.state.fees_of(settlement.mdtrt_id) if fee.settlement == settlement.number]
    for fee in taken:
        m.state.fees.put(fee_key(fee.mdtrt_id, fee.feedetl_sn), replace(fee, settlement=0))
    return [fee.feedetl_sn for fee in taken]
