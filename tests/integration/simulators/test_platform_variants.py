"""What provinces do differently: each named switch of ``/_sim/variants`` (national-interface 9)."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from simulators.platform import refusals
from simulators.platform.variants import SWITCHES
from tests.integration.simulators.platform_his import PERSON, RESIDENT, His, hospital, tif_headers

PSN = PERSON["psn_no"]


@pytest.fixture
async def his(tmp_path: Path) -> AsyncIterator[His]:
    async with hospital(tmp_path) as made:
        yield made


async def raw(his: His, infno: str, payload: Any) -> dict[str, Any]:
    """The answer as a client without any leniency reads it."""
    body = json.dumps(his.envelope(infno, payload)).encode()
    _, text = await his.post(body, f"/fsi/api/{infno}", tif_headers())
    answer: dict[str, Any] = json.loads(text)
    return answer


def cancel_of(info: dict[str, Any]) -> dict[str, Any]:
    return {"data": {"psn_no": PSN, "setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}}


async def test_every_switch_is_listed_with_an_explanation_and_is_off(his: His) -> None:
    _, content = await his.control("GET", "variants")
    assert set(content["variants"]) == set(SWITCHES)
    assert all(row["value"] is False and row["explanation"] for row in content["variants"].values())


async def test_spellings_of_infcode_output_and_amounts(his: His) -> None:
    mdtrt_id = await his.outpatient("90.50")
    delete = {"data": {"psn_no": PSN, "mdtrt_id": mdtrt_id, "chrg_bchno": "none"}}
    plain = await raw(his, "2205", delete)
    assert (plain["infcode"], plain["output"]) == (-1, None)
    await his.variants(infcode_as_string=True, output_missing=True, amounts_as_strings=True)
    odd = await raw(his, "2205", delete)
    assert odd["infcode"] == "-1"
    assert "output" not in odd
    info = (await raw(his, "2206", his.settle_data(mdtrt_id, "90.50")))["output"]["setlinfo"]
    assert info["medfee_sumamt"] == "90.50"
    await his.variants(infcode_as_string=False, output_missing=False, output_empty=True)
    assert (await raw(his, "2205", delete))["output"] == {}


async def test_refunds_negative_with_nulls_or_positive_under_the_same_id(his: His) -> None:
    first, second = await his.settled("10.00"), await his.settled("20.00")
    await his.variants(refund_fields_null=True)
    refund = (await his.done("2208", cancel_of(first)))["setlinfo"]
    assert (refund["psn_part_amt"], refund["hosp_part_amt"], refund["acct_mulaid_pay"]) == (None, None, None)
    await his.variants(refund_fields_null=False, refund_positive_same_id=True)
    refund = (await his.done("2208", cancel_of(second)))["setlinfo"]
    assert (refund["setl_id"], refund["medfee_sumamt"]) == (second["setl_id"], 20)
    assert [e["amount_fen"] for e in await his.effects("2208")] == [-1000, -2000]
    assert await his.balance() == "1300.00"


async def test_totals_that_change_between_estimate_and_settlement(his: His) -> None:
    await his.variants(totals_change_before_settlement=True)
    mdtrt_id = await his.outpatient("100.00")
    data = his.settle_data(mdtrt_id, "100.00", acct_used_flag="0")
    before = (await his.done("2206", data))["setlinfo"]["psn_cash_pay"]
    after = (await his.done("2207", data))["setlinfo"]["psn_cash_pay"]
    assert (before, after) == (40, 50)


async def test_guangdong_counts_the_account_among_the_funds(his: His) -> None:
    await his.variants(fund_includes_acct=True)
    info = await his.settled("100.00")
    assert (info["fund_pay_sumamt"], info["acct_pay"], info["psn_cash_pay"]) == (100, 40, 0)
    assert info["psn_cash_pay"] == info["medfee_sumamt"] - info["fund_pay_sumamt"]


@pytest.mark.parametrize(("variant", "inside"), [("mutual_aid_inside", True), ("mutual_aid_beside", False)])
async def test_mutual_aid_inside_or_beside_the_account(his: His, variant: str, inside: bool) -> None:
    await his.variants(**{variant: True})
    info = await his.settled("100.00")
    shared = info["acct_pay"] + info["psn_cash_pay"]
    assert info["psn_part_amt"] == shared + (0 if inside else info["acct_mulaid_pay"])
    assert info["acct_mulaid_pay"] == 20
    assert info["balc"] == 1280
    await his.done("2208", cancel_of(info))
    assert await his.balance() == "1300.00"


async def test_message_numbers_are_checked_where_the_province_does(his: His) -> None:
    data = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"]}}
    await his.done("1101", data, msgid="short")
    await his.variants(msgid_checked=True, msgid_duplicates_refused=True)
    assert "msgid" in await his.refused("1101", data, msgid="short")
    msgid = his.msgid()
    await his.done("1101", data, msgid=msgid)
    assert "重复" in await his.refused("1101", data, msgid=msgid)


async def test_sign_in_numbers_expire_or_are_never_checked(his: His) -> None:
    data = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"]}}
    await his.variants(sign_no_expires=0.0000001)
    assert await his.refused("1101", data) == refusals.SIGN_NO_INVALID
    await his.variants(sign_no_expires=1)
    await his.done("1101", data)
    await his.variants(sign_no_unchecked=True)
    await his.done("1101", data, sign_no="anything")


async def test_pages_of_the_gateway_in_front_leave_nothing_done(his: His) -> None:
    mdtrt_id = await his.outpatient("10.00")
    body = json.dumps(his.envelope("2207", his.settle_data(mdtrt_id, "10.00"))).encode()
    await his.variants(html_error_page="2207")
    status, text = await his.post(body, "/fsi/api/2207", tif_headers())
    assert (status, text[:6]) == (502, b"<html>")
    await his.done("2206", his.settle_data(mdtrt_id, "10.00"))
    await his.variants(html_error_page=False, backend_down=True)
    status, text = await his.post(body, "/fsi/api/2207", tif_headers())
    assert (status, json.loads(text)["code"]) == (500, 500159)
    assert await his.effects("2207") == []


async def test_long_error_texts_and_two_failure_codes(his: His) -> None:
    await his.variants(long_err_msg=True, failure_minus_two=True)
    answer = await his.ask("2207", his.settle_data("none", "1.00"))
    assert (answer["infcode"], len(answer["err_msg"])) == (-2, 4000)


async def test_people_from_elsewhere_are_cleared_apart_and_slowly(his: His) -> None:
    away = {**PERSON, "psn_no": "W1", "certno": "W1", "insuplc_admdvs": "430100", "balc": "0"}
    await his.control("POST", "people", [away])
    await his.variants(cross_area=0.3)
    where = {"insuplc_admdvs": "430100"}
    data = {"psn_no": "W1", "insutype": "310", "begntime": "2025-03-03", "ipt_otp_no": "W1"}
    mdtrt_id = (await his.done("2201", {"data": data}, **where))["data"]["mdtrt_id"]
    await his.done("2204", {"feedetail": [his.fee(mdtrt_id, "10.00", psn_no="W1")]}, **where)
    began = time.monotonic()
    out = await his.done("2207", his.settle_data(mdtrt_id, "10.00", psn_no="W1"), **where)
    assert time.monotonic() - began >= 0.3
    assert (out["setlinfo"]["clr_type"], out["setlinfo"]["oth_pay"]) == ("9903", 6)
    assert out["setldetail"][0]["fund_pay_type"] == "910100"


async def test_the_order_of_discharge_and_settlement_is_the_provinces(his: His) -> None:
    mdtrt_id = await his.admit()
    await his.done("2301", {"feedetail": [his.fee(mdtrt_id, "1000.00")]})
    discharge = {"dscginfo": {"mdtrt_id": mdtrt_id, "psn_no": PSN, "insutype": "310"}}
    await his.variants(settle_needs_discharge=True)
    assert await his.refused("2304", his.settle_data(mdtrt_id, "1000.00")) == refusals.NOT_DISCHARGED
    await his.variants(settle_needs_discharge=False, discharge_needs_settlement=True)
    assert await his.refused("2402", discharge) == refusals.NOT_SETTLED_YET
    await his.done("2304", his.settle_data(mdtrt_id, "1000.00"))
    await his.done("2402", discharge)


async def test_strict_provinces_demand_every_field(his: His) -> None:
    mdtrt_id = await his.outpatient("10.00")
    await his.variants(strict_fields=True)
    assert "psn_setlway" in await his.refused("2207", his.settle_data(mdtrt_id, "10.00", psn_setlway=""))
    data = his.settle_data(mdtrt_id, "10.00")
    assert "insuplc_admdvs" in await his.refused("2207", data, insuplc_admdvs="")
    await his.done("2207", data)


async def test_5203_needs_the_setl_id_unless_the_province_is_kind(his: His) -> None:
    info = await his.settled("10.00")
    data = {"data": {"psn_no": PSN, "mdtrt_id": info["mdtrt_id"]}}
    assert "setl_id" in await his.refused("5203", data)
    await his.variants(setl_id_optional_in_5203=True)
    assert (await his.done("5203", data))["setlinfo"]["setl_id"] == info["setl_id"]


async def test_institutions_level_and_area_are_the_platforms_word(his: His) -> None:
    await his.control("PUT", "hospitals", {his.code: {"hosp_lv": "1", "pool_area": "430300"}})
    info = await his.settled("100.00")
    assert (info["hifp_pay"], info["clr_optins"]) == (Decimal("70"), "430300")
    found = (await his.done("1201", {"medinsinfo": {"fixmedins_code": his.code}}))["medinsinfo"][0]
    assert found["hosp_lv"] == "1"
    stranger = His(his.sim, his.session, "H99990000001")
    await stranger.sign_in()
    await his.variants(unknown_hospitals_refused=True)
    asked = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": RESIDENT["certno"]}}
    assert "医药机构" in await stranger.refused("1101", asked)


async def test_reset_forgets_business_and_keeps_the_callers_signed_in(his: His) -> None:
    await his.settled("10.00")
    await his.variants(amounts_as_strings=True)
    status, _ = await his.control("POST", "reset")
    assert status == 200
    assert await his.effects() == []
    asked = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"]}}
    assert await his.refused("1101", asked) == refusals.PERSON_UNKNOWN
    _, people = await his.control("GET", "people")
    assert len(people["people"]) >= 200
    assert {row["insuplc_admdvs"] for row in people["people"]} >= {"430500", "440100", "640100", "120100", "350500"}
