"""Texts a person reads, Chinese first: `mappings/texts/zh.toml` and `en.toml` with the same keys.

Refusals have a dictionary of their own (`refusals.py`); here are states, rules, messages, tasks, roles.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

LANGUAGES: Final = ("zh", "en")


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, str):
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            raise ValueError(f"text {prefix}{key} is no string")


@cache
def texts(lang: str) -> Mapping[str, str]:
    """Return every text of a language by its dotted key. Raises ValueError for a language there is none for."""
    if lang not in LANGUAGES:
        raise ValueError(f"no texts in {lang}")
    source = resources.files("mappings").joinpath(f"texts/{lang}.toml").read_text(encoding="utf-8")
    return dict(_flat(tomllib.loads(source)))


def placeholders(template: str) -> frozenset[str]:
    """Return the names of the facts a text needs."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


def text(key: str, lang: str = "zh", **facts: object) -> str:
    """Return a text with its facts filled in. Raises KeyError for an unknown key or a missing fact."""
    return texts(lang)[key].format(**facts)


def label(key: str, lang: str = "zh") -> str:
    """Return the name of a thing (`task.CALLBACK_FAILED`, `rule.leg.limit`); one nobody named shows its own key."""
    return texts(lang).get(key, key)


def state_name(kind: str, state: str, lang: str = "zh") -> str:
    """Return what a state is called; a state nobody named shows its own value."""
    return texts(lang).get(f"state.{kind}.{state}", state)
