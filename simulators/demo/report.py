"""The report: one table per hospital and a total, what went wrong and how it was put right, and the verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from rich import box
from rich.markup import escape
from rich.table import Table

from simulators.demo.balance import Balance, Line, money
from simulators.demo.mishaps import in_chinese
from simulators.demo.world import HOSPITALS, World

_ATTEMPT = re.compile(r"^xinyi_attempt_total\{(?P<labels>[^}]*)\} (?P<value>[0-9.e+]+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_QUESTIONS = ("QueryTransaction", "QueryAgreement", "QueryPayoutBatch")


def _cell(line: Line, value: int | None) -> str:
    if value is None:
        return "[dim]–[/]"
    text = f"{value:,}" if not line.money else _grouped(value)
    return text if line.balanced else f"[bold red]{text}[/]"


def _grouped(fen: int) -> str:
    sign, rest = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{rest // 100:,}.{rest % 100:02d}"


def totals(lines: Iterable[Line]) -> list[Line]:
    """One line per kind of figure over all hospitals; a party that has no say anywhere stays silent."""
    summed: dict[str, Line] = {}
    for line in lines:
        old = summed.get(line.zh)
        his, platform, bank, gateway = (_plus(old, line, name) for name in ("his", "platform", "bank", "gateway"))
        summed[line.zh] = Line("合计 total", line.zh, line.en, his, platform, bank, gateway, line.money)
    return list(summed.values())


def _plus(old: Line | None, line: Line, name: str) -> int | None:
    before: int | None = None if old is None else getattr(old, name)
    now: int | None = getattr(line, name)
    return now if before is None else before if now is None else before + now


def table(world: World, found: Balance) -> Table:
    """Hospital = platform = bank, line by line."""
    made = Table(title="对账 Balance（元 yuan）", box=box.SIMPLE_HEAVY, title_style="bold")
    made.add_column("医院 hospital")
    made.add_column("项目 figure")
    for name in ("HIS", "平台 platform", "银行 bank", "网关 gateway"):
        made.add_column(name, justify="right")
    made.add_column("")
    for code in HOSPITALS:
        name = world.sandbox.cast.hospital(code).name
        for number, line in enumerate(one for one in found.lines if one.hospital == code):
            head = f"{code}\n{name}" if number == 0 else ""
            _add(made, head, line)
        made.add_section()
    for number, line in enumerate(totals(found.lines)):
        _add(made, "合计 total" if number == 0 else "", line)
    return made


def _add(made: Table, head: str, line: Line) -> None:
    cells = [_cell(line, value) for value in (line.his, line.platform, line.bank, line.gateway)]
    mark = "[green]=[/]" if line.balanced else "[bold red]≠[/]"
    made.add_row(head, f"{line.zh} [dim]{line.en}[/]", *cells, mark)


# -- what happened on the way -----------------------------------------------------------------------------------------


async def attempts(world: World) -> Counter[tuple[str, str]]:
    """(counterpart, verdict) → attempts, from the gateway's own metrics."""
    counted: Counter[tuple[str, str]] = Counter()
    async with world.session.get(f"{world.sandbox.place.gateway}/metrics") as answer:
        text = await answer.text()
    for line in text.splitlines():
        if found := _ATTEMPT.match(line):
            labels = dict(_LABEL.findall(found["labels"]))
            counted[labels["counterpart"], labels["verdict"].lower()] += round(float(found["value"]))
    return counted


async def suppressed(world: World) -> dict[str, int]:
    """Repeats that had no second effect: at the gateway's door, and at the partners'."""
    at_the_door = sum(his.line.counts["replayed"] + his.v1.counts["replayed"] for his in world.his.values())
    found = {"网关答复重放 answered from the gateway's journal": at_the_door}
    for name, title in (("platform", "平台判重 at the platform"), ("bank", "银行判重 at the bank")):
        requests = await world.sims.requests(name)
        found[title] = sum(request["verdict"] == "duplicate" for request in requests)
    return found


async def resolutions(world: World) -> dict[str, int]:
    """How open outcomes were closed."""
    asked = await world.sims.requests("platform", "2601")
    executed = {row["detail"]["omsgid"] for row in asked if row["verdict"] == "executed"}
    absent = {row["detail"]["omsgid"] for row in asked if "omsgid" in row["detail"]} - executed
    questions = [await world.sims.requests("bank", operation) for operation in _QUESTIONS]
    counts = world.facts.counts
    return {
        "2601 冲正 reversed at the platform": len(executed),
        "2601 原交易未到达 original never arrived": len(absent),
        "HIS 以新报文重新结算 settled again by the HIS": sum(his.line.counts["reversed"] for his in world.his.values()),
        "向银行查询 questions to the bank": sum(len(rows) for rows in questions),
        "窗口待定 charge pending at the window": counts["charge pending at the window"],
        "窗口失败 charge failed at the window": counts["charge failed at the window"],
        "晚间扣款成功 charged by the evening": counts["charged by the evening"],
        "改付现金 paid in cash instead": counts["paid in cash instead"],
    }


async def open_unknowns(world: World) -> list[str]:
    """Outcomes still unknown at the end: there must be none."""
    rows = await world.staff["operator"].rows("/v1/unknown")
    return [f"未明 unknown {row['counterpart']} {row['operation']} {row['key']}" for row in rows]


async def show(world: World, found: Balance) -> bool:
    """Prints the report. True when everything balances."""
    console = world.stage.console
    found.differences += [*world.facts.problems, *await open_unknowns(world), *_expectations(world)]
    console.print(table(world, found))
    _print(world, "经过 what happened", world.facts.counts)
    verdicts = await attempts(world)
    _print(world, "网关发出的请求 attempts by counterpart and verdict", {
        f"{counterpart} {verdict}": count for (counterpart, verdict), count in sorted(verdicts.items())
    })  # fmt: skip
    struck = Counter(f"{name} {operation} {in_chinese(kind)} {kind}" for name, operation, kind in world.facts.faults)
    _print(world, "注入的故障 faults that struck", struck)
    _print(world, "重复请求均无第二次效果 repeats without a second effect", await suppressed(world))
    _print(world, "未明结果的去向 how open outcomes were closed", await resolutions(world))
    for order, amount in world.facts.failed_orders.items():
        console.print(
            f"[yellow]拨付失败 failed order[/] {order} {money(amount)}：不再二次拨付，{money(found.waiting)} 待月结"
        )
    return _verdict(world, found)


def _expectations(world: World) -> list[str]:
    """What the story itself must have seen, whatever the sums say."""
    wrong = []
    if world.facts.failed_orders and world.facts.resubmit_code != "NO_SECOND_PAYOUT":
        wrong.append(f"重新提交应拒绝 a resubmission must be refused: {world.facts.resubmit_code or 'it was accepted'}")
    if len(world.facts.failed_orders) != 1:
        wrong.append(f"应有一笔拨付失败 one failed order expected, {len(world.facts.failed_orders)} found")
    return wrong


def _print(world: World, title: str, figures: Mapping[str, int]) -> None:
    """A heading and its counts, two to a line."""
    console = world.stage.console
    console.print(f"[bold]{escape(title)}[/]")
    grid = Table.grid(padding=(0, 2))
    for _ in range(6):
        grid.add_column(no_wrap=True)
    shown = [(escape(name), f"[bold]{count}[/]") for name, count in figures.items() if count] or [("–", "")]
    for number in range(0, len(shown), 2):
        second = shown[number + 1] if number + 1 < len(shown) else ("", "")
        grid.add_row("  ·", *shown[number], "  ·" if second[0] else "", *second)
    console.print(grid)


def _verdict(world: World, found: Balance) -> bool:
    console = world.stage.console
    if not found.differences:
        console.print("[bold green]✔ 医院 = 平台 = 银行，分毫不差  hospital = platform = bank, to the fen[/]")
        return True
    console.print(f"[bold red]✘ {len(found.differences)} 处不符 differences:[/]")
    for difference in found.differences:
        console.print(f"   [red]{escape(difference)}[/]")
    return False
