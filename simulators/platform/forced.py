"""Settlement figures fixed in advance (``PUT /_sim/amounts``): the ones given hold exactly, the rest is derived so that
every identity closes. Worked out in decimals, since a figure that no fen can hold (0.005) may be forced too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulators.platform.engine import AMOUNTS, FUNDS, PARTS, Case, Result, broken_identities, fund_rows, settle
from simulators.platform.money import decimal_of
from simulators.platform.refusals import Refused

TEXTS = (
    "setl_id", "setl_time", "clr_optins", "clr_way", "clr_type", "insutype", "med_type", "psn_type", "cvlserv_flag",
)  # fmt: skip
_OTHER = ("pool_prop_selfpay", "balc")
_ZERO = Decimal(0)


class DoesNotClose(ValueError):
    """The forced figures contradict each other, the bill or the interface's field list; the text says where."""


@dataclass(frozen=True, slots=True)
class Forced:
    """What was forced for one settlement."""

    amounts: dict[str, Decimal]
    texts: dict[str, str]
    ratio: int | None = None
    balc: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """A settlement's final figures. ``verbatim``: forced amounts that are no whole number of fen, as given."""

    result: Result
    verbatim: dict[str, str]
    texts: dict[str, str]
    balc: int | None = None


def parse_forced(content: Any) -> Forced:
    """The posted fields. Raises DoesNotClose for a field that is none of setlinfo's or no number."""
    if not isinstance(content, dict):
        raise DoesNotClose("an object of setlinfo fields is expected")
    unknown = set(content) - set(AMOUNTS) - set(TEXTS) - set(_OTHER)
    if unknown:
        known = ", ".join((*AMOUNTS, *_OTHER, *TEXTS))
        raise DoesNotClose(f"{sorted(unknown)[0]} cannot be forced; these can: {known}")
    try:
        amounts = {name: decimal_of(content[name], name) for name in AMOUNTS if content.get(name) is not None}
        ratio = _scaled(content, "pool_prop_selfpay", 10_000)
        balc = _scaled(content, "balc", 100)
    except Refused as error:
        raise DoesNotClose(error.text) from error
    return Forced(amounts, {name: str(content[name]) for name in TEXTS if content.get(name)}, ratio, balc)


def _scaled(content: Mapping[str, Any], name: str, by: int) -> int | None:
    return None if content.get(name) is None else int(decimal_of(content[name], name) * by)


def check_forced(forced: Forced, case: Case) -> None:
    """Checks what can be checked before the bill is known. Raises DoesNotClose."""
    total = _known_total(forced.amounts)
    if total is not None:
        _complete(forced, total, (0, 0, 0, 0), case)


def _known_total(given: Mapping[str, Decimal]) -> Decimal | None:
    if "medfee_sumamt" in given:
        return given["medfee_sumamt"]
    if all(name in given for name in PARTS):
        return sum((given[name] for name in PARTS), _ZERO)
    if "fund_pay_sumamt" in given and "psn_part_amt" in given:
        return given["fund_pay_sumamt"] + given["psn_part_amt"] + given.get("hosp_part_amt", _ZERO)
    return None


def apply_forced(forced: Forced, parts: tuple[int, int, int, int], case: Case) -> Figures:
    """The forced figures over a bill of ``parts`` (fen). Raises DoesNotClose."""
    total = _known_total(forced.amounts)
    if total is None:
        total = Decimal(sum(parts)) / 100
    exact, base = _complete(forced, total, parts, case)
    amounts = {name: _to_fen(value) for name, value in exact.items()}
    verbatim = {name: f"{value:f}" for name, value in exact.items() if value * 100 != amounts[name]}
    ratio = base.ratio if forced.ratio is None else forced.ratio
    rows = fund_rows(amounts, case.insutype, cross_area=case.cross_area)
    return Figures(Result(amounts, ratio, rows), verbatim, forced.texts, forced.balc)


def _to_fen(value: Decimal) -> int:
    return int((value * 100).to_integral_value(ROUND_HALF_UP))


def _complete(
    forced: Forced, total: Decimal, parts: tuple[int, int, int, int], case: Case
) -> tuple[dict[str, Decimal], Result]:
    given = forced.amounts
    exact = {"medfee_sumamt": total, **_parts(given, total, parts)}
    own, over, first, within = (_to_fen(exact[name]) for name in PARTS)
    base = settle((own, over, first, within), replace(case, hospital_part=False))
    computed = {name: Decimal(fen) / 100 for name, fen in base.amounts.items()}
    exact["act_pay_dedc"] = given.get("act_pay_dedc", computed["act_pay_dedc"])
    exact["hosp_part_amt"] = given.get("hosp_part_amt", _ZERO)
    exact["acct_mulaid_pay"] = given.get("acct_mulaid_pay", _ZERO)
    exact |= _funds(given, exact, computed)
    exact |= _patient(given, exact, case)
    broken = broken_identities(exact)
    if broken:
        raise DoesNotClose("；".join(broken))
    return {name: exact[name] for name in AMOUNTS}, base


def _parts(given: Mapping[str, Decimal], total: Decimal, parts: tuple[int, int, int, int]) -> dict[str, Decimal]:
    chosen = {name: given[name] for name in PARTS if name in given}
    if not chosen and Decimal(sum(parts)) == total * 100:
        return {name: Decimal(fen) / 100 for name, fen in zip(PARTS, parts, strict=True)}
    rest = total - sum(chosen.values(), _ZERO)
    for name in ("inscp_scp_amt", "fulamt_ownpay_amt", "preselfpay_amt", "overlmt_selfpay"):
        if name not in chosen:
            chosen[name] = rest
            rest = _ZERO
    return chosen


def _funds(
    given: Mapping[str, Decimal], exact: Mapping[str, Decimal], computed: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """The funds and their sum: as forced, else what the patient's forced part leaves, else the engine's."""
    left = exact["medfee_sumamt"] - exact["hosp_part_amt"]
    named = {name: given[name] for name in FUNDS if name in given}
    if "fund_pay_sumamt" in given:
        total = given["fund_pay_sumamt"]
    elif named:
        total = sum(named.values(), _ZERO)
    elif "psn_part_amt" in given:
        total = left - given["psn_part_amt"]
    elif "psn_cash_pay" in given:
        total = left - given["psn_cash_pay"] - given.get("acct_pay", _ZERO)
    else:
        return {name: computed[name] for name in (*FUNDS, "fund_pay_sumamt")}
    rest = total - sum(named.values(), _ZERO)
    for name in ("hifp_pay", "oth_pay", *FUNDS):
        if name not in named:
            named[name] = rest
            rest = _ZERO
    return {**named, "fund_pay_sumamt": total}


def _patient(given: Mapping[str, Decimal], exact: Mapping[str, Decimal], case: Case) -> dict[str, Decimal]:
    left = exact["medfee_sumamt"] - exact["fund_pay_sumamt"] - exact["hosp_part_amt"]
    part = given.get("psn_part_amt", left)
    if "acct_pay" in given:
        account = given["acct_pay"]
    elif "psn_cash_pay" in given:
        account = part - given["psn_cash_pay"]
    else:
        balance = Decimal(case.balance if case.use_account else 0) / 100
        account = max(_ZERO, min(balance, part))
    return {"psn_part_amt": part, "acct_pay": account, "psn_cash_pay": given.get("psn_cash_pay", part - account)}
