"""Checks a body against the contract's schema files, read as data from the folder of the REST contract.

Only the keywords those files use are understood; an unknown one is an error of the contract, not of the sender.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson

CONTRACT = Path(__file__).resolve().parents[2] / "adapters" / "credit_rest" / "contract"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
}  # fmt: skip
_KNOWN = frozenset({
    "$schema", "title", "description", "type", "additionalProperties", "required", "properties", "pattern", "minLength",
    "maxLength", "enum", "minimum", "maximum", "minItems", "maxItems", "items",
})  # fmt: skip


class ContractBroken(ValueError):
    """A schema file uses a keyword this checker does not know."""


@cache
def schema(name: str) -> dict[str, Any]:
    """The schema of a message, e.g. ``query.request``."""
    content: dict[str, Any] = orjson.loads((CONTRACT / f"{name}.schema.json").read_bytes())
    return content


def violation(name: str, body: Any) -> tuple[str, str] | None:
    """The first member that breaks the schema ``name`` with what is wrong about it, or None when all is well."""
    return _check(schema(name), body, "")


def _check(rule: dict[str, Any], value: Any, path: str) -> tuple[str, str] | None:
    if unknown := set(rule) - _KNOWN:
        raise ContractBroken(f"{path or 'schema'}: {sorted(unknown)[0]}")
    if "enum" in rule and value not in rule["enum"]:
        return path, f"one of {', '.join(rule['enum'])}"
    if "type" in rule and not _is_type(value, rule["type"]):
        return path, f"type {rule['type']}"
    if isinstance(value, str):
        return _check_text(rule, value, path)
    if isinstance(value, dict):
        return _check_object(rule, value, path)
    if isinstance(value, list):
        return _check_list(rule, value, path)
    return _check_number(rule, value, path)


def _is_type(value: Any, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):  # an int to Python, not to JSON
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)


def _check_text(rule: dict[str, Any], value: str, path: str) -> tuple[str, str] | None:
    if len(value) < rule.get("minLength", 0) or len(value) > rule.get("maxLength", len(value)):
        return path, "length"
    if "pattern" in rule and not re.search(rule["pattern"].replace("$", r"\Z"), value):
        return path, f"pattern {rule['pattern']}"
    return None


def _check_number(rule: dict[str, Any], value: Any, path: str) -> tuple[str, str] | None:
    if isinstance(value, int) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        return path, "range"
    return None


def _check_object(rule: dict[str, Any], value: dict[str, Any], path: str) -> tuple[str, str] | None:
    known = rule.get("properties", {})
    for name in rule.get("required", ()):
        if name not in value:
            return _join(path, name), "missing"
    for name, member in value.items():
        if name in known:
            if found := _check(known[name], member, _join(path, name)):
                return found
        elif rule.get("additionalProperties") is False:
            return _join(path, name), "unknown member"
    return None


def _check_list(rule: dict[str, Any], value: list[Any], path: str) -> tuple[str, str] | None:
    if len(value) < rule.get("minItems", 0) or len(value) > rule.get("maxItems", len(value)):
        return path, "number of items"
    for place, item in enumerate(value):
        if found := _check(rule.get("items", {}), item, f"{path}[{place}]"):
            return found
    return None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
