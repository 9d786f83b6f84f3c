"""The dictionary of refusals: complete, in step with the code base, and readable at a window."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model.refusals import ERR_MSG_LIMIT, Refusal, RefusalCode, cashier_text, describe, dictionary

ROOT = Path(__file__).parents[3]


def _literal_codes(path: Path) -> Iterator[str]:
    """Codes of `Refusal("CODE", …)` in a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Refusal":
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def test_every_code_of_the_code_base_is_in_the_dictionary() -> None:
    sources = [path for room in ("gateway", "adapters") for path in (ROOT / room).rglob("*.py")]
    used = {code for path in sources for code in _literal_codes(path)}
    assert used, "no Refusal found: the search is broken"
    assert used - set(dictionary()) == set()


@pytest.mark.parametrize("row", dictionary().values(), ids=lambda row: row.code)
def test_rows_are_complete(row: RefusalCode) -> None:
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", row.code)
    assert row.http_status in {400, 401, 403, 404, 409, 413, 422, 503}
    assert re.search(r"[\u4e00-\u9fff]", row.zh + row.next_action_zh)
    assert not re.search(r"[\u4e00-\u9fff]", row.en + row.next_action_en)
    assert row.owner in {"caller", "hospital", "patient", "agency", "operator", "credit_platform"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("UNAUTHENTICATED", 401),
        ("TOO_LARGE", 413),
        ("IN_PROGRESS", 409),
        ("NO_SECOND_PAYOUT", 409),
        ("CALENDAR_MISSING", 503),
        ("BANK_UNAVAILABLE", 503),
        ("OVER_LIMIT", 422),
        ("REPLAYED", 401),
    ],
)
def test_status_of_the_register(code: str, status: int) -> None:
    assert describe(code).http_status == status


def test_unknown_code_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        describe("NO_SUCH_CODE")


def test_refusal_carries_its_facts_but_does_not_print_them() -> None:
    refusal = Refusal("OVER_LIMIT", "超出可用额度", field="amount", excess_amt="0.01")
    assert refusal.facts == {"excess_amt": "0.01"}
    assert str(refusal) == "OVER_LIMIT (amount): 超出可用额度"
    assert str(Refusal("NO_GRADE")) == "NO_GRADE"


def test_cashier_text_ends_in_code_and_exchange() -> None:
    assert cashier_text("BANK_UNAVAILABLE", "01ABC").endswith(" [BANK_UNAVAILABLE|01ABC]")
    long = cashier_text("INVALID_FIELD", "01ABC", "字段" * 200)
    assert len(long) == ERR_MSG_LIMIT
    assert long.endswith(" [INVALID_FIELD|01ABC]")
