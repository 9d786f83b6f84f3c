"""The guides name what the product has: endpoints, codes, states, events; and their examples are right."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
import re
import tomllib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from docs.examples import his_credit_visit
from docs.sections import DOCS, ROOT
from gateway.flows.registry import ENDPOINTS
from gateway.handlers.feedback import PaidOrder, by_pay_date, feedback_due
from gateway.handlers.month import MonthFacts, formula
from gateway.model.calendar import WorkingCalendar
from gateway.model.callback import CallbackType
from gateway.model.machines import MACHINES
from gateway.model.money import format_yuan, half_up, parse_yuan
from gateway.model.profile import load_profile
from gateway.model.refusals import dictionary

GUIDES = sorted(DOCS.glob("guide-*.md"))
WORDS = {
    # creditpay, acknowledgements, verdicts and kinds that are values on a wire without being states of a machine
    "CHARGED", "PENDING", "NOT_CREDIT", "OK", "MISMATCH", "RETRY", "AWAITING_SECOND_PERSON", "PAID", "LATE_RECEIPT",
    "RETURN", "RJCT", "NOT_FOUND", "AGREEMENT", "REPAYMENT", "DEFAULT", "PAYOUT_RETURN", "POST", "GET", "PUT", "DELETE",
    "DU04", "THEIRS_ONLY", "OURS_ONLY", "DUPLICATE",
}  # fmt: skip


def fenced(page: str, language: str) -> list[str]:
    """The examples of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_paths_that_are_named_are_mounted(page: Path) -> None:
    mounted = {re.sub(r"\{[^}]*\}", "{}", endpoint.path) for endpoint in ENDPOINTS}
    named = re.findall(r"(?:GET|POST) (/v1/[^\s`?，。；：]+)", page.read_text("utf-8"))
    assert [path for path in named if re.sub(r"\{[^}]*\}", "{}", path) not in mounted] == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_capital_words_are_words_of_the_product(page: Path) -> None:
    states = {state for machine in MACHINES.values() for state in machine.states}
    named = set(re.findall(r"`([A-Z][A-Z0-9_]{1,})`", page.read_text("utf-8")))
    assert sorted(named - states - dictionary().keys() - WORDS) == []


def test_vector_of_the_guide_is_right_and_so_is_the_example() -> None:
    page = (DOCS / "guide-hospital.md").read_text("utf-8")
    timestamp, token, nonce, signature = (
        re.search(rf"^\| {name} \| `([^`]+)` \|$", page, re.MULTILINE)[1]  # type: ignore[index]
        for name in ("时间戳", "令牌", "随机串", "签名")
    )
    assert hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest() == signature
    assert his_credit_visit.sign(timestamp, token, nonce) == signature
    assert _function(fenced("guide-hospital.md", "python")[0], "sign")(timestamp, token, nonce) == signature


def test_callback_check_of_the_guide_accepts_the_adapters_own_vector() -> None:
    genuine = _function(fenced("guide-hospital.md", "python")[1], "genuine")
    golden = ROOT / "adapters/his_callback/golden"
    case = tomllib.loads((golden / "cases.toml").read_text("utf-8"))
    body = (golden / case["event"]).read_bytes().strip()
    assert genuine(case["secret"], case["timestamp"], body, case["signature"])
    assert not genuine(case["secret"], case["timestamp"], body + b" ", case["signature"])
    assert hmac.new(case["secret"].encode(), b"1795224615." + body, hashlib.sha256).hexdigest() == case["signature"]


def _function(source: str, name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec(compile(ast.parse(source), "guide", "exec"), scope)
    found: Callable[..., Any] = scope[name]
    return found


def test_json_of_the_guides_can_be_read() -> None:
    examples = [example for page in GUIDES for example in fenced(page.name, "json")]
    assert examples
    assert all(json.loads(example) for example in examples)


def test_events_of_the_guide_are_those_the_flows_send() -> None:
    page = (DOCS / "guide-hospital.md").read_text("utf-8").partition("## 7. 回调")[2].partition("## 8.")[0]
    told = {event.value for event in CallbackType if f"`{event.value}`" in page}
    source = "".join(path.read_text("utf-8") for path in (ROOT / "gateway/flows").rglob("*.py"))
    assert told == {event.value for event in CallbackType if f"CallbackType.{event.name}" in source}


# -- the worked example of the agency's guide --------------------------------------------------------------------------


NINGXIA = load_profile(ROOT / "mappings/localities/ningxia.toml")
CELL = r"\s*([^|]+?)\s*"


def march() -> list[dict[str, str]]:
    """The rows of the guide's table: name, settlement date, base, amount, pay date, result."""
    page = (DOCS / "guide-agency.md").read_text("utf-8")
    rows = re.findall(rf"^\|\s*(S\d)\s*\|{CELL}\|{CELL}\|{CELL}\|{CELL}\|{CELL}\|$", page, re.MULTILINE)
    return [dict(zip(("name", "settled", "base", "amount", "paid", "result"), row, strict=True)) for row in rows]


def fen(text: str) -> int:
    """An amount of the guide."""
    return parse_yuan(text.replace(",", ""))


def day(text: str) -> date:
    """A day of March or April 2025 as the guide writes it."""
    return date.fromisoformat(f"2025-{text[-5:]}")


def test_amounts_and_days_of_the_worked_example() -> None:
    assert NINGXIA.payout is not None
    calendar, ratio = WorkingCalendar.load(), NINGXIA.payout.daily_ratio
    rows = march()
    assert [row["name"] for row in rows] == ["S1", "S2", "S3", "S4", "S5"]
    assert [fen(row["amount"]) for row in rows] == [half_up(fen(row["base"]), ratio) for row in rows]
    assert [day(row["paid"]) for row in rows] == [calendar.next_working_day(day(row["settled"])) for row in rows]
    assert feedback_due("202503", NINGXIA.payout, calendar) == date(2025, 4, 7)


def feedback_of(rows: list[dict[str, str]], failed: str) -> int:
    """The deduction basis of March in fen when the named row has no receipt."""
    orders = [
        PaidOrder(
            row["name"], "H64000100001", "310", day(row["settled"]), day(row["paid"]), fen(row["amount"]),
            "FAILED" if row["name"] == failed else "PAID", None if row["name"] == failed else day(row["paid"]),
        )
        for row in rows
    ]  # fmt: skip
    (hospital,) = by_pay_date("202503", orders, NINGXIA).require().hospitals
    return hospital.basis_fen


def month_pay(rows: list[dict[str, str]], basis_fen: int) -> int:
    """The monthly payment of the example in fen."""
    base = sum(fen(row["base"]) for row in rows)
    facts = MonthFacts(base, parse_yuan("1000.00"), basis_fen, parse_yuan("2500.00"))
    return formula(facts, NINGXIA).require().month_pay_fen


@pytest.mark.parametrize(("failed", "line"), [("S4", "S4 失败（如上）"), ("", "S4 成功")])
def test_failing_a_payout_changes_when_and_not_how_much(failed: str, line: str) -> None:
    page = (DOCS / "guide-agency.md").read_text("utf-8")
    found = re.search(rf"^\| {re.escape(line)} \|{CELL}\|{CELL}\| \*\*{CELL}\*\* \|$", page, re.MULTILINE)
    assert found is not None
    basis, pay, total = (fen(cell) for cell in found.groups())
    assert feedback_of(march(), failed) == basis
    assert month_pay(march(), basis) == pay
    assert basis + pay == total == parse_yuan("47893.82")


def test_wrong_ways_of_the_worked_example() -> None:
    page = (DOCS / "guide-agency.md").read_text("utf-8")
    right, s4 = Decimal("47893.82"), Decimal("12000.00")
    for wrong in (right + s4, right - s4):
        assert f"{format_yuan(int(wrong * 100)):>8}".replace(str(int(wrong)), f"{int(wrong):,}") in page
