"""Asking after unknown outcomes, by plan, until something is certain or a person owns the case.

A question that fails changes nothing. "Not found" counts only after the settling time. When the outcome is certain,
the same unit that settles the operation lets its flow go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from gateway.delivery.declare import NOT_FOUND, AfterUnknown, OperationDecl
from gateway.delivery.delivery import ASK, CONTINUE, Delivery, Order, describe, reply_bytes
from gateway.journal.agenda import Due
from gateway.journal.entities import Act
from gateway.journal.operations import Operation
from gateway.journal.store import GuardFailed, Unit
from gateway.model.clock import from_micros
from gateway.model.ids import new_id
from gateway.model.refusals import Refusal
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict, name_of

DAY: Final = timedelta(days=1)
SIGN_IN_EXPIRED: Final = "SIGN_IN_EXPIRED"
Renew = Callable[[Any, str], Awaitable[Any]]
_log = structlog.get_logger("asking")


class Asker:
    """Finds out what became of operations whose outcome is not known.

    ``renew`` gives a question whose sign-in has expired a fresh one (question, exchange id); it is set once the flows
    that sign in exist.
    """

    def __init__(self, delivery: Delivery) -> None:
        self._delivery, self._journal = delivery, delivery.journal
        self.renew: Renew | None = None

    async def run_due(self, due: Due) -> None:
        """One question of the plan, when it is due."""
        op = await self._journal.operations.get(due.subject)
        if op is None or op.state not in ("UNKNOWN", "ACCEPTED"):
            unit = Unit()
            self._journal.agenda.finish_taken(unit, due)
            await self._journal.commit(unit)
            return
        await self.ask(op)

    async def ask(self, op: Operation) -> Verdict[Any] | None:
        """Ask once, now. Returns the final verdict, or None while nothing is certain."""
        partner = self._delivery.counterparts[op.counterpart]
        declared = partner.declared(op.name)
        request = partner.codec.request_type(op.name).model_validate_json(await self._journal.operations.request(op))
        if declared.after_unknown is AfterUnknown.RESEND:
            verdict = await self._resend(op, request)
        else:
            verdict = await self._question(op, request)
        return await self._conclude(op, declared, verdict)

    async def _resend(self, op: Operation, request: Any) -> Verdict[Any] | None:
        """Idempotent: the same content under the same key; "already done" is what was wanted."""
        verdict = await self._delivery.deliver(
            Order(
                op.counterpart, op.name, op.key, request, op.exchange_id, op.subject, op.hospital, op.amount_fen,
                op.continuation,
            )
        )  # fmt: skip
        return verdict if isinstance(verdict, Done | Refused) else None

    async def _question(self, op: Operation, request: Any) -> Verdict[Any] | None:
        partner = self._delivery.counterparts[op.counterpart]
        question = partner.codec.question_for(op.name, request)
        if question is None:
            return None
        name, ask = question
        answer = await self._pose(op, name, ask)
        if isinstance(answer, Refused) and answer.code == SIGN_IN_EXPIRED:
            answer = await self._pose_renewed(op, name, ask)
        if isinstance(answer, NotSent | Unknown):
            return None
        return partner.codec.resolve(op.name, request, answer)

    async def _pose(self, op: Operation, name: str, ask: Any) -> Verdict[Any]:
        """Every question is one of its own, a repeated reversal too: "not found" may have come too early, and a
        question cut off by a crash has used its number.
        """
        key = f"{op.operation_id}:{new_id('')}"
        return await self._delivery.deliver(
            Order(op.counterpart, name, key, ask, op.exchange_id, op.subject, op.hospital)
        )

    async def _pose_renewed(self, op: Operation, name: str, ask: Any) -> Verdict[Any]:
        if self.renew is None:
            return NotSent("no sign-in")
        try:
            fresh = await self.renew(ask, op.exchange_id)
        except Refusal as refusal:
            return NotSent(refusal.code)
        return await self._pose(op, name, fresh)

    async def _conclude(
        self, op: Operation, declared: OperationDecl, verdict: Verdict[Any] | None
    ) -> Verdict[Any] | None:
        if isinstance(verdict, Refused) and verdict.code == NOT_FOUND:
            settles_at = self._settles_at(op, declared)
            if self._journal.clock.now() < settles_at:
                await self._next(op, declared, not_before=settles_at)
                return None
            if declared.resend_after_not_found:
                verdict = NotSent(NOT_FOUND)
        elif verdict is None or isinstance(verdict, Unknown | NotSent | Accepted):
            await self._next(op, declared)
            return None
        await self._settle(op, verdict, already=declared.after_unknown is AfterUnknown.RESEND)
        return verdict

    def _settles_at(self, op: Operation, declared: OperationDecl) -> datetime:
        sent = op.sent or from_micros(op.opened_at)
        return sent + timedelta(seconds=declared.settling_seconds)

    async def _settle(self, op: Operation, verdict: Verdict[Any], *, already: bool) -> None:
        """Certain at last: verdict, end of the plan and continuation of the flow become durable together."""
        unit = Unit()
        code, reason = describe(verdict)
        if isinstance(verdict, NotSent):  # the partner never got it and its manifest allows the same serial again
            self._journal.operations.free_sole(unit, op)
        if not already:
            self._journal.operations.settle(
                unit, op, name_of(verdict), code=code, reason=reason, reply=reply_bytes(verdict), by="question"
            )
        self._journal.agenda.finish(unit, ASK, op.operation_id)
        if op.continuation:
            self._journal.agenda.schedule(unit, CONTINUE, op.continuation, self._journal.clock.now())
        try:
            await self._journal.commit(unit)
        except GuardFailed:  # a notification or another instance was faster; its word is the same or is reconciled
            _log.info("already settled", operation_id=op.operation_id)
        self._delivery.announce(op.operation_id)

    async def _next(self, op: Operation, declared: OperationDecl, not_before: datetime | None = None) -> None:
        """Plan the next question; past the end of the plan a person owns the case and it is asked once a day."""
        asked = op.questions + 1
        now = self._journal.clock.now()
        unit = Unit()
        owner = "plan"
        if asked < len(declared.plan):
            at = now + timedelta(seconds=declared.plan[asked])
        else:
            at, owner = now + DAY, "person"
            await self._journal.raise_task(
                unit, "UNKNOWN_OUTCOME", op.operation_id, Act("system", op.key, op.exchange_id),
                suggested="unknown.ask_partner", hospital=op.hospital,
            )  # fmt: skip
        at = max(at, not_before) if not_before is not None else at
        self._journal.operations.note_question(unit, op, asked, at, owner)
        self._journal.agenda.schedule(unit, ASK, op.operation_id, at)
        await self._journal.commit(unit)
