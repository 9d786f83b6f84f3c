"""A hospital information system in small: it speaks the national envelope and ``/v1`` and keeps its own books."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulators.common.clock import BusinessClock
from simulators.hospital.books import BookedSettlement, Books
from simulators.hospital.credit import CreditDesk, CreditVisit
from simulators.hospital.envelope import Institution
from simulators.hospital.fees import ITEMS, FeeLine, split
from simulators.hospital.national import Message, NationalAnswer, NationalClient, SettlementReversed
from simulators.hospital.people import Person
from simulators.hospital.v1 import V1Client

_SETTLE_TRIES = 6


@dataclass(frozen=True, slots=True)
class Settled:
    """A settlement's answer: what was booked, the message it was, and ``output.creditpay`` when a line paid."""

    booked: BookedSettlement
    message: Message
    answer: NationalAnswer

    @property
    def creditpay(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.answer.output.get("creditpay")
        return found


class His:
    """One hospital's HIS. ``dice`` invents fee lines; everything else follows from the answers."""

    def __init__(
        self, institution: Institution, gateway: str, clock: BusinessClock, session: aiohttp.ClientSession,
        dice: random.Random,
    ) -> None:  # fmt: skip
        self.institution = institution
        self.line = NationalClient(institution, gateway, clock, session)
        self.v1 = V1Client(institution.token, gateway, session)
        self.desk = CreditDesk(self.v1)
        self.books = Books(institution.code)
        self.dice = dice
        self._number = 0

    def number(self, prefix: str = "") -> str:
        """A number of the hospital's own, unique in it; digits only without a prefix (15 of them)."""
        self._number += 1
        return f"{prefix}{self.line.now():%y%m%d}{self.institution.code[-2:]}{self._number:07d}"

    def fee_lines(self, total: int, parts: int, kinds: tuple[str, ...] = ()) -> list[FeeLine]:
        """Fee lines that add up to ``total`` fen."""
        items = [item for item in ITEMS if not kinds or item.kind in kinds]
        return [FeeLine(self.number(), self.dice.choice(items), part) for part in split(self.dice, total, parts)]

    async def call(self, infno: str, inputs: Mapping[str, Any], person: Person) -> NationalAnswer:
        """A transaction about a person, up to its final answer."""
        return await self.line.call(infno, inputs, person.insuplc_admdvs)

    async def identify(self, person: Person) -> Mapping[str, Any]:
        """1101 by ID card; returns the insurance row of this visit. Raises ValueError when it is somebody else's."""
        data = {
            "mdtrt_cert_type": "02", "mdtrt_cert_no": person.certno, "card_sn": "", "begntime": "",
            "psn_cert_type": person.psn_cert_type, "certno": person.certno, "psn_name": person.psn_name,
        }  # fmt: skip
        output = (await self.call("1101", {"data": data}, person)).output
        if output["baseinfo"]["psn_no"] != person.psn_no:
            raise ValueError("1101 answered another person")
        rows: list[Mapping[str, Any]] = output["insuinfo"]
        return next(row for row in rows if row["insutype"] == person.insutype)

    async def settle(
        self, infno: str, inputs: Mapping[str, Any], person: Person, *, impatient: bool = False
    ) -> Settled:
        """Settles and books. After ``SETTLEMENT_REVERSED`` it settles again with a new msgid, as the gateway asks.

        ``impatient``: sends the same message once more when it has its answer; the two must agree byte for byte.
        """
        for _ in range(_SETTLE_TRIES):
            message = await self.line.message(infno, inputs, person.insuplc_admdvs)
            try:
                answer = await self.line.insist(message)
            except SettlementReversed:
                continue
            if impatient and (again := await self.line.repeat(message)).raw != answer.raw:
                raise ValueError(f"the repeat of {again.msgid} was answered otherwise")
            booked = self.books.book(infno, message.msgid, answer.output["setlinfo"], person.insuplc_admdvs)
            return Settled(booked, message, answer)
        raise ValueError(f"{infno} was reversed {_SETTLE_TRIES} times")

    async def cancel(self, infno: str, booked: BookedSettlement, person: Person) -> NationalAnswer:
        """Cancels a settlement (2208, 2305) and books the cancellation."""
        data = {"setl_id": booked.setl_id, "mdtrt_id": booked.mdtrt_id, "psn_no": person.psn_no}
        answer = await self.call(infno, {"data": data}, person)
        self.books.cancel(booked.setl_id, answer.msgid)
        return answer

    async def open_credit_visit(
        self, agreement_no: str, person: Person, mdtrt_id: str, scene: str, med_type: str
    ) -> CreditVisit:
        visit = {
            "mdtrt_id": mdtrt_id, "psn_no": person.psn_no, "scene": scene, "med_type": med_type,
            "insutype": person.insutype,
        }  # fmt: skip
        return await CreditVisit.open(self.v1, self.institution.code, agreement_no, visit)
