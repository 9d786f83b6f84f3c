"""Every unknown outcome has an owner: the plan of questions, the settling time, and at the end a person."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.delivery.asking import Asker
from gateway.delivery.delivery import ASK, CONTINUE, Delivery, Order
from gateway.journal.agenda import Due
from gateway.journal.journal import Journal
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, NotSent, Refused, Unknown
from tests.support.journals import START, open_journal
from tests.support.partner import LOST, Ask, ScriptedTransport, new_delivery


@pytest.fixture
async def journal(store_url: str):
    async with open_journal(store_url) as opened:
        yield opened


@pytest.fixture
def transport() -> ScriptedTransport:
    return ScriptedTransport()


@pytest.fixture
def delivery(journal: Journal, transport: ScriptedTransport) -> Delivery:
    return new_delivery(journal, transport)


async def unknown(delivery: Delivery, transport: ScriptedTransport, operation: str = "Pay"):
    transport.plan(operation, *([LOST] * (2 if operation == "Put" else 1)))
    order = Order("bank", operation, "K1", Ask(), "X1", "S1", continuation="visit:V1")
    assert isinstance(await delivery.deliver(order), Unknown)
    op = await delivery.journal.operations.by_key("bank", operation, "K1")
    assert op is not None
    return op


async def due_now(journal: Journal) -> list[Due]:
    return await journal.agenda.take()


async def test_the_first_question_is_due_after_a_second(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    op = await unknown(delivery, transport)
    assert await due_now(journal) == []
    journal.clock.pass_(seconds=1)  # type: ignore[attr-defined]
    due = await due_now(journal)
    assert [(row.kind, row.subject) for row in due] == [(ASK, op.operation_id)]


async def test_an_answered_question_settles_the_operation_and_lets_the_flow_go_on(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", "done")
    assert isinstance(await Asker(delivery).ask(op), Done)
    fresh = await journal.operations.get(op.operation_id)
    assert fresh is not None
    assert (fresh.state, fresh.resolved_by) == ("DONE", "question")
    assert [(row.kind, row.subject) for row in await due_now(journal)] == [(CONTINUE, "visit:V1")]
    assert isinstance(await delivery.deliver(Order("bank", "Pay", "K1", Ask(), "X1", "S1")), Done)
    assert transport.count("Pay") == 1


@pytest.mark.parametrize("answer", [LOST, "accepted", "nonsense"])
async def test_a_failed_question_changes_nothing_and_is_asked_again_by_plan(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal, answer: object
) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", answer)  # type: ignore[arg-type]
    assert await Asker(delivery).ask(op) is None
    fresh = await journal.operations.get(op.operation_id)
    assert fresh is not None
    assert (fresh.state, fresh.questions, fresh.owner) == ("UNKNOWN", 1, "plan")
    assert await journal.agenda.next_at() == START + timedelta(seconds=2)


async def test_not_found_counts_only_after_the_settling_time(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", "not_found", "not_found")
    asker = Asker(delivery)
    assert await asker.ask(op) is None
    assert await journal.agenda.next_at() == START + timedelta(seconds=600)
    journal.clock.pass_(seconds=600)  # type: ignore[attr-defined]
    fresh = await journal.operations.get(op.operation_id)
    assert fresh is not None
    verdict = await asker.ask(fresh)
    assert isinstance(verdict, Refused)
    assert verdict.code == "NOT_FOUND"
    assert transport.count("Pay") == 1


async def test_a_manifest_may_allow_the_same_serial_again_after_a_final_not_found(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    op = await unknown(delivery, transport, "Again")
    transport.plan("Question", "not_found")
    assert isinstance(await Asker(delivery).ask(op), NotSent)
    transport.plan("Again", "done")
    assert isinstance(await delivery.deliver(Order("bank", "Again", "K1", Ask(), "X1", "S1")), Done)
    assert transport.count("Again") == 2


async def test_an_idempotent_operation_is_asked_by_sending_it_again(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    op = await unknown(delivery, transport, "Put")
    transport.plan("Put", "done")
    assert isinstance(await Asker(delivery).ask(op), Done)
    assert [row.kind for row in await due_now(journal)] == [CONTINUE]


async def test_past_the_plan_a_person_owns_the_case_and_it_is_asked_daily(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    await unknown(delivery, transport, "Mute")
    asker = Asker(delivery)
    for seconds in (1, 2):
        journal.clock.pass_(seconds=seconds)  # type: ignore[attr-defined]
        for due in await due_now(journal):
            await asker.run_due(due)
    tasks = await journal.entities.find("task")
    assert [(task["task_kind"], task.state) for task in tasks] == [("UNKNOWN_OUTCOME", "OPEN")]
    assert await journal.agenda.next_at() == START + timedelta(days=1, seconds=3)
    op = (await journal.operations.find("state = 'UNKNOWN'"))[0]
    assert op.owner == "person"


async def test_a_due_question_about_a_settled_operation_is_dropped(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", "done")
    await Asker(delivery).ask(op)
    await Asker(delivery).run_due(Due("D", ASK, op.operation_id, {}, START, 1))
    assert transport.count("Question") == 1


async def test_asking_a_settled_operation_again_does_not_change_it(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", "done", "refused")
    asker = Asker(delivery)
    await asker.ask(op)
    await asker.ask(op)
    fresh = await journal.operations.get(op.operation_id)
    assert fresh is not None
    assert fresh.state == "DONE"


async def test_a_question_whose_sign_in_has_expired_is_posed_again_under_a_fresh_one(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", "expired", "done")
    asker, renewed = Asker(delivery), []

    async def renew(ask: Ask, exchange_id: str) -> Ask:
        renewed.append(exchange_id)
        return ask

    asker.renew = renew
    assert isinstance(await asker.ask(op), Done)
    assert renewed == ["X1"]


async def test_without_a_new_sign_in_the_plan_goes_on(delivery: Delivery, transport: ScriptedTransport) -> None:
    op = await unknown(delivery, transport)
    transport.plan("Question", "expired")
    asker = Asker(delivery)

    async def renew(ask: Ask, exchange_id: str) -> Ask:
        raise Refusal("PLATFORM_UNAVAILABLE", "9001")

    asker.renew = renew
    assert await asker.ask(op) is None
    fresh = await delivery.journal.operations.get(op.operation_id)
    assert fresh is not None
    assert (fresh.state, fresh.questions) == ("UNKNOWN", 1)
