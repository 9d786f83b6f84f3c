"""Resources as `/v1` shows them: amounts as strings with two decimals, no personal data beyond the person number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.flows.api import Caller
from gateway.flows.credit.basis import Case
from gateway.flows.credit.figures import REFUND, figures, left, net
from gateway.flows.house import House
from gateway.journal.entities import Entity
from gateway.model.clock import from_micros
from gateway.model.money import format_yuan

NEXT: Final[Mapping[str, str]] = {
    "OPEN": "继续就诊或结算 / go on with the visit or settle",
    "HELD": "继续治疗；出院时结算 / go on; settle at discharge",
    "HOLD_PENDING": "押金结果待银行确认，系统自动查询 / the bank is being asked about the deposit",
    "LAPSED": "押金占用已失效，请重新占用或另缴押金 / the hold has lapsed; hold again or take another deposit",
    "SETTLING": "结算处理中，请稍候查询 / settling; ask again in a moment",
    "CHARGE_PENDING": "扣款结果待银行确认，请勿重复收费 / the bank is being asked; do not collect twice",
    "CHARGE_FAILED": "请患者补缴、改用其他方式付款，或重新扣款 / top up, pay by other means, or charge again",
    "SETTLED": "已结清 / settled",
    "CLOSED_OTHER": "已用其他方式付清 / paid by other means",
    "RELEASED": "入院已撤销，占用已释放 / admission cancelled, holds released",
    "REVERSING": "撤销处理中，系统自动完成退款 / cancelling; the refund follows by itself",
    "REVERSED": "已撤销并退款；可重新结算 / cancelled and refunded; may be settled again",
    "ARREARS": "有欠费，请催缴 / unpaid; ask the patient to pay",
    "DISHONEST_CASE": "已进入失信核查 / under dishonesty review",
}


def authorisation_view(authorisation: Entity) -> dict[str, Any]:
    """An authorisation; names and numbers of people stay out."""
    return {
        "auth_id": authorisation.id,
        "state": authorisation.state,
        "psn_no": authorisation["psn_no"],
        "purpose": authorisation["purpose"],
        "scope": authorisation["scope"],
        "channel": authorisation["channel"],
        "valid_from": authorisation["valid_from"],
        "valid_to": authorisation["valid_until"],
        "guardian": authorisation["guardian"],
    }


async def agreement_view(house: House, agreement: Entity, caller: Caller | None = None) -> dict[str, Any]:
    """An agreement with its line as it is at this moment."""
    line = await house.journal.line(agreement.id)
    data = agreement.data
    return {
        "application_id": agreement.id,
        "agreement_no": agreement.get("agreement_no") or None,
        "state": agreement.state,
        "code": data.get("code"),
        "locality": agreement["locality"],
        "psn_no": shown_person(agreement["psn_no"], caller),
        "bank": agreement["bank"],
        "funding": data["funding"],
        "products": data["products"],
        "scheme": agreement["scheme"],
        "credit_limit": format_yuan(line.limit_fen),
        "used_amt": format_yuan(line.used_fen),
        "held_amt": format_yuan(line.held_fen),
        "avail_amt": format_yuan(line.avail_fen),
        "held_by": await _held_by(house, agreement),
        "valid_to": data.get("valid_to"),
        "free_days": data.get("free_days"),
        "disclosure_id": data["disclosure_id"],
        "commitment_id": data["commitment_id"],
        **_assessed(data),
    }


def _assessed(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the credit platform and the bank said, where they said anything."""
    shown = {name: data[name] for name in ("grade", "score", "score_date", "perks") if data.get(name)}
    for name in ("limit_cap", "bank_offer"):
        if data.get(f"{name}_fen") is not None:
            shown[name] = format_yuan(data[f"{name}_fen"])
    return shown


async def _held_by(house: House, agreement: Entity) -> list[dict[str, str]]:
    holds = await house.journal.entities.find(
        "hold", "visit_id IN (SELECT id FROM visit WHERE agreement_id = :id) "
        "AND state NOT IN ('REFUSED', 'CAPTURED', 'RELEASED', 'LAPSED')", id=agreement.id,
    )  # fmt: skip
    by_visit: dict[str, int] = {}
    for hold in holds:
        by_visit[hold["visit_id"]] = by_visit.get(hold["visit_id"], 0) + left(hold)
    return [{"visit_id": visit, "amount": format_yuan(fen)} for visit, fen in sorted(by_visit.items()) if fen]


def shown_person(psn_no: str, caller: Caller | None) -> str:
    """The person number: whole for a hospital, masked for everybody else who may look."""
    if caller is None or caller.role == "hospital":
        return psn_no
    return "*" * max(0, len(psn_no) - 4) + psn_no[-4:]


async def visit_view(case: Case, caller: Caller | None = None) -> dict[str, Any]:
    """A visit: the expense query of the patient (R-012) and the state of its money (V1)."""
    visit, holds, charges = case.visit, await case.holds(), await case.charges()
    money, line = figures(visit, holds, charges), await case.line()
    return {
        "visit_id": visit.id,
        "agreement_no": case.agreement.get("agreement_no"),
        "fixmedins_code": visit.hospital,
        "mdtrt_id": visit["mdtrt_id"],
        "psn_no": shown_person(visit["psn_no"], caller),
        "scene": visit["scene"],
        "med_type": visit["med_type"],
        "insutype": visit["insutype"],
        "state": visit.state,
        "flags": visit.get("flags", []),
        "legs": [_leg(row) for row in visit.get("legs", ())],
        "presettle_amt": format_yuan(visit.get("presettle_fen", 0)),
        "holds": [_hold(hold) for hold in holds],
        "topups": [_topup(row) for row in visit.get("topups", ())],
        "settlement": _settlement(visit.get("settlement")),
        "charges": [_charge(charge) for charge in charges if charge["charge_kind"] != REFUND],
        "refunds": [_refund(charge) for charge in charges if charge["charge_kind"] == REFUND],
        "entries": await _entries(case),
        "held_amt": format_yuan(money.held_fen),
        "charged_amt": format_yuan(money.charged_fen),
        "topup_amt": format_yuan(money.topup_fen),
        "other_amt": format_yuan(money.other_fen),
        "remaining_amt": format_yuan(money.remaining_fen),
        "avail_amt": format_yuan(line.avail_fen),
        "fail_code": visit.get("fail_code") or None,
        "next_action": NEXT[visit.state],
    }


def _leg(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "leg_no": row["leg_no"],
        "kind": row["kind"],
        "medfee_sumamt": format_yuan(row["medfee_fen"]),
        "self_pay_estimate": format_yuan(row["estimate_fen"]),
        "decision": "go" if row["go"] else "over_limit",
        "excess_amt": format_yuan(row["excess_fen"]),
    }


def _hold(hold: Entity) -> dict[str, Any]:
    return {
        "hold_id": hold.id,
        "kind": hold["hold_kind"],
        "amount": format_yuan(hold["amount_fen"]),
        "captured_amt": format_yuan(hold["captured_fen"]),
        "released_amt": format_yuan(hold["released_fen"]),
        "state": hold.state,
        "deposit_no": hold.get("deposit_no"),
        "expires_at": hold.get("expires_at"),
    }


def _topup(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "topup_no": row["topup_no"],
        "leg_no": row["leg_no"],
        "amount": format_yuan(row["amount_fen"]),
        "channel": row["channel"],
        "channel_serial": row["channel_serial"],
    }


def _settlement(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    diff = kept.get("hosp_recon_diff_fen")
    return {
        "setl_id": kept["setl_id"],
        "setl_time": kept["setl_time"],
        "medfee_sumamt": format_yuan(kept["medfee_fen"]),
        "fund_pay_sumamt": format_yuan(kept["fund_fen"]),
        "acct_pay": format_yuan(kept["acct_fen"]),
        "psn_cash_pay": format_yuan(kept["cash_fen"]),
        "hosp_recon_diff": None if diff is None else format_yuan(diff),
        "his_bill_no": kept.get("bill_no") or None,
    }


def _charge(charge: Entity) -> dict[str, Any]:
    return {
        "charge_no": charge.id,
        "kind": charge["charge_kind"],
        "amount": format_yuan(charge["amount_fen"]),
        "refunded_amt": format_yuan(charge["refunded_fen"]),
        "net_amt": format_yuan(net(charge)),
        "state": charge.state,
        "serial": charge["serial"],
        "bank_txn_no": charge.get("bank_txn_no") or None,
        "booking_date": charge.get("booking_date"),
        "interest_free_until": charge.get("interest_free_until"),
        "reason": charge.get("reason") or None,
    }


def _refund(charge: Entity) -> dict[str, Any]:
    return {
        "refund_no": charge.id,
        "charge_no": charge["refund_of"],
        "amount": format_yuan(charge["amount_fen"]),
        "state": charge.state,
        "serial": charge["serial"],
        "bank_txn_no": charge.get("bank_txn_no") or None,
        "reason": charge.get("reason") or None,
    }


async def _entries(case: Case) -> list[dict[str, Any]]:
    """The line's book about this visit, as a patient's bank app lists it (R-076)."""
    rows = await case.house.journal.store.rows(
        "SELECT why, held_fen, used_fen, at FROM line_entry WHERE subject = :visit ORDER BY at, entry_id",
        {"visit": case.visit.id},
    )
    return [
        {
            "type": row["why"],
            "held_amt": format_yuan(row["held_fen"]),
            "used_amt": format_yuan(row["used_fen"]),
            "at": from_micros(row["at"]).isoformat(),
        }
        for row in rows
    ]
