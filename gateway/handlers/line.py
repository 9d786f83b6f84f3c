"""The credit line: what it is worth, what is free of it, and how long it costs nothing (R-044, R-049, R-085)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from gateway.handlers.base import NOTE, PASS, REFUSE, Decision, Reason, allow, handler, refuse
from gateway.model.money import format_yuan
from gateway.model.profile import LocalityProfile


@dataclass(frozen=True, slots=True)
class Offer:
    """A bank's offer in fen with the cap of the score band, and the person's other live lines in the scheme."""

    offer_fen: int
    cap_fen: int | None = None
    other_lines_fen: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The limit to use in fen; `mismatch` raises an alarm because the bank offered more than the cap allows."""

    limit_fen: int
    mismatch: bool = False


@handler("limit", "bank_offer_within_cap")
def bank_offer_within_cap(offer: Offer, profile: LocalityProfile) -> Decision[Line]:
    """Return min(cap − the person's other lines, offer): the bank sets the limit, the cap bounds it (R-044, AMB-34).

    Refuses INVALID_AMOUNT for an offer outside the profile's range (R-085) and ABOVE_CAP where other lines have used up
    the cap. An offer of 0 stays 0: the bank may do that (R-007).
    """
    limit = profile.credit.limit if profile.credit else None
    too_small = limit is not None and offer.offer_fen < limit.min
    too_large = limit is not None and limit.max is not None and offer.offer_fen > limit.max
    if offer.offer_fen < 0 or too_small or too_large:
        detail = f"银行授信 {format_yuan(offer.offer_fen)} 元不在本方案范围内"
        return refuse("INVALID_AMOUNT", Reason("limit.range", REFUSE, detail, "R-085"), field="credit_limit")
    if offer.cap_fen is None:
        return allow(Line(offer.offer_fen), Reason("limit.bank", PASS, "额度由银行核定", "R-077"))
    room = offer.cap_fen - offer.other_lines_fen
    if room <= 0:
        detail = f"其他额度已用满上限 {format_yuan(offer.cap_fen)} 元"
        return refuse("ABOVE_CAP", Reason("limit.cap", REFUSE, detail, "AMB-34"))
    if offer.offer_fen <= room:
        return allow(Line(offer.offer_fen), Reason("limit.cap", PASS, "银行授信未超上限", "R-044"))
    detail = f"银行授信 {format_yuan(offer.offer_fen)} 元超过上限，按 {format_yuan(room)} 元执行并告警"
    return allow(Line(room, mismatch=True), Reason("limit.cap", NOTE, detail, "R-044"))


def available(limit_fen: int, used_fen: int, held_fen: int) -> int:
    """Return avail = limit − used − held (I2); it may be negative after the bank lowered the limit."""
    return limit_fen - used_fen - held_fen


def used_after_repayment(used_fen: int, repaid_fen: int, *, revolving: bool) -> int:
    """Return what still counts as used: a repayment frees a revolving line, never another one."""
    return max(0, used_fen - repaid_fen) if revolving else used_fen


def interest_free_until(advance: date, bank_days: int | None, profile: LocalityProfile) -> Decision[date]:
    """Return the last interest-free day; day 0 is the bank's posting date (R-049, AMB-07).

    The bank's days count, the profile's maximum where it names none, and never more than that maximum.
    """
    most = profile.credit.free_days_max if profile.credit else 0
    days = most if bank_days is None else min(bank_days, most)
    last = advance + timedelta(days=days)
    decision = NOTE if bank_days is not None and bank_days > most else PASS
    return allow(last, Reason("line.free_days", decision, f"无息 {days} 天，至 {last.isoformat()}", "R-049"))
