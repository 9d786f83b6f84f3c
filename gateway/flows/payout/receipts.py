"""E-receipts: the only proof of a payment (R-123, D.7). Kept as they came, verified, matched with their order.

Everything a receipt leads to becomes durable in one commit: its own states, the order and its items, or the task for
the two persons who decide about it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

from gateway.flows.house import House
from gateway.flows.payout.jobs import add_if_absent, keep_going
from gateway.flows.payout.orders import SENT, close_if_final, items_of, prove
from gateway.flows.payout.scheme import scheme_of
from gateway.flows.payout.statuses import note_return
from gateway.handlers.base import Decision
from gateway.handlers.feedback import month_of
from gateway.handlers.receipt import MatchResult, OrderFacts, ReceiptFacts, match_receipt
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.bank import Account, Receipt
from gateway.model.ids import derive_number, new_id

FEEDBACK: Final = "payout.feedback"
QUARANTINED: Final = "RECEIPT_QUARANTINED"  # the task of a receipt that proves nothing by itself
_EVENTS: Final[Mapping[str, str]] = {
    "MATCHED": "matched",
    "ORPHAN": "no_order",
    "MISMATCH": "differs",
    "DUPLICATE_SUSPECT": "already_proven",
}


@dataclass(frozen=True, slots=True)
class Digests:
    """SHA-256 and SM3 over a receipt's bytes as they arrived, in hexadecimal."""

    sha256: str
    sm3: str

    @classmethod
    def of(cls, content: bytes) -> Digests:
        """Compute both."""
        sm3 = hashes.Hash(hashes.SM3())
        sm3.update(content)
        return cls(hashlib.sha256(content).hexdigest(), sm3.finalize().hex())

    def agree(self, receipt: Receipt) -> bool:
        """Whether they are what the bank states: SHA-256 always, SM3 where it is stated."""
        sha256 = hmac.compare_digest(self.sha256, receipt.sha256.lower())
        return sha256 and (not receipt.sm3 or hmac.compare_digest(self.sm3, receipt.sm3.lower()))


async def take_receipt(house: House, bank: str, receipt: Receipt, act: Act) -> Entity:
    """Keep a receipt, pushed or fetched, and let it prove what it proves; the same one again is only counted."""
    kept = await keep_going(partial(_take, house, bank, receipt, act))
    if kept.state == "MATCHED" and kept["proves"]:
        await after_proof(house, kept["proves"], act)
    return kept


async def after_proof(house: House, pay_order_no: str, act: Act) -> None:
    """What a newly proven order leads to elsewhere; may be done any number of times."""
    order = await house.journal.entities.get("payout_order", pay_order_no)
    if order is None:
        return
    await close_if_final(house, order["summary_no"], act)
    month = month_of(date.fromisoformat(order["booking_date"]))
    sent = await house.journal.entities.first(
        "feedback", "agency = :agency AND month = :month", agency=order["agency"], month=month
    )
    if sent is not None:  # its feedback has gone out: the next edition follows (D.8)
        unit = Unit()
        payload = {"month": month, "again": True}
        add_if_absent(unit, FEEDBACK, f"{order['agency']}|{month}", house.clock.now(), payload)
        await house.journal.commit(unit)


async def _take(house: House, bank: str, receipt: Receipt, act: Act) -> Entity:
    digests = Digests.of(receipt.content)
    right = digests.agree(receipt)
    known = await _known(house, bank, receipt, digests, right=right)
    unit = Unit()
    if known is not None:
        entity = house.journal.entities.move(
            unit, known, "repeated", act, data={"repeats": known.get("repeats", 0) + 1}
        )
        await house.journal.commit(unit)
        return entity
    twin = await _by_number(house, bank, receipt.receipt_no) if right else None
    entity = _receive(unit, house, bank, receipt, digests, act, plain_number=right and twin is None)
    if not right:
        entity = house.journal.entities.move(unit, entity, "digest_wrong", act)
        await _raise(unit, house, entity, act)
    else:
        entity = house.journal.entities.move(unit, entity, "digest_right", act)
        entity = await _match(unit, house, entity, receipt, twin, act)
    await house.journal.commit(unit)
    return entity


# -- known already ----------------------------------------------------------------------------------------------------


async def _by_number(house: House, bank: str, receipt_no: str) -> Entity | None:
    return await house.journal.entities.first("receipt", "bank = :bank AND receipt_no = :no", bank=bank, no=receipt_no)


def variant_no(receipt_no: str, digests: Digests) -> str:
    """The number under which another content of a known receipt is kept: the real one stays with the first."""
    return f"{receipt_no}~{digests.sha256[:12]}"


async def _known(house: House, bank: str, receipt: Receipt, digests: Digests, *, right: bool) -> Entity | None:
    """The stored receipt this one repeats: same number, same bytes, same facts."""
    for number in (receipt.receipt_no, variant_no(receipt.receipt_no, digests)):
        known = await _by_number(house, bank, number)
        same = known is not None and known["sha256"] == digests.sha256 and known["right"] == right
        if known is not None and same and known.sealed["facts"] == _facts(receipt):
            return known
    return None


def _facts(receipt: Receipt) -> dict[str, Any]:
    """What may not differ in a repetition; a verification code changes with every print and stays out."""
    kept = {"receipt_no", "orig_serial", "bank_txn_no", "payer", "payee", "currency", "amount_fen", "booking_date"}
    return receipt.model_dump(mode="json", include=kept, context={"reveal": True})


def _receive(
    unit: Unit, house: House, bank: str, receipt: Receipt, digests: Digests, act: Act, *, plain_number: bool
) -> Entity:
    """Add the receipt as it came: bytes and accounts encrypted, numbers findable."""
    number = receipt.receipt_no if plain_number else variant_no(receipt.receipt_no, digests)
    entity_id = derive_number("R", bank, number, _facts(receipt))
    body_id = house.journal.bodies.add(unit, receipt.content, new_id("B"))
    entity = house.journal.entities.create(
        unit, "receipt", entity_id, "received", act,
        columns={
            "bank": bank, "receipt_no": number, "pay_order_no": "", "amount_fen": receipt.amount_fen,
            "booking_date": receipt.booking_date.isoformat(), "sha256": digests.sha256, "proves": None,
        },
        data={
            "bank_no": receipt.receipt_no, "right": digests.agree(receipt), "sm3": digests.sm3,
            "stated_sha256": receipt.sha256, "body_id": body_id, "format": receipt.format,
            "bank_txn_no": receipt.bank_txn_no, "orig_serial": receipt.orig_serial, "decisions": [],
        },
        sealed={
            "payer": receipt.payer.model_dump(context={"reveal": True}),
            "payee": receipt.payee.model_dump(context={"reveal": True}), "facts": _facts(receipt),
        },
    )  # fmt: skip
    house.journal.index(
        unit, "receipt", entity_id, receipt_no=receipt.receipt_no, bank_txn_no=receipt.bank_txn_no,
        orig_serial=receipt.orig_serial,
    )  # fmt: skip
    return entity


# -- matching ---------------------------------------------------------------------------------------------------------


async def _match(unit: Unit, house: House, entity: Entity, receipt: Receipt, twin: Entity | None, act: Act) -> Entity:
    order = await _order_named(house, receipt)
    columns = {"pay_order_no": "" if order is None else order.id}
    if twin is not None:  # another content under a number that is taken: both are kept, a person looks (3.2)
        data = {"differences": ["content"], "twin_of": twin.id}
        entity = house.journal.entities.move(unit, entity, "differs", act, columns=columns, data=data)
        await _raise(unit, house, entity, act, hospital="" if order is None else order.hospital)
        return entity
    decision = await _decide(house, receipt, order)
    found = decision.require()
    house.journal.explain(unit, act.exchange_id, entity.id, decision.reasons)
    if found.state == "MATCHED" and order is not None:
        columns["proves"] = order.id
        entity = house.journal.entities.move(unit, entity, "matched", act, columns=columns)
        await prove_order(unit, house, order, entity, act)
        return entity
    data = {"differences": list(found.differences)}
    entity = house.journal.entities.move(unit, entity, _EVENTS[found.state], act, columns=columns, data=data)
    await _raise(unit, house, entity, act, hospital="" if order is None else order.hospital)
    return entity


async def _order_named(house: House, receipt: Receipt) -> Entity | None:
    """The sent order a receipt is about, by our own number in it. One that was never sent proves nothing."""
    for number in (receipt.orig_serial, receipt.postscript.strip()):
        order = await house.journal.entities.get("payout_order", number) if number else None
        if order is not None and order.state in SENT:
            return order
    return None


async def _decide(house: House, receipt: Receipt, order: Entity | None) -> Decision[MatchResult]:
    facts = ReceiptFacts(
        receipt.receipt_no, receipt.amount_fen, receipt.payer.acct_no, receipt.payee.acct_no, receipt.booking_date,
        receipt.currency, receipt.amount_in_words,
    )  # fmt: skip
    if order is None:
        return match_receipt(facts, None, house.calendar)
    summary = await house.journal.entities.get("summary", order["summary_no"])
    payer = Account.model_validate(summary.sealed["payer"]) if summary is not None else receipt.payer
    scheme = scheme_of(house, order["agency"], date.fromisoformat(order["biz_date"]))
    expected = OrderFacts(
        order.id, order["sum_fen"], payer.acct_no, Account.model_validate(order.sealed["payee"]).acct_no,
        date.fromisoformat(order["pay_date"]), order["receipt_no"],
    )  # fmt: skip
    return match_receipt(facts, expected, scheme.calendar)


async def prove_order(unit: Unit, house: House, order: Entity, receipt: Entity, act: Act) -> None:
    """Add that a receipt proves an order (R1, R2); money known to have come back makes it RETURNED at once."""
    facts = {
        "receipt_no": receipt["receipt_no"], "amount_fen": receipt["amount_fen"],
        "booking_date": receipt["booking_date"],
    }  # fmt: skip
    returned_on = order.get("returned_on")
    paid = prove(unit, house, order, await items_of(house, order.id), facts, act)
    if returned_on:
        house.journal.entities.move(unit, receipt, "return_advice", act, columns={"proves": None})
        await note_return(unit, house, paid, returned_on, act)


async def _raise(unit: Unit, house: House, receipt: Entity, act: Act, *, hospital: str = "") -> None:
    """Add the task for the persons who look at a receipt that proves nothing by itself."""
    suggested = "ask_bank" if receipt.state == "REFUSED" else "decide"
    await house.journal.raise_task(
        unit, QUARANTINED, receipt.id, act, suggested=f"receipt.{suggested}", hospital=hospital
    )
