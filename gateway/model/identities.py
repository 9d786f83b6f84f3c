"""Arithmetic identities of a settlement (national interface §3.6): checked on receipt, alarmed, never refused.

Amounts are fen by field name; a field the platform left out counts as 0 in a sum, and an identity whose own total is
missing is not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

FUNDS: Final = (
    "hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay", "hifdm_pay",
)  # fmt: skip
FEE_PARTS: Final = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
ACCOUNT_FUND: Final = "3102"
"""How fund types of the personal account begin (310200, 310201)."""

DETAIL: Final = {
    "I1": "医疗费总额 ≠ 全自费 + 超限价 + 先行自付 + 政策范围内",
    "I2": "医疗费总额 ≠ 基金 + 个人负担 + 医院负担",
    "I3": "个人负担 ≠ 个人账户 + 现金（+ 共济）",
    "I4": "基金支付总额 ≠ 各项基金之和",
    "I5": "基金支付总额 ≠ 基金分项之和",
    "I7 psn_cash_pay": "个人现金支出为负",
    "I7 acct_pay": "个人账户支出超过原余额",
    "I7 balc": "账户余额 ≠ 原余额 − 个人账户支出",
}


@dataclass(frozen=True, slots=True)
class IdentityDifference:
    """An identity that does not close: its name, and what the platform stated less what its parts add up to, in fen."""

    identity: str
    difference_fen: int
    detail: str


def _sum(amounts: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(amounts.get(name, 0) for name in names)


def _fee(amounts: Mapping[str, int]) -> int | None:
    """I1: the fee by its four cost classes; not checked where the platform gave none of them."""
    if "medfee_sumamt" not in amounts or not any(name in amounts for name in FEE_PARTS):
        return None
    return amounts["medfee_sumamt"] - _sum(amounts, FEE_PARTS)


def _either(difference: int, *others: int) -> int:
    """Return 0 if the difference is one of those another way of counting explains, else the difference."""
    return 0 if difference in others else difference


def _payers(amounts: Mapping[str, int], account_in_fund: int) -> int | None:
    """I2: the fee by who bears it.

    Where the fund total contains the account payment (I6) it may stand in psn_part_amt a second time; both forms close.
    """
    if "medfee_sumamt" not in amounts or "psn_part_amt" not in amounts:
        return None
    borne = _sum(amounts, ("fund_pay_sumamt", "psn_part_amt", "hosp_part_amt"))
    return _either(amounts["medfee_sumamt"] - borne, -account_in_fund)


def _person(amounts: Mapping[str, int], account_in_fund: int) -> int | None:
    """I3: a shared family account is inside acct_pay or beside it, the account payment perhaps in the fund total."""
    if "psn_part_amt" not in amounts:
        return None
    difference = amounts["psn_part_amt"] - _sum(amounts, ("acct_pay", "psn_cash_pay"))
    return _either(difference, amounts.get("acct_mulaid_pay", 0), -account_in_fund)


def _funds(amounts: Mapping[str, int], account_in_fund: int) -> int | None:
    """I4, with the account payment where the fund total contains it (I6)."""
    if "fund_pay_sumamt" not in amounts:
        return None
    return amounts["fund_pay_sumamt"] - _sum(amounts, FUNDS) - account_in_fund


def _details(amounts: Mapping[str, int], details: Iterable[Mapping[str, Any]], account_in_fund: int) -> int | None:
    """I5: the fund rows without the personal account's."""
    rows = [(str(row.get("fund_pay_type") or ""), row.get("fund_payamt")) for row in details]
    if not rows or "fund_pay_sumamt" not in amounts:
        return None
    listed = sum(int(fen) for kind, fen in rows if fen is not None and not kind.startswith(ACCOUNT_FUND))
    return amounts["fund_pay_sumamt"] - listed - account_in_fund


def _balance(amounts: Mapping[str, int], balance_before_fen: int | None) -> dict[str, int]:
    """I7: the person's own account; the part of a shared family account does not leave it."""
    faults = {"I7 psn_cash_pay": min(0, amounts.get("psn_cash_pay", 0))}
    if balance_before_fen is None or "acct_pay" not in amounts:
        return faults
    paid, shared = amounts["acct_pay"], amounts.get("acct_mulaid_pay", 0)
    faults["I7 acct_pay"] = max(0, paid - shared - balance_before_fen)
    if "balc" in amounts:
        faults["I7 balc"] = _either(amounts["balc"] - (balance_before_fen - paid), shared)
    return faults


def differences(
    amounts: Mapping[str, int],
    *,
    fund_includes_acct: bool = False,
    details: Iterable[Mapping[str, Any]] = (),
    balance_before_fen: int | None = None,
    refund: bool = False,
) -> tuple[IdentityDifference, ...]:
    """Return every identity that does not close, with its difference in fen; empty if all do.

    `details` are the rows of a settlement, amounts in fen; `balance_before_fen` is the account's balance before the
    settlement where it is known. Refund rows come negative and have no account balance to check (I8).
    """
    account_in_fund = amounts.get("acct_pay", 0) if fund_includes_acct else 0
    found: dict[str, int | None] = {
        "I1": _fee(amounts),
        "I2": _payers(amounts, account_in_fund),
        "I3": _person(amounts, account_in_fund),
        "I4": _funds(amounts, account_in_fund),
    }
    found["I5"] = _details(amounts, details, account_in_fund)
    if not refund:
        found |= _balance(amounts, balance_before_fen)
    return tuple(
        IdentityDifference(name.partition(" ")[0], difference, DETAIL[name])
        for name, difference in found.items()
        if difference
    )
