"""Reconciliation by detail: our lines up (9101), compared (3202), the platform's word back (9102; 3.12, 3.13)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Protocol, cast

import structlog

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.flows.recon.totals import GroupKey, Totals, counted, groups_of
from gateway.journal.entities import Entity
from gateway.model.ids import derive_number
from gateway.model.insurance import NationalFile, NationalMessage, NationalReply, StatementRow
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused

INFNO: Final = "3202"
_NEEDED: Final = frozenset({"9101", INFNO, "9102"})
_log = structlog.get_logger("recon")


class StatementCodec(Protocol):
    """What the platform's adapter builds for a reconciliation by detail."""

    def upload(self, hospital: NationalMessage, filename: str, rows: Sequence[StatementRow]) -> NationalMessage:
        """9101 with our lines."""
        ...

    def detail(self, hospital: NationalMessage, file: NationalFile, **asked: Any) -> NationalMessage:
        """3202 of an uploaded file."""
        ...

    def download(self, hospital: NationalMessage, file: NationalFile) -> NationalMessage:
        """9102 of the result."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """What one file holds: 3202 knows no insurance type, so all groups of a clearing type and agency are in it."""

    hospital: str
    setl_date: str
    clr_type: str
    clr_optins: str

    @classmethod
    def of(cls, key: GroupKey) -> Scope:
        """The scope a group is part of."""
        return cls(key.hospital, key.setl_date, key.clr_type, key.clr_optins)

    @property
    def id(self) -> str:
        """The scope's number, the same on every run."""
        return derive_number("D", self.hospital, self.setl_date, self.clr_type, self.clr_optins)


@dataclass(frozen=True, slots=True)
class Statement:
    """The two sides of a scope: the rows of ours that count, and what the platform says of each that differs.

    ``number`` is that of the platform's result file: the same comparison read again is told from a new one by it.
    """

    scope: Scope
    number: str
    claims: tuple[Entity, ...]
    rows: tuple[StatementRow, ...]


def can_detail(house: House) -> bool:
    """Whether this platform compares settlement by settlement."""
    return house.delivery.counterparts[house.insurance].adapter.manifest.operations.keys() >= _NEEDED


async def statement_of(house: House, scope: Scope, run: str) -> Statement | None:
    """The comparison of a scope, once per run and content; None while the platform has not given one."""
    groups = await groups_of(house, scope.hospital, date.fromisoformat(scope.setl_date))
    claims = [claim for key, found in groups.items() if Scope.of(key) == scope for claim in found]
    rows = sorted(await counted(house, claims), key=lambda claim: claim.id)
    try:
        result = await _Exchange(house, scope, run, rows).result()
    except Refusal as refusal:
        _log.warning("comparison not sent", hospital=scope.hospital, code=refusal.code)
        return None
    return None if result is None else Statement(scope, result[0], tuple(rows), result[1])


def line_of(claim: Entity) -> StatementRow:
    """A claim as a line of the file; a refund is a line of its own with its negative amounts."""
    return StatementRow(
        setl_id=claim["setl_id"], mdtrt_id=claim["mdtrt_id"], psn_no=claim["psn_no"], refund=bool(claim["refund"]),
        medfee_fen=claim["medfee_fen"], fund_fen=claim["fund_fen"], acct_fen=claim["acct_fen"],
    )  # fmt: skip


class _Exchange:
    """The three messages of a comparison, each under a key of the run and of what is compared."""

    def __init__(self, house: House, scope: Scope, run: str, claims: Sequence[Entity]) -> None:
        self._house, self._scope, self._run, self._claims = house, scope, run, claims
        self._lines = tuple(line_of(claim) for claim in claims)
        digest = hashlib.sha256("".join(line.model_dump_json() for line in self._lines).encode()).hexdigest()[:16]
        self._key = f"{scope.id}|{derive_number('R', run)}|{digest}"
        self._codec = cast(StatementCodec, house.delivery.counterparts[house.insurance].codec)

    async def result(self) -> tuple[str, tuple[StatementRow, ...]] | None:
        """(number of the result file, its rows), or None when one of the three got no answer."""
        hospital = self._house.hospital(self._scope.hospital)
        sender = NationalMessage(
            infno=INFNO, fixmedins_code=hospital.code, fixmedins_name=hospital.name, mdtrtarea_admvs=hospital.pool_area
        )
        sender = await signing_in.completed(self._house, sender, f"{self._run}|{hospital.code}")
        uploaded = await self._said(self._codec.upload(sender, self._filename(), self._lines))
        if uploaded is None or uploaded.file is None:
            return None
        compared = await self._said(self._detail(sender, uploaded.file))
        if compared is None or compared.file is None:
            return None
        told = await self._said(self._codec.download(sender, compared.file))
        return None if told is None else (compared.file.file_qury_no, told.statement)

    def _filename(self) -> str:
        scope = self._scope
        return f"{scope.hospital}_{scope.setl_date.replace('-', '')}_{scope.clr_type}_{scope.clr_optins}.txt.zip"

    def _detail(self, sender: NationalMessage, file: NationalFile) -> NationalMessage:
        totals, day = Totals.of(self._claims), date.fromisoformat(self._scope.setl_date)
        return self._codec.detail(
            sender, file, clr_type=self._scope.clr_type, setl_optins=self._scope.clr_optins, begin=day, end=day,
            medfee_fen=totals.medfee_fen, fund_fen=totals.fund_fen, count=totals.count,
            cash_fen=sum(claim["cash_fen"] for claim in self._claims),
        )  # fmt: skip

    async def _said(self, message: NationalMessage) -> NationalReply | None:
        """The platform's word. What is not answered is asked for again by its plan and by the next run."""
        verdict = await signing_in.send(
            self._house,
            Order(
                self._house.insurance, message.infno, self._key, message, f"{self._run}|{self._scope.hospital}",
                self._scope.id, self._scope.hospital,
            ),
        )  # fmt: skip
        match verdict:
            case Done(reply) if isinstance(reply, NationalReply):
                return reply
            case Refused(code, text):
                _log.warning("comparison refused", infno=message.infno, hospital=self._scope.hospital, code=code,
                             text=text[:80])  # fmt: skip
        return None
