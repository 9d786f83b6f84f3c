"""The desk of the people who get the call: outcomes nobody knows yet, tasks, and where a business number leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import Field

from gateway.delivery.declare import Guarantee
from gateway.flows.api import ApiCall, ApiReply, Body, Endpoint
from gateway.flows.house import House
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.operations import Operation
from gateway.journal.store import Row, Unit
from gateway.model.clock import from_micros
from gateway.model.machines import MACHINES
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal
from gateway.model.registry import Role
from gateway.model.texts import label, text

_READERS: Final[frozenset[Role]] = frozenset({"preparer", "approver", "operator", "auditor"})
_OPERATOR: Final[frozenset[Role]] = frozenset({"operator"})
_TRACERS: Final[frozenset[Role]] = _READERS | {"hospital", "cashier"}
# A question without an answer changed nothing: nobody has to find out what became of it.
_OPEN: Final = "state IN ('UNKNOWN', 'ACCEPTED') AND since IS NOT NULL AND guarantee <> 'query'"


class CloseTask(Body):
    """What was done about a task, and why."""

    resolution: str = Field(min_length=1, max_length=64)
    reason: str = Field(min_length=1, max_length=500)


# -- unknown outcomes ---------------------------------------------------------------------------------------------


async def list_unknown(house: House, _exchange: Exchange | None, _call: ApiCall) -> ApiReply:
    """Every operation whose outcome is open, oldest first."""
    open_ones = await house.journal.operations.find(_OPEN, order="since, operation_id")
    return ApiReply({"items": [_unknown(house, op) for op in open_ones], "next_cursor": None})


async def ask_now(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Ask the partner at once; a failed question changes nothing."""
    op = await house.journal.operations.get(call.path["operation_id"])
    if op is None:
        raise Refusal("NOT_FOUND", field="operation_id")
    if op.state in ("UNKNOWN", "ACCEPTED"):
        await house.asker.ask(op)
        op = await house.journal.operations.get(op.operation_id) or op
    return ApiReply(_unknown(house, op), status=202 if op.state in ("UNKNOWN", "ACCEPTED") else 200)


def _unknown(house: House, op: Operation) -> dict[str, Any]:
    partner = house.delivery.counterparts.get(op.counterpart)
    title = "" if partner is None else partner.declared(op.name).title
    next_at = op.next_question_at
    return {
        "operation_id": op.operation_id,
        "counterpart": op.counterpart,
        "operation": op.name,
        "title": title,
        "key": op.key,
        "state": op.state,
        "amount": None if op.amount_fen is None else format_yuan(op.amount_fen),
        "since": None if op.since is None else from_micros(op.since).isoformat(),
        "questions": op.questions,
        "next_question_at": None if next_at is None else from_micros(next_at).isoformat(),
        "owner": op.owner or "plan",
        "may_resend": False,
        "why": text(f"unknown.why.{_why(op)}"),
    }


def _why(op: Operation) -> str:
    """Why nobody may send it again: by its guarantee."""
    if op.guarantee == Guarantee.ONCE_EVER:
        return "once_ever"
    return "at_most_once" if op.guarantee == Guarantee.AT_MOST_ONCE else "by_plan"


# -- tasks --------------------------------------------------------------------------------------------------------


async def list_tasks(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """Open tasks, those due first; ``state`` asks for others."""
    states = [call.query["state"]] if "state" in call.query else ["OPEN", "TAKEN"]
    tasks: list[Entity] = []
    for state in states:
        tasks += await house.journal.entities.find("task", "state = :state", order="due_date, id", state=state)
    return ApiReply({"items": [_task(task) for task in tasks], "next_cursor": None})


async def take_task(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """A person takes a task over."""
    task = await _task_of(house, call)
    if task["owner"] == call.caller.actor:
        return ApiReply(_task(task))
    unit = Unit()
    taken = house.journal.entities.move(unit, task, "taken", _act(exchange, call), columns={"owner": call.caller.actor})
    await house.journal.commit(unit)
    return ApiReply(_task(taken))


async def close_task(house: House, exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """A person closes a task with what was done."""
    task = await _task_of(house, call)
    unit = Unit()
    closed = house.journal.entities.move(
        unit, task, "closed", _act(exchange, call), columns={"open_for": None, "owner": call.caller.actor},
        data={"resolution": call.body.resolution, "reason": call.body.reason},
    )  # fmt: skip
    await house.journal.commit(unit)
    return ApiReply(_task(closed))


async def _task_of(house: House, call: ApiCall) -> Entity:
    task = await house.journal.entities.get("task", call.path["task_id"])
    if task is None:
        raise Refusal("NOT_FOUND", field="task_id")
    return task


def _task(task: Entity) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "kind": task["task_kind"],
        "title": label(f"task.{task['task_kind']}"),
        "subject": task["subject"],
        "hospital": task.hospital,
        "owner": task["owner"],
        "due": task["due_date"],
        "suggested_action": label(f"suggest.{task['suggested_action']}"),
        "state": task.state,
        "resolution": task.get("resolution", ""),
        "created_at": from_micros(task.created_at).isoformat(),
    }


# -- where is it? -------------------------------------------------------------------------------------------------


async def trace(house: House, _exchange: Exchange | None, call: ApiCall) -> ApiReply:
    """From any business number: the things it belongs to and every step that was made for them, in order."""
    number = call.path["number"]
    things = await _things(house, number)
    mine = [thing for thing in things if call.caller.role != "hospital" or thing.hospital == call.caller.hospital]
    operations = await _operations(house, number, mine) if mine or call.caller.role != "hospital" else []
    if not mine and not operations:
        raise Refusal("NOT_FOUND", field="number")
    steps = [step for thing in mine for step in await _moves(house, thing)]
    steps += [step for op in operations for step in await _attempts(house, op)]
    chain = [{"kind": thing.kind, "number": thing.id, "state": thing.state} for thing in mine]
    chain += [{"kind": "operation", "number": op.key, "state": op.state} for op in operations]
    return ApiReply({"number": number, "chain": chain, "steps": sorted(steps, key=lambda step: str(step["at"]))})


async def _things(house: House, number: str) -> list[Entity]:
    found: dict[tuple[str, str], Entity] = {}
    named = [(row["kind"], row["entity_id"]) for row in await house.journal.whose(number)]
    for kind, entity_id in [*named, *((kind, number) for kind in MACHINES)]:
        thing = await house.journal.entities.get(kind, entity_id)
        if thing is not None:
            found[kind, entity_id] = thing
    return list(found.values())


async def _operations(house: House, number: str, things: Iterable[Entity]) -> list[Operation]:
    """What was sent for the things: by their exchanges, by subject and by key."""
    exchanges = {
        row["exchange_id"] for thing in things for row in await house.journal.entities.trail(thing.kind, thing.id)
    }
    found: dict[str, Operation] = {}
    for exchange_id in sorted(filter(None, exchanges)):
        for op in await house.journal.operations.find("exchange_id = :id", id=exchange_id):
            found[op.operation_id] = op
    for subject in {number, *(thing.id for thing in things)}:
        for op in await house.journal.operations.find("subject = :subject", subject=subject):
            found[op.operation_id] = op
    return sorted(found.values(), key=lambda op: op.opened_at)


async def _moves(house: House, thing: Entity) -> list[dict[str, Any]]:
    reasons = [_reason(row) for row in await house.journal.reasons(thing.id)]
    return [
        {
            "at": from_micros(row["at"]).isoformat(),
            "room": "flows",
            "operation": f"{thing.kind}.{row['event']}",
            "counterpart": "",
            "state": row["to_state"],
            "actor": row["actor"],
            "exchange_id": row["exchange_id"],
            "reasons": reasons if row["seq"] == 1 else [],
        }
        for row in await house.journal.entities.trail(thing.kind, thing.id)
    ]


async def _attempts(house: House, op: Operation) -> list[dict[str, Any]]:
    return [
        {
            "at": from_micros(row["started_at"]).isoformat(),
            "room": "delivery",
            "operation": op.name,
            "counterpart": op.counterpart,
            "attempt": row["attempt_no"],
            "verdict": row["verdict"] or "SENDING",
            "took_ms": None if row["took_us"] is None else round(row["took_us"] / 1000, 1),
            "exchange_id": op.exchange_id,
            "reasons": [],
        }
        for row in await house.journal.operations.attempts(op.operation_id)
    ]


def _reason(row: Row) -> Mapping[str, Any]:
    return {name: row[name] for name in ("rule", "decision", "detail", "requirement")}


def _act(exchange: Exchange | None, call: ApiCall) -> Act:
    return Act(call.caller.actor, call.path.get("task_id", ""), "" if exchange is None else exchange.exchange_id)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint("GET", "/v1/unknown", _READERS, list_unknown, "结果未明的操作", "Unknown outcomes", tags=("desk",)),
    Endpoint(
        "POST", "/v1/unknown/{operation_id}/ask", _OPERATOR, ask_now, "立即询问", "Ask now", body=Body, tags=("desk",)
    ),
    Endpoint("GET", "/v1/tasks", _READERS, list_tasks, "待办任务", "Tasks", query=("state",), tags=("desk",)),
    Endpoint(
        "POST", "/v1/tasks/{task_id}/take", _OPERATOR, take_task, "认领任务", "Take a task", body=Body, tags=("desk",)
    ),
    Endpoint(
        "POST", "/v1/tasks/{task_id}/close", _OPERATOR, close_task, "办结任务", "Close a task", body=CloseTask,
        tags=("desk",),
    ),
    Endpoint("GET", "/v1/trace/{number}", _TRACERS, trace, "按业务编号追踪", "Trace a number", tags=("desk",)),
)  # fmt: skip
