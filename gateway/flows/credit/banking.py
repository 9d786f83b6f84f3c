"""How credit flows speak to a bank: one serial per operation, the same request whenever a flow runs again.

Nothing here decides what an outcome means for a visit. An operation of unknown outcome is never sent again from here:
its plan of questions, a notification or the day-end file says what became of it (W1, P8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel

from gateway.delivery.declare import NOT_FOUND, AfterUnknown
from gateway.delivery.delivery import Order
from gateway.flows.house import House
from gateway.model.refusals import dictionary
from gateway.model.verdict import NotSent, Refused, Verdict

SERIAL: Final = 30  # characters of a serial: within the 32 that banks keep (channel facts, 8.1)
_OPEN: Final = frozenset({"UNKNOWN", "ACCEPTED"})


@dataclass(frozen=True, slots=True)
class BankCall:
    """One operation at a bank. ``continuation`` names the flow that goes on when an unknown outcome is known."""

    bank: str
    operation: str
    serial: str
    exchange_id: str
    subject: str
    hospital: str
    amount_fen: int | None = None
    continuation: str = ""
    linked_to: str = ""


async def call(house: House, what: BankCall, request: BaseModel) -> Verdict[Any]:
    """The verdict of this serial: as journalled, or after sending it now for the first time."""
    return await send(house, _order(what, request))


async def send(house: House, order: Order) -> Verdict[Any]:
    """Deliver an order; one that is journalled goes out with the content it was journalled with.

    So a change of settings or sign-in between two runs of a flow changes nothing, and an idempotent operation of
    unknown outcome is asked after by its plan instead of being sent again.
    """
    op = await house.journal.operations.by_key(order.counterpart, order.operation, order.key)
    if op is None:
        return await house.delivery.deliver(order)
    asked_after = house.delivery.counterparts[op.counterpart].declared(op.name).after_unknown is AfterUnknown.ASK
    verdict = await house.delivery.journalled(op) if asked_after and op.state in _OPEN else None
    if verdict is not None:
        return verdict
    content = await house.journal.operations.request(op)
    if content:
        codec = house.delivery.counterparts[order.counterpart].codec
        order = replace(order, request=codec.request_type(order.operation).model_validate_json(content))
    return await house.delivery.deliver(order)


async def give_up(house: House, what: BankCall, request: BaseModel) -> None:
    """Close an operation that was not sent: whoever is told so must be able to rely on it."""
    await house.delivery.close_unsent(_order(what, request))


async def operation_id(house: House, bank: str, operation: str, serial: str) -> str:
    """The id of a journalled operation, to link a new attempt to it; empty when there is none."""
    op = await house.journal.operations.by_key(bank, operation, serial)
    return "" if op is None else op.operation_id


def _order(what: BankCall, request: BaseModel) -> Order:
    return Order(
        what.bank, what.operation, what.serial, request, what.exchange_id, what.subject, what.hospital,
        what.amount_fen, what.continuation, what.linked_to,
    )  # fmt: skip


def refusal_code(house: House, bank: str, operation: str, verdict: Refused[Any] | NotSent) -> str:
    """The code of the register for a bank's no: by the adapter's dictionary, ILLEGAL_STATE where it has no row."""
    if isinstance(verdict, NotSent) or verdict.code == NOT_FOUND:
        return "BANK_UNAVAILABLE"
    explain = getattr(house.delivery.counterparts[bank].codec, "explain", None)
    meaning = None if explain is None else explain(operation, verdict.code)
    unified = verdict.code if meaning is None else str(meaning.unified_code)
    return unified if unified in dictionary() else "ILLEGAL_STATE"
