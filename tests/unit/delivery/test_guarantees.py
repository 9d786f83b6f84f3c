"""The four guarantees and five verdicts: nothing that moves money is sent twice, whatever partner or crash do."""

from __future__ import annotations

import asyncio

import pytest

from gateway.delivery.delivery import CLOSED_AS_NOT_SENT, ContentChanged, Delivery, Order
from gateway.journal.journal import Journal
from gateway.journal.store import DuplicateKey, GuardFailed, Unit
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, name_of
from tests.support.journals import open_journal
from tests.support.partner import LEFT_NOTHING, LOST, Ask, ScriptedTransport, new_delivery


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


def order(operation: str, key: str = "K1", number: str = "1", **more: object) -> Order:
    return Order("bank", operation, key, Ask(number=number), "X1", "S1", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("done", Done), ("accepted", Accepted), ("refused", Refused), ("nonsense", Unknown), (LOST, Unknown)],
)
@pytest.mark.parametrize("operation", ["Pay", "Payout"])
async def test_a_sole_operation_is_sent_once_and_answers_from_the_journal(
    delivery: Delivery, transport: ScriptedTransport, operation: str, word: object, verdict: type
) -> None:
    transport.plan(operation, word)  # type: ignore[arg-type]
    first = await delivery.deliver(order(operation))
    again = await delivery.deliver(order(operation))
    assert type(first) is verdict
    assert type(again) is verdict
    assert transport.sent == [(operation, "1", True)]


async def test_certainly_not_sent_may_be_sent_for_the_first_time(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", LEFT_NOTHING, LEFT_NOTHING, LEFT_NOTHING, "done")
    assert isinstance(await delivery.deliver(order("Pay")), NotSent)
    assert isinstance(await delivery.deliver(order("Pay")), Done)
    op = await journal.operations.by_key("bank", "Pay", "K1")
    assert op is not None
    assert [row["verdict"] for row in await journal.operations.attempts(op.operation_id)] == ["NOT_SENT"] * 3 + ["DONE"]


async def test_what_the_caller_was_told_as_not_sent_is_never_sent_later(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    transport.plan("Pay", LEFT_NOTHING, LEFT_NOTHING, LEFT_NOTHING)
    await delivery.deliver(order("Pay"))
    await delivery.close_unsent(order("Pay"))
    verdict = await delivery.deliver(order("Pay"))
    assert verdict == NotSent(CLOSED_AS_NOT_SENT)
    assert transport.count("Pay") == 3


async def test_an_idempotent_operation_is_sent_again_under_its_key(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    transport.plan("Put", LOST, "done")
    assert isinstance(await delivery.deliver(order("Put")), Done)
    assert isinstance(await delivery.deliver(order("Put")), Done)
    assert transport.sent == [("Put", "1", False)] * 2


async def test_a_query_is_retried_and_an_answered_one_is_not_asked_again(
    delivery: Delivery, transport: ScriptedTransport
) -> None:
    transport.plan("Look", LOST, LEFT_NOTHING, "done")
    assert isinstance(await delivery.deliver(order("Look")), Done)
    assert isinstance(await delivery.deliver(order("Look")), Done)
    assert transport.count("Look") == 3


async def test_the_same_key_with_another_request_is_a_mistake(delivery: Delivery, transport: ScriptedTransport) -> None:
    transport.plan("Pay", "done")
    await delivery.deliver(order("Pay"))
    with pytest.raises(ContentChanged):
        await delivery.deliver(order("Pay", number="2"))
    assert transport.count("Pay") == 1


async def test_concurrent_calls_of_one_key_share_one_send(delivery: Delivery, transport: ScriptedTransport) -> None:
    transport.plan("Pay", "done")
    transport.gate = asyncio.Event()
    calls = [asyncio.create_task(delivery.deliver(order("Pay"))) for _ in range(20)]
    await asyncio.sleep(0.05)
    transport.gate.set()
    verdicts = await asyncio.gather(*calls)
    assert {name_of(verdict) for verdict in verdicts} == {"DONE"}
    assert transport.count("Pay") == 1


async def test_two_instances_racing_send_once(store_url: str) -> None:
    transport = ScriptedTransport()
    transport.plan("Pay", "done")
    transport.gate = asyncio.Event()
    async with open_journal(store_url) as one:
        other = Journal(one.store, one.vault, one.clock, "I2")
        calls = [
            asyncio.create_task(new_delivery(journal, transport).deliver(order("Pay"))) for journal in (one, other)
        ]
        await asyncio.sleep(0.2)
        transport.gate.set()
        await asyncio.gather(*calls)
    assert transport.count("Pay") == 1


async def test_the_index_refuses_a_second_attempt_even_to_wrong_code(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Payout", LOST)
    await delivery.deliver(order("Payout"))
    op = await journal.operations.by_key("bank", "Payout", "K1")
    assert op is not None
    unit = Unit().insert(
        "attempt",
        {
            "operation_id": op.operation_id, "attempt_no": 2, "sole": 1, "body_hash": "", "endpoint": "",
            "code_version": "", "config_version": "", "instance": "I9", "started_at": 0, "real_at": 0,
        },
    )  # fmt: skip
    with pytest.raises(DuplicateKey):
        await journal.commit(unit)


async def test_nothing_leaves_when_it_cannot_be_journalled(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    blocked = Unit().run("UPDATE payout_key SET ever_sent = 1 WHERE settlement_key = 'none'", {}, guard="key is there")
    with pytest.raises(GuardFailed):
        await delivery.deliver(order("Payout", with_attempt=blocked))
    assert transport.sent == []
    assert await journal.operations.by_key("bank", "Payout", "K1") is None


async def test_what_goes_with_the_verdict_is_in_its_commit(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", "done")
    key = {"settlement_key": "S", "pay_order_no": "P", "ever_sent": 0}

    def also(verdict: object) -> Unit:
        assert isinstance(verdict, Done)
        return Unit().run("UPDATE payout_key SET ever_sent = 1 WHERE settlement_key = 'S'", {})

    await delivery.deliver(order("Pay", with_attempt=Unit().insert("payout_key", key), also=also))
    assert await journal.store.row("SELECT ever_sent FROM payout_key") == {"ever_sent": 1}


async def test_a_cut_off_attempt_of_a_sole_operation_is_unknown_for_ever(
    transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", "done")
    transport.gate = asyncio.Event()
    dying = asyncio.create_task(new_delivery(journal, transport).deliver(order("Pay")))
    await asyncio.sleep(0.1)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    after = new_delivery(journal, transport)
    assert await after.recover() == 1
    assert isinstance(await after.deliver(order("Pay")), Unknown)
    assert transport.count("Pay") == 1


async def test_a_cut_off_idempotent_operation_goes_again(transport: ScriptedTransport, journal: Journal) -> None:
    transport.plan("Put", "done", "done")
    transport.gate = asyncio.Event()
    dying = asyncio.create_task(new_delivery(journal, transport).deliver(order("Put")))
    await asyncio.sleep(0.1)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    transport.gate = None
    assert isinstance(await new_delivery(journal, transport).deliver(order("Put")), Done)
    assert transport.count("Put") == 2


async def test_a_dead_partner_opens_the_circuit_and_a_trial_closes_it(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    for number in range(10):
        transport.plan("Pay", LOST)
        await delivery.deliver(order("Pay", key=f"K{number}"))
    assert await delivery.deliver(order("Pay", key="new")) == NotSent("circuit open")
    assert isinstance(await delivery.deliver(order("Pay", key="K1")), Unknown)
    journal.clock.pass_(seconds=6)  # type: ignore[attr-defined]
    transport.plan("Pay", "done")
    assert isinstance(await delivery.deliver(order("Pay", key="new")), Done)
    transport.plan("Pay", "done")
    assert isinstance(await delivery.deliver(order("Pay", key="newer")), Done)


async def test_a_lost_trial_does_not_keep_the_circuit_open_for_ever(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    for number in range(10):
        transport.plan("Pay", LOST)
        await delivery.deliver(order("Pay", key=f"K{number}"))
    journal.clock.pass_(seconds=6)  # type: ignore[attr-defined]
    assert delivery.counterparts["bank"].breaker.allows(journal.clock.monotonic())  # a trial nobody ends
    assert await delivery.deliver(order("Pay", key="new")) == NotSent("circuit open")
    journal.clock.pass_(seconds=6)  # type: ignore[attr-defined]
    transport.plan("Pay", "done")
    assert isinstance(await delivery.deliver(order("Pay", key="new")), Done)


async def test_the_trial_of_an_open_circuit_is_not_lost_on_a_known_operation(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", *[LEFT_NOTHING] * 10)
    for _ in range(4):
        assert isinstance(await delivery.deliver(order("Pay")), NotSent)
    journal.clock.pass_(seconds=6)  # type: ignore[attr-defined]
    transport.plan("Pay", "done")
    assert isinstance(await delivery.deliver(order("Pay")), Done)


async def test_waiting_for_an_operation_ends_when_it_is_settled(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", "done")
    await delivery.deliver(order("Pay"))
    op = await journal.operations.by_key("bank", "Pay", "K1")
    assert op is not None
    settled = await delivery.wait_settled(op.operation_id, 1.0)
    assert settled is not None
    assert settled.state == "DONE"
    assert await delivery.wait_settled("none", 0.0) is None


async def test_an_answer_that_comes_after_the_attempt_was_judged_is_still_the_partners_word(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", "done")
    transport.gate = asyncio.Event()
    slow = asyncio.create_task(delivery.deliver(order("Pay")))
    await asyncio.sleep(0.1)
    assert await new_delivery(journal, transport).recover() == 1
    transport.gate.set()
    assert isinstance(await slow, Done)
    op = await journal.operations.by_key("bank", "Pay", "K1")
    assert op is not None
    assert (op.state, op.resolved_by) == ("DONE", "late answer")


async def test_a_verdict_is_kept_even_when_the_flows_part_of_it_is_refused(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", "done")
    gone = Unit().run("UPDATE payout_key SET ever_sent = 1 WHERE settlement_key = 'none'", {})
    assert isinstance(await delivery.deliver(order("Pay", also=lambda _verdict: gone)), Done)
    op = await journal.operations.by_key("bank", "Pay", "K1")
    assert op is not None
    assert op.state == "DONE"


async def test_what_goes_with_the_attempt_is_written_once_however_often_it_is_tried(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Pay", LEFT_NOTHING, LEFT_NOTHING, "done")
    key = Unit().insert("payout_key", {"settlement_key": "S", "pay_order_no": "P", "ever_sent": 0})
    assert isinstance(await delivery.deliver(order("Pay", with_attempt=key)), Done)
    assert await journal.store.row("SELECT COUNT(*) AS n FROM payout_key") == {"n": 1}


async def test_not_sent_after_an_unanswered_attempt_is_still_unknown(
    delivery: Delivery, transport: ScriptedTransport, journal: Journal
) -> None:
    transport.plan("Put", LOST, LEFT_NOTHING)
    assert isinstance(await delivery.deliver(order("Put")), Unknown)
    op = await journal.operations.by_key("bank", "Put", "K1")
    assert op is not None
    assert op.state == "UNKNOWN"
    assert [row["verdict"] for row in await journal.operations.attempts(op.operation_id)] == ["UNKNOWN", "NOT_SENT"]
    assert await journal.agenda.next_at() is not None
    transport.plan("Put", LEFT_NOTHING, LEFT_NOTHING)
    assert isinstance(await delivery.deliver(order("Put")), Unknown)
    transport.plan("Put", "done")
    assert isinstance(await delivery.deliver(order("Put")), Done)
