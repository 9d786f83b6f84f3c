"""A morning's comparison whose process dies at every single commit and starts again: it comes to the same end."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.declare import AfterUnknown, Guarantee, OperationDecl
from gateway.delivery.delivery import Order
from gateway.flows.recon.running import reconcile
from gateway.journal.entities import Act
from gateway.journal.store import Unit
from gateway.model.insurance import NationalFile, NationalMessage, NationalReply, StatementRow
from gateway.model.money import parse_yuan
from gateway.model.verdict import Done, Refused, Verdict
from tests.support.house import CrashingStore, Killed, Reply, Wire, moment, still_clock
from tests.support.journals import new_store
from tests.support.payouts import ONE, PLATFORM_OPERATIONS, Area, PayoutBank, Platform, area_over

DAY, LOST = "2025-03-03", "LOST1"
AGAIN = OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=1)
FREE = OperationDecl(guarantee=Guarantee.QUERY, retries=1)
DETAIL = {**PLATFORM_OPERATIONS, "9101": AGAIN, "3202": AGAIN, "9102": FREE, "2601": AGAIN}


def row(setl_id: str, yuan: str, msgid: str = "") -> StatementRow:
    """What the platform holds."""
    fen = parse_yuan(yuan)
    return StatementRow(setl_id=setl_id, msgid=msgid, psn_no="P1", medfee_fen=fen, fund_fen=fen, acct_fen=0)


@dataclass
class Comparing(Platform):
    """Holds rows of its own and compares them with what is uploaded."""

    operations: Any = field(default_factory=lambda: DETAIL)
    types: Any = field(default_factory=lambda: dict.fromkeys(DETAIL, (NationalMessage, NationalReply)))
    holds: dict[str, StatementRow] = field(default_factory=dict)
    files: dict[str, tuple[StatementRow, ...]] = field(default_factory=dict)
    reversed: list[str] = field(default_factory=list)

    async def answer(self, operation: str, request: NationalMessage) -> Reply:
        """As the real one, in small."""
        data = (request.input or {}).get("data", {})
        match operation:
            case "9101":
                return self._file(request.statement)
            case "3202":
                return self._file(tuple(self._differences(self.files[data["file_qury_no"]])))
            case "9102":
                number = (request.input or {})["fsDownloadIn"]["file_qury_no"]
                return Reply("DONE", NationalReply(infcode="0", raw="", statement=self.files[number]))
            case "2601":
                self.reversed.append(data["omsgid"])
                self.holds = {key: held for key, held in self.holds.items() if held.msgid != data["omsgid"]}
                return Reply("DONE", NationalReply(infcode="0", raw="{}"))
            case "3201":
                fen = sum(held.medfee_fen or 0 for held in self.holds.values())
                equal = (len(self.holds), fen) == (data["fixmedins_setl_cnt"], parse_yuan(data["medfee_sumamt"]))
                self.differs = set() if equal else {(request.fixmedins_code, data["stmt_begndate"])}
        return await super().answer(operation, request)

    def _file(self, rows: tuple[StatementRow, ...]) -> Reply:
        number = f"F{len(self.files)}"
        self.files[number] = rows
        return Reply("DONE", NationalReply(infcode="0", raw="{}", file=NationalFile(file_qury_no=number, filename="f")))

    def _differences(self, lines: tuple[StatementRow, ...]) -> list[StatementRow]:
        ours = {line.setl_id: line for line in lines}
        found = [
            held.model_copy(update={"stmt_rslt": "CENTRE_MORE"}) for key, held in self.holds.items() if key not in ours
        ]
        for key, line in ours.items():
            held = self.holds.get(key)
            if held is None:
                found.append(line.model_copy(update={"stmt_rslt": "INSTITUTION_MORE"}))
            elif held.medfee_fen != line.medfee_fen:
                found.append(held.model_copy(update={"stmt_rslt": "DIFFERS"}))
        return found

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """2601 for a settlement."""
        if operation != "2304":
            return None
        content = {"data": {"psn_no": "P1", "omsgid": request.msgid, "oinfno": "2304"}}
        return "2601", request.model_copy(update={"infno": "2601", "msgid": "", "input": content})

    def resolve(self, operation: str, request: Any, answer: Verdict[Any]) -> Verdict[Any] | None:
        """Reversed."""
        return Refused("SETTLEMENT_REVERSED") if isinstance(answer, Done) else None


@dataclass
class World:
    """Store file, clock and platform; lives come and go over them."""

    folder: Path
    platform: Comparing
    lives: int = 0

    @asynccontextmanager
    async def life(
        self, die_at: int | None = None, *, after: bool = False
    ) -> AsyncIterator[tuple[Area, CrashingStore]]:
        """A process over the same file."""
        self.lives += 1
        inner = new_store(self.folder / "x.db")
        await inner.open()
        store = CrashingStore(inner)
        clock = still_clock(self.folder / "clock.json", moment("2025-03-04 07:00"))
        wire = Wire({"bocom": PayoutBank(clock), "insurance": self.platform})
        try:
            area = area_over(store, clock, platform=self.platform, wire=wire, instance=f"I{self.lives}")
            await area.house.delivery.recover()
            store.commits, store.die_at, store.after = 0, die_at, after
            yield area, store
        finally:
            await inner.close()


async def morning(area: Area) -> bool:
    """The run of the day, under one name."""
    return await reconcile(
        area.house, ONE, moment("2025-03-03 00:00").date(), "job|2025-03-04", Act("job:recon.totals")
    )


async def prepared(folder: Path) -> World:
    """A day: A and B agree, C differs, D only we hold, E only they hold, one message of ours has no answer."""
    platform = Comparing()
    store = new_store(folder / "x.db")
    await store.open()
    clock = still_clock(folder / "clock.json", moment("2025-03-03 12:00"))
    wire = Wire({"bocom": PayoutBank(clock), "insurance": platform})
    area = area_over(store, clock, platform=platform, wire=wire)
    for setl_id, yuan in (("A", "100.00"), ("B", "200.00"), ("C", "300.00"), ("D", "400.00")):
        await area.settle(setl_id, yuan, DAY)
    wire.fault("2304", "lost_before")
    unit, entities, act = Unit(), area.house.journal.entities, Act("hospital:test")
    claim = entities.create(
        unit, "claim", f"{ONE}|{LOST}", "relayed", act, hospital=ONE,
        columns={"msgid": LOST, "infno": "2304", "pool_area": "640100"},
    )  # fmt: skip
    entities.move(unit, claim, "unknown", act)
    message = NationalMessage(infno="2304", fixmedins_code=ONE, msgid=LOST, psn_no="P1", sign_no="S1")
    await area.house.delivery.deliver(Order("insurance", "2304", claim.id, message, "", "", ONE, with_attempt=unit))
    await store.close()
    held = [
        row("A", "100.00"),
        row("B", "200.00"),
        row("C", "300.01"),
        row("E", "50.00", "ME"),
        row("F", "60.00", LOST),
    ]
    platform.holds = {one.setl_id: one for one in held}
    return World(folder, platform)


async def outcome(area: Area) -> dict[str, Any]:
    """Everything that must be the same however often the process died."""
    entities = area.house.journal.entities
    return {
        "claims": {claim["setl_id"] or claim["msgid"]: claim.state for claim in await entities.find("claim")},
        "breaks": sorted((one["kind"], one["setl_id"], one.state) for one in await entities.find("recon_break")),
        "groups": [(one.state, one.get("explained")) for one in await entities.find("recon_group")],
        "tasks": await area.tasks(),
    }


EXPECTED = {
    "claims": {"A": "RECONCILED", "B": "RECONCILED", "C": "RECON_DIFF", "D": "RECON_DIFF", LOST: "REVERSED"},
    "breaks": [
        ("DIFFERS", "C", "OPEN"), ("OURS_ONLY", "D", "OPEN"), ("THEIRS_ONLY", "E", "OPEN"),
        ("THEIRS_ONLY", "F", "REPAIRED"),
    ],
    "groups": [("DIFFERS", True)],
    "tasks": ["RECON_BREAK"] * 3,
}  # fmt: skip


async def test_what_the_morning_comes_to(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    async with world.life() as (area, _):
        assert await morning(area)
        assert await outcome(area) == EXPECTED
        assert await morning(area)
        assert await outcome(area) == EXPECTED
    assert world.platform.reversed == [LOST]


@pytest.mark.parametrize("after", [False, True], ids=["instead of the commit", "after the commit"])
async def test_dying_at_every_commit(tmp_path: Path, after: bool) -> None:
    (tmp_path / "whole").mkdir()
    world = await prepared(tmp_path / "whole")
    async with world.life() as (area, store):
        await morning(area)
        commits = store.commits
    assert commits > 15
    for number in range(1, commits + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        await dies_and_goes_on(folder, number, after=after)
        shutil.rmtree(folder)


async def dies_and_goes_on(folder: Path, number: int, *, after: bool) -> None:
    """One death, one new life."""
    world = await prepared(folder)
    async with world.life(number, after=after) as (area, _):
        with pytest.raises(Killed):
            await morning(area)
    async with world.life() as (area, _):
        assert await morning(area)
        assert await outcome(area) == EXPECTED, f"died at commit {number}"


async def test_a_break_that_is_gone_the_next_day_is_closed_by_itself(tmp_path: Path) -> None:
    world = await prepared(tmp_path)
    async with world.life() as (area, _):
        await morning(area)
        world.platform.holds["C"] = row("C", "300.00")
        del world.platform.holds["E"]
        world.platform.holds["D"] = row("D", "400.00")
        day = moment("2025-03-03 00:00").date()
        assert await reconcile(area.house, ONE, day, "job|2025-03-05", Act("job:recon.totals"))
        found = await outcome(area)
    assert found["groups"] == [("EQUAL", False)]
    assert set(found["claims"].values()) == {"RECONCILED", "REVERSED"}
    assert {state for _, _, state in found["breaks"]} == {"REPAIRED"}
    assert found["tasks"] == []
