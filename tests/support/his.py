"""A hospital's client for tests: the simulator's HIS against a running town, and raw posts."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import aiohttp

from simulators.common.clock import BusinessClock
from simulators.hospital.encounters import Outpatient
from simulators.hospital.envelope import Institution, tif_headers
from simulators.hospital.his import His
from simulators.hospital.people import Person
from tests.support.sandbox import Town

CALL_SERVICE = "/fsi/api/rsfComIfsService/callService"


@cache
def people(area: str) -> tuple[Person, ...]:
    """The sandbox's insured of an area."""
    rows = json.loads(resources.files("simulators.data").joinpath("people.json").read_text("utf-8"))
    return tuple(
        Person(
            psn_no=row["psn_no"], psn_name=row["psn_name"], certno=row["certno"], gend=row["gend"],
            brdy=date.fromisoformat(row["brdy"]), insutype=row["insutype"], insuplc_admdvs=row["insuplc_admdvs"],
            psn_type=row["psn_type"], balc=int(Decimal(row["balc"]) * 100), psn_cert_type=row["psn_cert_type"],
        )
        for row in rows
        if row["insuplc_admdvs"].startswith(area)
    )  # fmt: skip


def institution(code: str) -> Institution:
    """A sandbox hospital with its token."""
    return Institution(code, f"示例医院{code[-1]}", code[1:7], f"sandbox-{code}")


class Ward:
    """One hospital of a running town."""

    def __init__(self, town: Town, session: aiohttp.ClientSession, code: str, seed: int = 1) -> None:
        self.town, self.session, self.code = town, session, code
        clock = BusinessClock(town.place.clock_file)
        self.his = His(institution(code), town.gateway, clock, session, random.Random(seed))
        # One counter per hospital and town: several clients of a test are still one hospital.
        self.his.line._msgids = town.counters.setdefault(code, self.his.line._msgids)
        self.his._number = town.counters["numbers"] = town.counters.get("numbers", 0) + 1000

    async def fees(self, person: Person, total_fen: int = 20000) -> Outpatient:
        """An outpatient encounter up to its uploaded fees."""
        encounter = Outpatient(self.his, person)
        await encounter.register()
        await encounter.upload(self.his.fee_lines(total_fen, 3))
        return encounter

    async def post(
        self, body: bytes, headers: Mapping[str, str] | None = None, path: str = CALL_SERVICE
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Post bytes as they are; status, parsed body and headers of the answer."""
        signed = {**tif_headers(self.his.institution), **(headers or {})}
        async with self.session.post(self.town.gateway + path, data=body, headers=signed) as answer:
            raw = await answer.read()
            return answer.status, json.loads(raw, parse_float=Decimal), {**answer.headers, "raw": raw.decode()}


@asynccontextmanager
async def ward(town: Town, code: str = "H43050000001", seed: int = 1) -> AsyncIterator[Ward]:
    """A hospital with a session of its own."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as session:
        yield Ward(town, session, code, seed)
