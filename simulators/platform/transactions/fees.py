"""Fee rows: upload and deletion, outpatient and inpatient (2204, 2205, 2301, 2302; national-interface 3.3, 3.9)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from simulators.platform import refusals
from simulators.platform.engine import split_row
from simulators.platform.lookups import visit_of
from simulators.platform.message import Message, Output, amount, text, transaction
from simulators.platform.money import Fen, decimal_of, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import INPATIENT, OUTPATIENT, Fee, Visit
from simulators.platform.state import fee_key

_MAX_ROWS = 100
_ALL = "0000"
_KEPT = ("med_list_codg", "medins_list_codg", "fee_ocur_time", "bilg_dept_codg", "bilg_dept_name", "bilg_dr_name")
_CHARGE_ITEM = {"X": "09", "Z": "11", "T": "10", "C": "08"}


@transaction("2204")
def upload_outpatient(m: Message) -> Output:
    """Stores the rows of a batch and answers each row's split; all rows or none."""
    return _upload(m, m.rows("feedetail", "data"), OUTPATIENT)


@transaction("2301")
def upload_inpatient(m: Message) -> Output:
    """As 2204, at most 100 rows a call and not after discharge."""
    rows = m.rows("feedetail", "data")
    if len(rows) > _MAX_ROWS:
        raise Refused(refusals.TOO_MANY_ROWS)
    return _upload(m, rows, INPATIENT)


def _upload(m: Message, rows: list[dict[str, Any]], kind: str) -> Output:
    visits: dict[tuple[str, str], Visit] = {}
    answer, total = [], 0
    for row in rows:
        key = (str(row.get("mdtrt_id")), str(row.get("psn_no")))
        if key not in visits:
            visits[key] = _open_visit(m, row, kind)
        fee = new_fee(m, row, visits[key].mdtrt_id, text(row, "chrg_bchno") if kind == OUTPATIENT else "")
        total += fee.amount
        answer.append(shown_split(fee))
    visit = next(iter(visits.values()))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no, rows=len(rows), det_item_fee_sumamt=yuan(total))
    return {"result": answer}


def _open_visit(m: Message, row: dict[str, Any], kind: str) -> Visit:
    visit = visit_of(m, row, kind)
    if visit.state == "discharged":
        raise Refused(refusals.DISCHARGED)
    return visit


def new_fee(m: Message, row: dict[str, Any], mdtrt_id: str, batch: str) -> Fee:
    """Checks, splits and stores one row. Raises Refused for a serial known in this visit."""
    serial = text(row, "feedetl_sn")
    if fee_key(mdtrt_id, serial) in m.state.fees:
        raise Refused(f"{refusals.DUPLICATE_FEE}：{serial}", duplicate=True)
    code = text(row, "med_list_codg", "")
    if not code:
        raise Refused(refusals.CATALOGUE_INVALID)
    fen = amount(row, "det_item_fee_sumamt")
    count, price = decimal_of(row.get("cnt"), "cnt"), decimal_of(row.get("pric"), "pric")
    split = split_row(code, fen, count, price)
    shown = {name: str(row[name]) for name in _KEPT if row.get(name) not in (None, "")}
    fee = Fee(
        feedetl_sn=serial,
        mdtrt_id=mdtrt_id,
        chrg_bchno=batch,
        amount=fen,
        ownpay=split.ownpay,
        overlmt=split.overlmt,
        preself=split.preself,
        inscp=split.inscp,
        level=split.level,
        ratio=split.ratio,
        shown={**shown, "cnt": f"{count:f}", "pric": f"{price:f}"},
    )
    m.state.fees.put(fee_key(mdtrt_id, serial), fee)
    return fee


def shown_split(fee: Fee) -> dict[str, Any]:
    """A row of ``result``."""
    code = fee.shown.get("med_list_codg", "")
    return {
        "feedetl_sn": fee.feedetl_sn,
        "det_item_fee_sumamt": Fen(fee.amount),
        "cnt": Decimal(fee.shown["cnt"]),
        "pric": Decimal(fee.shown["pric"]),
        "pric_uplmt_amt": Decimal(5000) if code.startswith("C") else Decimal(999999),
        "selfpay_prop": Decimal(fee.ratio) / 10_000,
        "fulamt_ownpay_amt": Fen(fee.ownpay),
        "overlmt_amt": Fen(fee.overlmt),
        "preselfpay_amt": Fen(fee.preself),
        "inscp_scp_amt": Fen(fee.inscp),
        "chrgitm_lv": fee.level,
        "med_chrgitm_type": _CHARGE_ITEM.get(code[:1], "14"),
        "bas_medn_flag": "0",
        "hi_nego_drug_flag": "0",
        "chld_medc_flag": "0",
        "list_sp_item_flag": "0",
        "lmt_used_flag": "0",
        "drt_reim_flag": "0",
        "memo": "",
    }


@transaction("2205")
def delete_outpatient(m: Message) -> Output:
    """Deletes a batch's rows not yet settled; batch ``0000`` stands for every batch."""
    node = m.node()
    visit = visit_of(m, node, OUTPATIENT)
    batch, serial = text(node, "chrg_bchno", _ALL), text(node, "feedetl_sn", _ALL)
    return _delete(m, visit, lambda fee: batch in (_ALL, fee.chrg_bchno) and serial in (_ALL, fee.feedetl_sn))


@transaction("2302")
def delete_inpatient(m: Message) -> Output:
    """Deletes rows not yet settled, by serial or all (``0000``); one object or an array of them."""
    nodes = m.rows("data") if "data" in m.input else [m.input]
    visit = visit_of(m, nodes[0], INPATIENT)
    serials = {text(node, "feedetl_sn") for node in nodes}
    return _delete(m, visit, lambda fee: _ALL in serials or fee.feedetl_sn in serials)


def _delete(m: Message, visit: Visit, chosen: Any) -> Output:
    doomed = [fee for fee in m.state.fees_of(visit.mdtrt_id) if not fee.settlement and chosen(fee)]
    if not doomed:
        raise Refused(refusals.NO_OPEN_FEES, duplicate=True)
    for fee in doomed:
        m.state.fees.delete(fee_key(visit.mdtrt_id, fee.feedetl_sn))
    m.effect(0, mdtrt_id=visit.mdtrt_id, psn_no=visit.psn_no, rows=len(doomed))
    return None
