"""Reconciliation by totals and by detail (3201, 3202; national-interface 3.11, 3.13, 4.11)."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulators.platform.dates import days
from simulators.platform.message import Message, Output, amount, text, transaction
from simulators.platform.money import fen_of, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import Settlement
from simulators.platform.transactions.files import store, stored_file

EQUAL, CENTRE_MORE, INSTITUTION_MORE, DIFFERS = "0", "1", "2", "3"
_WORDS = {EQUAL: "平", CENTRE_MORE: "中心多", INSTITUTION_MORE: "医药机构多", DIFFERS: "数据不一致"}
_COLUMNS = 7


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of a group, in fen; refunds count negative."""

    count: int
    medfee: int
    fund: int
    account: int

    @classmethod
    def of(cls, rows: Iterable[Settlement]) -> Totals:
        kept = list(rows)
        sums = (sum(r.amounts[name] for r in kept) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay"))
        return cls(len(kept), *sums)


@transaction("3201", query=True)
def totals(m: Message) -> Output:
    """Compares the institution's totals of a period with ours; infcode 0 whatever comes out."""
    node = m.node()
    optins, insutype, clr_type = text(node, "setl_optins"), text(node, "insutype"), text(node, "clr_type")
    rows = _rows(m, node, lambda r: (r.insutype, r.clr_type, r.clr_optins) == (insutype, clr_type, optins))
    ours = Totals.of(rows)
    if m.call.lie_fen:
        ours = Totals(ours.count, ours.medfee + m.call.lie_fen, ours.fund + m.call.lie_fen, ours.account)
    theirs = Totals(_count(node), *(amount(node, name) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")))
    result = _compare(ours, theirs)
    words = _WORDS[result] if result == EQUAL else f"{_WORDS[result]}：笔数{ours.count}，医疗费总额{yuan(ours.medfee)}"
    return {"stmtinfo": {"setl_optins": optins, "stmt_rslt": code(m, result), "stmt_rslt_dscr": words}}


def _rows(m: Message, node: dict[str, Any], chosen: Any) -> list[Settlement]:
    flag = str(node.get("refd_setl_flag", node.get("REFD_SETL_FLAG")) or "1")
    period = days(text(node, "stmt_begndate"), text(node, "stmt_enddate"))
    rows = [row for day in period for row in m.state.settled_on(m.fixmedins_code, day) if chosen(row)]
    if flag.lstrip("0"):
        return rows
    return [row for row in rows if row.state == "live" and row.refd_setl_flag == "0"]


def _count(node: dict[str, Any]) -> int:
    value = text(node, "fixmedins_setl_cnt")
    if not value.lstrip("-").isdigit():
        raise Refused("fixmedins_setl_cnt格式不正确")
    return int(value)


def _compare(ours: Totals, theirs: Totals) -> str:
    if ours == theirs:
        return EQUAL
    if ours.count != theirs.count:
        return CENTRE_MORE if ours.count > theirs.count else INSTITUTION_MORE
    return DIFFERS


def code(m: Message, result: str) -> str:
    """stmt_rslt in the province's spelling (4.11)."""
    if m.variant("stmt_rslt_six_digits"):
        return "000000" if result == EQUAL else f"00010{result}"
    return f"10{result}" if m.variant("stmt_rslt_three_digits") else result


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the institution's file."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    medfee: int
    fund: int
    account: int
    refund: str


@transaction("3202")
def detail(m: Message) -> Output:
    """Compares the uploaded file with our rows; the answer names a result file for 9102."""
    node = m.node()
    optins, clr_type = text(node, "setl_optins"), text(node, "clr_type", "")
    rows = _rows(m, node, lambda r: r.clr_optins == optins and clr_type in ("", r.clr_type))
    lines = _read(stored_file(m, text(node, "file_qury_no")).content)
    if len(lines) != _count(node) or sum(line.medfee for line in lines) != amount(node, "medfee_sumamt"):
        raise Refused("文件明细与对账入参合计不一致")
    found = _differences(rows, lines, everything=bool(m.variant("detail_result_all_rows")))
    content = "".join("\t".join(_result_line(m, *item)) + "\n" for item in found)
    name = f"stmt_{m.fixmedins_code}_{m.now:%Y%m%d%H%M%S}.txt"
    stored = store(m, f"{name}.zip", _zipped(name, content))
    return {
        "fileinfo": {
            "file_qury_no": stored.file_qury_no,
            "filename": stored.filename,
            "dld_endtime": stored.dld_endtime,
        }
    }


def _read(encoded: str) -> list[Line]:
    lines = [line.rstrip("\r").split("\t") for line in _unzipped(encoded).split("\n") if line.strip()]
    if any(len(line) < _COLUMNS for line in lines):
        raise Refused("对账文件列数不足")
    return [_line([("" if cell == "null" else cell) for cell in line]) for line in lines]


def _unzipped(encoded: str) -> str:
    content = base64.b64decode(encoded)
    try:
        if content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(archive.namelist()[0])
        return content.decode("utf-8-sig")
    except (zipfile.BadZipFile, IndexError, UnicodeDecodeError) as error:
        raise Refused("对账文件无法解析") from error


def _line(cells: list[str]) -> Line:
    medfee, fund, account = (fen_of(cell or "0", "对账文件金额") for cell in cells[3:6])
    refund = "1" if (cells[6] or "0").lstrip("0") else "0"
    return Line(cells[0], cells[1], cells[2], medfee, fund, account, refund)


def _differences(
    rows: list[Settlement], lines: list[Line], *, everything: bool
) -> list[tuple[str, Settlement | None, Line | None]]:
    ours: dict[tuple[str, str], list[Settlement]] = {}
    for row in rows:
        ours.setdefault((row.setl_id, row.refd_setl_flag), []).append(row)
    found: list[tuple[str, Settlement | None, Line | None]] = []
    for line in lines:
        match = ours.get((line.setl_id, line.refund))
        if not match:
            found.append((INSTITUTION_MORE, None, line))
            continue
        row = match.pop(0)
        same = _money(row) == (line.medfee, line.fund, line.account)
        if everything or not same:
            found.append((EQUAL if same else DIFFERS, row, line))
    found += [(CENTRE_MORE, row, None) for match in ours.values() for row in match]
    return found


def _money(row: Settlement) -> tuple[int, int, int]:
    return row.amounts["medfee_sumamt"], row.amounts["fund_pay_sumamt"], row.amounts["acct_pay"]


def _result_line(m: Message, result: str, row: Settlement | None, line: Line | None) -> list[str]:
    """Columns of the result file: ours where we have the row, the institution's where only it has."""
    if row is not None:
        ids = [row.psn_no, row.mdtrt_id, row.setl_id, row.msgid]
        flag, money = row.refd_setl_flag, _money(row)
    elif line is not None:
        ids = [line.psn_no, line.mdtrt_id, line.setl_id, "null"]
        flag, money = line.refund, (line.medfee, line.fund, line.account)
    cells = [*ids, code(m, result), flag, _WORDS[result], *(yuan(fen) for fen in money)]
    if m.variant("detail_result_seven_columns"):
        return cells[:_COLUMNS]
    return [*cells, "null"] if m.variant("detail_result_eleven_columns") else cells


def _zipped(name: str, content: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
