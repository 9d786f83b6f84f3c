"""Every behaviour a provincial platform may show (national interface, chapter 9), through the running gateway.

The numbers in the names are the chapter's. 11 to 13 are asked of the platform with the gateway's own codec and
transport, since a variant of authentication or of file transport is a province's for good.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.insurance import ADAPTER, lifting
from gateway.model.identities import differences
from gateway.model.insurance import NationalFile, StatementRow
from gateway.model.verdict import Done, NotSent, Refused, Unknown
from simulators.hospital.encounters import Encounter, Inpatient
from simulators.hospital.national import NationalRefused, SettlementReversed
from simulators.hospital.people import Person
from tests.support.his import Ward, people, ward
from tests.support.platforms import HOSPITAL, TIF, Line, Province
from tests.support.sandbox import Town

CODEC: Any = ADAPTER.codec
CITY = "4305"


@pytest.fixture
async def at(town: Town) -> AsyncIterator[Ward]:
    """A hospital of Shaoyang, the platform plain and without faults before and after."""
    town.counters["people"] = town.counters.get("people", 0) + 1
    async with ward(town, seed=town.counters["people"]) as found:
        yield found
        await town.clear(found.session)
        await Province(town, found.session).set()


def person(at: Ward) -> Person:
    """Somebody no other test of this town uses, as far as there are people."""
    known = [one for one in people(CITY) if one.insutype == "310"]
    return known[at.town.counters["people"] % len(known)]


def claim(at: Ward, msgid: str) -> dict[str, Any]:
    """The record the gateway keeps of a settlement."""
    with sqlite3.connect(f"file:{at.town.place.data / 'xinyi.db'}?mode=ro", uri=True) as store:
        store.row_factory = sqlite3.Row
        row = store.execute("SELECT * FROM claim WHERE msgid = ?", (msgid,)).fetchone()
    assert row is not None, msgid
    return dict(row)


async def stay(at: Ward, total_fen: int = 100_000) -> Inpatient:
    """An inpatient encounter up to its uploaded fees."""
    encounter = Inpatient(at.his, person(at))
    await encounter.admit()
    await encounter.upload(at.his.fee_lines(total_fen, 4))
    return encounter


async def in_force(at: Ward, msgid: str) -> int:
    """Settlements of a message the platform holds, reversals taken off."""
    effects = await at.town.effects(at.session, "platform")
    done = Counter(effect["operation"] for effect in effects if effect["key"] == msgid)
    undone = sum(effect["operation"] == "2601" and effect["detail"].get("omsgid") == msgid for effect in effects)
    return done["2207"] + done["2304"] - undone


async def ahead(at: Ward, **step: float) -> None:
    """Move business time on; every job due on the way runs."""
    async with at.session.get(f"{at.town.gateway}/sandbox/clock") as answer:
        here = datetime.fromisoformat((await answer.json())["now"])
    await at.town.clock(at.session, (here + timedelta(**step)).isoformat())


def raw_of(settled: Any) -> dict[str, Any]:
    """The answer as the hospital got it."""
    found: dict[str, Any] = json.loads(settled.answer.raw, parse_float=Decimal)
    return found


# -- 1, 2: spellings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["output_missing", "output_empty", ""])
async def test_01_infcode_and_output_in_every_spelling(at: Ward, output: str) -> None:
    async with Province(at.town, at.session, infcode_as_string=True, **({output: True} if output else {})):
        encounter = await at.fees(person(at))
        settled = await encounter.settle() if await encounter.presettle() else None
        assert raw_of(settled)["infcode"] == "0"
        nothing = {"data": {"psn_no": encounter.person.psn_no, "mdtrt_id": encounter.mdtrt_id, "chrg_bchno": "0000"}}
        message = await at.his.line.message("2205", nothing, "430500")
        _, body, _ = await at.post(message.body)
        assert str(body["infcode"]) in ("0", "-1")
        assert ("output" in body) == (output != "output_missing")
        assert body.get("output") == ({} if output == "output_empty" else None)
        await encounter.cancel()


async def test_02_amounts_as_strings_and_padded_dates_are_booked_to_the_fen(at: Ward) -> None:
    figures = []
    for switches in ({}, {"amounts_as_strings": True, "dates_padded": True}):
        async with Province(at.town, at.session, **switches):
            encounter = await at.fees(person(at), 9050)
            await encounter.presettle()
            settled = await encounter.settle()
        info = raw_of(settled)["output"]["setlinfo"]
        assert info["medfee_sumamt"] == ("90.50" if switches else Decimal("90.5"))
        kept = claim(at, settled.message.msgid)
        figures.append(kept["medfee_fen"])
        assert kept["cash_fen"] == Decimal(info["psn_cash_pay"]) * 100
        assert kept["fund_fen"] + kept["acct_fen"] + kept["cash_fen"] == 9050
    assert figures == [9050, 9050]


# -- 3, 4, 5: the two unknown outcomes and the reversal ----------------------------------------------------------------


async def _unknown(at: Ward, encounter: Encounter, kind: str) -> str:
    """A settlement whose answer is lost; the msgid, once the hospital was told that it is reversed."""
    await encounter.presettle()
    infno = encounter.settle_infno
    message = await at.his.line.message(infno, encounter.settle_input(), "430500")
    await at.town.fault(at.session, "platform", operation=infno, nth=1, kind=kind)
    call = asyncio.create_task(at.his.line.insist(message))
    while not call.done():  # "not found" counts only after the settling time
        await asyncio.sleep(0.4)
        if kind.endswith("before"):
            await ahead(at, seconds=20)
    with pytest.raises(SettlementReversed):
        await call
    await at.town.clear(at.session)
    return message.msgid


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
@pytest.mark.parametrize("infno", ["2207", "2304"])
async def test_03_04_a_settlement_whose_answer_is_lost_is_undone_once_for_all(at: Ward, infno: str, kind: str) -> None:
    encounter: Encounter = await at.fees(person(at)) if infno == "2207" else await stay(at)
    msgid = await _unknown(at, encounter, kind)
    assert await in_force(at, msgid) == 0
    assert claim(at, msgid)["state"] == "REVERSED"
    effects = [row for row in await at.town.effects(at.session, "platform") if row["key"] == msgid]
    assert len(effects) == (1 if kind == "drop_after" else 0)
    again = await encounter.settle()
    assert await in_force(at, again.message.msgid) == 1


async def test_03_an_answer_later_than_the_provinces_time_out_is_unknown(at: Ward) -> None:
    line = Line(at.town.simulator("platform"), read_seconds=0.3)
    await line.sign_in()
    await at.town.fault(at.session, "platform", operation="1101", nth=1, kind="delay_after", seconds=1)
    said = await line.ask(line.message("1101", {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": "x"}}))
    assert isinstance(said, Unknown)
    assert said.reason


async def _reverse(at: Ward, psn_no: str, msgid: str) -> dict[str, Any]:
    content = {"data": {"psn_no": psn_no, "omsgid": msgid, "oinfno": "2207"}}
    message = await at.his.line.message("2601", content, "430500")
    _, body, _ = await at.post(message.body)
    return dict(body)


async def test_05_a_hospitals_own_reversal_found_repeated_lost_and_not_found(at: Ward) -> None:
    encounter = await at.fees(person(at))
    await encounter.presettle()
    msgid = (await encounter.settle()).message.msgid
    await at.town.fault(at.session, "platform", operation="2601", nth=1, kind="drop_after")
    body = await _reverse(at, encounter.person.psn_no, msgid)
    for _ in range(20):
        if str(body["infcode"]) == "0":
            break
        await ahead(at, seconds=5)
        body = await _reverse(at, encounter.person.psn_no, msgid)
    assert str(body["infcode"]) == "0"
    assert (await in_force(at, msgid), claim(at, msgid)["state"]) == (0, "CANCELLED")
    await at.town.clear(at.session)
    async with Province(at.town, at.session, reversal_duplicate_refused=True):
        again = await _reverse(at, encounter.person.psn_no, msgid)
    assert "冲正" in again["err_msg"] or str(again["infcode"]) == "0"
    missing = await _reverse(at, encounter.person.psn_no, f"{at.code}20250303080000{9999}")
    assert (missing["infcode"], "无需冲正" in missing["err_msg"]) == (-1, True)
    async with Province(at.town, at.session, reversal_not_found_as_success=True):
        assert (await _reverse(at, encounter.person.psn_no, f"{at.code}20250303080000{9998}"))["infcode"] == 0
    assert await in_force(at, msgid) == 0


# -- 6, 7: what was done before ---------------------------------------------------------------------------------------


async def test_06_the_same_batch_settles_once_whatever_the_msgid(at: Ward) -> None:
    encounter = await at.fees(person(at))
    await encounter.presettle()
    first = await encounter.settle()
    message = await at.his.line.message("2207", encounter.settle_input(), "430500")
    _, body, _ = await at.post(message.body)
    assert (body["infcode"], "已结算" in body["err_msg"]) == (-1, True)
    assert claim(at, message.msgid)["state"] == "REJECTED"
    assert (await in_force(at, message.msgid), await in_force(at, first.message.msgid)) == (0, 1)


async def test_07_fee_serials_count_once_and_a_call_takes_a_hundred_rows(at: Ward) -> None:
    encounter = await at.fees(person(at))
    at_time = at.his.line.now()
    rows = [
        line.row(at.his.institution, encounter.mdtrt_id, encounter.person.psn_no, at_time)
        | {"chrg_bchno": encounter.chrg_bchno}
        for line in at.his.fee_lines(3000, 2)
    ]
    await at.his.call("2204", {"feedetail": rows}, encounter.person)
    with pytest.raises(NationalRefused, match="重复"):
        await at.his.call("2204", {"feedetail": rows}, encounter.person)
    inpatient = await stay(at)
    lines = [
        line.row(at.his.institution, inpatient.mdtrt_id, inpatient.person.psn_no, at_time) | {"med_type": "21"}
        for line in at.his.fee_lines(101_00, 101)
    ]
    with pytest.raises(NationalRefused, match="100"):
        await at.his.call("2301", {"feedetail": lines}, inpatient.person)


# -- 8, 9, 10: figures ------------------------------------------------------------------------------------------------


async def test_08_totals_that_change_before_the_settlement_reach_the_cashier(at: Ward) -> None:
    async with Province(at.town, at.session, totals_change_before_settlement=True):
        encounter = await at.fees(person(at))
        estimate = await encounter.presettle()
        settled = await encounter.settle()
    booked = raw_of(settled)["output"]["setlinfo"]
    assert booked["fund_pay_sumamt"] < estimate["fund_pay_sumamt"]
    assert claim(at, settled.message.msgid)["fund_fen"] == booked["fund_pay_sumamt"] * 100


@pytest.mark.parametrize("switches", [{}, {"refund_fields_null": True}, {"refund_positive_same_id": True}])
async def test_09_a_refund_is_booked_negative_whatever_its_sign_and_id(at: Ward, switches: dict[str, bool]) -> None:
    encounter = await at.fees(person(at), 7310)
    await encounter.presettle()
    settled = await encounter.settle()
    async with Province(at.town, at.session, **switches):
        data = {
            "setl_id": settled.booked.setl_id, "mdtrt_id": encounter.mdtrt_id, "psn_no": encounter.person.psn_no,
        }  # fmt: skip
        message = await at.his.line.message("2208", {"data": data}, "430500")
        _, body, _ = await at.post(message.body)
    info = body["output"]["setlinfo"]
    assert (info["setl_id"] == settled.booked.setl_id) == ("refund_positive_same_id" in switches)
    assert (info["psn_part_amt"] is None) == ("refund_fields_null" in switches)
    refund = claim(at, message.msgid)
    assert (refund["medfee_fen"], refund["refund"], refund["refund_of"]) == (-7310, 1, settled.booked.setl_id)
    assert claim(at, settled.message.msgid)["state"] == "CANCELLED"


STATEMENTS = [
    ({}, "0", "1"), ({"stmt_rslt_three_digits": True}, "100", "101"),
    ({"stmt_rslt_six_digits": True}, "000000", "000101"),
]  # fmt: skip


@pytest.mark.parametrize(("switches", "flat", "more"), STATEMENTS)
async def test_10_every_coding_of_the_reconciliation_means_the_same(
    at: Ward, switches: dict[str, bool], flat: str, more: str
) -> None:
    line = Line(at.town.simulator("platform"))
    await line.sign_in()
    encounter = await at.fees(person(at))
    await encounter.presettle()
    await encounter.settle()
    today = at.his.line.now().date()
    hospital = HOSPITAL.model_copy(update={"sign_no": line.sign_no})
    nothing = {"medfee_fen": 0, "fund_fen": 0, "acct_fen": 0, "count": 0, "clr_type": "11", "setl_optins": "430500"}
    async with Province(at.town, at.session, **switches):
        ours = CODEC.totals(hospital, insutype="310", begin=today, end=today, **nothing)
        quiet = CODEC.totals(hospital, insutype="310", begin=date(2020, 1, 1), end=date(2020, 1, 1), **nothing)
        differs, equal = await line.ask(ours), await line.ask(quiet)
    assert [json.loads(said.reply.raw)["output"]["stmtinfo"]["stmt_rslt"] for said in (differs, equal)] == [more, flat]
    assert [said.reply.stmt_rslt for said in (differs, equal)] == ["DIFFERS", "EQUAL"]


# -- 11, 12: files ----------------------------------------------------------------------------------------------------


async def _uploaded(line: Line, rows: tuple[StatementRow, ...]) -> NationalFile:
    hospital = HOSPITAL.model_copy(update={"sign_no": line.sign_no})
    said = await line.ask(CODEC.upload(hospital, "detail.txt.zip", rows))
    assert isinstance(said, Done), said
    assert said.reply.file is not None
    return said.reply.file  # type: ignore[no-any-return]


async def _detail(line: Line, at: Ward, rows: tuple[StatementRow, ...], transport: str = "json") -> Any:
    """9101, 3202 and 9102 over a day; the verdict of the download."""
    line.credentials = {**TIF, "file_transport": transport}
    hospital, day = HOSPITAL.model_copy(update={"sign_no": line.sign_no}), at.his.line.now().date()
    file = await _uploaded(line, rows)
    said = await line.ask(
        CODEC.detail(
            hospital, file, clr_type="11", setl_optins="430500", begin=day, end=day, count=len(rows), cash_fen=0,
            medfee_fen=sum(row.medfee_fen or 0 for row in rows), fund_fen=sum(row.fund_fen or 0 for row in rows),
        )
    )  # fmt: skip
    assert isinstance(said, Done), said
    return await line.ask(CODEC.download(hospital, said.reply.file))


@pytest.mark.parametrize("transport", ["json", "base64", "multipart"])
async def test_11_a_file_goes_up_in_every_transport_and_comes_down_as_one(at: Ward, transport: str) -> None:
    line = Line(at.town.simulator("platform"))
    await line.sign_in()
    ours = StatementRow(setl_id="NOWHERE", mdtrt_id="M", psn_no="P", medfee_fen=100, fund_fen=60, acct_fen=0)
    said = await _detail(line, at, (ours,), transport)
    assert isinstance(said, Done)
    assert "INSTITUTION_MORE" in {row.stmt_rslt for row in said.reply.statement if row.setl_id == "NOWHERE"}


async def test_11_a_download_that_fails_is_a_refusal_in_json(at: Ward) -> None:
    line = Line(at.town.simulator("platform"))
    await line.sign_in()
    hospital = HOSPITAL.model_copy(update={"sign_no": line.sign_no})
    said = await line.ask(CODEC.download(hospital, NationalFile(file_qury_no="none", filename="x")))
    assert isinstance(said, Refused)
    assert said.reply is not None


@pytest.mark.parametrize("variant", ["detail_result_seven_columns", "", "detail_result_eleven_columns"])
async def test_12_result_files_of_7_10_and_11_columns(at: Ward, variant: str) -> None:
    line = Line(at.town.simulator("platform"))
    await line.sign_in()
    encounter = await at.fees(person(at), 4200)
    await encounter.presettle()
    settled = await encounter.settle()
    async with Province(at.town, at.session, **({variant: True} if variant else {})):
        said = await _detail(line, at, ())
    assert isinstance(said, Done)
    row = next(row for row in said.reply.statement if row.setl_id == settled.booked.setl_id)
    assert (row.stmt_rslt, row.msgid) == ("CENTRE_MORE", settled.message.msgid)
    assert row.medfee_fen == (None if "seven" in variant else 4200)


# -- 13: who asks -----------------------------------------------------------------------------------------------------

CSB = {"access_key": "xinyi", "secret_key": "sandbox-platform"}
VARIANTS = [
    ("tif", TIF, {}), ("csb", CSB, {"auth_csb": True}),
    ("apikey", {"apikey": "sandbox-platform"}, {"auth_apikey": True}), ("none", {}, {"auth_none": True}),
]  # fmt: skip
FAMILIES = ["call_service", "service_path", "infno"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("auth", "credentials", "switches"), VARIANTS)
async def test_13_each_variant_of_the_headers_is_let_in(
    at: Ward, auth: str, credentials: dict[str, str], switches: dict[str, bool], family: str
) -> None:
    line = Line(at.town.simulator("platform"), credentials, {"auth": auth, "url_family": family, "input": "string"})
    async with Province(at.town, at.session, **switches):
        assert isinstance(await line.sign_in(), Done)
    assert line.sign_no


@pytest.mark.parametrize(
    ("auth", "credentials", "switches", "why"),
    [
        ("tif", {**TIF, "token": "wrong"}, {}, "400001"), ("none", {}, {}, "400001"),
        ("csb", {**CSB, "secret_key": "wrong"}, {"auth_csb": True}, "401"),
        ("apikey", {"apikey": "wrong"}, {"auth_apikey": True}, "401"),
    ],
)  # fmt: skip
async def test_13_who_is_turned_away_has_sent_nothing(
    at: Ward, auth: str, credentials: dict[str, str], switches: dict[str, bool], why: str
) -> None:
    line = Line(at.town.simulator("platform"), credentials, {"auth": auth})
    async with Province(at.town, at.session, **switches):
        said = await line.sign_in()
    assert isinstance(said, NotSent)
    assert why in said.reason


async def test_13_a_clock_that_is_off_and_a_nonce_used_twice_are_turned_away(at: Ward) -> None:
    url = at.town.simulator("platform")
    assert isinstance(await Line(url, real_skew=-200).sign_in(), NotSent)
    assert isinstance(await Line(url, real_skew=-150).sign_in(), Done)
    line = Line(url, nonce="the same nonce twice")
    assert [type(await line.sign_in()) for _ in range(2)] == [Done, NotSent]


# -- 14 to 18: sessions, areas, numbers, robustness -----------------------------------------------------------------


async def test_14_an_expired_sign_in_is_told_apart_and_renewed(at: Ward) -> None:
    line = Line(at.town.simulator("platform"))
    await line.sign_in()
    who = person(at)
    assert await at.his.identify(who)
    asked = {
        "data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": who.certno, "psn_cert_type": "01", "certno": who.certno}
    }
    assert isinstance(await line.ask(line.message("1101", asked)), Done)
    async with Province(at.town, at.session, sign_no_expires=1):
        await ahead(at, hours=2)
        expired = await line.ask(line.message("1101", asked))
        assert isinstance(expired, Refused)
        assert expired.code == "SIGN_IN_EXPIRED"
        assert at.his.line.sign_no == ""
        assert await at.his.identify(who)  # the gateway renews what it signed in itself


async def test_15_guangdongs_funds_include_the_account(at: Ward) -> None:
    async with Province(at.town, at.session, fund_includes_acct=True):
        encounter = await at.fees(person(at))
        await encounter.presettle()
        settled = await encounter.settle()
    info = raw_of(settled)["output"]["setlinfo"]
    assert info["psn_cash_pay"] == info["medfee_sumamt"] - info["fund_pay_sumamt"]
    booked = lifting.settlement(raw_of(settled), "2207")
    assert booked.fen("acct_pay") > 0
    assert "I4" in {row.identity for row in differences(booked.amounts)}
    assert differences(booked.amounts, fund_includes_acct=True) == ()
    assert claim(at, settled.message.msgid)["fund_fen"] == booked.fen("fund_pay_sumamt")


async def test_16_numbers_are_well_formed_and_never_used_twice(at: Ward) -> None:
    switches = {"msgid_checked": True, "msgid_duplicates_refused": True}
    async with Province(at.town, at.session, **switches):
        encounter = await at.fees(person(at))
        await encounter.presettle()
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        short = json.loads(message.body) | {"msgid": f"S{at.town.counters['people']}"}
        _, first, _ = await at.post(json.dumps(short).encode())
        _, again, headers = await at.post(json.dumps(short).encode())
    assert str(first["infcode"]) == "0", first
    assert again == first
    assert headers["Idempotency-Replayed"] == "true"


async def test_17_a_person_from_elsewhere_is_waited_for_and_cleared_apart(at: Ward) -> None:
    away = {
        "psn_no": "43010000000000000000099901", "psn_name": "异地甲", "certno": "430102199001019993", "gend": "1",
        "brdy": "1990-01-01", "insutype": "310", "insuplc_admdvs": "430100", "balc": "0.00",
    }  # fmt: skip
    url = f"{at.town.simulator('platform')}/_sim/people"
    async with at.session.post(url, json=[away]) as answer:
        assert answer.status == 200
    other = Person(
        psn_no=away["psn_no"], psn_name=away["psn_name"], certno=away["certno"], gend="1", brdy=date(1990, 1, 1),
        insutype="310", insuplc_admdvs="430100", psn_type="1101", balc=0, psn_cert_type="01",
    )  # fmt: skip
    async with Province(at.town, at.session, cross_area=0.4):
        encounter = await at.fees(other)
        await encounter.presettle()
        began = time.monotonic()
        settled = await encounter.settle()
        assert time.monotonic() - began >= 0.4
    output = raw_of(settled)["output"]
    assert output["setlinfo"]["clr_type"].startswith("99")
    assert "910100" in {row["fund_pay_type"] for row in output["setldetail"]}
    assert claim(at, settled.message.msgid)["clr_type"] == output["setlinfo"]["clr_type"]


async def test_18_a_long_text_reaches_the_cashier_and_a_page_is_no_answer(at: Ward) -> None:
    encounter = await at.fees(person(at))
    await encounter.presettle()
    await encounter.settle()
    async with Province(at.town, at.session, long_err_msg=True):
        message = await at.his.line.message("2207", encounter.settle_input(), "430500")
        _, body, _ = await at.post(message.body)
    assert (body["infcode"], len(body["err_msg"])) == (-1, 4000)
    second = await at.fees(person(at))
    for page in ("html_error_page", "backend_down"):
        async with Province(at.town, at.session, **{page: "2206"}):
            with_page = await at.his.line.message("2206", {"data": second._settle_data()}, "430500")
            _, body, _ = await at.post(with_page.body)
        assert "PLATFORM_UNAVAILABLE" in body["err_msg"]
        _, body, _ = await at.post(with_page.body)
        assert str(body["infcode"]) == "0"


# -- 19: clearing -----------------------------------------------------------------------------------------------------


async def _status(at: Ward, number: str) -> dict[str, Any]:
    answer = await at.his.line.call("3205", {"data": {"clr_appy_evt_id": number}})
    return dict(answer.output["clr_appys"][0])


async def test_19_a_clearing_application_walks_to_its_payout_or_is_rejected(at: Ward) -> None:
    nothing = dict.fromkeys(("medfee_sumamt", "med_sumfee", "fund_appy_sum", "cash_payamt", "acct_pay"), "0.00")
    data = {**nothing, "begndate": "2025-02-01", "enddate": "2025-02-28", "setlym": "202502", "clr_way": "1"}
    data |= {"psntime": 0, "clr_type": "21"}
    applied = await at.his.line.call("3203", {"data": data})
    number = str(applied.output["result"]["clr_appy_evt_id"])
    seen = [(await _status(at, number))["clr_stas"]]
    for hours in (2, 23, 48, 48, 72):
        await ahead(at, hours=hours)
        seen.append((await _status(at, number))["clr_stas"])
    assert seen == ["10", "20", "30", "40", "50", "60"]
    final = await _status(at, number)
    assert final["act_dfr_amt"] <= final["dfr_amt"]
    async with Province(at.town, at.session, clearing_rejected=True):
        applied = await at.his.line.call("3203", {"data": data | {"clr_type": "99"}})
        number = str(applied.output["result"]["clr_appy_evt_id"])
        await ahead(at, hours=48)
        assert (await _status(at, number))["clr_stas"] == "70"
