"""The only way out: declared operations go to counterparts under their guarantee, journal before socket.

`deliver` may be called again with the same key at any time, by any instance, before or after a crash: it answers with
the journalled verdict instead of sending again. That a second attempt of an at_most_once or once_ever operation is
impossible is not decided here: the unique index over sole attempts refuses it.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import structlog
from pydantic import BaseModel
from tenacity import AsyncRetrying, retry_if_result, stop_after_attempt, wait_random_exponential

from gateway.delivery.counterparts import CODE_VERSION, Counterpart, Counterparts, Msgids
from gateway.delivery.declare import (
    PLAIN,
    AfterUnknown,
    Guarantee,
    OperationDecl,
    Outbound,
    SendContext,
    Variant,
)
from gateway.delivery.replies import read_reply, verdict_of, wire
from gateway.delivery.transport import NothingLeft, OutcomeLost, Transport
from gateway.journal.journal import Journal
from gateway.journal.operations import Draft, Operation, Stamp
from gateway.journal.store import DuplicateKey, GuardFailed, Unit
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict, name_of

ASK: Final = "ask"  # kind of the due row that asks after an operation
CONTINUE: Final = "continue"  # kind of the due row that lets a flow go on
GRACE_SECONDS: Final = 5.0
CIRCUIT_OPEN: Final = "circuit open"
CLOSED_AS_NOT_SENT: Final = "closed: the caller was told that it was not sent"
_log = structlog.get_logger("delivery")

Also = Callable[[Verdict[Any]], Unit | None]
Observe = Callable[[str, str, Verdict[Any], float], None]
VariantOf = Callable[[str, str], Variant]  # of a counterpart for a hospital


class ContentChanged(Exception):
    """The same key came with another request: a mistake in a flow, never of a partner."""


@dataclass(frozen=True, slots=True)
class Order:
    """One operation to deliver.

    ``with_attempt`` becomes durable with the first attempt of a call, before the socket opens; ``also`` gives what
    becomes durable with the verdict. ``continuation`` names the flow that goes on when an unknown outcome is known.
    """

    counterpart: str
    operation: str
    key: str
    request: BaseModel
    exchange_id: str
    subject: str
    hospital: str = ""
    amount_fen: int | None = None
    continuation: str = ""
    linked_to: str = ""
    with_attempt: Unit = field(default_factory=Unit)
    also: Also = field(default=lambda _verdict: None)


class Delivery:
    """Sends operations and remembers what became of them."""

    def __init__(
        self,
        journal: Journal,
        counterparts: Counterparts,
        transport: Transport,
        msgids: Msgids,
        observe: Observe = lambda _c, _o, _v, _s: None,
        variant_of: VariantOf = lambda _counterpart, _hospital: PLAIN,
    ) -> None:
        self.journal, self.counterparts = journal, counterparts
        self._transport, self._msgids, self._observe, self._variant_of = transport, msgids, observe, variant_of
        self._sending: dict[tuple[str, str, str], asyncio.Future[Verdict[Any]]] = {}
        self._settled: dict[str, asyncio.Event] = {}

    async def deliver(self, order: Order) -> Verdict[Any]:
        """The verdict of this key: sent now if it never was, else as journalled.

        Raises ContentChanged when the key was used for another request, StoreUnavailable when nothing could be
        journalled (then nothing was sent).
        """
        place = (order.counterpart, order.operation, order.key)
        running = self._sending.get(place)
        if running is not None:
            return await asyncio.shield(running)
        future: asyncio.Future[Verdict[Any]] = asyncio.get_running_loop().create_future()
        self._sending[place] = future
        try:
            verdict = await self._deliver(order)
        except BaseException as error:
            if not future.done():
                future.set_exception(error)
                future.exception()  # the caller gets it from us; nobody else may be waiting
            raise
        else:
            future.set_result(verdict)
            return verdict
        finally:
            del self._sending[place]

    async def close_unsent(self, order: Order) -> None:
        """What the caller was told as not sent is never sent later (state-machines G)."""
        op = await self.journal.operations.by_key(order.counterpart, order.operation, order.key)
        if op is not None and op.state in ("OPEN", "NOT_SENT"):
            unit = Unit()
            self.journal.operations.settle(
                unit, op, "CLOSED", code="", reason=CLOSED_AS_NOT_SENT, reply=None, by="caller"
            )
            await self.journal.commit(unit)

    async def wait_settled(self, operation_id: str, seconds: float) -> Operation | None:
        """The operation once its outcome is certain, or as it stands after ``seconds`` of real time."""
        deadline = self.journal.clock.monotonic() + seconds
        while True:
            op = await self.journal.operations.get(operation_id)
            left = deadline - self.journal.clock.monotonic()
            if op is None or op.state in ("DONE", "REFUSED", "CLOSED") or left <= 0:
                return op
            event = self._settled.setdefault(operation_id, asyncio.Event())
            try:
                await asyncio.wait_for(event.wait(), min(left, 0.5))
            except TimeoutError:
                continue
            finally:
                self._settled.pop(operation_id, None)

    def announce(self, operation_id: str) -> None:
        """Wake whoever waits for the operation in this process."""
        event = self._settled.get(operation_id)
        if event is not None:
            event.set()

    async def journalled(self, op: Operation) -> Verdict[Any] | None:
        """The verdict an operation has in the journal; None while it has none."""
        codec = self.counterparts[op.counterpart].codec
        reply = read_reply(codec.reply_type(op.name), await self.journal.operations.reply(op))
        return verdict_of(op, reply)

    async def recover(self) -> int:
        """At start, where no other instance can be sending: attempts without a verdict get one. Returns how many."""
        cut_off = await self.journal.operations.find("state = 'SENDING'")
        for op in cut_off:
            await self._cut_off(op)
        return len(cut_off)

    # -- one delivery -------------------------------------------------------------------------------------------

    async def _deliver(self, order: Order) -> Verdict[Any]:
        partner = self.counterparts[order.counterpart]
        declared = partner.declared(order.operation)
        request = order.request.model_dump_json(context={"reveal": True}).encode()
        draft = Draft(
            order.counterpart, order.operation, order.key, declared.guarantee, order.exchange_id, order.subject,
            hashlib.sha256(request).hexdigest(), request, order.hospital, order.amount_fen, order.continuation,
            order.linked_to,
        )  # fmt: skip
        first = Unit()
        sending = _Sending(order, self.journal.operations.add(first, draft), partner, declared, first)
        try:
            return await self._send_retrying(sending)
        except _AlreadyJournalled:
            return await self._deliver_known(order, draft, partner, declared)

    async def _deliver_known(
        self, order: Order, draft: Draft, partner: Counterpart, declared: OperationDecl
    ) -> Verdict[Any]:
        """The key is known: its verdict, or another attempt where the guarantee and the journal allow one."""
        op = await self.journal.operations.by_key(order.counterpart, order.operation, order.key)
        if op is None or op.fingerprint != draft.fingerprint:
            raise ContentChanged(f"{order.counterpart} {order.operation} {order.key}")
        verdict = await self._known(op, declared)
        if verdict is not None:
            return verdict
        attempts = await self.journal.operations.attempts(op.operation_id)
        unsure = op.state in ("UNKNOWN", "ACCEPTED")
        return await self._send_retrying(_Sending(order, op, partner, declared, None, len(attempts), unsure=unsure))

    async def _known(self, op: Operation, declared: OperationDecl) -> Verdict[Any] | None:
        """The verdict that forbids another attempt, or None when one may be made."""
        if op.state == "SENDING":
            op = await self._await_or_cut_off(op, declared)
        if op.state in ("OPEN", "NOT_SENT"):
            return None
        if op.state in ("UNKNOWN", "ACCEPTED") and declared.guarantee in (Guarantee.QUERY, Guarantee.IDEMPOTENT):
            return None
        return await self.journalled(op)

    async def _await_or_cut_off(self, op: Operation, declared: OperationDecl) -> Operation:
        """Another instance may be sending it: wait as long as it can; an attempt of our own is a dead one."""
        limits = self._variant_of(op.counterpart, op.hospital).limits(declared)
        longest = limits.pool + limits.connect + limits.write + limits.read + GRACE_SECONDS
        while op.state == "SENDING":
            last = (await self.journal.operations.attempts(op.operation_id))[-1]
            old = self.journal.clock.real() - last["real_at"] / 1_000_000 > longest
            if old or last["instance"] == self.journal.instance:
                return await self._cut_off(op)
            await asyncio.sleep(0.1)
            op = await self.journal.operations.get(op.operation_id) or op
        return op

    async def _cut_off(self, op: Operation) -> Operation:
        """An attempt whose sender died: Unknown (architecture, idea 3)."""
        attempts = await self.journal.operations.attempts(op.operation_id)
        last = attempts[-1]
        unit = Unit()
        verdict = Unknown("the gateway stopped while it was sending")
        self._add_end(unit, op, last["attempt_no"], verdict, 0, verdict)
        try:
            await self.journal.commit(unit)
        except GuardFailed:  # another instance came to the same conclusion first
            _log.info("cut-off attempt already judged", operation_id=op.operation_id)
        fresh = await self.journal.operations.get(op.operation_id)
        return fresh or op

    async def _send_retrying(self, sending: _Sending) -> Verdict[Any]:
        sole = sending.declared.guarantee.sole

        def again(verdict: Verdict[Any]) -> bool:
            return isinstance(verdict, NotSent) or (isinstance(verdict, Unknown) and not sole)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(max(1, sending.declared.retries)),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
            retry=retry_if_result(again),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        verdict: Verdict[Any] = await retrying(self._attempt, sending)
        return verdict

    async def _attempt(self, sending: _Sending) -> Verdict[Any]:
        """One attempt: journalled, sent, judged, journalled."""
        order, op, partner = sending.order, sending.op, sending.partner
        context = self._context(op, partner)
        try:
            out = await wire(partner, op.name, order.request, context)
        except Refusal as unfit:  # the partner's contract has no place for the request: nothing left, nothing will
            _log.error("request does not fit the partner's contract", operation=op.name, why=str(unfit))
            return sending.standing(NotSent(f"does not fit the contract: {unfit.field or unfit.code}"))
        if not partner.breaker.allows(self.journal.clock.monotonic()):
            if sending.first is not None and await self.journal.operations.by_key(partner.id, op.name, op.key):
                raise _AlreadyJournalled
            return sending.standing(NotSent(CIRCUIT_OPEN))
        if not await self._begin(sending, hashlib.sha256(out.body).hexdigest()):
            fresh = await self.journal.operations.get(op.operation_id)
            verdict = None if fresh is None else await self.journalled(fresh)
            return verdict or Unknown("another instance is sending it")
        started = self.journal.clock.monotonic()
        verdict = await self._exchange(sending, out, context)
        took = self.journal.clock.monotonic() - started
        verdict = await self._keep(sending, verdict, int(took * 1_000_000))
        self._observe(partner.id, op.name, verdict, took)
        self.announce(op.operation_id)
        return verdict

    async def _keep(self, sending: _Sending, verdict: Verdict[Any], took_us: int) -> Verdict[Any]:
        """Journal the verdict, with what the flow wants to become durable with it if that is still possible."""
        verdict_alone = Unit()
        standing = sending.standing(verdict)
        self._add_end(verdict_alone, sending.op, sending.number, verdict, took_us, standing)
        verdict = standing
        try:
            await self.journal.commit(Unit().extend(verdict_alone).extend(sending.order.also(verdict)))
        except GuardFailed as judged:
            if judged.guard == "attempt is open":
                return await self._late_answer(sending, verdict)
            _log.warning("the flow's part of a verdict was refused", guard=judged.guard, operation=sending.op.name)
            await self.journal.commit(verdict_alone)
        return verdict

    async def _late_answer(self, sending: _Sending, verdict: Verdict[Any]) -> Verdict[Any]:
        """The answer came after somebody had judged the attempt as cut off: it is still the partner's word."""
        op, order = sending.op, sending.order
        unit = Unit()
        code, reason = describe(verdict)
        self.journal.operations.settle(
            unit, op, name_of(verdict), code=code, reason=reason, reply=reply_bytes(verdict), by="late answer"
        )
        try:
            await self.journal.commit(unit.extend(order.also(verdict)))
        except GuardFailed:
            _log.info("late answer to a settled operation", operation_id=op.operation_id)
            fresh = await self.journal.operations.get(op.operation_id)
            return (None if fresh is None else await self.journalled(fresh)) or verdict
        return verdict

    async def _begin(self, sending: _Sending, digest: str) -> bool:
        """Journal the next attempt; False when the store refused it because there is a live one."""
        stamp = Stamp(sending.partner.url, CODE_VERSION, sending.partner.config_version)
        sending.number += 1
        unit = Unit().extend(sending.first)
        self.journal.operations.begin(
            unit, sending.op, sending.number, sole=sending.declared.guarantee.sole, body_hash=digest, stamp=stamp
        )
        unit.extend(None if sending.begun else sending.order.with_attempt)
        try:
            await self.journal.commit(unit)
        except DuplicateKey as refused:
            sending.partner.breaker.unused()
            if refused.guard == "operation is new" and sending.first is not None:
                raise _AlreadyJournalled from refused
            if refused.guard == "sole attempt":
                return False
            raise
        sending.first, sending.begun = None, True
        return True

    async def _exchange(self, sending: _Sending, out: Outbound, context: SendContext) -> Verdict[Any]:
        order, partner, declared = sending.order, sending.partner, sending.declared
        now = self.journal.clock.monotonic
        limits = self._variant_of(partner.id, order.hospital).limits(declared)
        try:
            answer = await self._transport.send(
                partner.url.rstrip("/") + out.path, out, limits, fresh=declared.guarantee.sole
            )
        except NothingLeft as error:
            partner.breaker.failed(now())
            return NotSent(str(error))
        except OutcomeLost as error:
            partner.breaker.failed(now())
            return Unknown(str(error))
        partner.breaker.succeeded()
        answer = replace(answer, context=context, real_now=self.journal.clock.real())
        if order.operation in partner.adapter.heavy:
            return await asyncio.to_thread(partner.codec.decode, order.operation, order.request, answer)
        return partner.codec.decode(order.operation, order.request, answer)

    def _context(self, op: Operation, partner: Counterpart) -> SendContext:
        clock = self.journal.clock
        national = partner.adapter.manifest.kind == "insurance" and op.hospital
        return SendContext(
            real_now=clock.real(),
            business_now=clock.now(),
            nonce=secrets.token_hex(16),
            msgid=self._msgids.next(op.hospital) if national else op.operation_id,
            credentials=partner.credentials,
            keys=partner.keys,
            variant=self._variant_of(partner.id, op.hospital).words,
        )

    def _add_end(
        self, unit: Unit, op: Operation, number: int, verdict: Verdict[Any], took_us: int, standing: Verdict[Any]
    ) -> None:
        """Add the attempt's verdict, the operation's (``standing``) and, where open, the first question of the plan."""
        self.journal.operations.end(unit, op, number, name_of(verdict), reason=describe(verdict)[1], took_us=took_us)
        code, reason = describe(standing)
        self.journal.operations.settle(
            unit, op, name_of(standing), code=code, reason=reason, reply=reply_bytes(standing), by=""
        )
        declared = self.counterparts[op.counterpart].declared(op.name)
        asked_after = declared.after_unknown is not AfterUnknown.RETRY
        if isinstance(standing, Unknown | Accepted) and asked_after and op.questions == 0:
            first = self.journal.clock.now() + timedelta(seconds=declared.plan[0])
            self.journal.operations.note_question(unit, op, 0, first, "plan")
            self.journal.agenda.schedule(unit, ASK, op.operation_id, first)


@dataclass(slots=True)
class _Sending:
    """One delivery under way. ``first`` holds the new operation until its first attempt makes both durable."""

    order: Order
    op: Operation
    partner: Counterpart
    declared: OperationDecl
    first: Unit | None
    number: int = 0
    begun: bool = False
    unsure: bool = False

    def standing(self, verdict: Verdict[Any]) -> Verdict[Any]:
        """The operation's verdict after an attempt's: "not sent" says nothing about an earlier unanswered one."""
        if isinstance(verdict, NotSent) and self.unsure:
            return Unknown(f"an earlier attempt had no answer; then {verdict.reason}")
        self.unsure = self.unsure or isinstance(verdict, Unknown | Accepted)
        return verdict


class _AlreadyJournalled(Exception):
    """The key of a new operation is known."""


def describe(verdict: Verdict[Any]) -> tuple[str, str]:
    """Code and reason as the journal keeps them; the reason is masked by whoever shows it."""
    if isinstance(verdict, Refused):
        return verdict.code, verdict.text
    if isinstance(verdict, NotSent | Unknown):
        return "", verdict.reason
    return "", ""


def reply_bytes(verdict: Verdict[Any]) -> bytes | None:
    """The canonical reply as journalled JSON, personal data revealed (the body is encrypted)."""
    if isinstance(verdict, Done | Accepted | Refused) and isinstance(verdict.reply, BaseModel):
        return verdict.reply.model_dump_json(context={"reveal": True}).encode()
    return None
