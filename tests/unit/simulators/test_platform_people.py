"""The seed people are invented, many, and exactly what the script makes."""

from __future__ import annotations

import io
import json
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

from simulators.data import make_people

SEED = Path(make_people.__file__).with_name("people.json")
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def test_the_seed_file_is_what_the_script_makes() -> None:
    written = io.StringIO()
    with redirect_stdout(written):
        make_people.main()
    assert written.getvalue() == SEED.read_text(encoding="utf-8")


def test_every_identity_number_is_impossible() -> None:
    for row in json.loads(SEED.read_text(encoding="utf-8")):
        total = sum(int(digit) * weight for digit, weight in zip(row["certno"][:17], WEIGHTS, strict=True))
        assert len(row["certno"]) == 18
        assert row["certno"][17] != "10X98765432"[total % 11]


def test_every_city_has_employees_and_residents() -> None:
    people = json.loads(SEED.read_text(encoding="utf-8"))
    assert len({row["psn_no"] for row in people}) >= 200
    assert len({row["certno"] for row in people}) == len({row["psn_no"] for row in people})
    kinds = Counter((row["insuplc_admdvs"], row["insutype"]) for row in people)
    for area in ("430500", "440100", "640100", "120100", "350500", "530100"):
        assert kinds[area, "310"] >= 20
        assert kinds[area, "390"] >= 10
