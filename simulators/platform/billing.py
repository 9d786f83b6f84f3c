"""From fee rows to a settlement: figures, stored row, answer; for outpatients, inpatients and pharmacies alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from simulators.platform import refusals
from simulators.platform.dates import age_on
from simulators.platform.engine import AMOUNTS, FUNDS, Case, fund_rows, settle
from simulators.platform.forced import DoesNotClose, Figures, apply_forced, parse_forced
from simulators.platform.lookups import insurance_of
from simulators.platform.message import Message, amount, text
from simulators.platform.money import Fen, fen_of, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import INPATIENT, PHARMACY, Fee, Insurance, Person, SentMessage, Settlement
from simulators.platform.state import fee_key, message_key

_CLR_TYPE = {INPATIENT: "21", PHARMACY: "41"}
_LEDGER_AMOUNTS = (
    "medfee_sumamt", "fund_pay_sumamt", *FUNDS, "psn_part_amt", "acct_pay", "psn_cash_pay", "hosp_part_amt",
)  # fmt: skip
_ECHOED = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")


@dataclass(frozen=True, slots=True)
class Bill:
    """What is to be settled, before the figures: the person, the rows, the request."""

    person: Person
    insurance: Insurance
    kind: str
    mdtrt_id: str
    chrg_bchno: str
    med_type: str
    fees: Sequence[Fee]
    request: dict[str, Any]

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """Full self-pay, over ceiling, first self-pay, within policy, in fen."""
        return (
            sum(fee.ownpay for fee in self.fees),
            sum(fee.overlmt for fee in self.fees),
            sum(fee.preself for fee in self.fees),
            sum(fee.inscp for fee in self.fees),
        )


def figures(m: Message, bill: Bill, *, final: bool) -> Figures:
    """The split of a bill. Raises Refused: totals do not match, amounts do not close."""
    forced = next(iter(m.state.forced.get(bill.person.psn_no) or []), None)
    _check_totals(m, bill, forced)
    case = _case(m, bill, final=final)
    if forced is None:
        result = settle(bill.parts, case)
        return Figures(replace(result, amounts=_mutual_aid(m, result.amounts)), {}, {})
    try:
        return apply_forced(parse_forced(forced), bill.parts, case)
    except DoesNotClose as error:
        raise Refused(f"指定金额不闭合：{error}") from error


def _check_totals(m: Message, bill: Bill, forced: dict[str, Any] | None) -> None:
    asked = amount(bill.request, "medfee_sumamt")
    allowed = {sum(fee.amount for fee in bill.fees)}
    if forced is not None and forced.get("medfee_sumamt") is not None:
        allowed.add(fen_of(forced["medfee_sumamt"], "medfee_sumamt"))
    if asked not in allowed:
        raise Refused(refusals.TOTAL_MISMATCH)
    # HIS that send nothing or zeros for the echoed parts are tolerated (register of disagreements, 10)
    echoed = [fen_of(bill.request[name], name) for name in _ECHOED if bill.request.get(name) not in (None, "")]
    if len(echoed) == len(_ECHOED) and any(echoed) and sum(echoed) != asked:
        raise Refused(refusals.PARTS_MISMATCH)


def _case(m: Message, bill: Bill, *, final: bool) -> Case:
    hospital = m.state.hospital(m.fixmedins_code)
    insurance = bill.insurance
    return Case(
        insutype=insurance.insutype,
        kind=bill.kind,
        hosp_lv=hospital.hosp_lv,
        retired=insurance.psn_type.startswith("12"),
        civil_servant=insurance.cvlserv_flag == "1",
        assisted=bool(bill.person.psn_idet_type),
        balance=m.state.balance(bill.person.psn_no),
        use_account=text(bill.request, "acct_used_flag", "0") == "1" and insurance.insutype == "310",
        cross_area=_is_cross_area(m, insurance),
        totals_moved=final and bool(m.variant("totals_change_before_settlement")),
        hospital_part=bool(m.variant("hospital_part")),
    )


def _is_cross_area(m: Message, insurance: Insurance) -> bool:
    if not m.variant("cross_area"):
        return False
    return insurance.insuplc_admdvs[:4] != m.state.hospital(m.fixmedins_code).pool_area[:4]


def _mutual_aid(m: Message, amounts: dict[str, int]) -> dict[str, int]:
    half = amounts["acct_pay"] // 2
    if m.variant("mutual_aid_beside"):
        return {**amounts, "acct_mulaid_pay": half, "acct_pay": amounts["acct_pay"] - half}
    return {**amounts, "acct_mulaid_pay": half if m.variant("mutual_aid_inside") else 0}


def own_account(amounts: dict[str, int], *, beside: bool) -> int:
    """What leaves the person's own account: the family's mutual aid is not theirs, wherever it is reported."""
    return amounts["acct_pay"] - (0 if beside else amounts["acct_mulaid_pay"])


def book(m: Message, bill: Bill, found: Figures) -> Settlement:
    """Stores a settlement with everything that hangs on it: account, rows, message log, ledger."""
    state = m.state
    queue = state.forced.get(bill.person.psn_no) or []
    row = _settlement(m, bill, found, state.serial("settlement"))
    row = replace(row, forced=queue[0] if queue else None)
    state.settlements.put(str(row.number), row)
    state.balances.put(row.psn_no, row.balc)
    for fee in bill.fees:
        state.fees.put(fee_key(fee.mdtrt_id, fee.feedetl_sn), replace(fee, settlement=row.number))
    if queue:
        state.forced.put(row.psn_no, queue[1:])
    log(m, row)
    m.effect(row.amounts["medfee_sumamt"], **effect_detail(row))
    return row


def _settlement(m: Message, bill: Bill, found: Figures, number: int) -> Settlement:
    hospital = m.state.hospital(m.fixmedins_code)
    amounts = dict(found.result.amounts)
    texts, insurance = found.texts, bill.insurance
    return Settlement(
        number=number,
        setl_id=texts.get("setl_id") or f"{hospital.pool_area}{8_000_000_000 + number}",
        infno=m.infno,
        msgid=m.msgid,
        kind=bill.kind,
        fixmedins_code=m.fixmedins_code,
        mdtrt_id=bill.mdtrt_id,
        psn_no=bill.person.psn_no,
        chrg_bchno=bill.chrg_bchno,
        insutype=texts.get("insutype", insurance.insutype),
        psn_type=texts.get("psn_type", insurance.psn_type),
        cvlserv_flag=texts.get("cvlserv_flag", insurance.cvlserv_flag),
        med_type=texts.get("med_type", bill.med_type),
        mdtrt_cert_type=text(bill.request, "mdtrt_cert_type", "02"),
        setl_time=texts.get("setl_time", m.time),
        clr_optins=texts.get("clr_optins", hospital.pool_area),
        clr_way=texts.get("clr_way", "4" if bill.kind == INPATIENT else "1"),
        clr_type=texts.get("clr_type", _clr_type(m, bill)),
        amounts=_reported(m, amounts),
        ratio=found.result.ratio,
        balc=_balance_after(m, bill, found, amounts),
        details=found.result.details,
        mid_setl=text(bill.request, "mid_setl_flag", "0") == "1",
        invono=text(bill.request, "invono", ""),
        verbatim=found.verbatim,
    )


def _clr_type(m: Message, bill: Bill) -> str:
    if _is_cross_area(m, bill.insurance):
        same_province = bill.insurance.insuplc_admdvs[:2] == m.state.hospital(m.fixmedins_code).pool_area[:2]
        return "9903" if same_province else "9909"
    return _CLR_TYPE.get(bill.kind, "11")


def _reported(m: Message, amounts: dict[str, int]) -> dict[str, int]:
    """Guangdong style: the funds' total counts the account too (3.6 I6); everything else stays."""
    if m.variant("fund_includes_acct"):
        amounts["fund_pay_sumamt"] += amounts["acct_pay"]
    return amounts


def _balance_after(m: Message, bill: Bill, found: Figures, amounts: dict[str, int]) -> int:
    """A forced ``acct_pay`` above the balance finds the account topped up first: money is never made of nothing."""
    if found.balc is not None:
        return found.balc
    used = own_account(amounts, beside=bool(m.variant("mutual_aid_beside")))
    return max(m.state.balance(bill.person.psn_no), used) - used


def log(m: Message, row: Settlement) -> None:
    """Enters the message into the log that 2601 searches."""
    m.state.messages.put(
        message_key(m.fixmedins_code, m.infno, m.msgid), SentMessage(m.infno, row.psn_no, str(row.number))
    )


def effect_detail(row: Settlement) -> dict[str, Any]:
    """What the ledger shows of a settlement or refund; amounts in yuan with two decimals."""
    return {
        "setl_id": row.setl_id,
        "mdtrt_id": row.mdtrt_id,
        "psn_no": row.psn_no,
        "insutype": row.insutype,
        "med_type": row.med_type,
        "clr_type": row.clr_type,
        "clr_optins": row.clr_optins,
        "setl_time": row.setl_time,
        "refd_setl_flag": row.refd_setl_flag,
        **{name: yuan(row.amounts[name]) for name in _LEDGER_AMOUNTS},
    }


def shown_settlement(m: Message, row: Settlement) -> dict[str, Any]:
    """``setlinfo`` and ``setldetail`` of 2207, 2304 and 2102."""
    row = _with_lie(row, m.call.lie_fen)
    person = m.state.persons[row.psn_no]
    money: dict[str, Any] = {name: Fen(row.amounts[name]) for name in AMOUNTS}
    money |= {name: Decimal(value) for name, value in row.verbatim.items()}
    setlinfo = {
        "mdtrt_id": row.mdtrt_id,
        "setl_id": row.setl_id or None,
        "psn_no": row.psn_no,
        "psn_name": person.psn_name,
        "psn_cert_type": person.psn_cert_type,
        "certno": person.certno,
        "gend": person.gend,
        "naty": person.naty,
        "brdy": m.date(person.brdy),
        "age": age_on(m.now, person.brdy),
        "insutype": row.insutype,
        "psn_type": row.psn_type,
        "cvlserv_flag": row.cvlserv_flag,
        "setl_time": row.setl_time or None,
        "mdtrt_cert_type": row.mdtrt_cert_type,
        "med_type": row.med_type,
        **money,
        "pool_prop_selfpay": (Decimal(row.ratio) / 10_000).quantize(Decimal("0.0001")),
        "balc": Fen(row.balc),
        "medins_setl_id": row.msgid,
        "clr_optins": row.clr_optins or None,
        "clr_way": row.clr_way or None,
        "clr_type": row.clr_type,
    }
    return {"setlinfo": setlinfo, "setldetail": detail_rows(row)}


def detail_rows(row: Settlement) -> list[dict[str, Any]]:
    """``setldetail``."""
    return [
        {
            "fund_pay_type": code,
            "inscp_scp_amt": Fen(row.amounts["inscp_scp_amt"]),
            "crt_payb_lmt_amt": None,
            "fund_payamt": Fen(fen),
            "fund_pay_type_name": name,
            "setl_proc_info": "",
        }
        for code, name, fen in row.details
    ]


def shown_estimate(m: Message, bill: Bill, found: Figures) -> dict[str, Any]:
    """The answer of a pre-settlement: the same figures, no setl_id, nothing booked."""
    row = _settlement(m, bill, found, 0)
    return shown_settlement(m, replace(row, setl_id="", setl_time="", clr_optins="", clr_way=""))


def _with_lie(row: Settlement, fen: int) -> Settlement:
    """The answer of a platform that books one thing and says another, with every identity still closing: the shift goes
    from the pooled fund to the patient's cash, or onto the bill where there is no fund to take it from."""
    if not fen:
        return row
    a = dict(row.amounts)
    if abs(a["hifp_pay"]) >= abs(fen):
        a["hifp_pay"] -= fen
        a["fund_pay_sumamt"] -= fen
    else:
        a["medfee_sumamt"] += fen
        a["fulamt_ownpay_amt"] += fen
    a["psn_part_amt"] += fen
    a["psn_cash_pay"] += fen
    return replace(row, amounts=a, details=fund_rows(a, row.insutype))


def negated(row: Settlement) -> tuple[dict[str, int], list[list[Any]]]:
    """Amounts and fund rows of the refund of a settlement."""
    return {name: -fen for name, fen in row.amounts.items()}, [[code, name, -fen] for code, name, fen in row.details]


def bill_insurance(m: Message, person: Person, request: dict[str, Any], default: str) -> Insurance:
    """The insurance a settlement is asked under. Raises Refused."""
    return insurance_of(m, person, text(request, "insutype", default))
