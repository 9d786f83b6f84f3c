"""An insured person as a hospital's front desk knows him, and invented ones for stories: nobody here exists."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "安柏川丹恩帆庚禾吉锦珂澜牧宁沛齐然若书桐维夏湘雅语知子"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"


@dataclass(frozen=True, slots=True)
class Person:
    """One insured person; ``balc`` is the personal account's balance in fen, ``insuplc_admdvs`` where he is insured."""

    psn_no: str
    psn_name: str
    certno: str
    gend: str
    brdy: date
    insutype: str
    insuplc_admdvs: str
    psn_type: str
    balc: int
    psn_cert_type: str = "01"

    def __repr__(self) -> str:
        return f"Person({self.insutype}, {self.insuplc_admdvs})"

    def seed(self) -> dict[str, Any]:
        """The row of the platform simulator's ``POST /_sim/people``."""
        return {
            "psn_no": self.psn_no, "psn_name": self.psn_name, "psn_cert_type": self.psn_cert_type,
            "certno": self.certno, "gend": self.gend, "brdy": self.brdy.isoformat(), "insutype": self.insutype,
            "insuplc_admdvs": self.insuplc_admdvs, "psn_type": self.psn_type, "balc": f"{self.balc / 100:.2f}",
        }  # fmt: skip


def invent(dice: random.Random, area: str, number: int) -> Person:
    """An adult insured in ``area``, employee or resident by the dice. The check digit is wrong on purpose: the number
    can be nobody's."""
    born = date(1948, 1, 1) + timedelta(days=dice.randrange(20_000))
    body = f"{area}{born:%Y%m%d}{number % 1000:03d}"
    employee = dice.random() < 0.6
    retired = born.year < 1965
    return Person(
        psn_no=f"{area}00000099{number:012d}",
        psn_name=dice.choice(_SURNAMES) + "".join(dice.sample(_GIVEN, dice.choice((1, 2)))),
        certno=body + _wrong_check_digit(body),
        gend="1" if number % 2 else "2",
        brdy=born,
        insutype="310" if employee else "390",
        insuplc_admdvs=area,
        psn_type=("1201" if retired else "1101") if employee else "1501",
        balc=dice.randrange(0, 15_000) if employee else 0,
    )


def _wrong_check_digit(body: str) -> str:
    place = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11
    return _CHECK[(place + 1) % 11]
