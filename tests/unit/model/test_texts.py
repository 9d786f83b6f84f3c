"""Both languages say the same things, and every state, rule and perk has a name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.model import machines
from gateway.model.masked import PersonName
from gateway.model.profile import load_all
from gateway.model.texts import label, placeholders, state_name, text, texts

ROOT = Path(__file__).parents[3]
MACHINES = [value for value in vars(machines).values() if isinstance(value, machines.Machine)]


def test_both_languages_have_the_same_keys_and_facts() -> None:
    zh, en = texts("zh"), texts("en")
    assert list(zh) == list(en)
    assert [key for key in zh if placeholders(zh[key]) != placeholders(en[key])] == []
    assert [key for key, value in en.items() if re.search(r"[\u4e00-\u9fff]", value)] == []
    assert [key for key, value in zh.items() if not re.search(r"[\u4e00-\u9fff]", value)] == []


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.kind)
def test_every_state_has_a_name(machine: machines.Machine) -> None:
    assert [state for state in machine.states if f"state.{machine.kind}.{state}" not in texts("zh")] == []


def _calls(*names: str) -> Iterator[ast.Call]:
    """Calls of these functions anywhere in the gateway."""
    for path in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in names:
                    yield node


def _literals(call: ast.Call) -> Iterator[str]:
    """Texts written out among a call's arguments."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield argument.value


def test_every_rule_has_a_name() -> None:
    used = {next(_literals(call), "") for call in _calls("Reason")} - {""}
    gates = {f"eligibility.{next(_literals(call))}" for call in _calls("_gate")}
    assert len(gates) == 9
    assert {rule for rule in used | gates if f"rule.{rule}" not in texts("zh")} == set()


def test_every_task_and_suggestion_has_a_name() -> None:
    words = {word for call in _calls("raise_task", "alarm") for word in _literals(call)}
    kinds = {word for word in words if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", word)}
    suggestions = {word for word in words if re.fullmatch(r"[a-z]+\.[a-z_]+", word)}
    assert {"IDENTITY_DIFFERS"} <= kinds
    missing = [key for key in sorted(kinds) if f"task.{key}" not in texts("zh")]
    missing += [key for key in sorted(suggestions) if f"suggest.{key}" not in texts("zh")]
    assert missing == []


def test_every_grade_and_perk_of_the_profiles_has_a_name() -> None:
    grades = [grade for profile in load_all() if profile.credit for grade in profile.credit.grades]
    keys = {f"grade.{grade.meaning}" for grade in grades} | {f"perk.{perk}" for grade in grades for perk in grade.perks}
    assert keys - set(texts("zh")) == set()


def test_texts_are_filled_in_and_masked_values_stay_masked() -> None:
    assert text("creditpay.CHARGED", amount="200.00") == "信用支付成功，扣款 200.00 元"
    assert text("creditpay.CHARGED", "en", amount="200.00") == "credit pay succeeded: 200.00 yuan charged"
    assert "张*" in text("creditpay.CHARGED", amount=PersonName("张三"))
    assert state_name("visit", "SETTLED") == "已结清"
    assert state_name("visit", "SOMETHING") == "SOMETHING"
    assert label("task.CALLBACK_FAILED", "en") == "a callback to the hospital failed"
    assert label("task.SOMETHING") == "task.SOMETHING"


def test_mistakes_are_errors() -> None:
    with pytest.raises(KeyError):
        text("creditpay.CHARGED")
    with pytest.raises(KeyError):
        text("no.such.key")
    with pytest.raises(ValueError, match="no texts"):
        texts("fr")
