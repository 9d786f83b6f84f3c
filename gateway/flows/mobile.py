"""Mobile payment: 6201, 6202, 6203, 6301 and 6401 from the HIS to the payment centre, 6302 from the centre to the HIS.

A payment, a refund and a revocation leave at most once and are asked after by 6301; an order's status only ever moves
on, so a notice may come late, twice or before the answer it follows (national interface 5.4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
import structlog

from gateway.delivery.delivery import ASK, CONTINUE, Order
from gateway.flows.house import House
from gateway.flows.mobile_orders import known_answer, mark, order_of, take_verdict, take_word
from gateway.flows.runner import Ending, Flow, Reply
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Unit
from gateway.model.exact_json import dumps
from gateway.model.insurance import NationalAnswer, NationalMessage
from gateway.model.mobile import (
    PAY,
    QUERY,
    REFUND,
    REVOKE,
    UPLOAD,
    MobileNotice,
    MobileReply,
    MobileRequest,
    as_texts,
    business_of,
)
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

PATIENCE: Final = 15.0  # seconds of real time a HIS waits for certainty after an unknown outcome
SENT: Final[Mapping[str, str]] = {PAY: "pay_sent", REFUND: "refund_sent", REVOKE: "revoke_sent"}
_ABOUT: Final = ("payToken", "idNo", "userName", "idType")
_NOT_RECEIVED: Final = "支付中心未收到该笔，请用新报文编号重新提交"
_log = structlog.get_logger("mobile")


async def relay(house: House, exchange: Exchange, message: NationalMessage, act: Act) -> Reply:
    """One message of a HIS. Raises Refusal; UNKNOWN_INFNO where no payment centre is connected."""
    if house.mobile not in house.delivery.counterparts:
        raise Refusal("UNKNOWN_INFNO", message.infno, field="infno")
    request = _request(message)
    if message.infno == QUERY:
        return await _query(house, message, request, act)
    place, begun = await (_uploading if message.infno == UPLOAD else _acting)(house, message, request, act)
    order, key, request = place
    send = Order(
        house.mobile, message.infno, key, request, exchange.exchange_id, order.id, message.fixmedins_code,
        continuation=f"mobile:{exchange.exchange_id}|{message.infno}|{key}", with_attempt=begun,
    )  # fmt: skip
    verdict: Verdict[MobileReply] = await house.delivery.deliver(send)
    if isinstance(verdict, Unknown):
        verdict = await _find_out(house, send)
    if not isinstance(verdict, Unknown):
        await take_verdict(house, order.id, request, verdict, act)
    return _answer(verdict)


def _request(message: NationalMessage) -> MobileRequest:
    """The business object as the centre wants it: numbers as texts, the institution's code where it was left out."""
    data = {"orgCodg": message.fixmedins_code} | dict(as_texts(business_of(message.input or {})))
    return MobileRequest(infno=message.infno, hospital=message.fixmedins_code, data=data)


Place = tuple[Entity, str, MobileRequest]


async def _uploading(house: House, message: NationalMessage, request: MobileRequest, act: Act) -> tuple[Place, Unit]:
    """6201: one order per `medOrgOrd`; after a refusal a further try is an operation of its own."""
    number = request.text("medOrgOrd")
    identity, unit = f"{message.fixmedins_code}|{number}", Unit()
    order = await house.journal.entities.get("mobile_order", identity)
    sealed = {name: request.text(name) for name in _ABOUT if request.text(name)}
    if order is None:
        order = house.journal.entities.create(
            unit, "mobile_order", identity, "upload_sent", act, hospital=message.fixmedins_code,
            columns={"med_org_ord": number, "pay_ord_id": None, "ord_stas": ""}, data={"tries": 1}, sealed=sealed,
        )  # fmt: skip
        house.journal.index(unit, "mobile_order", identity, med_org_ord=number)
    elif order.state == "REJECTED":
        tries = order.get("tries", 1) + 1
        order = house.journal.entities.move(unit, order, "upload_sent", act, data={"tries": tries}, sealed=sealed)
    key = f"{identity}|{order.get('tries', 1)}"
    return (order, key, await _as_first_sent(house, key, request)), unit


async def _acting(house: House, message: NationalMessage, request: MobileRequest, act: Act) -> tuple[Place, Unit]:
    """6202, 6203, 6401: allowed by the order's state, and marked there in the commit of the attempt."""
    number, unit = request.text("payOrdId"), Unit()
    order = await order_of(house, message.fixmedins_code, number)
    if order is None:
        order = house.journal.entities.create(
            taken := Unit(), "mobile_order", f"{message.fixmedins_code}|{number}", "taken_over", act,
            hospital=message.fixmedins_code, columns={"med_org_ord": "", "pay_ord_id": number, "ord_stas": ""},
        )  # fmt: skip
        house.journal.index(taken, "mobile_order", order.id, pay_ord_id=number)
        await house.journal.commit(taken)
    key = f"{message.fixmedins_code}|{message.msgid}"
    if message.infno == REFUND:
        key = f"{order.id}|{request.text('appRefdSn')}"
    op = await house.journal.operations.by_key(house.mobile, message.infno, key)
    own = order.get("under_way") == f"{message.infno}|{key}"
    if not own and (op is None or op.state in ("OPEN", "NOT_SENT")):
        order = mark(house, unit, order, SENT[message.infno], f"{message.infno}|{key}", act)
    about = {name: order.sealed[name] for name in _ABOUT if order.sealed.get(name)}
    request = request.model_copy(update={"about": about, "before": order["ord_stas"]})
    return (order, key, await _as_first_sent(house, key, request)), unit


async def _as_first_sent(house: House, key: str, request: MobileRequest) -> MobileRequest:
    """The request under this key as it was first journalled. Raises Refusal where the HIS means something else now."""
    op = await house.journal.operations.by_key(house.mobile, request.infno, key)
    if op is None:
        return request
    first = MobileRequest.model_validate_json(await house.journal.operations.request(op))
    if dict(first.data) != dict(request.data):
        names = sorted(n for n in first.data.keys() | request.data.keys() if first.data.get(n) != request.data.get(n))
        raise Refusal("IDEMPOTENCY_KEY_REUSED", "；".join(names[:20]), differences=names[:20])
    return first


async def _find_out(house: House, send: Order) -> Verdict[MobileReply]:
    """After an unknown outcome the first question leaves at once, then the plan goes on."""
    op = await house.journal.operations.by_key(send.counterpart, send.operation, send.key)
    if op is None:
        return Unknown("not journalled")
    if op.questions == 0 and op.state == "UNKNOWN":
        await house.asker.ask(op)
    op = await house.delivery.wait_settled(op.operation_id, PATIENCE) or op
    verdict = await house.delivery.journalled(op)
    return verdict if verdict is not None else Unknown(op.reason)


async def _query(house: House, message: NationalMessage, request: MobileRequest, act: Act) -> Reply:
    """6301: the centre's word, else what it has told us already."""
    order = await order_of(house, message.fixmedins_code, request.text("payOrdId"))
    subject = message.msgid if order is None else order.id
    verdict: Verdict[MobileReply] = await house.delivery.deliver(
        Order(
            house.mobile, QUERY, f"{message.fixmedins_code}|{message.msgid}", request, act.exchange_id, subject,
            message.fixmedins_code,
        )
    )  # fmt: skip
    if order is not None:
        order = await take_verdict(house, order.id, request, verdict, act)
    if isinstance(verdict, Done | Refused):
        return _answer(verdict, {} if order is None else _authorised(order))
    kept = None if order is None else known_answer(order)
    if order is None or kept is None:
        raise Refusal("PLATFORM_UNAVAILABLE", "" if isinstance(verdict, Accepted) else verdict.reason)
    return _answer(Done(MobileReply(code="0", data=kept)), _authorised(order))


def _authorised(order: Entity) -> dict[str, str]:
    """What a 6302 brought and 6301 does not: the authorisation of a reversal."""
    token = order.sealed.get("revsToken", "")
    return {"revsToken": token} if token else {}


def _answer(verdict: Verdict[MobileReply], more: Mapping[str, str] | None = None) -> Reply:
    match verdict:
        case Done(reply) | Accepted(reply):
            return _said(reply, more)
        case Refused(code, _, reply):
            if reply is None:
                raise Refusal("NOT_FOUND" if code == "NOT_FOUND" else "ILLEGAL_STATE", _why(code))
            return _said(reply)
        case NotSent(reason):
            raise Refusal("PLATFORM_UNAVAILABLE", reason)
    return Reply(200, b"", "PENDING", Ending.WAITING)


def _why(code: str) -> str:
    return _NOT_RECEIVED if code == "NOT_FOUND" else code


def _said(reply: MobileReply, more: Mapping[str, str] | None = None) -> Reply:
    """The centre's words in the national envelope, `output.data` its business object."""
    envelope: dict[str, Any] = {
        "infcode": 0 if reply.ok else -1, "inf_refmsgid": "", "refmsg_time": "", "respond_time": "",
        "err_msg": "" if reply.ok else reply.message, "warn_msg": "",
        "output": {"data": {**(more or {}), **reply.data}} if reply.data else None,
    }  # fmt: skip
    answer = NationalAnswer(raw=dumps(envelope))
    return Reply(200, answer.model_dump_json().encode(), "ok" if reply.ok else "platform_refused")


# -- 6302 and what goes on by itself ----------------------------------------------------------------------------------


async def notice(house: House, exchange: Exchange, body: bytes) -> Reply:
    """`mobile.notice`: one 6302. Raises Refusal HOSPITAL_NOT_ENABLED for an institution that is not of this house."""
    told = MobileNotice.model_validate_json(body)
    house.hospital(told.org_code)
    act = Act(f"mobile:{house.mobile}", f"{told.pay_ord_id}|{told.ord_stas}", exchange.exchange_id)
    order = await take_word(house, told, act)
    await _ask_now(house, order)
    return Reply(200, orjson.dumps({"code": ""}))


def refused(_exchange: Exchange, refusal: Refusal) -> Reply:
    """Nothing was taken: the centre comes again."""
    _log.warning("notice not taken", code=refusal.code)
    return Reply(200, orjson.dumps({"code": refusal.code}), refusal.code, Ending.RELEASED)


async def _ask_now(house: House, order: Entity) -> None:
    """What of the order is still unknown is asked for at once."""
    waiting = await house.journal.operations.find(
        "subject = :subject AND state IN ('UNKNOWN', 'ACCEPTED')", subject=order.id
    )
    unit = Unit()
    for op in waiting:
        if op.name != QUERY:
            house.journal.agenda.schedule(unit, ASK, op.operation_id, house.clock.now())
    if unit:
        await house.journal.commit(unit)


async def go_on(house: House, subject: str) -> None:
    """An unknown or accepted operation is settled: the order learns of it, then the waiting HIS is answered."""
    exchange_id, infno, key = subject.split("|", 2)
    op = await house.journal.operations.by_key(house.mobile, infno, key)
    verdict = None if op is None else await house.delivery.journalled(op)
    if op is not None and verdict is not None:
        request = MobileRequest.model_validate_json(await house.journal.operations.request(op))
        act = Act("system", key, exchange_id)
        await take_verdict(house, op.subject, request, verdict, act, tell=True)
    unit = Unit()
    house.journal.agenda.schedule(unit, CONTINUE, f"exchange:{exchange_id}", house.clock.now())
    await house.journal.commit(unit)


FLOWS: Final[Mapping[str, Flow]] = {"mobile.notice": notice}
CONTINUATIONS: Final[Mapping[str, Callable[[House, str], Awaitable[None]]]] = {"mobile": go_on}
