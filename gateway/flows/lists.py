"""Settlement lists (4101, 4101A): which settlements have one, so that a month's application may ask for it (R-127)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.flows.house import House
from gateway.flows.payout.jobs import keep_going
from gateway.journal.entities import Act
from gateway.journal.store import Unit
from gateway.model import exact_json
from gateway.model.clock import to_micros
from gateway.model.ids import settlement_key
from gateway.model.insurance import NationalMessage
from gateway.model.machines import CLAIM


async def note_list(house: House, message: NationalMessage, act: Act) -> None:
    """The platform holds the list of a settlement; the first time counts, a settlement that is not ours is passed."""
    setl_id = message.setl_id or _setl_id(message)
    if setl_id:
        await keep_going(partial(_note, house, message.fixmedins_code, setl_id, act))


async def _note(house: House, hospital_code: str, setl_id: str, act: Act) -> None:
    hospital = house.hospital(hospital_code)
    key = settlement_key(hospital.pool_area, hospital.code, setl_id)
    claim = await house.journal.entities.first("claim", "settlement_key = :key", key=key)
    if claim is None or claim["list_uploaded_at"] is not None or not CLAIM.allows(claim.state, "list_uploaded"):
        return
    unit = Unit()
    columns = {"list_uploaded_at": to_micros(house.clock.now())}
    house.journal.entities.move(unit, claim, "list_uploaded", act, columns=columns)
    await house.journal.commit(unit)


def _setl_id(message: NationalMessage) -> str:
    """`setlinfo.setl_id`, in `data` where a province nests it so."""
    payload: Any = exact_json.loads(message.raw).get("input") if message.raw else message.input
    for name in ("setlinfo", "data"):
        node = payload.get(name) if isinstance(payload, Mapping) else None
        if isinstance(node, Mapping) and node.get("setl_id"):
            return str(node["setl_id"])
    return ""
