"""Who pays which part of a bill, in the order of the profile: the line pays the cash part only (R-047, V6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.handlers.base import PASS, REFUSE, Decision, Reason, allow, handler, refuse
from gateway.handlers.charge import hosp_recon_diff
from gateway.model.money import format_yuan
from gateway.model.profile import LocalityProfile


@dataclass(frozen=True, slots=True)
class Bill:
    """A settlement to be paid, in fen: the platform's amounts, and what each personal source can give to cash."""

    amounts: Mapping[str, int]
    personal: Mapping[str, int]

    def fen(self, name: str) -> int:
        """A platform amount, 0 where it left it out."""
        return self.amounts.get(name, 0)


@dataclass(frozen=True, slots=True)
class Share:
    """What one source pays, in fen."""

    source: str
    amount_fen: int


@handler("funding", "ordered")
def ordered(bill: Bill, profile: LocalityProfile) -> Decision[tuple[Share, ...]]:
    """Return the shares of a bill in the profile's order.

    Fund and account shares are the platform's decision and fixed; the cash part goes to CREDIT, CARD or CASH as far as
    each reaches, in order. Refuses SPLIT_MISMATCH where the platform's amounts do not add up to the fee, and OVER_LIMIT
    with the excess where the named sources do not cover the cash part.
    """
    includes = profile.platform.fund_includes_acct
    difference = hosp_recon_diff(bill.fen("medfee_sumamt"), bill.amounts, fund_includes_acct=includes)
    if difference:
        detail = f"结算各部分与总额相差 {format_yuan(difference)} 元"
        return refuse("SPLIT_MISMATCH", Reason("funding.split", REFUSE, detail, "R-048"))
    account = bill.fen("acct_pay")
    fixed = {"FUND": bill.fen("fund_pay_sumamt") - (account if includes else 0), "ACCOUNT": account}
    left, shares = bill.fen("psn_cash_pay"), []
    for source in profile.credit.funding_order if profile.credit else ():
        amount = fixed.get(source, min(left, max(0, bill.personal.get(source, 0))))
        left -= 0 if source in fixed else amount
        shares.append(Share(source, amount))
    if left:
        reason = Reason("funding.cover", REFUSE, f"尚缺 {format_yuan(left)} 元", "R-013")
        return refuse("OVER_LIMIT", reason, value=tuple(shares), excess_amt=format_yuan(left))
    return allow(tuple(shares), Reason("funding.cover", PASS, "各资金来源足额", "R-047"))
