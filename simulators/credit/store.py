"""What the simulated credit platform remembers: posted scores, queries, negative information, lists."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from simulators.common.journal import Journal, Table
from simulators.credit.schemes import Scheme, schemes

_RESIDENT_ID = re.compile(r"[1-9][0-9]{5}(?P<birth>[12][0-9]{7})[0-9]{3}[0-9Xx]")
_OTHER_ID = re.compile(r"[A-Za-z0-9()/-]{5,30}")
_SCORE_MEMBERS = frozenset({"scheme", "score", "grade", "mark", "score_date", "qualification", "released", "found"})


class ScoreRefused(ValueError):
    """A posted score makes no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the platform says about one person in one scheme; ``score`` is decimal text."""

    score: str | None
    grade: str | None
    mark: bool
    qualification: bool | None
    score_date: str | None
    released: bool = True
    found: bool = True


def certno_is_well_formed(psn_cert_type: str, certno: str) -> bool:
    """Whether the number can be of its type. A resident's number needs a real birth date; its check digit is not
    looked at (the examples of the national interface are invented with wrong ones on purpose)."""
    if psn_cert_type != "01":
        return _OTHER_ID.fullmatch(certno) is not None
    found = _RESIDENT_ID.fullmatch(certno)
    if found is None:
        return False
    birth = found["birth"]
    try:
        date(int(birth[:4]), int(birth[4:6]), int(birth[6:]))
    except ValueError:
        return False
    return True


def parse_scores(content: Any) -> dict[tuple[str, str], Standing]:
    """The body of ``PUT /_sim/scores`` as standings by (scheme, certno). Raises ScoreRefused."""
    if not isinstance(content, dict):
        raise ScoreRefused("an object of certno → score is expected")
    standings: dict[tuple[str, str], Standing] = {}
    for certno, posted in content.items():
        for row in posted if isinstance(posted, list) else [posted]:
            scheme, standing = _standing(row)
            standings[scheme.name, certno.upper()] = standing
    return standings


def _standing(row: Any) -> tuple[Scheme, Standing]:
    if not isinstance(row, dict) or set(row) - _SCORE_MEMBERS:
        raise ScoreRefused(f"members: {', '.join(sorted(_SCORE_MEMBERS))}")
    scheme = schemes().get(str(row.get("scheme")))
    if scheme is None:
        raise ScoreRefused(f"scheme: one of {', '.join(schemes())}")
    score = None if row.get("score") is None else str(row["score"])
    return scheme, Standing(
        score=score,
        grade=row["grade"] if row.get("grade") else _grade(scheme, score),
        mark=bool(row.get("mark")),
        qualification=row.get("qualification", True if scheme.qualification else None),
        score_date=row.get("score_date"),
        released=row.get("released", True) is not False,
        found=row.get("found", True) is not False,
    )


def _grade(scheme: Scheme, score: str | None) -> str | None:
    try:
        return scheme.grade_of(score)
    except InvalidOperation:
        return None  # "abc" may be posted on purpose: whoever asks has to notice


class Store:
    """Tables of the platform; every change belongs to the step under way."""

    def __init__(self, journal: Journal) -> None:
        self._scores = journal.table("scores", load=lambda row: Standing(**row), dump=asdict)
        self.queries: Table[dict[str, Any]] = journal.table("queries")
        """Every query with its request as sent, oldest first."""
        self.asked: Table[dict[str, Any]] = journal.table("asked")
        """request_id → the content it was first used with."""
        self.events: Table[dict[str, Any]] = journal.table("events")
        self.batches: Table[dict[str, Any]] = journal.table("batches")

    def post(self, standings: dict[tuple[str, str], Standing]) -> None:
        for (scheme, certno), standing in standings.items():
            self._scores.put(f"{scheme}|{certno}", standing)

    def standing(self, scheme: Scheme, certno: str, today: date) -> Standing:
        """The posted standing, else the derived one, dated the first of the business month."""
        posted = self._scores.get(f"{scheme.name}|{certno.upper()}")
        if posted is not None:
            return posted
        score = scheme.derived_score(certno)
        qualified = True if scheme.qualification else None
        return Standing(score, scheme.grade_of(score), False, qualified, today.replace(day=1).isoformat())

    def open_record(self, scheme: str, certno: str) -> bool:
        """Whether an OPEN piece of negative information about the person was ever taken in this scheme."""
        return any(
            row["content"]["scheme"] == scheme
            and row["content"]["certno"].upper() == certno.upper()
            and row["content"]["status"] == "OPEN"
            for row in self.events.values()
        )


def fen(amount: str) -> int:
    """Yuan with two decimals as fen; the contract's pattern has already been checked."""
    return int(Decimal(amount) * 100)
