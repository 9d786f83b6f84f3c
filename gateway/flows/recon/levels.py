"""The hospital's level by the platform's word (1201); it wins over the profile's (R-112)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.model.insurance import NationalMessage, NationalReply
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done

INFNO: Final = "1201"


async def level_of(house: House, hospital_code: str, run: str) -> int | None:
    """The level, or None where nobody pays out or the platform says nothing readable: then the profile's counts."""
    hospital = house.hospital(hospital_code)
    if house.agency_of(hospital.pool_area) is None:
        return None
    message = NationalMessage(
        infno=INFNO, fixmedins_code=hospital.code, fixmedins_name=hospital.name, mdtrtarea_admvs=hospital.pool_area,
        input={
            "medinsinfo": {"fixmedins_type": "1", "fixmedins_name": hospital.name, "fixmedins_code": hospital.code}
        },
    )  # fmt: skip
    try:
        message = await signing_in.completed(house, message, f"{run}|{hospital.code}")
    except Refusal:
        return None
    place = f"{run}|{hospital.code}"
    order = Order(house.insurance, INFNO, place, message, place, hospital.code, hospital.code)
    verdict = await signing_in.send(house, order)
    if isinstance(verdict, Done) and isinstance(verdict.reply, NationalReply):
        return read_level(verdict.reply.raw, hospital.code)
    return None


def read_level(raw: str, hospital_code: str) -> int | None:
    """`hosp_lv` of the institution in an answer to 1201: 1, 2 or 3, whatever follows in finer grades."""
    try:
        output = orjson.loads(raw).get("output")
        output = orjson.loads(output) if isinstance(output, str) else output
        rows = output["medinsinfo"]
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return None
    for row in rows if isinstance(rows, list) else [rows]:
        if isinstance(row, Mapping) and row.get("fixmedins_code") in ("", None, hospital_code):
            return _level(row.get("hosp_lv"))
    return None


def _level(value: Any) -> int | None:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return int(text[0]) if text[:1] in ("1", "2", "3") else None
