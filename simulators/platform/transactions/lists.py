"""Settlement lists and their state (4101, 4101A, 4102; national-interface 3.18)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulators.platform.engine import FUNDS
from simulators.platform.lookups import settlement_of
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.money import fen_of, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import Settlement, SettlementList


@transaction("4101", "4101A")
def upload(m: Message) -> Output:
    """Takes the list of a settlement in force; until it is submitted a list sent again replaces the earlier one."""
    node = m.node("setlinfo", "data")
    settlement = _settlement(m, node)
    _check_money(m, node, settlement)
    known = m.state.lists.get(str(settlement.number))
    if known is not None and known.stas_type == "1":
        raise Refused("结算清单已提交，不能重复上传", duplicate=True)
    number = known.setl_list_id if known else f"{settlement.clr_optins}QD{m.state.serial('list'):010d}"
    m.state.lists.put(str(settlement.number), SettlementList(number, settlement.number, settlement.psn_no))
    m.effect(0, setl_list_id=number, setl_id=settlement.setl_id, mdtrt_id=settlement.mdtrt_id)
    answer = {"setl_list_id": number}
    return {"data": answer} if m.variant("list_id_in_data") else answer


def _settlement(m: Message, node: dict[str, Any]) -> Settlement:
    setl_id = text(node, "setl_id")
    if not node.get("psn_no"):
        # the older 4101 does not name the person
        rows = m.state.by_setl_id(m.fixmedins_code, setl_id)
        node = {**node, "psn_no": rows[-1].psn_no if rows else "-"}
    settlement = settlement_of(m, node)
    if settlement.state != "live":
        raise Refused("结算已撤销，不能上传结算清单")
    return settlement


def _check_money(m: Message, node: dict[str, Any], settlement: Settlement) -> None:
    """The list's sums against the settlement, as far as the list carries money (4101A does not). Raises Refused."""
    a = settlement.amounts
    _same("payinfo", _total(m, "payinfo", "fund_payamt"), sum(a[name] for name in FUNDS), "基金支付合计")
    _same("iteminfo", _total(m, "iteminfo", "amt"), a["medfee_sumamt"], "收费项目合计")
    for item in _items(m, "iteminfo"):
        parts = ("claa_sumfee", "clab_amt", "fulamt_ownpay_amt", "oth_amt")
        if _fen(item, "amt") != sum(_fen(item, name) for name in parts):
            raise Refused("收费项目金额不等于甲乙丙类与其他之和")
    for name, ours in (("acct_pay", "acct_pay"), ("psn_cashpay", "psn_cash_pay")):
        if node.get(name) not in (None, ""):
            _same(name, _fen(node, name), a[ours], name)
    if node.get("psn_selfpay") not in (None, "") and node.get("psn_ownpay") not in (None, ""):
        _same("psn_selfpay", _fen(node, "psn_selfpay") + _fen(node, "psn_ownpay"), a["psn_part_amt"], "个人自付与自费")


def _items(m: Message, name: str) -> list[dict[str, Any]]:
    found = m.input.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _total(m: Message, name: str, field: str) -> int | None:
    items = _items(m, name)
    return sum(_fen(item, field) for item in items) if items else None


def _fen(node: dict[str, Any], name: str) -> int:
    value = node.get(name)
    return 0 if value in (None, "") else fen_of(value, name)


def _same(name: str, theirs: int | None, ours: int, words: str) -> None:
    if theirs is not None and theirs != ours:
        raise Refused(f"{name}：{words}{yuan(theirs)}与结算{yuan(ours)}不一致")


@transaction("4102")
def change_state(m: Message) -> Output:
    """Submits (1) or withdraws (0) lists; one or several, wherever the province puts the node."""
    rows = m.node().get("stastinfo") if isinstance(m.input.get("data"), dict) else m.input.get("stastinfo")
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not rows:
        raise Refused("交易输入节点stastinfo不能为空")
    for node in rows:
        settlement = settlement_of(m, node)
        known = m.state.lists.get(str(settlement.number))
        if known is None:
            raise Refused("未找到结算清单")
        m.state.lists.put(str(settlement.number), replace(known, stas_type=_stas_type(node)))
    m.effect(0, rows=len(rows))
    return None


def _stas_type(node: dict[str, Any]) -> str:
    value = text(node, "stas_type")
    if value not in ("0", "1"):
        raise Refused("stas_type不正确")
    return value
