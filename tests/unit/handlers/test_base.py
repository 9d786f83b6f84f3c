"""Handlers are found by the names a profile gives, and a decision turns into a refusal with its facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gateway.handlers.base import GROUP, Decision, Reason, allow, load_handler, missing_handlers, refuse
from gateway.model.profile_credit import CreditHandlers
from gateway.model.refusals import Refusal, dictionary
from tests.unit.handlers.handler_facts import PROFILES, with_credit


def test_every_handler_of_the_shipped_profiles_is_installed() -> None:
    assert [missing_handlers(profile) for profile in PROFILES] == [()] * 6


def test_entry_points_and_marks_are_in_step() -> None:
    names = [entry.name for entry in entry_points(group=GROUP)]
    assert len(names) >= 12
    for name in names:
        kind, _, short = name.partition(".")
        assert getattr(load_handler(kind, short), "__xinyi_handler__", None) == name


def test_a_name_nobody_offers() -> None:
    with pytest.raises(LookupError, match=r"eligibility\.astrology"):
        load_handler("eligibility", "astrology")
    odd = with_credit("tianjin", handlers=CreditHandlers(eligibility="astrology"))
    assert missing_handlers(odd) == ("eligibility.astrology",)


def test_a_refusal_carries_code_detail_field_and_facts() -> None:
    decision: Decision[int] = refuse(
        "OVER_LIMIT", Reason("r", "refuse", "超出", "R-013"), field="amount", excess_amt="0.01"
    )
    assert not decision.ok
    with pytest.raises(Refusal) as refused:
        decision.require()
    assert (refused.value.code, refused.value.detail, refused.value.field) == ("OVER_LIMIT", "超出", "amount")
    assert refused.value.facts == {"excess_amt": "0.01"}


def test_a_decision_gives_value_and_reasons() -> None:
    reason = Reason("payout.amount", "pass", "x", "R-116")
    decision = allow(7, reason)
    assert decision.ok
    assert decision.require() == 7
    assert decision.reasons[0].as_dict() == {
        "rule": "payout.amount",
        "decision": "pass",
        "detail": "x",
        "requirement": "R-116",
    }


def _codes(tree: ast.AST) -> Iterator[str]:
    """Codes given to `refuse` and `_gate`, and those in the table of `_faults`."""
    for node in ast.walk(tree):
        places: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            places = node.args[:1] if node.func.id == "refuse" else node.args[3:4] if node.func.id == "_gate" else []
        elif isinstance(node, ast.Tuple) and len(node.elts) == 5 and not isinstance(node.elts[0], ast.Constant):
            places = node.elts[1:2]
        for place in places:
            for leaf in ast.walk(place):
                if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                    yield leaf.value


def test_every_code_the_handlers_refuse_with_is_in_the_dictionary() -> None:
    folder = Path(__file__).parents[3] / "gateway" / "handlers"
    codes = {code for path in folder.glob("*.py") for code in _codes(ast.parse(path.read_text(encoding="utf-8")))}
    assert {"NO_GRADE", "OVER_LIMIT", "NOT_ELIGIBLE_REGION", "SCENE_NOT_SUPPORTED", "PRODUCT_NOT_SIGNED"} <= codes
    assert codes - set(dictionary()) == set()
