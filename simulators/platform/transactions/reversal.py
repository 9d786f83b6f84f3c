"""2601: undoes an earlier message as if it had never been; at most once, whatever is asked again (3.10, 6.2)."""

from __future__ import annotations

from dataclasses import replace

from simulators.platform import refusals
from simulators.platform.billing import effect_detail, own_account
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import SentMessage, Settlement
from simulators.platform.state import fee_key, message_key
from simulators.platform.transactions.clearing import refuse_if_cleared
from simulators.platform.transactions.inpatient import refuse_if_used
from simulators.platform.transactions.settlements import account_beside, release_fees

_SETTLEMENTS = ("2102", "2207", "2304")
_CANCELLATIONS = ("2103", "2208", "2305")
_REVERSIBLE = (*_SETTLEMENTS, *_CANCELLATIONS, "2401")


@transaction("2601")
def reverse(m: Message) -> Output:
    """Undoes the message omsgid of this institution. A second 2601 for it is harmless."""
    node = m.node()
    oinfno, omsgid, psn_no = text(node, "oinfno"), text(node, "omsgid"), text(node, "psn_no")
    if oinfno[:4] not in _REVERSIBLE:
        raise Refused(f"{refusals.REVERSAL_FORBIDDEN}：{oinfno}")
    key = message_key(m.fixmedins_code, oinfno, omsgid)
    sent = m.state.messages.get(key)
    m.call.detail |= {"omsgid": omsgid, "oinfno": oinfno}
    if sent is None or sent.state == "barred":
        return _not_found(m, key, oinfno, psn_no)
    if sent.psn_no != psn_no:
        raise Refused("人员编号与原交易不一致")
    if sent.state == "reversed":
        return _done_before(m)
    _undo(m, sent, omsgid)
    m.state.messages.put(key, replace(sent, state="reversed"))
    return None


def _not_found(m: Message, key: str, oinfno: str, psn_no: str) -> Output:
    if m.variant("reversal_bars_late_original"):
        m.state.messages.put(key, SentMessage(oinfno, psn_no, "", "barred"))
    if m.variant("reversal_not_found_as_success"):
        m.call.verdict = "duplicate"
        return None
    if m.variant("reversal_bars_late_original"):
        m.sim.journal.commit()  # the bar stands although the answer is a refusal
    raise Refused(refusals.REVERSAL_TARGET_UNKNOWN)


def _done_before(m: Message) -> Output:
    m.call.verdict = "duplicate"
    if m.variant("reversal_duplicate_refused"):
        raise Refused(refusals.REVERSAL_DONE, duplicate=True)
    return None


def _undo(m: Message, sent: SentMessage, omsgid: str) -> None:
    infno = sent.infno[:4]
    if infno == "2401":
        _undo_admission(m, sent, omsgid)
    elif infno in _SETTLEMENTS:
        _undo_settlement(m, m.state.settlements[sent.reference])
    else:
        _undo_cancellation(m, m.state.settlements[sent.reference])


def _undo_admission(m: Message, sent: SentMessage, omsgid: str) -> None:
    visit = m.state.visits[sent.reference]
    if visit.state == "cancelled":
        raise Refused("入院登记已撤销", duplicate=True)
    refuse_if_used(m, visit)
    m.state.visits.put(visit.mdtrt_id, replace(visit, state="cancelled"))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no, omsgid=omsgid, oinfno="2401")


def _undo_settlement(m: Message, row: Settlement) -> None:
    if row.state == "cancelled":
        raise Refused("原结算已撤销，不能冲正")
    refuse_if_cleared(m, row)
    state = m.state
    state.settlements.put(str(row.number), replace(row, state="reversed"))
    used = own_account(row.amounts, beside=account_beside(row))
    state.balances.put(row.psn_no, state.balance(row.psn_no) + used)
    release_fees(m, row)
    if row.forced is not None:
        # as if it had never been: the forced figures are again those of the next settlement
        state.forced.put(row.psn_no, [row.forced, *(state.forced.get(row.psn_no) or [])])
    _note(m, row, -row.amounts["medfee_sumamt"])


def _undo_cancellation(m: Message, refund: Settlement) -> None:
    """Restores the settlement that was cancelled."""
    state = m.state
    original = state.settlements[str(refund.cancels)]
    fees = [state.fees.get(fee_key(original.mdtrt_id, serial)) for serial in refund.fees]
    if any(fee is None or fee.settlement for fee in fees):
        raise Refused("原结算已重新结算或费用明细已变更，不能冲正")
    refuse_if_cleared(m, refund)
    state.settlements.put(str(refund.number), replace(refund, state="reversed"))
    state.settlements.put(str(original.number), replace(original, state="live"))
    used = own_account(original.amounts, beside=account_beside(original))
    state.balances.put(original.psn_no, state.balance(original.psn_no) - used)
    for fee in fees:
        if fee is not None:
            state.fees.put(fee_key(fee.mdtrt_id, fee.feedetl_sn), replace(fee, settlement=original.number))
    _note(m, refund, -refund.amounts["medfee_sumamt"])


def _note(m: Message, row: Settlement, amount_fen: int) -> None:
    detail = effect_detail(row)
    m.effect(amount_fen, omsgid=row.msgid, oinfno=row.infno, **detail)
