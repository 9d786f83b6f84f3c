"""Named switches of a simulator's behaviour (``/_sim/variants``); they survive a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.common.journal import Journal, Table

_SEEDED = "_seeded"


class UnknownVariant(ValueError):
    """No switch of that name."""


class Variants:
    """Switches, all off at the start. Usually true or false; a switch with stages takes a number or a word."""

    def __init__(self, journal: Journal, explained: Mapping[str, str]) -> None:
        self.explained = explained
        self._table: Table[Any] = journal.table("_variants")

    @property
    def seeded(self) -> bool:
        """Whether the state of this data folder was ever initialised."""
        return _SEEDED in self._table

    def mark_seeded(self) -> None:
        self._table.put(_SEEDED, True)

    def __getitem__(self, name: str) -> Any:
        if name not in self.explained:
            raise UnknownVariant(name)
        return self._table.get(name) or False

    def set(self, switches: Mapping[str, Any]) -> None:
        """Sets the switches named and leaves the others; an empty object turns all off. Raises UnknownVariant."""
        for name in switches:
            if name not in self.explained:
                raise UnknownVariant(f"unknown variant {name}; known: {', '.join(self.explained)}")
        for name in switches or self.explained:
            self._table.put(name, switches.get(name, False))

    def show(self) -> dict[str, Any]:
        return {name: {"value": self[name], "explanation": text} for name, text in self.explained.items()}
