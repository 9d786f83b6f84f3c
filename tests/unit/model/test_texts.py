"""Both languages say the same things, and every state, rule and perk has a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.model import machines
from gateway.model.masked import PersonName
from gateway.model.profile import load_all
from gateway.model.texts import placeholders, state_name, text, texts

HANDLERS = Path(__file__).parents[3] / "gateway" / "handlers"
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


def test_every_rule_of_the_handlers_has_a_name() -> None:
    named = {key.removeprefix("rule.") for key in texts("zh") if key.startswith("rule.")}
    used = set()
    for path in HANDLERS.glob("*.py"):
        used |= set(re.findall(r'Reason\(\s*"([a-z_.]+)"', path.read_text(encoding="utf-8")))
    gates = re.findall(r'_gate\(\s*"([a-z_]+)"', (HANDLERS / "eligibility.py").read_text(encoding="utf-8"))
    assert len(gates) == 9
    used |= {f"eligibility.{rule}" for rule in gates}
    assert used - named == set()
    assert {rule for rule in named if rule.split(".")[0] != "visit"} - used == set()


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


def test_mistakes_are_errors() -> None:
    with pytest.raises(KeyError):
        text("creditpay.CHARGED")
    with pytest.raises(KeyError):
        text("no.such.key")
    with pytest.raises(ValueError, match="no texts"):
        texts("fr")
