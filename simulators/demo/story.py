"""The story, act by act, from the morning of 2025-03-03 to the month's feedback on 2025-04-07."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from simulators.demo.guangzhou import Guangzhou
from simulators.demo.mishaps import collect_mishaps, set_mishaps
from simulators.demo.ningxia import Ningxia
from simulators.demo.payouts import feedback, pay, release_late_receipt
from simulators.demo.scenario import Scenario
from simulators.demo.shaoyang import Shaoyang
from simulators.demo.world import DAYS, GUANGZHOU, NINGXIA, SHAOYANG, World

_PAY_DAYS = (date(2025, 3, 4), date(2025, 3, 5), date(2025, 3, 6))
_CUTOFF_HOUR = 14
"""No step of the clock goes beyond it on the way to the bank's cut-off at 15:00."""
_RECEIPT_DAY = date(2025, 3, 7)
_FEEDBACK_DAY, _MONTH = date(2025, 4, 7), "202503"
_TITLES = {
    SHAOYANG: "邵阳 门诊信用 credit", GUANGZHOU: "广州 住院押金 deposit", NINGXIA[0]: "宁夏一院 日拨付 payout",
    NINGXIA[1]: "宁夏二院 日拨付 payout",
}  # fmt: skip


class Story:
    """Plays the acts on a set stage. ``lie``: a party that lies by one fen, so that the report must not balance."""

    def __init__(self, world: World, lie: str = "") -> None:
        self.world = world
        self._lie = lie
        makers: dict[str, type[Shaoyang | Guangzhou | Ningxia]] = {
            SHAOYANG: Shaoyang,
            GUANGZHOU: Guangzhou,
            NINGXIA[0]: Ningxia,
            NINGXIA[1]: Ningxia,
        }
        self._scenarios: list[Scenario] = [
            make(world, code, world.stage.bar(_TITLES[code], make.steps(len(world.people[code]))))
            for code, make in makers.items()
        ]

    async def play(self) -> None:
        """The whole story; what goes wrong with one patient or payout is noted in ``world.facts.problems``."""
        await self._open()
        await self._treat(0)
        for number, pay_day in enumerate(_PAY_DAYS):
            await self._evening(number)
            await self.world.move_to(pay_day, 9)
            self._act("对账 07:00、汇总 08:30 之后拨付", "reconciled at 07:00, built at 08:30: payout before 15:00")
            payout = self.world.guarded(f"payout of {DAYS[number]}", pay(self.world, DAYS[number]))
            await self.world.while_the_day_passes(payout, _CUTOFF_HOUR)
            if number + 1 < len(DAYS):
                await self._treat(number + 1)
        await self._end_of_month()
        for scenario in self._scenarios:
            scenario.bar.finish()

    async def _open(self) -> None:
        world = self.world
        everybody = [person.seed() for people in world.people.values() for person in people]
        await world.sims.ask("POST", "platform", "people", everybody)
        self._act("签到、授权、签约", "sign-in, consent, agreements")
        await set_mishaps(world, 0, self._lie)
        await self._all("open_doors")
        await self._all("enrol")
        world.stage.say(f"{world.facts.counts['agreements']} 份信用支付协议生效", "agreements active")

    async def _treat(self, number: int) -> None:
        self._act("门诊与住院", "outpatients and inpatients of all hospitals at the same time")
        if number:
            await set_mishaps(self.world, number)
        await self.world.while_the_day_passes(self._all("day", number))
        await collect_mishaps(self.world, number)

    async def _evening(self, number: int) -> None:
        await self.world.move_to(DAYS[number], 20, 30)
        self._act("日终：未明结果全部问清", "day's close: every open outcome is asked after")
        await self._all("evening")

    async def _end_of_month(self) -> None:
        world = self.world
        await world.move_to(_PAY_DAYS[-1], 20, 30)
        self._act("日终：拨付失败的订单就此终结", "day's close: the refused order is FAILED for good")
        await world.move_to(_RECEIPT_DAY, 9)
        self._act("迟到的回单", "a late receipt")
        await world.guarded("late receipt", release_late_receipt(world))
        await world.move_to(_FEEDBACK_DAY, 21)
        self._act("三月数据回传", "feedback of March, due on Monday 04-07")
        await world.guarded("feedback", feedback(world, _MONTH))

    async def _all(self, what: str, *arguments: Any) -> None:
        await asyncio.gather(*(getattr(scenario, what)(*arguments) for scenario in self._scenarios))

    def _act(self, zh: str, en: str) -> None:
        self.world.stage.act(self.world.when(), zh, en)
