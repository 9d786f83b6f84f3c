"""What a comparison says of each settlement, as findings; pure. A finding becomes a break (3.13, 6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.journal.entities import Entity
from gateway.model.ids import derive_number
from gateway.model.insurance import StatementRow
from gateway.model.money import format_yuan

EQUAL: Final = "EQUAL"
THEIRS_ONLY, OURS_ONLY, DIFFERS, DUPLICATE = "THEIRS_ONLY", "OURS_ONLY", "DIFFERS", "DUPLICATE"
# What people are proposed to do: a reversal or a booking, a check at the platform, the platform's amounts, one of two.
PROPOSED: Final[Mapping[str, str]] = {
    THEIRS_ONLY: "recon.reverse_or_book",
    OURS_ONLY: "recon.verify",
    DIFFERS: "recon.take_theirs",
    DUPLICATE: "recon.keep_one",
}
OWNERS: Final[Mapping[str, str]] = {
    THEIRS_ONLY: "operator", OURS_ONLY: "hospital", DIFFERS: "preparer", DUPLICATE: "operator",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One settlement or refund row the sides do not hold alike. ``claim`` is ours, ``row`` the platform's word."""

    kind: str
    setl_id: str
    msgid: str
    refund: bool
    claim: Entity | None
    row: StatementRow | None

    def number(self, scope_id: str) -> str:
        """The break's number, the same whenever the same row comes up again."""
        return derive_number("K", scope_id, self.setl_id, self.msgid, self.refund)

    def shown(self) -> dict[str, Any]:
        """Both sides as a break keeps them, without personal data."""
        return {
            "kind": self.kind, "refund": self.refund, "claim": None if self.claim is None else self.claim.id,
            "ours": None if self.claim is None else _ours(self.claim),
            "theirs": None if self.row is None else _theirs(self.row),
        }  # fmt: skip


def _ours(claim: Entity) -> dict[str, Any]:
    money = (claim["medfee_fen"], claim["fund_fen"], claim["acct_fen"])
    return {"setl_id": claim["setl_id"], "msgid": claim["msgid"], "state": claim.state, **_money(money)}


def _theirs(row: StatementRow) -> dict[str, Any]:
    money = (row.medfee_fen, row.fund_fen, row.acct_fen)
    return {"setl_id": row.setl_id, "msgid": row.msgid, "memo": row.memo, **_money(money)}


def _money(fen: Sequence[int | None]) -> dict[str, str | None]:
    names = ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")
    return {name: None if value is None else format_yuan(value) for name, value in zip(names, fen, strict=True)}


def findings_of(rows: Sequence[StatementRow], claims: Sequence[Entity]) -> list[Finding]:
    """The differences named by the platform, each once; equal rows, where it sends them, are none.

    ``claims`` are the rows that were compared. A centre-only row under a number or message of a row of ours that
    matched is a duplicate; one whose message is that of a row only we have is the same record under another number.
    """
    by_number: dict[tuple[str, bool], Entity] = {(c["setl_id"], bool(c["refund"])): c for c in claims}
    by_msgid = {claim["msgid"]: claim for claim in claims}
    ours_only = {
        claim.id: row for row in rows if row.stmt_rslt == "INSTITUTION_MORE"
        if (claim := by_number.get((row.setl_id, row.refund))) is not None
    }  # fmt: skip
    found: list[Finding] = []
    for row in rows:
        if row.stmt_rslt in (EQUAL, "INSTITUTION_MORE"):
            continue
        claim = by_number.get((row.setl_id, row.refund))
        if row.stmt_rslt == DIFFERS and claim is not None:
            found.append(_finding(DIFFERS, row, claim))
            continue
        sent = by_msgid.get(row.msgid) if row.msgid else None
        if sent is not None and ours_only.pop(sent.id, None) is not None:
            found.append(_finding(DIFFERS, row, sent))
        elif claim is not None and claim.id not in ours_only:
            found.append(_finding(DUPLICATE, row, claim))
        else:
            found.append(_finding(THEIRS_ONLY if sent is None else DUPLICATE, row, sent))
    left = {claim_id: by_msgid[claim_id.partition("|")[2]] for claim_id in ours_only}
    return found + [_finding(OURS_ONLY, None, claim) for claim in left.values()]


def _finding(kind: str, row: StatementRow | None, claim: Entity | None) -> Finding:
    if row is not None:
        return Finding(kind, row.setl_id, row.msgid, row.refund, claim, row)
    assert claim is not None
    return Finding(kind, claim["setl_id"], claim["msgid"], bool(claim["refund"]), claim, None)
