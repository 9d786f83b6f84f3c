"""What a bank pushes: notices of events and e-receipts. The bank's number is the key, so a repetition is answered once.

A notice is never believed: whatever it says about an operation of ours makes us ask, and the answer counts. A receipt
is taken, verified and matched (D.7). Acks: OK, MISMATCH (kept, a person looks), RETRY (come again).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
import structlog

from gateway.delivery.delivery import ASK
from gateway.flows.house import House
from gateway.flows.payout.jobs import alarm
from gateway.flows.payout.outcomes import STATUS
from gateway.flows.payout.receipts import take_receipt
from gateway.flows.runner import Ending, Flow, Reply
from gateway.journal.entities import Act
from gateway.journal.exchanges import Exchange
from gateway.journal.operations import Operation
from gateway.journal.store import Unit
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.clock import to_micros
from gateway.model.refusals import Refusal

OK: Final = "OK"
RETRY: Final = "RETRY"
MISMATCH: Final = "MISMATCH"
# Which operations of ours an event may be about; OrigSerial is their key.
OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "WITHHOLD": ("Withhold",),
    "REFUND": ("Refund",),
    "PREAUTH": ("PreAuthorise",),
    "COMPLETION": ("CompletePreAuthorisation",),
    "VOID": ("VoidPreAuthorisation",),
    "AGREEMENT": ("SignAgreement", "CancelAgreement"),
}
_KEPT_FOR_A_PERSON: Final = frozenset({"REFUSED", "MISMATCH"})
_log = structlog.get_logger("bank")

OnEvent = Callable[[House, str, NotifyTransaction, str], Awaitable[bool]]


async def notify(house: House, exchange: Exchange, body: bytes) -> Reply:
    """`bank.notify`: one event of a bank."""
    envelope = orjson.loads(body)
    bank, event = envelope["bank"], NotifyTransaction.model_validate_json(orjson.dumps(envelope["message"]))
    act = Act(f"bank:{bank}", event.notify_no, exchange.exchange_id)
    if await _heard_before(house, bank, event):
        return ack(OK)
    known = await _handle(house, bank, event, exchange.exchange_id)
    if not known:
        await alarm(house, "BANK_EVENT_UNKNOWN", f"{bank}|{event.notify_no}", act, "bank.ask_about_event")
    await _remember(house, bank, event, exchange, known=known)
    return ack(OK)


async def receipt(house: House, exchange: Exchange, body: bytes) -> Reply:
    """`bank.receipt`: one e-receipt of a bank."""
    envelope = orjson.loads(body)
    bank, message = envelope["bank"], DeliverReceipt.model_validate_json(orjson.dumps(envelope["message"]))
    act = Act(f"bank:{bank}", message.notify_no, exchange.exchange_id)
    kept = await take_receipt(house, bank, message.receipt, act)
    return ack(MISMATCH if kept.state in _KEPT_FOR_A_PERSON else OK)


def refused(_exchange: Exchange, refusal: Refusal) -> Reply:
    """Nothing could be decided (a calendar is missing, a race went on): the bank comes again."""
    _log.warning("bank message put off", code=refusal.code)
    return Reply(200, orjson.dumps({"ack": RETRY}), refusal.code, Ending.RELEASED)


def ack(word: str) -> Reply:
    """The door's answer."""
    return Reply(200, orjson.dumps({"ack": word}), word.lower())


# -- once per transaction and status ----------------------------------------------------------------------------------


async def _heard_before(house: House, bank: str, event: NotifyTransaction) -> bool:
    if not event.bank_txn_no:
        return False
    row = await house.journal.store.row(
        "SELECT exchange_id FROM bank_event WHERE bank = :bank AND bank_txn_no = :txn AND status = :status",
        {"bank": bank, "txn": event.bank_txn_no, "status": event.status.value},
    )
    return row is not None


async def _remember(house: House, bank: str, event: NotifyTransaction, exchange: Exchange, *, known: bool) -> None:
    """Last of all, so that an event whose handling was cut off is handled again."""
    unit = Unit().run(
        "INSERT INTO bank_event (bank, bank_txn_no, status, event_type, orig_serial, exchange_id, known, at) "
        "VALUES (:bank, :txn, :status, :type, :serial, :exchange, :known, :at) "
        "ON CONFLICT (bank, bank_txn_no, status) DO NOTHING",
        {
            "bank": bank, "txn": event.bank_txn_no or event.notify_no, "status": event.status.value,
            "type": event.event_type, "serial": event.orig_serial, "exchange": exchange.exchange_id,
            "known": int(known), "at": to_micros(house.clock.now()),
        },
        expect=None,
    )  # fmt: skip
    await house.journal.commit(unit)


# -- by kind of event -------------------------------------------------------------------------------------------------


async def _handle(house: House, bank: str, event: NotifyTransaction, exchange_id: str) -> bool:
    """Let an event do its work. False: nobody knows what it is about."""
    if event.event_type in ("PAYOUT_RECORD", "PAYOUT_RETURN"):
        return await _payout(house, bank, event)
    op = await _operation(house, bank, event)
    if op is not None and op.state in ("UNKNOWN", "ACCEPTED"):
        await _ask_now(house, op)
    handler = EVENTS.get(event.event_type)
    taken = handler is not None and await handler(house, bank, event, exchange_id)
    return taken or op is not None


async def _operation(house: House, bank: str, event: NotifyTransaction) -> Operation | None:
    for name in OPERATIONS.get(event.event_type, ()):
        op = await house.journal.operations.by_key(bank, name, event.orig_serial) if event.orig_serial else None
        if op is not None:
            return op
    return None


async def _ask_now(house: House, op: Operation) -> None:
    """The plan's next question is due at once; the bank is not kept waiting for our asking it."""
    unit = Unit()
    house.journal.agenda.schedule(unit, ASK, op.operation_id, house.clock.now())
    await house.journal.commit(unit)


async def _payout(house: House, bank: str, event: NotifyTransaction) -> bool:
    """A record of a batch changed, or its money came back: the batch is asked about at once."""
    order = await house.journal.entities.get("payout_order", event.orig_serial) if event.orig_serial else None
    if order is None or house.agencies[order["agency"]].bank != bank:
        return False
    unit = Unit()
    house.journal.agenda.schedule(unit, STATUS, order["summary_no"], house.clock.now(), {"n": 0})
    await house.journal.commit(unit)
    return True


async def _credit(house: House, bank: str, event: NotifyTransaction, exchange_id: str) -> bool:
    """Repayments, defaults and changes of agreements are the credit flows' business."""
    from gateway.flows.credit import bank_events

    return await bank_events.take(house, bank, event, exchange_id)


EVENTS: Final[dict[str, OnEvent]] = {"REPAYMENT": _credit, "DEFAULT": _credit, "AGREEMENT": _credit}

FLOWS: Final[Mapping[str, Flow]] = {"bank.notify": notify, "bank.receipt": receipt}
