"""Fee lines of invented treatments: rows of 2204 and 2301 that add up to a total given in fen."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simulators.hospital.envelope import Institution, amount


@dataclass(frozen=True, slots=True)
class Item:
    """One catalogue item: national code, the hospital's own code, kind of visit leg it belongs to."""

    med_list_codg: str
    medins_list_codg: str
    kind: str


ITEMS = (
    Item("001102000010000-110200001", "GH001", "REGISTRATION"),
    Item("002503010010000-250301001", "HY107", "LAB"),
    Item("002102000030000-210200003", "CT003", "EXAM"),
    Item("XN05AXL045A001010101234", "YP2201", "DRUG"),
    Item("XJ01DDT079B002020104321", "YP3310", "DRUG"),
    Item("001109000010000-110900001", "CW001", "BED"),
    Item("001201000030000-120100003", "HL003", "NURSING"),
    Item("003310080030000-331008003", "SS208", "SURGERY"),
)


def split(dice: random.Random, total: int, parts: int) -> list[int]:
    """``total`` fen in ``parts`` positive amounts. Raises ValueError when there are not enough fen."""
    if total < parts:
        raise ValueError("fewer fen than parts")
    cuts = sorted(dice.sample(range(1, total), parts - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total], strict=True)]


@dataclass(frozen=True, slots=True)
class FeeLine:
    """One fee line of a visit; ``fen`` is its whole amount."""

    feedetl_sn: str
    item: Item
    fen: int

    def row(self, institution: Institution, mdtrt_id: str, psn_no: str, at: datetime) -> dict[str, Any]:
        """The row as 2204 and 2301 share it; the caller adds ``chrg_bchno`` or ``med_type``."""
        as_text = institution.amounts_as_text
        return {
            "feedetl_sn": self.feedetl_sn, "mdtrt_id": mdtrt_id, "psn_no": psn_no, "rx_circ_flag": "0",
            "fee_ocur_time": f"{at:%Y-%m-%d %H:%M:%S}", "med_list_codg": self.item.med_list_codg,
            "medins_list_codg": self.item.medins_list_codg, "det_item_fee_sumamt": amount(self.fen, as_text=as_text),
            "cnt": 1, "pric": amount(self.fen, as_text=as_text), "bilg_dept_codg": "A03", "bilg_dept_name": "内科",
            "bilg_dr_codg": "D430500000001", "bilg_dr_name": "医师甲", "hosp_appr_flag": "1",
        }  # fmt: skip
