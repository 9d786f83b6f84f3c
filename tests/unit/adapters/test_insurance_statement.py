"""The files of the reconciliation by detail: written, read back, in 7, 10 and 11 columns (national interface 3.13)."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from contextlib import suppress
from datetime import UTC, date, datetime
from email import message_from_bytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.insurance import ADAPTER, statement
from adapters.insurance.codec import InsuranceCodec
from adapters.insurance.lifting import stmt_class
from gateway.delivery.declare import Answer, SendContext
from gateway.model.insurance import NationalFile, NationalMessage, StatementRow
from gateway.model.money import MAX_FEN
from gateway.model.verdict import Done, Refused, Unknown

HOSPITAL = NationalMessage(infno="9101", fixmedins_code="H43050000001", mdtrtarea_admvs="430500", sign_no="S1")
CODEC = InsuranceCodec(ADAPTER.manifest)
ROWS = (
    StatementRow(setl_id="S1", mdtrt_id="M1", psn_no="P1", medfee_fen=10050, fund_fen=9000, acct_fen=0),
    StatementRow(setl_id="S2", mdtrt_id="M1", psn_no="P1", medfee_fen=-10050, fund_fen=-9000, acct_fen=0, refund=True),
)
ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30).filter(
    lambda text: text.lower() != "null"
)
fen = st.integers(-MAX_FEN, MAX_FEN)


def context(**credentials: str) -> SendContext:
    """A send at a fixed moment."""
    known = {"paasid": "xinyi", "token": "t", **credentials}
    return SendContext(0.0, datetime(2025, 3, 4, tzinfo=UTC), "n", "m" * 30, known)


def result(*lines: str) -> bytes:
    """A result file as a province zips it."""
    return statement.zipped("r.txt", "".join(f"{line}\n" for line in lines).encode())


def test_the_upload_file_is_tabs_lf_utf8_without_header_and_a_refund_is_a_line_of_its_own() -> None:
    assert statement.write_lines(ROWS) == (
        b"S1\tM1\tP1\t100.50\t90.00\t0.00\t0\nS2\tM1\tP1\t-100.50\t-90.00\t0.00\t1\n"
    )


@pytest.mark.parametrize(("null", "written"), [("null", b"null"), ("", b"")])
def test_an_empty_column_is_written_as_the_province_wants_it(null: str, written: bytes) -> None:
    row = StatementRow(setl_id="S1", psn_no="P1", medfee_fen=1, fund_fen=0)
    assert statement.write_lines([row], null).rstrip(b"\n").split(b"\t") == [
        b"S1", written, b"P1", b"0.01", b"0.00", written, b"0"
    ]  # fmt: skip


@given(st.lists(st.builds(StatementRow, setl_id=ids, mdtrt_id=ids, psn_no=ids, refund=st.booleans(),
                          medfee_fen=fen, fund_fen=fen, acct_fen=fen), max_size=5))  # fmt: skip
def test_what_was_written_comes_back(rows: list[StatementRow]) -> None:
    lines = [line.split("\t") for line in statement.write_lines(rows).decode().split("\n")[:-1]]
    answer = [
        "\t".join([psn, mdtrt, setl, "null", "0", flag, "平", *money]) for setl, mdtrt, psn, *money, flag in lines
    ]
    read = statement.read_result(result(*answer), stmt_class)
    assert list(read) == [row.model_copy(update={"stmt_rslt": "EQUAL", "memo": "平"}) for row in rows]


@pytest.mark.parametrize("columns", [7, 10, 11])
def test_seven_ten_and_eleven_columns(columns: int) -> None:
    cells = ["P1", "M1", "S1", "MSG1", "000101", "000", "中心多", "100.50", "90", "null", "null"][:columns]
    (row,) = statement.read_result(result("\t".join(cells)), stmt_class)
    assert (row.setl_id, row.msgid, row.stmt_rslt, row.refund) == ("S1", "MSG1", "CENTRE_MORE", False)
    assert (row.medfee_fen, row.fund_fen, row.acct_fen) == ((None,) * 3 if columns == 7 else (10050, 9000, None))


@given(st.binary(max_size=200))
def test_foreign_bytes_are_read_or_named_unreadable(body: bytes) -> None:
    for content in (body, b"PK\x03\x04" + body):
        with suppress(statement.StatementUnreadable):
            assert all(row.setl_id or row.msgid for row in statement.read_result(content, stmt_class))


@pytest.mark.parametrize("line", ["a\tb", "P\tM\tS\tX\t0\t0\t\t1.005\t1\t1", "P\tM\tnull\tnull\t1\t0\t"])
def test_a_row_that_cannot_be_read_spoils_the_file(line: str) -> None:
    with pytest.raises(statement.StatementUnreadable, match="line 1"):
        statement.read_result(result(line), stmt_class)


def file_in(body: bytes) -> tuple[str, bytes]:
    """Name and content of the file in a ZIP."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        (name,) = archive.namelist()
        return name, archive.read(name)


@pytest.mark.parametrize("transport", ["json", "base64"])
def test_upload_in_json(transport: str) -> None:
    message = CODEC.upload(HOSPITAL, "f.txt.zip", ROWS)
    out = CODEC.encode("9101", message, context(file_transport=transport))
    node = json.loads(out.body)["input"]["fsUploadIn"]
    content = bytes(node["in"]) if transport == "json" else base64.b64decode(node["in"])
    assert file_in(content) == ("f.txt", statement.write_lines(ROWS))
    assert (node["filename"], node["fixmedins_code"]) == ("f.txt.zip", "H43050000001")
    assert out.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("part", ["file", "in"])
def test_upload_as_a_form(part: str) -> None:
    message = CODEC.upload(HOSPITAL, "f.txt.zip", ROWS)
    out = CODEC.encode("9101", message, context(file_transport="multipart", file_part=part))
    form = message_from_bytes(f"Content-Type: {out.headers['Content-Type']}\r\n\r\n".encode() + out.body)
    parts: dict[str, bytes] = {}
    for piece in form.walk():
        name = piece.get_param("name", header="content-disposition")
        if isinstance(name, str):
            content: Any = piece.get_payload(decode=True)
            parts[name] = content
    assert set(parts) == {"jsonStr", part}
    assert json.loads(parts["jsonStr"])["input"]["fsUploadIn"]["filename"] == "f.txt.zip"
    assert file_in(parts[part])[1] == statement.write_lines(ROWS)


def test_an_unknown_transport_is_a_mistake_of_the_settings() -> None:
    with pytest.raises(ValueError, match="file_transport"):
        CODEC.encode("9101", CODEC.upload(HOSPITAL, "f.zip", ROWS), context(file_transport="ftp"))


def test_detail_names_the_file_and_carries_the_cash_part() -> None:
    message = CODEC.detail(
        HOSPITAL, NationalFile(file_qury_no="F1", filename="f.zip"), clr_type="11", setl_optins="430500",
        begin=date(2025, 3, 3), end=date(2025, 3, 3), medfee_fen=1, fund_fen=2, cash_fen=-3, count=4,
    )  # fmt: skip
    data = json.loads(CODEC.encode("3202", message, context()).body)["input"]["data"]
    assert (data["file_qury_no"], data["cash_payamt"], data["fixmedins_setl_cnt"]) == ("F1", "-0.03", 4)
    assert "insutype" not in data
    assert "acct_pay" not in data


@pytest.mark.parametrize(
    ("operation", "output"),
    [
        ("9101", {"file_qury_no": "F1", "filename": "f.zip"}),
        ("3202", {"fileinfo": {"file_qury_no": "F1", "filename": "f.zip"}}),
    ],
)
def test_the_file_named_by_an_answer(operation: str, output: dict[str, Any]) -> None:
    body = json.dumps({"infcode": 0, "inf_refmsgid": "R", "output": output}).encode()
    verdict = CODEC.decode(operation, HOSPITAL, Answer(200, {}, body))
    assert isinstance(verdict, Done)
    assert verdict.reply.file == NationalFile(file_qury_no="F1", filename="f.zip")


def test_a_download_is_a_file_or_a_refusal_by_its_first_byte() -> None:
    message = CODEC.download(HOSPITAL, NationalFile(file_qury_no="F1", filename="f.zip"))
    done = CODEC.decode("9102", message, Answer(200, {}, result("P\tM\tS\tX\t1\t0\t中心多\t1.00\t1.00\t0")))
    assert isinstance(done, Done)
    assert [row.msgid for row in done.reply.statement] == ["X"]
    refused = CODEC.decode(
        "9102", message, Answer(200, {}, json.dumps({"infcode": -1, "err_msg": "未找到文件"}).encode())
    )
    assert isinstance(refused, Refused)
    cut = CODEC.decode("9102", message, Answer(200, {}, result("P\tM\tS\tX\t1\t0\t")[:-30]))
    assert isinstance(cut, Unknown)
    equal = CODEC.decode("9102", message, Answer(200, {}, result()))
    assert isinstance(equal, Done)
    assert equal.reply.statement == ()
