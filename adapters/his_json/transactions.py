"""What a hospital may ask for: the national transactions of every adapter that takes them, each with its own check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from adapters import insurance, mobile_pay
from adapters.insurance import fields as insurance_fields
from adapters.mobile_pay import fields as mobile_fields
from gateway.delivery.declare import Manifest

Check = Callable[[str, Mapping[str, Any]], None]
TAKERS: Final[tuple[tuple[Manifest, Check], ...]] = (
    (insurance.ADAPTER.manifest, insurance_fields.validate_input),
    (mobile_pay.ADAPTER.manifest, mobile_fields.validate_input),
)
"""Whose operations are national transactions, and how an input of theirs is checked."""


@cache
def checks() -> Mapping[str, Check]:
    """infno → the check of its input."""
    return MappingProxyType({infno: check for manifest, check in TAKERS for infno in manifest.operations})


def known_infnos() -> frozenset[str]:
    """Every transaction the gateway relays."""
    return frozenset(checks())


def check_input(infno: str, content: Mapping[str, Any]) -> None:
    """The field tables applied to an input. Raises Refusal INVALID_FIELD, INVALID_AMOUNT or SPLIT_MISMATCH."""
    checks()[infno](infno, content)
