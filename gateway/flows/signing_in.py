"""Sign-in at the platform (9001) on the hospital's behalf: every message carries the number of its operator.

Provinces let numbers expire. A message refused for that was not executed, so it leaves again under a fresh number, as
a new operation linked to the refused one (G).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from gateway.delivery.delivery import ContentChanged, Order
from gateway.flows.house import House
from gateway.journal.operations import Operation
from gateway.journal.store import Unit
from gateway.model.clock import to_micros
from gateway.model.insurance import NationalMessage
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused, Verdict

EXPIRED: Final = "SIGN_IN_EXPIRED"
_SENDS: Final = 3  # the message's own number, the one another message has renewed meanwhile, a fresh one


async def send(house: House, order: Order) -> Verdict[Any]:
    """Deliver a message to the platform; where its sign-in number has expired, once more under a renewed one.

    Raises Refusal PLATFORM_UNAVAILABLE when there is no sign-in, and what `Delivery.deliver` raises.
    """
    verdict = await _first(house, order)
    for number in range(2, _SENDS + 1):
        if not (isinstance(verdict, Refused) and verdict.code == EXPIRED):
            break
        refused = await house.journal.operations.by_key(order.counterpart, order.operation, order.key)
        again = await _kept(house, replace(order, key=_key(order.key, number)))
        message = again or await renewed(house, order.request, order.exchange_id)
        order = replace(
            order, key=_key(order.key, number), request=message, with_attempt=Unit(),
            linked_to="" if refused is None else refused.operation_id,
        )  # fmt: skip
        verdict = await house.delivery.deliver(order)
    return verdict


async def _first(house: House, order: Order) -> Verdict[Any]:
    """A flow that runs again may find another sign-in number than it began with: what was journalled counts."""
    try:
        return await house.delivery.deliver(order)
    except ContentChanged:
        kept = await _kept(house, order)
        if kept is None or kept.model_copy(update={"sign_no": ""}) != _unsigned(order.request):
            raise
        return await house.delivery.deliver(replace(order, request=kept))


def _unsigned(request: Any) -> Any:
    return request.model_copy(update={"sign_no": ""})


def _key(key: str, number: int) -> str:
    return f"{key.partition('#')[0]}#{number}"


async def _kept(house: House, order: Order) -> NationalMessage | None:
    op = await house.journal.operations.by_key(order.counterpart, order.operation, order.key)
    return None if op is None else NationalMessage.model_validate_json(await house.journal.operations.request(op))


async def sent_as(house: House, operation: str, key: str) -> Operation | None:
    """The operation a key stands for: the last one that was sent for it."""
    for number in range(_SENDS, 1, -1):
        op = await house.journal.operations.by_key(house.insurance, operation, _key(key, number))
        if op is not None:
            return op
    return await house.journal.operations.by_key(house.insurance, operation, key)


async def renewed(house: House, message: Any, exchange_id: str) -> NationalMessage:
    """The message under another number than the expired one it carries. Raises Refusal PLATFORM_UNAVAILABLE."""
    known = await _stored(house, message.fixmedins_code, message.opter)
    if known is None or known == message.sign_no:
        known = await _sign_in(house, message.fixmedins_code, message.opter, f"renew|{message.sign_no}", exchange_id)
    fresh: NationalMessage = message.model_copy(update={"sign_no": known})
    return fresh


async def completed(house: House, message: NationalMessage, exchange_id: str) -> NationalMessage:
    """The message with a sign-in number; one that has its own keeps it. Raises Refusal PLATFORM_UNAVAILABLE."""
    if message.sign_no or message.infno in ("9001", "9002"):
        return message
    return message.model_copy(
        update={"sign_no": await number(house, message.fixmedins_code, message.opter, exchange_id)}
    )


async def number(house: House, hospital: str, opter: str, exchange_id: str) -> str:
    """The operator's sign-in number, signed in now where there is none."""
    known = await _stored(house, hospital, opter)
    return known or await _sign_in(house, hospital, opter, exchange_id, exchange_id)


async def _stored(house: House, hospital: str, opter: str) -> str | None:
    row = await house.journal.store.row(
        "SELECT sign_no FROM sign_in WHERE hospital = :hospital AND opter = :opter",
        {"hospital": hospital, "opter": opter},
    )
    return None if row is None else str(row["sign_no"])


async def _sign_in(house: House, hospital: str, opter: str, purpose: str, exchange_id: str) -> str:
    ask = NationalMessage(
        infno="9001", fixmedins_code=hospital, fixmedins_name=house.hospital(hospital).name,
        mdtrtarea_admvs=house.hospital(hospital).pool_area, opter=opter,
        input={"signIn": {"opter_no": opter, "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}},
    )  # fmt: skip
    verdict = await house.delivery.deliver(
        Order(house.insurance, "9001", f"{purpose}:sign-in", ask, exchange_id, hospital, hospital)
    )
    if not isinstance(verdict, Done) or not verdict.reply.sign_no:
        raise Refusal("PLATFORM_UNAVAILABLE", "9001")
    await keep(house, hospital, opter, verdict.reply.sign_no)
    return str(verdict.reply.sign_no)


async def keep(house: House, hospital: str, opter: str, sign_no: str) -> None:
    """Remember the number of an operator; a later sign-in replaces it."""
    unit = Unit().run(
        "INSERT INTO sign_in (hospital, opter, sign_no, at) VALUES (:hospital, :opter, :sign_no, :at) "
        "ON CONFLICT (hospital, opter) DO UPDATE SET sign_no = excluded.sign_no, at = excluded.at",
        {"hospital": hospital, "opter": opter, "sign_no": sign_no, "at": to_micros(house.clock.now())},
    )
    await house.journal.commit(unit)
