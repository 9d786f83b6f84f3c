"""Notices of the payment centre in any order and twice: the order ends the same, and never goes back."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.flows import mobile_orders
from gateway.flows.house import House
from gateway.flows.mobile_orders import take_verdict, take_word
from gateway.journal.entities import Act, Entity
from gateway.journal.migrate import upgrade
from gateway.journal.sqlite import SqliteStore
from gateway.model.bank import Account
from gateway.model.machines import MOBILE_ORDER
from gateway.model.mobile import PROGRESS, STATUS_EVENTS, MobileNotice, MobileReply, MobileRequest, Token
from gateway.model.refusals import Refusal
from gateway.model.registry import Hospital
from gateway.model.verdict import Done, NotSent, Refused
from tests.support.house import Wire, build_house, moment, still_clock

CODE, OTHER, NUMBER = "H43050000001", "H43050000002", "ORD430500202503030900000000001"
ACT = Act("mobile:mobile", "test")
ACCOUNT = Account(acct_no="6217", acct_name="某医院", bank_code="301557000013", bank_name="交通银行邵阳分行")


def hospital(code: str) -> Hospital:
    return Hospital(
        code=code, name="某医院", pool_area="430500", level=3, paasid=code, token="t", account=ACCOUNT,
        callback_url="http://his.test",
    )  # fmt: skip


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    upgrade(url)
    store = SqliteStore(tmp_path / "x.db")
    await store.open()
    clock = still_clock(tmp_path / "clock.json", moment("2025-03-03 09:00"))
    yield build_house(store, clock, Wire(), {}, hospitals={code: hospital(code) for code in (CODE, OTHER)}, agencies={})
    await store.close()


def told(status: str, number: str = NUMBER, fund: int = 12000, code: str = CODE) -> MobileNotice:
    return MobileNotice(
        pay_ord_id=number, med_org_ord=f"M{number[-6:]}", ord_stas=status, org_code=code,
        amounts={"feeSumamt": 20000, "fundPay": fund}, revs_token=Token("RT1"),
    )  # fmt: skip


async def order(house: House, number: str = NUMBER) -> Entity:
    found = await house.journal.entities.first("mobile_order", "pay_ord_id = :n", n=number)
    assert found is not None
    return found


async def events(house: House) -> list[str]:
    rows = await house.journal.store.rows("SELECT payload FROM due WHERE kind = 'callback' ORDER BY subject", {})
    return [row["payload"] for row in rows]


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (("2", "6", "15"), "PAID"), (("0", "2", "3", "6"), "PAID"), (("2", "15", "14"), "ABNORMAL"),
        (("2", "14", "6"), "PAID"), (("6", "10", "7"), "REFUNDED"), (("6", "9", "11"), "PART_REFUNDED"),
        (("1", "13", "12"), "REVOKED"), (("2", "4", "5"), "PAYING"),
    ],
)  # fmt: skip
async def test_whatever_the_order_of_notices(house: House, statuses: tuple[str, ...], state: str) -> None:
    for place, said in enumerate(itertools.permutations((*statuses, statuses[0]))):
        number = f"{NUMBER[:-4]}{place:04d}"
        for status in said:
            await take_word(house, told(status, number), ACT)
        found = await order(house, number)
        assert (found.state, found["ord_stas"]) == (state, max(statuses, key=PROGRESS.index)), said


@given(st.sampled_from(sorted(MOBILE_ORDER.states)), st.sampled_from(sorted(STATUS_EVENTS)))
def test_no_status_leads_from_a_final_state_to_one_before_it(state: str, status: str) -> None:
    rank = {"PAID": 1, "PART_REFUNDED": 2, "REFUNDED": 3, "REVOKED": 3}
    event = STATUS_EVENTS[status]
    if state in rank and MOBILE_ORDER.allows(state, event):
        assert rank[MOBILE_ORDER.after(state, event)] >= rank[state]


async def test_a_contradiction_is_a_persons_and_changes_nothing(house: House) -> None:
    for status in ("6", "7", "12", "12"):
        await take_word(house, told(status), ACT)
    assert (await order(house)).state == "REFUNDED"
    await take_word(house, told("12", f"{NUMBER[:-1]}9"), ACT)
    for _ in range(2):
        await take_word(house, told("7", f"{NUMBER[:-1]}9"), ACT)
    assert (await order(house, f"{NUMBER[:-1]}9")).state == "REVOKED"
    tasks = await house.journal.entities.find("task")
    assert [task["task_kind"] for task in tasks] == ["MOBILE_ORDER_CONFLICT"]


async def test_the_hospital_is_told_once_and_without_tokens(house: House) -> None:
    for status in ("6", "6", "2"):
        await take_word(house, told(status), ACT)
    told_of = await events(house)
    assert len(told_of) == 1
    assert '"ordStas":"6"' in told_of[0]
    assert '"fundPay":"120.00"' in told_of[0]
    assert "RT1" not in told_of[0]
    assert (await order(house)).sealed == {"revsToken": "RT1"}


async def test_a_notice_of_what_an_answer_has_said_is_still_forwarded_once(house: House) -> None:
    await take_word(house, told("1"), ACT)
    pay = MobileRequest(infno="6202", hospital=CODE, data={"payOrdId": NUMBER})
    await take_verdict(house, (await order(house)).id, pay, Done(MobileReply(code="0", data={"ordStas": "6"})), ACT)
    assert len(await events(house)) == 1
    for _ in range(2):
        await take_word(house, told("6"), ACT)
    assert ['"ordStas":"6"' in event for event in await events(house)] == [False, True]


async def test_an_abnormal_order_becomes_a_task(house: House) -> None:
    await take_word(house, told("16"), ACT)
    assert [task["task_kind"] for task in await house.journal.entities.find("task")] == ["MOBILE_ORDER_ABNORMAL"]


async def test_a_second_part_refund_has_other_amounts(house: House) -> None:
    await take_word(house, told("6"), ACT)
    await take_word(house, told("10", fund=10000), ACT)
    first = (await order(house)).version
    await take_word(house, told("10", fund=10000), ACT)
    assert (await order(house)).version == first
    await take_word(house, told("10", fund=9000), ACT)
    assert (await order(house))["amounts"]["fundPay"] == 9000


async def test_another_hospitals_order_is_not_touched(house: House) -> None:
    await take_word(house, told("6"), ACT)
    with pytest.raises(Refusal) as refusal:
        await take_word(house, told("7", code=OTHER), ACT)
    assert refusal.value.code == "FORBIDDEN"
    with pytest.raises(Refusal):
        await mobile_orders.order_of(house, OTHER, NUMBER)


async def test_an_answer_after_its_notice_still_brings_its_token(house: House) -> None:
    found = await take_word(house, told("6"), ACT)
    upload = MobileRequest(infno="6201", hospital=CODE, data={"medOrgOrd": found["med_org_ord"]})
    reply = MobileReply(code="0", data={"payOrdId": NUMBER, "payToken": "PT1", "ordStas": "0"})
    for _ in range(2):
        await take_verdict(house, found.id, upload, Done(reply), ACT)
    after = await order(house)
    assert (after.state, after["ord_stas"], after.version) == ("PAID", "6", found.version + 1)
    assert after.sealed["payToken"] == "PT1"


async def test_a_refused_payment_that_was_paid_after_all_stays_paid(house: House) -> None:
    found = await take_word(house, told("6"), ACT)
    pay = MobileRequest(infno="6202", hospital=CODE, data={"payOrdId": NUMBER})
    for verdict in (Refused("NOT_FOUND"), NotSent("refused")):
        await take_verdict(house, found.id, pay, verdict, ACT)
    assert (await order(house)).state == "PAID"
