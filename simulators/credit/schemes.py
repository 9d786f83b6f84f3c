"""Schemes of the simulated credit platform, and the score of a person nobody posted one for.

That score is a function of the certificate number alone, so a story gives the same answers on every machine: the first
eight bytes of SHA-256 over ``scheme|certno`` (upper case), modulo the number of steps in the scheme's range, counted
from its lower end. Nobody carries a dishonesty mark or lacks a qualification unless ``PUT /_sim/scores`` says so.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a scheme's scores, both ends included."""

    low: Decimal
    high: Decimal
    step: Decimal

    @property
    def steps(self) -> int:
        return int((self.high - self.low) / self.step) + 1


@dataclass(frozen=True, slots=True)
class Scheme:
    """A scheme: its scale (None where it has no score), its letters from their lowest score on, its kind of answer."""

    name: str
    title: str
    scale: Scale | None
    grades: tuple[tuple[str, Decimal], ...]
    qualification: bool

    def derived_score(self, certno: str) -> str | None:
        """The score of an unknown person, as text with the step's decimals; None where the scheme has no score."""
        if self.scale is None:
            return None
        digest = hashlib.sha256(f"{self.name}|{certno.upper()}".encode()).digest()
        place = int.from_bytes(digest[:8]) % self.scale.steps
        return str(self.scale.low + place * self.scale.step)

    def grade_of(self, score: str | None) -> str | None:
        """The letter a score falls under; None without letters or for a score outside them."""
        if score is None or self.scale is None or not self.grades:
            return None
        value = Decimal(score)
        if value > self.scale.high:
            return None
        return next((letter for letter, least in self.grades if value >= least), None)


@cache
def schemes() -> dict[str, Scheme]:
    """All schemes by name."""
    table = tomllib.loads(resources.files(__package__).joinpath("schemes.toml").read_text("utf-8"))
    return {name: _scheme(name, row) for name, row in table.items()}


def _scheme(name: str, row: dict[str, object]) -> Scheme:
    scale, grades = row.get("score"), row.get("grades")
    letters = [(str(letter), Decimal(least)) for letter, least in grades] if isinstance(grades, list) else []
    return Scheme(
        name=name,
        title=str(row["title"]),
        scale=Scale(*(Decimal(scale[end]) for end in ("min", "max", "step"))) if isinstance(scale, dict) else None,
        grades=tuple(letters),
        qualification=bool(row.get("qualification")),
    )
