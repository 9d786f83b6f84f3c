"""Makes ``people.json``: invented insured people of the sandbox's cities. Same script, same file.

Every identity number has a deliberately wrong check digit, so that none can be a living person's.
Use: ``python -m simulators.data.make_people > simulators/data/people.json``
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

AREAS = {
    "430500": "430502",
    "440100": "440103",
    "640100": "640104",
    "120100": "120101",
    "350500": "350502",
    "530100": "530102",
}
PER_AREA = 40
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英兰玉萍红鹏辉玲"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_EMPLOYEES = ("1101", "1101", "1101", "1102", "1103", "1201")
_RESIDENTS = ("1501", "1501", "1402", "1403", "1404")
_YEARS = {"1201": (1945, 1962), "1402": (2018, 2021), "1403": (2008, 2017), "1404": (2003, 2006)}


def wrong_certno(seventeen: str) -> str:
    """The number with a check digit that is not the right one (the next in the list)."""
    total = sum(int(digit) * weight for digit, weight in zip(seventeen, _WEIGHTS, strict=True))
    return seventeen + _CHECKS[(total + 1) % 11]


def people() -> list[dict[str, Any]]:
    """All rows, in order; a third of the people residents (390), the rest employees (310), some with maternity (510)
    as a second insurance and some residents under medical assistance."""
    dice = random.Random(430500)
    rows = []
    for area, district in AREAS.items():
        for number in range(1, PER_AREA + 1):
            insutype = "390" if number % 3 == 0 else "310"
            row = _person(dice, area, district, number, insutype)
            rows.append({**row, "psn_idet_type": "01"} if number % 12 == 0 else row)
            if number % 10 == 0 and insutype == "310":
                rows.append({**row, "insutype": "510"})
    return rows


def _person(dice: random.Random, area: str, district: str, number: int, insutype: str) -> dict[str, Any]:
    psn_type = dice.choice(_RESIDENTS if insutype == "390" else _EMPLOYEES)
    first, last = _YEARS.get(psn_type, (1965, 2000))
    born = f"{dice.randint(first, last)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"
    gend = str(dice.randint(1, 2))
    sequence = f"{number:02d}{'1' if gend == '1' else '2'}"
    return {
        "psn_no": f"{area}00000000990000{number:06d}",
        "psn_name": dice.choice(_SURNAMES) + "".join(dice.sample(_GIVEN, dice.randint(1, 2))),
        "psn_cert_type": "01",
        "certno": wrong_certno(f"{district}{born.replace('-', '')}{sequence}"),
        "gend": gend,
        "brdy": born,
        "insutype": insutype,
        "insuplc_admdvs": area,
        "psn_type": psn_type,
        "balc": f"{dice.randint(0, 5_000)}.{dice.randint(0, 99):02d}" if insutype == "310" else "0.00",
    }


def main() -> None:
    """Writes the file's content to standard output, a person a line."""
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in people())
    sys.stdout.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
