"""Resources of the fund's settlement as `/v1` shows them: yuan with two decimals, personal numbers masked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from gateway.flows.house import House
from gateway.flows.payout.claims import HELD_OUT
from gateway.flows.payout.feedback import basis_of, due_date, editions_of, lines_of
from gateway.flows.payout.orders import UNPROVEN, orders_of
from gateway.flows.payout.scheme import Scheme
from gateway.journal.entities import Entity
from gateway.journal.store import Row
from gateway.model.bank import Account
from gateway.model.clock import from_micros
from gateway.model.masked import AccountNo
from gateway.model.money import format_yuan

EXCLUDED_SHOWN: Final = 1000
_LABELS: Final = ", ".join(f"'{label}'" for label in sorted(HELD_OUT))


# -- payouts ----------------------------------------------------------------------------------------------------------


async def day_view(house: House, agencies: Sequence[str], biz_date: date) -> dict[str, Any]:
    """A settlement date: its summaries, and what stays out with the reason."""
    summaries = []
    for agency in agencies:
        summaries += await house.journal.entities.find(
            "summary", "agency = :agency AND biz_date = :day", order="supplement",
            agency=agency, day=biz_date.isoformat(),
        )  # fmt: skip
    excluded = await _excluded(house, agencies, biz_date)
    return {
        "biz_date": biz_date.isoformat(),
        "excluded": excluded[:EXCLUDED_SHOWN],
        "excluded_count": dict(Counter(row["label"] for row in excluded)),
        "summaries": [await summary_view(house, summary) for summary in summaries],
    }


async def _excluded(house: House, agencies: Sequence[str], biz_date: date) -> list[dict[str, Any]]:
    areas = {house.agencies[agency].pool_area for agency in agencies}
    found = []
    for hospital in house.hospitals.values():
        if hospital.pool_area in areas:
            items = await house.journal.entities.find(
                "payout_item", f"biz_date = :day AND hospital = :hospital AND state IN ({_LABELS})",
                day=biz_date.isoformat(), hospital=hospital.code,
            )  # fmt: skip
            found += [
                {
                    "setl_id": item["setl_id"], "fixmedins_code": item.hospital, "label": item.state,
                    "reason": item.get("reason", ""), "base_amt": format_yuan(item["base_fen"]),
                }
                for item in items
            ]  # fmt: skip
    return found


async def summary_view(house: House, summary: Entity) -> dict[str, Any]:
    """A summary with its orders and items."""
    orders = [await order_view(house, order) for order in await orders_of(house, summary.id)]
    return {
        "summary_no": summary.id,
        "version": summary["edition"],
        "supplement": summary["supplement"],
        "agency": summary["agency"],
        "biz_date": summary["biz_date"],
        "pay_date": summary["pay_date"],
        "state": summary.state,
        "item_count": summary["item_count"],
        "sum_amt": format_yuan(summary["sum_fen"]),
        "content_hash": summary["content_hash"],
        "prepared_by": summary.get("prepared_by"),
        "approved_by": summary.get("approved_by"),
        "orders": orders,
    }


async def order_view(house: House, order: Entity) -> dict[str, Any]:
    """An order with its items; ``tx_sts`` is the bank's word and never a proof."""
    items = await house.journal.entities.find("payout_item", "pay_order_no = :no", order="setl_id, id", no=order.id)
    return {
        "pay_order_no": order.id,
        "summary_no": order["summary_no"],
        "fixmedins_code": order.hospital,
        "biz_date": order["biz_date"],
        "pay_date": order["pay_date"],
        "item_count": order["item_count"],
        "sum_amt": format_yuan(order["sum_fen"]),
        "state": order.state,
        "tx_sts": order.get("tx_sts"),
        "sts_rsn": order.get("sts_rsn"),
        "receipt_no": order["receipt_no"] or None,
        "paid_amt": _money(order.get("paid_fen")),
        "booking_date": order.get("booking_date"),
        "items": [item_view(item, order) for item in items],
    }


def item_view(item: Entity, order: Entity) -> dict[str, Any]:
    """One claim's share."""
    reason = order.get("sts_rsn") if item.state in ("STATUS_FAIL", "FAILED") else item.get("reason")
    return {
        "payout_item_id": item.id,
        "setl_id": item["setl_id"],
        "insutype": item["insutype"],
        "base_amt": format_yuan(item["base_fen"]),
        "ratio": item["ratio"],
        "amount": format_yuan(item["amount_fen"]),
        "paid_amt": _money(item.get("paid_fen")),
        "state": item.state,
        "reason": reason,
    }


def _money(fen: int | None) -> str | None:
    return None if fen is None else format_yuan(fen)


# -- settlements ------------------------------------------------------------------------------------------------------


async def settlement_view(house: House, claim: Entity) -> dict[str, Any]:
    """A claim with the chain setl_id ⇄ item ⇄ summary ⇄ order ⇄ receipt (R-110)."""
    visit = await house.journal.entities.first(
        "visit", "hospital = :hospital AND mdtrt_id = :mdtrt", hospital=claim.hospital, mdtrt=claim["mdtrt_id"]
    )
    return {
        "setl_id": claim["setl_id"],
        "fixmedins_code": claim.hospital,
        "psn_no": AccountNo.mask(claim["psn_no"]),
        "mdtrt_id": claim["mdtrt_id"],
        "msgid": claim["msgid"],
        "insutype": claim["insutype"],
        "med_type": claim["med_type"],
        "clr_type": claim["clr_type"],
        "setl_time": from_micros(claim["setl_time"]).isoformat() if claim["setl_time"] else None,
        "state": claim.state,
        "refund": bool(claim["refund"]),
        "conflict": bool(claim["conflict"]),
        "list_uploaded": claim["list_uploaded_at"] is not None,
        "medfee_sumamt": format_yuan(claim["medfee_fen"]),
        "fund_pay_sumamt": format_yuan(claim["fund_fen"]),
        "acct_pay": format_yuan(claim["acct_fen"]),
        "psn_cash_pay": format_yuan(claim["cash_fen"]),
        "payout": await _payout_of(house, claim),
        "visit_id": None if visit is None else visit.id,
    }


async def _payout_of(house: House, claim: Entity) -> dict[str, Any] | None:
    if claim["settlement_key"] is None:
        return None
    item = await house.journal.entities.first("payout_item", "settlement_key = :key", key=claim["settlement_key"])
    if item is None:
        return None
    order = await house.journal.entities.get("payout_order", item["pay_order_no"]) if item["pay_order_no"] else None
    return {
        "payout_item_id": item.id,
        "amount": format_yuan(item["amount_fen"]),
        "state": item.state,
        "reason": item.get("reason"),
        "summary_no": item["summary_no"] or None,
        "pay_order_no": item["pay_order_no"] or None,
        "receipt_no": None if order is None else order["receipt_no"] or None,
    }


# -- receipts ---------------------------------------------------------------------------------------------------------


def receipt_view(receipt: Entity) -> dict[str, Any]:
    """A receipt with its decisions; another content of a known number is told apart by ``variant_no``."""
    number = receipt["bank_no"]
    return {
        "receipt_no": number if receipt.state == "REFUSED" else receipt["receipt_no"],
        "variant_no": receipt["receipt_no"] if receipt["receipt_no"] != number else None,
        "bank": receipt["bank"],
        "pay_order_no": receipt["pay_order_no"] or None,
        "amount": format_yuan(receipt["amount_fen"]),
        "payer": _party(receipt.sealed["payer"]),
        "payee": _party(receipt.sealed["payee"]),
        "booking_date": receipt["booking_date"],
        "state": receipt.state,
        "digest": {"sha256": receipt["sha256"], "sm3": receipt["sm3"], "right": receipt["right"]},
        "differences": receipt.get("differences", []),
        "repeats": receipt.get("repeats", 0),
        "decisions": [
            {"by": row["by"], "at": row["at"], "decision": row["decision"], "reason": row["reason"]}
            for row in receipt["decisions"]
        ],
    }


def _party(sealed: Mapping[str, Any]) -> dict[str, str]:
    """An account masked; its holder is an institution, so the name is shown."""
    account = Account.model_validate(sealed)
    return {"acct_no": str(account.acct_no), "acct_name": account.acct_name.reveal(), "bank_name": account.bank_name}


# -- feedback ---------------------------------------------------------------------------------------------------------


async def feedback_view(house: House, scheme: Scheme, month: str, hospital: str = "") -> dict[str, Any]:
    """A month's feedback over all its editions; ``hospital`` narrows it to one institution."""
    editions = await editions_of(house, scheme.agency.id, month)
    rows = [row for row in await lines_of(house, editions) if hospital in ("", row["hospital"])]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["hospital"], row["insutype"]), []).append(row)
    return {
        "month": month,
        "agency": scheme.agency.id,
        "version": len(editions),
        "due_date": due_date(scheme, month).isoformat(),
        "sent_at": editions[-1].get("sent_at") if editions else None,
        "hospitals": [_basis_view(code, insutype, lines) for (code, insutype), lines in sorted(groups.items())],
        "pending": await _pending_view(house, editions, hospital),
    }


def _basis_view(code: str, insutype: str, rows: Sequence[Row]) -> dict[str, Any]:
    lines = [
        {
            "kind": row["kind"], "pay_order_no": row["pay_order_no"], "amount": format_yuan(row["amount_fen"]),
            "receipt_no": row["receipt_no"],
        }
        for row in rows
    ]  # fmt: skip
    return {"fixmedins_code": code, "insutype": insutype, "basis_amt": basis_of(rows), "lines": lines}


async def _pending_view(house: House, editions: Sequence[Entity], hospital: str) -> list[dict[str, Any]]:
    """Orders the last edition left out for want of a receipt, as they stand now."""
    found = []
    for number in editions[-1]["pending"] if editions else ():
        order = await house.journal.entities.get("payout_order", number)
        if order is not None and order.state in UNPROVEN and hospital in ("", order.hospital):
            found.append(
                {
                    "pay_order_no": number, "fixmedins_code": order.hospital,
                    "amount": format_yuan(order["sum_fen"]), "state": order.state,
                }
            )  # fmt: skip
    return found
