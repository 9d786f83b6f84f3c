"""Reconciliation and clearing at the platform (3201, 3202 with files, 3203 to 3205; national-interface 3.11-3.14)."""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.platform import refusals
from tests.integration.simulators.platform_his import PERSON, His, hospital, tif_headers

PSN = PERSON["psn_no"]
DAY = "2025-03-03"


class Clock:
    """Writes the shared clock file as the gateway would; standing still."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(f"{DAY}T09:00:00+08:00")

    def set(self, moment: str) -> None:
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text(json.dumps({"business": moment, "real": time.time(), "rate": 0}))
        fresh.replace(self.path)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock.json")


@pytest.fixture
async def his(tmp_path: Path, clock: Clock) -> AsyncIterator[His]:
    async with hospital(tmp_path / "data", clock.path) as made:
        yield made


def totals(rows: list[dict[str, Any]], day: str = DAY, **fields: Any) -> dict[str, Any]:
    """What a hospital that booked exactly these answers sends in 3201."""
    data = {
        "insutype": "310",
        "clr_type": "11",
        "setl_optins": "430500",
        "stmt_begndate": day,
        "stmt_enddate": day,
        "fixmedins_setl_cnt": len(rows),
        "refd_setl_flag": "1",
        **{name: str(sum(row[name] for row in rows)) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")},
        **fields,
    }
    return {"data": data}


async def statement(his: His, payload: dict[str, Any]) -> str:
    info = (await his.done("3201", payload))["stmtinfo"]
    return str(info["stmt_rslt"])


async def cancelled(his: His, info: dict[str, Any]) -> dict[str, Any]:
    keys = {"psn_no": PSN, "setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}
    refund: dict[str, Any] = (await his.done("2208", {"data": keys}))["setlinfo"]
    return refund


async def test_totals_agree_with_what_was_answered_refunds_included(his: His) -> None:
    rows = [await his.settled(total) for total in ("100.00", "55.55", "9.90")]
    rows.append(await cancelled(his, rows[0]))
    assert await statement(his, totals(rows)) == "0"
    # without refunded pairs
    assert await statement(his, totals(rows[1:3], refd_setl_flag="0")) == "0"
    assert await statement(his, totals([], insutype="390")) == "0"
    assert await statement(his, totals([], setl_optins="430501")) == "0"


async def test_the_day_is_that_of_setl_time_and_a_refund_falls_on_its_own(his: His, clock: Clock) -> None:
    first = await his.settled("100.00")
    clock.set("2025-03-05T08:00:00+08:00")
    refund = await cancelled(his, first)
    assert (first["setl_time"][:10], refund["setl_time"][:10]) == (DAY, "2025-03-05")
    assert await statement(his, totals([first])) == "0"
    assert await statement(his, totals([refund], "2025-03-05")) == "0"
    assert await statement(his, totals([first, refund], DAY, stmt_enddate="2025-03-05")) == "0"


async def test_unequal_totals_are_told_by_stmt_rslt_alone(his: His) -> None:
    rows = [await his.settled("100.00"), await his.settled("50.00")]
    cases = {"1": totals(rows[:1]), "2": totals([*rows, rows[0]]), "3": totals(rows, medfee_sumamt="150.01")}
    for digit, payload in cases.items():
        assert await statement(his, payload) == digit
        await his.variants(stmt_rslt_three_digits=True)
        assert await statement(his, payload) == f"10{digit}"
        await his.variants(stmt_rslt_three_digits=False, stmt_rslt_six_digits=True)
        assert await statement(his, payload) == f"00010{digit}"
        assert await statement(his, totals(rows)) == "000000"
        await his.variants()
    await his.faults({"operation": "3201", "nth": 1, "kind": "lie", "fen": 1})
    assert await statement(his, totals(rows)) == "3"
    assert await statement(his, totals(rows)) == "0"


def file_of(rows: list[dict[str, Any]], name: str = "detail.txt") -> bytes:
    lines = []
    for row in rows:
        flag = "1" if row["medfee_sumamt"] < 0 else "0"
        cells = [
            row["setl_id"],
            row["mdtrt_id"],
            PSN,
            row["medfee_sumamt"],
            row["fund_pay_sumamt"],
            row["acct_pay"],
            flag,
        ]
        lines.append("\t".join(str(cell) for cell in cells))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "\n".join(lines) + "\n")
    return buffer.getvalue()


async def uploaded(his: His, content: Any) -> str:
    node = {"in": content, "filename": "detail.txt.zip", "fixmedins_code": his.code}
    return str((await his.done("9101", {"fsUploadIn": node}))["file_qury_no"])


async def downloaded(his: His, info: dict[str, Any]) -> list[list[str]]:
    node = {**info, "fixmedins_code": his.code}
    body = json.dumps(his.envelope("9102", {"fsDownloadIn": node})).encode()
    async with his.session.post(f"{his.sim.url}/fsi/api/9102", data=body, headers=tif_headers()) as answer:
        assert answer.content_type == "application/octet-stream"
        content = await answer.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    return [line.split("\t") for line in text.splitlines()]


async def detail(his: His, rows: list[dict[str, Any]], number: str) -> list[list[str]]:
    data = {
        "setl_optins": "430500",
        "file_qury_no": number,
        "stmt_begndate": DAY,
        "stmt_enddate": DAY,
        "medfee_sumamt": str(sum(row["medfee_sumamt"] for row in rows)),
        "fund_pay_sumamt": str(sum(row["fund_pay_sumamt"] for row in rows)),
        "cash_payamt": "0",
        "fixmedins_setl_cnt": len(rows),
        "clr_type": "11",
    }
    return await downloaded(his, (await his.done("3202", {"data": data}))["fileinfo"])


async def test_detail_names_what_only_one_side_has_and_what_differs(his: His) -> None:
    centre_only = await his.settled("100.00")
    omsgid = his.last_msgid
    differs, equal = await his.settled("50.00"), await his.settled("20.00")
    refunded = await his.settled("30.00")
    refund = await cancelled(his, refunded)
    ours_only = {**equal, "setl_id": "NOWHERE"}
    rows = [{**differs, "acct_pay": Decimal("1")}, equal, refunded, refund, ours_only]
    found = await detail(his, rows, await uploaded(his, list(file_of(rows))))
    by_code = {line[4]: line for line in found}
    assert sorted(line[4] for line in found) == ["1", "2", "3"]
    assert by_code["1"][:4] == [PSN, centre_only["mdtrt_id"], centre_only["setl_id"], omsgid]
    assert by_code["1"][7:] == ["100.00", "60.00", "40.00"]
    assert by_code["2"][2:4] == ["NOWHERE", "null"]
    assert by_code["3"][2] == differs["setl_id"]
    # the msgid of the centre-only row is what 2601 needs
    await his.done("2601", {"data": {"psn_no": PSN, "omsgid": by_code["1"][3], "oinfno": "2207"}})


@pytest.mark.parametrize(
    ("variant", "columns"), [("", 10), ("detail_result_seven_columns", 7), ("detail_result_eleven_columns", 11)]
)
async def test_the_result_file_has_the_provinces_columns(his: His, variant: str, columns: int) -> None:
    await his.settled("10.00")
    if variant:
        await his.variants(**{variant: True})
    found = await detail(his, [], await uploaded(his, base64.b64encode(file_of([])).decode()))
    assert [len(line) for line in found] == [columns]


async def test_files_come_as_bytes_signed_bytes_base64_or_multipart(his: His) -> None:
    row = await his.settled("10.00")
    content = file_of([row])
    signed = [byte - 256 if byte > 127 else byte for byte in content]
    for shape in (list(content), signed, base64.b64encode(content).decode()):
        assert await detail(his, [row], await uploaded(his, shape)) == []
    form = aiohttp.FormData()
    node = {"filename": "detail.txt.zip", "fixmedins_code": his.code}
    form.add_field("jsonStr", json.dumps(his.envelope("9101", {"fsUploadIn": node})))
    form.add_field("file", content, filename="detail.txt.zip", content_type="application/octet-stream")
    async with his.session.post(f"{his.sim.url}/fsi/api/fileupload/upload", data=form, headers=tif_headers()) as answer:
        number = (await answer.json(content_type=None))["output"]["file_qury_no"]
    assert await detail(his, [row], number) == []


async def test_a_download_that_fails_is_ordinary_json(his: His) -> None:
    node = {"file_qury_no": "none", "filename": "x", "fixmedins_code": his.code}
    assert "文件" in await his.refused("9102", {"fsDownloadIn": node})


async def test_a_clearing_application_walks_its_states_and_then_forbids_cancelling(his: His, clock: Clock) -> None:
    info = await his.settled("100.00")
    clock.set("2025-04-08T09:00:00+08:00")
    data = {
        "clr_type": "11",
        "clr_way": "1",
        "setlym": "202503",
        "psntime": 1,
        "medfee_sumamt": "100.00",
        "med_sumfee": "100.00",
        "fund_appy_sum": "60.00",
        "cash_payamt": "0",
        "acct_pay": "40.00",
        "begndate": "2025-03-01",
        "enddate": "2025-03-31",
    }
    assert "不一致" in await his.refused("3203", {"data": {**data, "fund_appy_sum": "60.01"}})
    number = (await his.done("3203", {"data": data}))["result"]["clr_appy_evt_id"]
    assert "已申报" in await his.refused("3203", {"data": data})
    seen = []
    for moment in ("08T09:00", "08T11:00", "09T10:00", "11T10:00", "13T10:00", "16T10:00"):
        clock.set(f"2025-04-{moment}:00+08:00")
        row = (await his.done("3205", {"data": {"clr_appy_evt_id": number}}))["clr_appys"][0]
        seen.append(row["clr_stas"])
    assert seen == ["10", "20", "30", "40", "50", "60"]
    assert (row["dfr_amt"], row["act_dfr_amt"]) == (60, 57)
    assert "不能撤销" in await his.refused("3204", {"data": {"clr_appy_evt_id": number}})
    keys = {"psn_no": PSN, "setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}
    assert await his.refused("2208", {"data": keys}) == refusals.CANCEL_FORBIDDEN


async def test_an_application_may_be_withdrawn_early_or_end_rejected(his: His, clock: Clock) -> None:
    data = {
        **dict.fromkeys(("medfee_sumamt", "med_sumfee", "fund_appy_sum", "cash_payamt", "acct_pay"), "0"),
        "clr_type": "21",
        "begndate": "2025-03-01",
        "enddate": "2025-03-31",
    }
    number = (await his.done("3203A", {"data": data}))["result"]["clr_appy_evt_id"]
    await his.done("3204", {"data": {"clr_appy_evt_id": number}})
    await his.variants(clearing_rejected=True)
    number = (await his.done("3203A", {"data": data}))["result"]["clr_appy_evt_id"]
    clock.set("2025-03-05T09:00:00+08:00")
    assert (await his.done("3205A", {"data": {"clr_appy_evt_id": number}}))["clr_appys"][0]["clr_stas"] == "70"
