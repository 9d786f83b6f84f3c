"""The morning's reconciliation by totals (R-115, U3, D.5): groups, sums, differences, runs again, two persons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.delivery import Order
from gateway.flows.recon.levels import read_level
from gateway.journal.entities import Act, Entity
from gateway.journal.store import Unit
from gateway.model.insurance import NationalMessage
from gateway.model.refusals import Refusal
from tests.support.payouts import ONE, TWO, Area, open_area


async def claims(area: Area) -> dict[str, str]:
    """setl_id → state; a refund row under its own number."""
    found = await area.house.journal.entities.find("claim")
    return {claim["setl_id"]: claim.state for claim in found}


async def test_one_question_per_group_with_signed_sums_and_every_row_counted(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.settle("B", "500.50", "2025-03-03")
        await area.settle("BACK", "-200.25", "2025-03-03", refund=True)
        await area.settle("R", "70.00", "2025-03-03", insutype="390")
        await area.settle("TWO", "10.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 07:05")
        asked = {(row["fixmedins_code"], row["insutype"]): row for row in area.platform.asked}
        assert len(area.platform.asked) == 3
        group = asked[ONE, "310"]
        assert (group["medfee_sumamt"], group["fixmedins_setl_cnt"], group["refd_setl_flag"]) == ("1300.25", 3, "1")
        assert (group["stmt_begndate"], group["stmt_enddate"]) == ("2025-03-03", "2025-03-03")
        assert (group["setl_optins"], group["clr_type"]) == ("640100", "21")
        assert asked[ONE, "390"]["fund_pay_sumamt"] == "70.00"
        assert set((await claims(area)).values()) == {"RECONCILED"}
        shown = (await area.call("GET", "/v1/reconciliations/2025-03-03", role="auditor")).resource
        assert [row["equal"] for row in shown["groups"]] == [True, True, True]
        assert shown["breaks"] == []


async def test_todays_settlements_wait_for_tomorrow(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.at("2025-03-04 06:00")
        await area.settle("A", "1000.00", "2025-03-04")
        await area.at("2025-03-04 23:00")
        assert await claims(area) == {"A": "ACCEPTED"}


async def test_a_cancelled_settlement_counts_beside_its_refund_row_a_reversed_one_not_at_all(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("GONE", "300.00", "2025-03-03")
        refund = await area.settle("REFUND", "-300.00", "2025-03-03", refund=True)
        await area.settle("UNDONE", "77.00", "2025-03-03")
        await area.settle("KEPT", "10.00", "2025-03-03")
        await cancelled_by(area, "GONE", refund["msgid"])
        await cancelled_by(area, "UNDONE", "some-2601")
        await area.at("2025-03-04 09:00")
        (asked,) = area.platform.asked
        assert (asked["medfee_sumamt"], asked["fixmedins_setl_cnt"]) == ("10.00", 3)
        labels = {row["setl_id"]: row["label"] for row in (await area.day("2025-03-03"))["excluded"]}
        assert labels == {"GONE": "CANCELLED", "UNDONE": "CANCELLED", "REFUND": "NEGATIVE_EXCLUDED"}


async def cancelled_by(area: Area, setl_id: str, msgid: str) -> Entity:
    """A claim cancelled by a message."""
    claim = await area.house.journal.entities.first("claim", "setl_id = :id", id=setl_id)
    assert claim is not None
    unit = Unit()
    moved = area.house.journal.entities.move(unit, claim, "cancelled", Act("t"), data={"cancelled_by": msgid})
    await area.house.journal.commit(unit)
    return moved


async def test_a_difference_holds_its_group_out_until_it_is_equal(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.platform.differs.add((ONE, "2025-03-03"))
        await area.settle("A", "1000.00", "2025-03-03")
        await area.settle("B", "2000.00", "2025-03-03", hospital=TWO)
        await area.at("2025-03-04 09:00")
        assert await claims(area) == {"A": "RECON_DIFF", "B": "RECONCILED"}
        shown = await area.day("2025-03-03")
        assert [(row["setl_id"], row["label"]) for row in shown["excluded"]] == [("A", "RECON_DIFF")]
        assert shown["summaries"][0]["sum_amt"] == "1200.00"
        (found,) = (await area.call("GET", "/v1/reconciliations/2025-03-03/breaks")).resource["items"]
        assert (found["kind"], found["state"], found["ours"]["medfee_sumamt"]) == ("DIFFERS", "OPEN", "1000.00")
        assert await area.tasks() == ["RECON_BREAK"]

        area.platform.differs.clear()
        await area.pay("2025-03-03")
        await area.at("2025-03-05 09:00")
        assert (await claims(area))["A"] == "RECONCILED"
        assert await area.tasks() == []
        shown = await area.day("2025-03-03")
        assert [row["sum_amt"] for row in shown["summaries"]] == ["1200.00", "600.00"]
        assert shown["excluded"] == []


async def test_equal_groups_are_not_asked_again_and_a_run_is_idempotent(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.at("2025-03-06 09:00")
        for _ in range(2):
            await area.call("POST", "/v1/reconciliations/2025-03-03", {}, role="operator")
        assert len(area.platform.asked) == 1


async def test_a_settlement_that_turns_up_later_makes_its_equal_group_be_asked_again(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        await area.settle("B", "1.00", "2025-03-03")
        await area.at("2025-03-05 09:00")
        assert [row["medfee_sumamt"] for row in area.platform.asked] == ["1000.00", "1001.00"]
        assert await claims(area) == {"A": "RECONCILED", "B": "RECONCILED"}


@pytest.mark.parametrize("fault", ["nothing_left", "lost_before"])
async def test_without_an_answer_it_is_asked_again_before_the_build(tmp_path: Path, fault: str) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.wire.fault("3201", fault, fault)
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        assert await claims(area) == {"A": "RECONCILED"}
        assert len((await area.day("2025-03-03"))["summaries"]) == 1


async def test_a_platform_that_stays_silent_becomes_a_task_and_the_next_morning_asks(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.wire.fault("3201", *["nothing_left"] * 40)
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 12:00")
        assert await claims(area) == {"A": "ACCEPTED"}
        assert await area.tasks() == ["RECON_UNANSWERED"]
        area.wire.faults.clear()
        await area.at("2025-03-05 09:00")
        assert (await area.summary("2025-03-03"))["pay_date"] == "2025-03-05"


async def test_sign_in_that_fails_is_no_answer_either(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.wire.fault("9001", *["nothing_left"] * 4)
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        assert await claims(area) == {"A": "RECONCILED"}


async def test_unknown_outcomes_are_listed_first(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.wire.fault("2304", "lost_before")
        message = NationalMessage(infno="2304", fixmedins_code=ONE, msgid="M1")
        await area.house.delivery.deliver(Order("insurance", "2304", f"{ONE}|M1", message, "", "", ONE))
        shown = (await area.call("GET", "/v1/reconciliations/2025-03-03", role="operator")).resource
        assert next(iter(shown)) == "date"
        assert list(shown)[1] == "unknown"
        assert [(row["infno"], row["fixmedins_code"]) for row in shown["unknown"]] == [("2304", ONE)]


async def test_two_persons_close_a_difference_and_its_settlements_are_payable(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.platform.differs.add((ONE, "2025-03-03"))
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        (found,) = (await area.call("GET", "/v1/reconciliations/2025-03-03/breaks")).resource["items"]
        path = f"/v1/reconciliations/2025-03-03/breaks/{found['break_id']}/close"
        body = {"resolution": "accept_ours", "reason": "平台次日补记"}
        assert (await area.call("POST", path, body, role="operator")).status == 202
        with pytest.raises(Refusal, match="SAME_PERSON"):
            await area.call("POST", path, body, role="operator")
        done = await area.call("POST", path, body, role="preparer")
        assert (done.status, done.resource["state"]) == (200, "CLOSED")
        assert await claims(area) == {"A": "RECONCILED"}
        assert await area.tasks() == []
        with pytest.raises(Refusal, match="ILLEGAL_STATE"):
            await area.call("POST", path, body, role="approver")
        await area.at("2025-03-05 09:00")
        assert (await area.summary("2025-03-03"))["sum_amt"] == "600.00"


async def test_a_first_decision_is_void_when_the_difference_changes(tmp_path: Path) -> None:
    async with open_area(tmp_path / "x.db", tmp_path) as area:
        area.platform.differs.add((ONE, "2025-03-03"))
        await area.settle("A", "1000.00", "2025-03-03")
        await area.at("2025-03-04 09:00")
        (found,) = (await area.call("GET", "/v1/reconciliations/2025-03-03/breaks")).resource["items"]
        path = f"/v1/reconciliations/2025-03-03/breaks/{found['break_id']}/close"
        body = {"resolution": "accept_ours", "reason": "x"}
        await area.call("POST", path, body, role="operator")
        await area.at("2025-03-05 09:00")
        assert (await area.call("POST", path, body, role="preparer")).status == 202


@pytest.mark.parametrize(
    ("raw", "level"),
    [
        ('{"output":{"medinsinfo":[{"fixmedins_code":"H1","hosp_lv":"2"}]}}', 2),
        ('{"output":{"medinsinfo":{"hosp_lv":"3A"}}}', 3),
        ('{"output":{"medinsinfo":[{"fixmedins_code":"H2","hosp_lv":"2"}]}}', None),
        ('{"output":{"medinsinfo":[{"fixmedins_code":"H1","hosp_lv":null}]}}', None),
        ('{"output":"{\\"medinsinfo\\":[{\\"hosp_lv\\":1}]}"}', 1),
        ('{"output":null}', None),
        ("not json", None),
        ("[]", None),
    ],
)
def test_the_level_in_an_answer_of_the_platform(raw: str, level: Any) -> None:
    assert read_level(raw, "H1") == level
