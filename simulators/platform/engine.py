"""How a bill is split: pure, deterministic, integers of fen only. The rules are invented, the identities are not (3.6).

Fee rows: the last character of ``med_list_codg`` decides the catalogue level: 9 is C (paid by the patient alone),
6, 7 and 8 are B (10 % first borne by the patient), everything else is A. Codes that begin with ``C`` (consumables)
have a price ceiling of 5,000.00; what lies above is the patient's.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from simulators.platform.money import half_up, yuan
from simulators.platform.rows import INPATIENT, OUTPATIENT, PHARMACY

FUNDS = (
    "hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay", "hifdm_pay",
)  # fmt: skip
PARTS = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
AMOUNTS = (
    "medfee_sumamt", *PARTS, "act_pay_dedc", *FUNDS, "fund_pay_sumamt", "psn_part_amt", "acct_pay", "psn_cash_pay",
    "hosp_part_amt", "acct_mulaid_pay",
)  # fmt: skip

PRICE_CEILING = Decimal("5000.00")
_B_SELF_PAY = 1_000
_LARGE_SUM_FROM = 1_000_000
_LARGE_SUM_RATIO = 9_000
_CRITICAL_FROM = 300_000
_CRITICAL_RATIO = 6_000
_ASSISTANCE_RATIO = 7_000
_CIVIL_SERVANT_RATIO = 5_000
_RETIRED_BONUS = 300
_TOTALS_MOVED = 1_000

# Ten-thousandths by (insurance, kind), for hospital levels 1, 2, 3.
_RATIOS = {
    ("310", OUTPATIENT): (7_000, 6_500, 6_000),
    ("310", INPATIENT): (9_200, 9_000, 8_500),
    ("310", PHARMACY): (0, 0, 0),
    ("390", OUTPATIENT): (6_000, 5_500, 5_000),
    ("390", INPATIENT): (8_000, 7_000, 6_000),
    ("390", PHARMACY): (0, 0, 0),
}
_DEDUCTIBLES = {"310": (20_000, 50_000, 80_000), "390": (20_000, 60_000, 100_000)}
_POOL_FUND_TYPE = {"310": "310100", "390": "390100", "510": "510100", "340": "340100"}
_FUND_TYPES = {
    "cvlserv_pay": ("320100", "公务员医疗补助基金"),
    "hifes_pay": ("370100", "企业补充医疗保险基金"),
    "hifmi_pay": ("390200", "城乡居民大病医疗保险资金"),
    "hifob_pay": ("330100", "职工大额医疗费用补助基金"),
    "maf_pay": ("610100", "医疗救助基金"),
    "oth_pay": ("999997", "其他基金"),
    "hifdm_pay": ("350100", "伤残人员医疗保障基金"),
}
ACCOUNT_FUND = ("310200", "职工基本医疗保险个人账户基金")
CROSS_AREA_FUND = ("910100", "异地平台返回其他基金")


@dataclass(frozen=True, slots=True)
class Row:
    """One fee row split: ``amount = ownpay + overlmt + preself + inscp``."""

    amount: int
    ownpay: int
    overlmt: int
    preself: int
    inscp: int
    level: str
    ratio: int


def split_row(code: str, amount: int, count: Decimal, price: Decimal) -> Row:
    """Splits a fee row; refund rows (negative amount) mirror the row they take back."""
    if amount < 0:
        row = split_row(code, -amount, abs(count), price)
        return Row(amount, -row.ownpay, -row.overlmt, -row.preself, -row.inscp, row.level, row.ratio)
    level = _level(code)
    if level == "03":
        return Row(amount, amount, 0, 0, 0, level, 10_000)
    over = _over_ceiling(code, amount, count, price)
    ratio = _B_SELF_PAY if level == "02" else 0
    preself = half_up(amount - over, ratio)
    return Row(amount, 0, over, preself, amount - over - preself, level, ratio)


def _level(code: str) -> str:
    last = code[-1:]
    return "03" if last == "9" else "02" if last in "678" else "01"


def _over_ceiling(code: str, amount: int, count: Decimal, price: Decimal) -> int:
    if not code.startswith("C") or price <= PRICE_CEILING:
        return 0
    covered = int((PRICE_CEILING * count * 100).to_integral_value(ROUND_HALF_UP))
    return max(0, amount - covered)


@dataclass(frozen=True, slots=True)
class Case:
    """What decides a settlement besides its rows."""

    insutype: str
    kind: str
    hosp_lv: str
    retired: bool = False
    civil_servant: bool = False
    assisted: bool = False
    balance: int = 0
    use_account: bool = False
    cross_area: bool = False
    totals_moved: bool = False
    hospital_part: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A settlement's amounts (every name of AMOUNTS), pooled-fund ratio in ten-thousandths, and the fund rows."""

    amounts: dict[str, int]
    ratio: int
    details: list[list[Any]]


def settle(parts: tuple[int, int, int, int], case: Case) -> Result:
    """Splits a bill of (full self-pay, over ceiling, first self-pay, within policy) between funds and patient."""
    within = parts[3]
    deductible = min(within, _deductible(case)) if within > 0 else 0
    ratio = _ratio(case)
    pool, large = _pool(within - deductible, ratio, case)
    amounts = dict.fromkeys(AMOUNTS, 0)
    amounts |= {"medfee_sumamt": sum(parts), **dict(zip(PARTS, parts, strict=True)), "act_pay_dedc": deductible}
    main = "hifp_pay" if case.insutype in _POOL_FUND_TYPE else "oth_pay"
    amounts |= {main: pool, "hifob_pay": large}
    if case.cross_area:
        amounts |= {"hifp_pay": 0, "hifob_pay": 0, "oth_pay": pool + large}
    _add_supplements(amounts, within - pool - large, case)
    _close(amounts, case)
    return Result(amounts, ratio, fund_rows(amounts, case.insutype, cross_area=case.cross_area))


def _deductible(case: Case) -> int:
    if case.kind != INPATIENT:
        return 0
    return _DEDUCTIBLES.get(case.insutype, (0, 0, 0))[_level_index(case)]


def _level_index(case: Case) -> int:
    return min(max(int(case.hosp_lv) if case.hosp_lv.isdigit() else 3, 1), 3) - 1


def _ratio(case: Case) -> int:
    found = _RATIOS.get((case.insutype, case.kind))
    if found is None:
        return 10_000  # retired cadres, maternity and the like are paid in full
    ratio = found[_level_index(case)]
    if ratio and case.retired:
        ratio += _RETIRED_BONUS
    return max(0, ratio - _TOTALS_MOVED) if case.totals_moved else ratio


def _pool(basis: int, ratio: int, case: Case) -> tuple[int, int]:
    if case.insutype != "310" or basis <= _LARGE_SUM_FROM:
        return half_up(basis, ratio), 0
    return half_up(_LARGE_SUM_FROM, ratio), half_up(basis - _LARGE_SUM_FROM, _LARGE_SUM_RATIO)


def _add_supplements(amounts: dict[str, int], burden: int, case: Case) -> None:
    """Second funds on what the patient still bears inside the policy, each on what the one before left."""
    if case.insutype == "390" and burden > _CRITICAL_FROM:
        amounts["hifmi_pay"] = half_up(burden - _CRITICAL_FROM, _CRITICAL_RATIO)
        burden -= amounts["hifmi_pay"]
    if case.civil_servant and burden > 0:
        amounts["cvlserv_pay"] = half_up(burden, _CIVIL_SERVANT_RATIO)
        burden -= amounts["cvlserv_pay"]
    if case.assisted and burden > 0:
        amounts["maf_pay"] = half_up(burden, _ASSISTANCE_RATIO)


def _close(amounts: dict[str, int], case: Case) -> None:
    amounts["fund_pay_sumamt"] = sum(amounts[name] for name in FUNDS)
    left = amounts["medfee_sumamt"] - amounts["fund_pay_sumamt"]
    if case.hospital_part:
        amounts["hosp_part_amt"] = half_up(left, 100)
    amounts["psn_part_amt"] = left - amounts["hosp_part_amt"]
    if case.use_account:
        amounts["acct_pay"] = max(0, min(case.balance, amounts["psn_part_amt"]))
    amounts["psn_cash_pay"] = amounts["psn_part_amt"] - amounts["acct_pay"]


def fund_rows(amounts: dict[str, int], insutype: str, *, cross_area: bool = False) -> list[list[Any]]:
    """``setldetail`` as [type, name, fen]: a row for every fund that pays, and the account's, which no sum counts."""
    pool = (_POOL_FUND_TYPE.get(insutype, "310100"), _pool_name(insutype))
    types = {"hifp_pay": pool, **_FUND_TYPES}
    if cross_area:
        types["oth_pay"] = CROSS_AREA_FUND
    rows: list[list[Any]] = [[*types[name], amounts[name]] for name in FUNDS if amounts[name]]
    if amounts["acct_pay"]:
        rows.append([*ACCOUNT_FUND, amounts["acct_pay"]])
    return rows


def _pool_name(insutype: str) -> str:
    return "城乡居民基本医疗保险基金" if insutype == "390" else "职工基本医疗保险统筹基金"


def broken_identities(amounts: dict[str, Any]) -> list[str]:
    """The identities of national-interface 3.6 that do not close, explained; works on fen and on decimals alike."""
    a = amounts
    fund = sum(a[name] for name in FUNDS)
    checks = [
        ("I1", "medfee_sumamt", a["medfee_sumamt"], "+".join(PARTS), sum(a[name] for name in PARTS)),
        (
            "I2",
            "medfee_sumamt",
            a["medfee_sumamt"],
            "fund_pay_sumamt+psn_part_amt+hosp_part_amt",
            a["fund_pay_sumamt"] + a["psn_part_amt"] + a["hosp_part_amt"],
        ),
        ("I3", "psn_part_amt", a["psn_part_amt"], "acct_pay+psn_cash_pay", a["acct_pay"] + a["psn_cash_pay"]),
        ("I4", "fund_pay_sumamt", a["fund_pay_sumamt"], "+".join(FUNDS), fund),
    ]
    broken = [f"{name}: {left} {x} ≠ {right} {y}" for name, left, x, right, y in checks if x != y]
    mutual = a["acct_pay"] + a["psn_cash_pay"] + a["acct_mulaid_pay"]
    if a["acct_mulaid_pay"] and a["psn_part_amt"] == mutual:
        broken = [text for text in broken if not text.startswith("I3")]
    if a["psn_cash_pay"] < 0 <= a["medfee_sumamt"]:
        broken.append(f"I7: psn_cash_pay {a['psn_cash_pay']} < 0")
    return broken


def in_yuan(amounts: dict[str, int]) -> dict[str, str]:
    """For the ledger and for people: two decimals."""
    return {name: yuan(fen) for name, fen in amounts.items()}
