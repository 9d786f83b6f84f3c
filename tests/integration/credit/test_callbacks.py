"""What hospitals are told: in order per resource, once by id, again until taken, a person after the plan."""

from __future__ import annotations

from gateway.flows import callbacks
from gateway.journal.store import Unit
from gateway.model.callback import CallbackType
from tests.support.credit import SHAOYANG, Window, World
from tests.support.parties import refused


async def tell(window: Window, resource: str, *numbers: int) -> None:
    """Queue events about a resource."""
    unit = Unit()
    for number in numbers:
        callbacks.enqueue(unit, window.site.house, SHAOYANG, CallbackType.VISIT_FINAL, resource, {"number": number})
    await window.site.house.journal.commit(unit)


def told(world: World, resource: str) -> list[int]:
    """The numbers that arrived about a resource."""
    return [event.data["number"] for event in world.receivers[SHAOYANG].events if event.resource == resource]


async def test_events_of_a_resource_arrive_in_their_order(world: World, window: Window) -> None:
    await tell(window, "V1", 1, 2, 3)
    await tell(window, "V2", 1)
    await window.site.pass_time(seconds=1)
    assert told(world, "V1") == [1, 2, 3]
    assert told(world, "V2") == [1]


async def test_one_that_is_not_taken_holds_up_its_resource_and_no_other(world: World, window: Window) -> None:
    world.wire.fault("callback", "lost_before")
    await tell(window, "V1", 1, 2)
    await window.site.pass_time(seconds=0)
    await tell(window, "V2", 1)
    await window.site.pass_time(seconds=0.5)
    assert told(world, "V2") == [1]
    assert told(world, "V1") == []
    await window.site.pass_time(seconds=3)
    assert told(world, "V1") == [1, 2]


async def test_a_lost_answer_repeats_the_event_under_its_id(world: World, window: Window) -> None:
    world.wire.fault("callback", "lost_after", "lost_after")
    await tell(window, "V1", 1)
    await window.site.pass_time(minutes=1)
    party = world.receivers[SHAOYANG].party
    assert len({event.event_id for event in party.asked("callback")}) == 1
    assert len(party.asked("callback")) >= 3
    assert told(world, "V1") == [1]


async def test_a_refused_event_is_tried_anew(world: World, window: Window) -> None:
    world.receivers[SHAOYANG].party.say("callback", refused("CALLBACK_REFUSED"), refused("CALLBACK_REFUSED"))
    await tell(window, "V1", 1)
    await window.site.pass_time(minutes=1)
    assert told(world, "V1") == [1]


async def test_after_the_plan_a_person_has_it_and_it_is_still_tried_daily(world: World, window: Window) -> None:
    party = world.receivers[SHAOYANG].party
    party.say("callback", *[refused("NOT_FOUND")] * (len(callbacks.PLAN) + 1))
    await tell(window, "V1", 1, 2)
    await window.site.pass_time(hours=5)
    assert await window.tasks() == ["CALLBACK_FAILED"]
    assert told(world, "V1") == []
    await window.site.pass_time(days=3)
    assert told(world, "V1") == [1, 2]
    assert await window.tasks() == ["CALLBACK_FAILED"]


async def test_an_event_exists_if_and_only_if_its_change_does(world: World, window: Window) -> None:
    unit = Unit()
    callbacks.enqueue(unit, window.site.house, SHAOYANG, CallbackType.VISIT_FINAL, "V1", {"number": 1})
    assert await window.site.house.journal.store.rows("SELECT * FROM due WHERE kind = 'callback'", {}) == []
    await window.site.house.journal.commit(unit)
    assert len(await window.site.house.journal.store.rows("SELECT * FROM due WHERE kind = 'callback'", {})) == 1
    await window.site.pass_time(seconds=1)
    assert told(world, "V1") == [1]


async def test_a_hospital_without_an_address_is_told_nothing(world: World, window: Window) -> None:
    unit = Unit()
    callbacks.enqueue(unit, window.site.house, "H00000000000", CallbackType.VISIT_FINAL, "V1", {})
    assert not unit


async def test_events_carry_no_person(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person, 90_000)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "3000.00", "1900.00", "100.00", "1000.00")
    await window.leg(visit, "L1", "1000.00")
    await window.settle(visit, "3000.00")
    await window.site.pass_time(seconds=5)
    text = repr([event.model_dump() for event in world.receivers[SHAOYANG].events])
    assert "visit.over_limit" in text
    assert "agreement.changed" in text
    for secret in (person.psn_name, person.certno, person.psn_no):
        assert secret not in text
