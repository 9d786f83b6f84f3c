"""The files of the reconciliation by detail (national interface 3.12, 3.13): ours for 9101, the result of 9102.

A ZIP with one text file: UTF-8 without BOM, LF, TAB between the columns, no header line. A cancelled settlement has
two lines, the original (flag 0) and the refund with negative amounts (flag 1).
"""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from gateway.model.insurance import NationalFile, NationalMessage, StatementRow
from gateway.model.money import MAX_FEN, format_yuan

MAX_TEXT: Final = 256 * 1024 * 1024
_LEAST_COLUMNS: Final = 7
_MONEY_COLUMNS: Final = 10
_ZIP: Final = b"PK"
_NOTHING: Final = frozenset({"", "null", "NULL"})
_BREAKS: Final = str.maketrans(dict.fromkeys("\t\n\r", " "))
_BOUNDARY: Final = "xinyi-6f1b2c9d4e8a"


class StatementUnreadable(ValueError):
    """A file that is no reconciliation file; the text says where, never what stands there."""


# -- ours -------------------------------------------------------------------------------------------------------------


def write_lines(rows: Sequence[StatementRow], null: str = "null") -> bytes:
    """The text of the upload file: seven columns a line. ``null`` is written where there is no value."""
    return "".join("\t".join(_cells(row, null)) + "\n" for row in rows).encode("utf-8")


def _cells(row: StatementRow, null: str) -> list[str]:
    texts = [text.translate(_BREAKS) or null for text in (row.setl_id, row.mdtrt_id, row.psn_no)]
    money = [null if fen is None else format_yuan(fen) for fen in (row.medfee_fen, row.fund_fen, row.acct_fen)]
    return [*texts, *money, "1" if row.refund else "0"]


def zipped(name: str, content: bytes) -> bytes:
    """A ZIP with one file, the same bytes for the same content on any machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, content)
    return buffer.getvalue()


def with_file(message: NationalMessage, given: Mapping[str, str]) -> tuple[NationalMessage, bytes]:
    """9101 with its file in the input; for a multipart form the message as it is and the file beside it (3.12).

    Credentials read: `file_transport` (json byte list, base64, multipart) and `statement_null`. Raises ValueError for
    another transport.
    """
    node = (message.input or {})["fsUploadIn"]
    content = zipped(
        str(node["filename"]).removesuffix(".zip"), write_lines(message.statement, given.get("statement_null", "null"))
    )
    transport = given.get("file_transport", "json")
    if transport == "multipart":
        return message, content
    if transport not in ("json", "base64"):
        raise ValueError(f"unknown file_transport {transport}")
    carried: Any = list(content) if transport == "json" else base64.b64encode(content).decode("ascii")
    return message.model_copy(update={"input": {"fsUploadIn": {"in": carried, **node}}}), b""


def form(envelope: bytes, content: bytes, part: str) -> tuple[bytes, str]:
    """Body and content type of a multipart 9101: the envelope as `jsonStr`, the file under the name ``part``."""
    boundary = _BOUNDARY
    while boundary.encode() in content or boundary.encode() in envelope:
        boundary += "0"
    mark = f"--{boundary}\r\n"
    body = b"".join(
        (
            f'{mark}Content-Disposition: form-data; name="jsonStr"\r\n'.encode(),
            b"Content-Type: application/json; charset=UTF-8\r\n\r\n", envelope, b"\r\n",
            f'{mark}Content-Disposition: form-data; name="{part}"; filename="statement.zip"\r\n'.encode(),
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n", content,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )  # fmt: skip
    return body, f"multipart/form-data; boundary={boundary}"


# -- the messages -----------------------------------------------------------------------------------------------------


def upload_of(hospital: NationalMessage, filename: str, rows: Sequence[StatementRow]) -> NationalMessage:
    """9101 with the lines of a reconciliation file; `hospital` names institution, area and operator (3.12)."""
    content = {"fsUploadIn": {"filename": filename, "fixmedins_code": hospital.fixmedins_code}}
    return hospital.model_copy(
        update={"infno": "9101", "msgid": "", "raw": "", "input": content, "statement": tuple(rows)}
    )


def download_of(hospital: NationalMessage, file: NationalFile) -> NationalMessage:
    """9102 of a file the platform named (3.12)."""
    content = {
        "fsDownloadIn": {
            "file_qury_no": file.file_qury_no, "filename": file.filename, "fixmedins_code": hospital.fixmedins_code,
        }
    }  # fmt: skip
    return hospital.model_copy(update={"infno": "9102", "msgid": "", "raw": "", "input": content})


def detail(
    hospital: NationalMessage,
    file: NationalFile,
    *,
    clr_type: str,
    setl_optins: str,
    begin: date,
    end: date,
    medfee_fen: int,
    fund_fen: int,
    cash_fen: int,
    count: int,
    refd_setl_flag: str = "1",
) -> NationalMessage:
    """3202 of an uploaded file, days inclusive, sums in fen net of refunds (3.13).

    It carries cash_payamt where 3201 has acct_pay, and no insurance type: one file holds all of a clearing type.
    """
    data = {
        "setl_optins": setl_optins,
        "file_qury_no": file.file_qury_no,
        "stmt_begndate": begin.isoformat(),
        "stmt_enddate": end.isoformat(),
        "medfee_sumamt": format_yuan(medfee_fen),
        "fund_pay_sumamt": format_yuan(fund_fen),
        "cash_payamt": format_yuan(cash_fen),
        "fixmedins_setl_cnt": count,
        "clr_type": clr_type,
        "refd_setl_flag": refd_setl_flag,
    }
    update = {"infno": "3202", "msgid": "", "insuplc_admdvs": "", "raw": "", "input": {"data": data}}
    return hospital.model_copy(update=update)


# -- theirs -----------------------------------------------------------------------------------------------------------


def is_file(body: bytes) -> bool:
    """Whether an answer to 9102 is a file rather than the envelope of a refusal: its first bytes decide (3.12)."""
    return bool(body) and not body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1].startswith(b"{")


def unzipped(body: bytes) -> bytes:
    """The one text file of a ZIP, or the body itself where the platform sends it plain.

    Raises StatementUnreadable for a broken archive, an empty one, or one that unpacks to more than MAX_TEXT.
    """
    if not body.startswith(_ZIP):
        return body
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [info for info in archive.infolist() if not info.is_dir()]
            if not names:
                raise StatementUnreadable("empty archive")
            if names[0].file_size > MAX_TEXT:
                raise StatementUnreadable("file too large")
            with archive.open(names[0]) as content:
                return content.read(MAX_TEXT)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise StatementUnreadable(type(error).__name__) from error


def read_result(body: bytes, stmt_class: Callable[[str], str]) -> tuple[StatementRow, ...]:
    """The rows of a result file with 7, 10 or 11 columns; ``stmt_class`` reads the code of a row.

    Raises StatementUnreadable for a file in which one row cannot be read: half an answer must close nothing.
    """
    try:
        text = unzipped(body).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StatementUnreadable("not UTF-8") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return tuple(_result_row(number, line, stmt_class) for number, line in enumerate(lines, start=1) if line.strip())


def _result_row(number: int, line: str, stmt_class: Callable[[str], str]) -> StatementRow:
    cells = ["" if cell.strip() in _NOTHING else cell.strip() for cell in line.split("\t")]
    if len(cells) < _LEAST_COLUMNS:
        raise StatementUnreadable(f"line {number}: {len(cells)} columns")
    psn_no, mdtrt_id, setl_id, msgid, code, flag, memo = cells[:_LEAST_COLUMNS]
    if not setl_id and not msgid:
        raise StatementUnreadable(f"line {number}: no number")
    money = cells[_LEAST_COLUMNS:_MONEY_COLUMNS] if len(cells) >= _MONEY_COLUMNS else ["", "", ""]
    medfee, fund, acct = (_fen(number, cell) for cell in money)
    return StatementRow(
        psn_no=psn_no, mdtrt_id=mdtrt_id, setl_id=setl_id, msgid=msgid, stmt_rslt=stmt_class(code),
        refund=bool(flag.strip("0")), memo=memo, medfee_fen=medfee, fund_fen=fund, acct_fen=acct,
    )  # fmt: skip


def _fen(number: int, cell: str) -> int | None:
    if not cell:
        return None
    try:
        fen = Decimal(cell).scaleb(2)
    except InvalidOperation:
        raise StatementUnreadable(f"line {number}: amount") from None
    if not fen.is_finite() or abs(fen) > MAX_FEN or fen != fen.to_integral_value():
        raise StatementUnreadable(f"line {number}: amount")
    return int(fen)
