"""The order of a mobile payment in the journal: what an answer, a question or a 6302 makes of it.

A status is taken only when it is further on than the one that is known; a former or repeated one changes nothing, one
that cannot follow is a person's (national interface 5.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.flows import callbacks
from gateway.flows.house import House
from gateway.journal.entities import Act, Entity
from gateway.journal.store import GuardFailed, Unit
from gateway.model.callback import CallbackType
from gateway.model.machines import MOBILE_ORDER
from gateway.model.mobile import (
    PAY,
    REFUND,
    REVOKE,
    STATUS_EVENTS,
    UPLOAD,
    MobileNotice,
    MobileReply,
    MobileRequest,
    further,
)
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Verdict

KIND: Final = "mobile_order"
RACES: Final = 5
_BUSY: Final = frozenset({"CREATED", "PAYING", "REVOKING", "REFUNDING"})
_REVOKED: Final = "12"


@dataclass(frozen=True, slots=True)
class Word:
    """What the centre said of an order. Amounts in fen; ``sealed`` are tokens."""

    status: str
    pay_ord_id: str = ""
    amounts: Mapping[str, int] = field(default_factory=dict)
    sealed: Mapping[str, str] = field(default_factory=dict, repr=False)


async def order_of(house: House, hospital: str, pay_ord_id: str) -> Entity | None:
    """The order of the centre's number. Raises Refusal FORBIDDEN where it is another hospital's."""
    order = await house.journal.entities.first(KIND, "pay_ord_id = :number", number=pay_ord_id)
    if order is not None and order.hospital != hospital:
        raise Refusal("FORBIDDEN", "payOrdId 不属于本机构", field="payOrdId")
    return order


def mark(house: House, unit: Unit, order: Entity, event: str, under_way: str, act: Act) -> Entity:
    """The order with something of it leaving. Raises Refusal IN_PROGRESS while another is, else ILLEGAL_STATE."""
    if order.state in _BUSY:
        raise Refusal("IN_PROGRESS", f"{KIND}: {order.state}", state=order.state)
    return house.journal.entities.move(
        unit, order, event, act, data={"under_way": under_way, "came_from": order.state}
    )  # fmt: skip


def known_answer(order: Entity) -> dict[str, str] | None:
    """What is kept of an order in the words of a 6301; None while the centre has said nothing final of it."""
    if not order["ord_stas"] or not further(order["ord_stas"], "5"):
        return None
    amounts = {name: format_yuan(fen) for name, fen in order.get("amounts", {}).items()}
    return {
        "payOrdId": order["pay_ord_id"],
        "medOrgOrd": order["med_org_ord"],
        "ordStas": order["ord_stas"],
        **amounts,
    }


async def take_verdict(
    house: House, order_id: str, request: MobileRequest, verdict: Verdict[MobileReply], act: Act, *, tell: bool = False
) -> Entity | None:
    """What a verdict makes of the order; None where there is no such order. ``tell`` the hospital by a callback."""
    for left in reversed(range(RACES)):
        order = await house.journal.entities.get(KIND, order_id)
        if order is None:
            return None
        unit = Unit()
        word = _word(request, verdict)
        moved = order if word.status else _undo(house, unit, order, request, verdict, act)
        moved = await _advance(house, unit, moved, word, act, tell=tell)
        if await _committed(house, unit, final=left == 0):
            return moved
    raise AssertionError("unreachable")


async def take_word(house: House, told: MobileNotice, act: Act) -> Entity:
    """What a 6302 makes of its order; one that nobody uploaded here is taken over."""
    tokens = {"revsToken": told.revs_token.reveal()} if told.revs_token else {}
    word = Word(told.ord_stas, told.pay_ord_id, told.amounts, tokens)
    for left in reversed(range(RACES)):
        unit = Unit()
        order = await order_of(house, told.org_code, told.pay_ord_id)
        if order is None and told.med_org_ord:
            order = await house.journal.entities.get(KIND, f"{told.org_code}|{told.med_org_ord}")
        if order is None:
            order = house.journal.entities.create(
                unit, KIND, f"{told.org_code}|{told.med_org_ord or told.pay_ord_id}", "taken_over", act,
                hospital=told.org_code,
                columns={"med_org_ord": told.med_org_ord, "pay_ord_id": told.pay_ord_id, "ord_stas": ""},
            )  # fmt: skip
            house.journal.index(unit, KIND, order.id, pay_ord_id=told.pay_ord_id)
        moved = await _advance(house, unit, order, word, act, tell=True)
        if await _committed(house, unit, final=left == 0):
            return moved
    raise AssertionError("unreachable")


async def _committed(house: House, unit: Unit, *, final: bool) -> bool:
    """False when another writer was faster: read again. Raises GuardFailed after the last try."""
    try:
        if unit:
            await house.journal.commit(unit)
    except GuardFailed:
        if final:
            raise
        return False
    return True


def _word(request: MobileRequest, verdict: Verdict[MobileReply]) -> Word:
    """The status in an answer. A revocation that is done says so without one."""
    reply = verdict.reply if isinstance(verdict, Done | Accepted | Refused) else None
    if reply is None or not reply.ok:
        return Word("")
    status = reply.ord_stas
    if request.infno == REVOKE and isinstance(verdict, Done):
        status = status if status in ("12", "13") else _REVOKED
    if request.infno == UPLOAD:
        status = status or "0"
    token = str(reply.data.get("payToken") or "")
    number = reply.pay_ord_id or request.text("payOrdId")
    return Word(status, number, reply.amounts, {"payToken": token} if token else {})


def _undo(
    house: House, unit: Unit, order: Entity, request: MobileRequest, verdict: Verdict[MobileReply], act: Act
) -> Entity:
    """A refused or unsent one leaves the order as it was before."""
    if not isinstance(verdict, Refused | NotSent):
        return order
    event = {
        (UPLOAD, "CREATED"): "upload_not_sent" if isinstance(verdict, NotSent) else "upload_refused",
        (PAY, "PAYING"): "" if further(order["ord_stas"] or "0", "1") else "pay_refused",
        (REVOKE, "REVOKING"): "revoke_refused",
        (REFUND, "REFUNDING"): {
            "PAID": "refund_refused_paid", "PART_REFUNDED": "refund_refused_part",
        }.get(order.get("came_from", ""), "refund_refused_abnormal"),
    }.get((request.infno, order.state), "")  # fmt: skip
    return house.journal.entities.move(unit, order, event, act, data={"under_way": ""}) if event else order


async def _advance(house: House, unit: Unit, order: Entity, word: Word, act: Act, *, tell: bool) -> Entity:
    """Move on to the word's status, or note what is new about the order, or hand a contradiction to a person."""
    if not word.status:
        return order
    if not _news(order, word):
        return _note(house, unit, order, word, act, tell=tell)
    event = STATUS_EVENTS[word.status]
    if not MOBILE_ORDER.allows(order.state, event):  # while a refund is under way its outcome comes first
        return order if order.state == "REFUNDING" else await _contradicted(house, unit, order, word, act)
    said = {"told": word.status} if tell else {}
    moved = house.journal.entities.move(
        unit, order, event, act, columns=_columns(order, word) | {"ord_stas": word.status}, sealed=word.sealed,
        data={"amounts": {**order.get("amounts", {}), **word.amounts}, "under_way": _under_way(order, event)} | said,
    )  # fmt: skip
    _index(house, unit, order, word)
    if moved.state == "ABNORMAL":
        await house.journal.raise_task(
            unit, "MOBILE_ORDER_ABNORMAL", order.id, act, suggested="mobile.ask_centre", hospital=order.hospital
        )
    if tell:
        _tell(house, unit, moved)
    return moved


def _news(order: Entity, word: Word) -> bool:
    """Further on, or another part refund on top of the one that is known."""
    if further(word.status, order["ord_stas"]):
        return True
    return word.status == order["ord_stas"] and (
        (order.state == "REFUNDING" and order.get("came_from") == "PART_REFUNDED" and _differs(order, word))
        or (order.state == "PART_REFUNDED" and _differs(order, word))
    )


def _differs(order: Entity, word: Word) -> bool:
    return any(order.get("amounts", {}).get(name) != fen for name, fen in word.amounts.items())


def _under_way(order: Entity, event: str) -> str:
    return str(order.get("under_way", "")) if event in ("saved", "settling") else ""


def _columns(order: Entity, word: Word) -> dict[str, Any]:
    new = word.pay_ord_id and order["pay_ord_id"] is None
    return {"pay_ord_id": word.pay_ord_id} if new else {}


def _index(house: House, unit: Unit, order: Entity, word: Word) -> None:
    if _columns(order, word):
        house.journal.index(unit, KIND, order.id, pay_ord_id=word.pay_ord_id)


def _note(house: House, unit: Unit, order: Entity, word: Word, act: Act, *, tell: bool) -> Entity:
    """What is new about an order that has come as far: a token, or a 6302 its hospital has not heard of."""
    tokens = {name: value for name, value in word.sealed.items() if not order.sealed.get(name)}
    unheard = tell and word.status == order["ord_stas"] and order.get("told") != word.status
    if not (tokens or unheard) or not MOBILE_ORDER.allows(order.state, "noted"):
        return order
    _index(house, unit, order, word)
    noted = house.journal.entities.move(
        unit, order, "noted", act, columns=_columns(order, word), sealed=tokens,
        data={"told": word.status} if unheard else {},
    )  # fmt: skip
    if unheard:
        _tell(house, unit, noted)
    return noted


async def _contradicted(house: House, unit: Unit, order: Entity, word: Word, act: Act) -> Entity:
    if order.get("contradicted_by") == word.status:
        return order
    await house.journal.raise_task(
        unit, "MOBILE_ORDER_CONFLICT", order.id, act, suggested="mobile.ask_centre", hospital=order.hospital
    )
    return house.journal.entities.move(unit, order, "contradicted", act, data={"contradicted_by": word.status})


def _tell(house: House, unit: Unit, order: Entity) -> None:
    """The hospital's own system hears of it; tokens stay out and come with its 6301."""
    amounts = {name: format_yuan(fen) for name, fen in order.get("amounts", {}).items()}
    data = {"payOrdId": order["pay_ord_id"], "medOrgOrd": order["med_org_ord"], "ordStas": order["ord_stas"]}
    callbacks.enqueue(
        unit, house, order.hospital, CallbackType.MOBILE_ORDER, f"mobile_orders/{order['pay_ord_id']}",
        {**data, "state": order.state, **amounts},
    )  # fmt: skip
