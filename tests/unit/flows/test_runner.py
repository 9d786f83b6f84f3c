"""The runner: one run per exchange, the first final answer for every repetition, orphans taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.flows import runner as runner_module
from gateway.flows.runner import Ending, KeyReused, Reply, Runner
from gateway.journal.exchanges import Arrival
from gateway.journal.journal import Journal
from gateway.journal.store import GuardFailed
from gateway.model.refusals import Refusal
from tests.support.journals import open_journal
from tests.support.plain_house import plain_house


@pytest.fixture
async def journal(store_url: str):
    async with open_journal(store_url) as opened:
        yield opened


def arrival(key: str = "K1", print_: str = "f", body: bytes = b"in") -> Arrival:
    return Arrival("v1:c", key, "v1", "op", "flow", print_, body)


class Work:
    """A flow that counts its runs and answers as told."""

    def __init__(self, answer: Callable[[int], Reply]) -> None:
        self.runs, self.answer = 0, answer
        self.gate: asyncio.Event | None = None

    async def __call__(self, _house: object, _exchange: object, body: bytes) -> Reply:
        self.runs += 1
        if self.gate is not None:
            await self.gate.wait()
        assert body == b"in"
        return self.answer(self.runs)


def new_runner(journal: Journal, work: Work) -> Runner:
    def refused(_exchange: object, refusal: Refusal) -> Reply:
        return Reply(409, refusal.code.encode(), refusal.code, Ending.RELEASED)

    return Runner(plain_house(journal), {"flow": work}, {"v1": refused})


async def test_a_repetition_gets_the_first_answer_byte_for_byte_and_runs_nothing(journal: Journal) -> None:
    work = Work(lambda run: Reply(200, f"answer {run}".encode()))
    runner = new_runner(journal, work)
    first = await runner.handle(arrival())
    again = await runner.handle(arrival())
    assert first.reply is not None
    assert again.reply is not None
    assert (again.reply.body, again.replayed, first.replayed) == (first.reply.body, True, False)
    assert work.runs == 1


async def test_the_same_key_with_other_content_is_refused_with_the_first_content_at_hand(journal: Journal) -> None:
    runner = new_runner(journal, Work(lambda _run: Reply(200, b"")))
    await runner.handle(arrival())
    with pytest.raises(KeyReused) as reused:
        await runner.handle(arrival(print_="other", body=b"changed"))
    assert reused.value.first == b"in"


async def test_simultaneous_repetitions_wait_for_the_one_run(journal: Journal) -> None:
    work = Work(lambda run: Reply(200, b"once"))
    work.gate = asyncio.Event()
    runner = new_runner(journal, work)
    calls = [asyncio.create_task(runner.handle(arrival())) for _ in range(10)]
    await asyncio.sleep(0.2)
    work.gate.set()
    handled = await asyncio.gather(*calls)
    assert {one.reply.body for one in handled if one.reply} == {b"once"}
    assert work.runs == 1


async def test_a_message_answered_as_not_sent_may_come_again(journal: Journal) -> None:
    ending = {1: Ending.RELEASED, 2: Ending.FINAL}
    work = Work(lambda run: Reply(200, str(run).encode(), ending=ending[run]))
    runner = new_runner(journal, work)
    assert [(await runner.handle(arrival())).reply.body for _ in range(3)] == [b"1", b"2", b"2"]  # type: ignore[union-attr]


async def test_a_refusal_is_answered_by_the_doors_own_words(journal: Journal) -> None:
    def answer(_run: int) -> Reply:
        raise Refusal("ILLEGAL_STATE")

    handled = await new_runner(journal, Work(answer)).handle(arrival())
    assert handled.reply is not None
    assert (handled.reply.status, handled.reply.body) == (409, b"ILLEGAL_STATE")


async def test_a_waiting_exchange_goes_on_when_its_outcome_is_known(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "PATIENCE", 0.0)
    ending = {1: Ending.WAITING, 2: Ending.FINAL}
    work = Work(lambda run: Reply(200, b"known", ending=ending[run]))
    runner = new_runner(journal, work)
    handled = await runner.handle(arrival())
    assert handled.reply is None
    assert (await runner.handle(arrival())).reply is None
    resumed = await runner.resume(handled.exchange.exchange_id)
    assert resumed is not None
    assert await runner.resume(handled.exchange.exchange_id) is None
    again = await runner.handle(arrival())
    assert again.reply is not None
    assert (again.reply.body, again.replayed, work.runs) == (b"known", True, 2)


async def test_an_exchange_whose_process_died_is_taken_up_by_the_next(journal: Journal) -> None:
    dead = Work(lambda _run: Reply(200, b""))
    dead.gate = asyncio.Event()
    dying = asyncio.create_task(new_runner(journal, dead).handle(arrival()))
    await asyncio.sleep(0.1)
    dying.cancel()
    work = Work(lambda _run: Reply(200, b"taken up"))
    other = Journal(journal.store, journal.vault, journal.clock, "I2")
    runner = new_runner(other, work)
    assert await runner.adopt_orphans() == 0
    journal.clock.pass_(seconds=31)  # type: ignore[attr-defined]
    assert await runner.adopt_orphans() == 1
    await runner.drain(5)
    answered = await runner.handle(arrival())
    assert answered.reply is not None
    assert (answered.reply.body, answered.replayed, runner.recovered) == (b"taken up", True, 1)


async def test_a_live_exchange_keeps_its_lease_by_its_heartbeat(journal: Journal) -> None:
    work = Work(lambda _run: Reply(200, b""))
    work.gate = asyncio.Event()
    runner = new_runner(journal, work)
    call = asyncio.create_task(runner.handle(arrival()))
    await asyncio.sleep(0.1)
    assert runner.busy == 1
    for _ in range(4):
        journal.clock.pass_(seconds=20)  # type: ignore[attr-defined]
        await runner.heartbeat()
    other = new_runner(Journal(journal.store, journal.vault, journal.clock, "I2"), work)
    assert await other.adopt_orphans() == 0
    work.gate.set()
    await call


async def test_a_flow_that_lost_a_race_runs_again_from_its_first_line(journal: Journal) -> None:
    def answer(run: int) -> Reply:
        if run < 3:
            raise GuardFailed("visit OPEN")
        return Reply(200, b"won")

    work = Work(answer)
    handled = await new_runner(journal, work).handle(arrival())
    assert handled.reply is not None
    assert (handled.reply.body, work.runs) == (b"won", 3)
