"""Visits, fees, settlements and their refusals at the platform, over real sockets (national-interface 3, 6.3, 9)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from simulators.platform import refusals
from tests.integration.simulators.platform_his import PERSON, RESIDENT, His, hospital, tif_headers

PSN = PERSON["psn_no"]


@pytest.fixture
async def his(tmp_path: Path) -> AsyncIterator[His]:
    async with hospital(tmp_path) as made:
        yield made


def closes(info: dict[str, Any]) -> None:
    """I1 to I4 of national-interface 3.6."""
    funds = ["hifp_pay", "cvlserv_pay", "hifes_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay", "hifdm_pay"]
    parts = ["fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"]
    assert info["medfee_sumamt"] == sum(info[name] for name in parts)
    assert info["medfee_sumamt"] == info["fund_pay_sumamt"] + info["psn_part_amt"] + info["hosp_part_amt"]
    assert info["psn_part_amt"] == info["acct_pay"] + info["psn_cash_pay"]
    assert info["fund_pay_sumamt"] == sum(info[name] for name in funds)


async def test_an_outpatient_visit_from_registration_to_settlement(his: His) -> None:
    mdtrt_id = await his.register()
    rows = [his.fee(mdtrt_id, "100.00"), his.fee(mdtrt_id, "50.00", med_list_codg="X6")]
    split = (await his.done("2204", {"feedetail": rows}))["result"]
    assert [row["preselfpay_amt"] for row in split] == [0, 5]
    before = (await his.done("2206", his.settle_data(mdtrt_id, "150.00")))["setlinfo"]
    assert before["setl_id"] is None
    out = await his.done("2207", his.settle_data(mdtrt_id, "150.00"))
    info = out["setlinfo"]
    closes(info)
    assert info["fund_pay_sumamt"] == Decimal("87")
    assert info["psn_cash_pay"] == before["psn_cash_pay"]
    assert info["medins_setl_id"] == his.last_msgid
    assert (info["clr_type"], info["clr_optins"]) == ("11", "430500")
    assert info["balc"] == Decimal("1300") - info["acct_pay"]
    assert sum(row["fund_payamt"] for row in out["setldetail"] if row["fund_pay_type"] != "310200") == Decimal("87")


async def test_presettlement_changes_nothing(his: His) -> None:
    mdtrt_id = await his.outpatient("80.00")
    for _ in range(3):
        await his.done("2206", his.settle_data(mdtrt_id, "80.00"))
    assert await his.effects("2206", "2207") == []
    assert await his.balance() == "1300.00"
    assert (await his.done("2207", his.settle_data(mdtrt_id, "80.00")))["setlinfo"]["setl_id"]


@pytest.mark.parametrize("msgid", ["same", "fresh"])
async def test_a_batch_is_settled_once_whatever_the_msgid(his: His, msgid: str) -> None:
    info = await his.settled("60.00")
    again = {"msgid": his.last_msgid} if msgid == "same" else {}
    text = await his.refused("2207", his.settle_data(info["mdtrt_id"], "60.00"), **again)
    assert text == refusals.ALREADY_SETTLED
    assert len(await his.effects("2207")) == 1
    _, content = await his.control("GET", "requests?operation=2207")
    assert [row["verdict"] for row in content["requests"]] == ["executed", "duplicate"]
    assert json.loads(content["requests"][0]["body"])["infno"] == "2207"


async def test_refusals_of_a_settlement(his: His) -> None:
    empty = await his.register()
    assert await his.refused("2207", his.settle_data(empty, "1.00")) == refusals.NO_FEES
    mdtrt_id = await his.outpatient("100.00")
    assert await his.refused("2207", his.settle_data(mdtrt_id, "100.01")) == refusals.TOTAL_MISMATCH
    assert await his.refused("2207", his.settle_data("430500999", "100.00")) == refusals.NOT_REGISTERED
    other = his.settle_data(mdtrt_id, "100.00", psn_no=RESIDENT["psn_no"])
    assert await his.refused("2207", other) == refusals.NOT_REGISTERED
    parts = {"fulamt_ownpay_amt": "1", "overlmt_selfpay": "0", "preselfpay_amt": "0", "inscp_scp_amt": "98"}
    assert await his.refused("2207", his.settle_data(mdtrt_id, "100.00", **parts)) == refusals.PARTS_MISMATCH
    assert "390" in await his.refused("2207", his.settle_data(mdtrt_id, "100.00", insutype="390"))
    assert "两位小数" in await his.refused("2207", his.settle_data(mdtrt_id, "100.005"))
    assert await his.effects("2207") == []


async def test_refusals_of_fees(his: His) -> None:
    mdtrt_id = await his.register()
    row = his.fee(mdtrt_id, "10.00")
    await his.done("2204", {"feedetail": [row]})
    assert refusals.DUPLICATE_FEE in await his.refused("2204", {"feedetail": [his.fee(mdtrt_id, "1.00"), row]})
    # all or none: the good row of the refused call is not there
    fees = (await his.done("5204", {"data": {"psn_no": PSN, "mdtrt_id": mdtrt_id}}))["data"]
    assert [fee["feedetl_sn"] for fee in fees] == [row["feedetl_sn"]]
    assert await his.refused("2202", {"data": {"psn_no": PSN, "mdtrt_id": mdtrt_id}}) == refusals.HAS_FEES
    delete = {"data": {"psn_no": PSN, "mdtrt_id": mdtrt_id, "chrg_bchno": "0000"}}
    await his.done("2205", delete)
    assert await his.refused("2205", delete) == refusals.NO_OPEN_FEES
    await his.done("2202", {"data": {"psn_no": PSN, "mdtrt_id": mdtrt_id}})
    assert await his.refused("2204", {"feedetail": [his.fee(mdtrt_id, "1.00")]}) == refusals.NOT_REGISTERED


async def test_a_visit_number_is_registered_once_and_found_again_by_it(his: His) -> None:
    mdtrt_id = await his.register(number="MZ-X")
    data = {"psn_no": PSN, "insutype": "310", "begntime": "2025-03-03 09:00:00", "ipt_otp_no": "MZ-X"}
    assert await his.refused("2201", {"data": data}) == refusals.ALREADY_REGISTERED
    asked = {"psn_no": PSN, "begntime": "2025-03-03", "endtime": "2025-03-03", "med_type": "11"}
    found = (await his.done("5201", {"data": asked}))["mdtrtinfo"]
    assert [(row["mdtrt_id"], row["ipt_otp_no"]) for row in found] == [(mdtrt_id, "MZ-X")]


async def test_a_stay_from_admission_to_settlement_and_back(his: His) -> None:
    mdtrt_id = await his.admit()
    rows = [his.fee(mdtrt_id, "120.00") for _ in range(100)]
    assert await his.refused("2301", {"feedetail": [*rows, his.fee(mdtrt_id, "1.00")]}) == refusals.TOO_MANY_ROWS
    await his.done("2301", {"feedetail": rows})
    discharge = {"mdtrt_id": mdtrt_id, "psn_no": PSN, "insutype": "310", "endtime": "2025-03-05 10:00:00"}
    await his.done("2402", {"dscginfo": discharge, "diseinfo": []})
    assert await his.refused("2301", {"feedetail": [his.fee(mdtrt_id, "1.00")]}) == refusals.DISCHARGED
    assert (await his.done("2303", his.settle_data(mdtrt_id, "12000.00")))["setlinfo"]["setl_id"] is None
    info = (await his.done("2304", his.settle_data(mdtrt_id, "12000.00")))["setlinfo"]
    closes(info)
    assert (info["clr_type"], info["act_pay_dedc"], info["hifp_pay"], info["hifob_pay"]) == ("21", 800, 8500, 1080)
    assert await his.refused("2304", his.settle_data(mdtrt_id, "12000.00")) == refusals.ALREADY_SETTLED
    keys = {"mdtrt_id": mdtrt_id, "psn_no": PSN, "setl_id": info["setl_id"]}
    assert await his.refused("2405", {"data": keys}) == refusals.HAS_SETTLEMENT
    refund = (await his.done("2305", {"data": keys}))["setlinfo"]
    assert (refund["medfee_sumamt"], refund["acct_pay"]) == (-12000, -info["acct_pay"])
    assert refund["setl_id"] != info["setl_id"]
    assert await his.balance() == "1300.00"
    assert await his.refused("2305", {"data": keys}) == refusals.ALREADY_CANCELLED
    await his.done("2405", {"data": keys})
    assert await his.refused("2404", {"data": keys}) == refusals.HAS_FEES
    await his.done("2302", {"data": [{**keys, "feedetl_sn": "0000"}]})
    await his.done("2404", {"data": keys})
    assert [e["amount_fen"] for e in await his.effects("2304", "2305")] == [1_200_000, -1_200_000]


async def test_midway_settlements_leave_the_stay_open(his: His) -> None:
    mdtrt_id = await his.admit()
    await his.done("2301", {"feedetail": [his.fee(mdtrt_id, "1000.00")]})
    await his.done("2304", his.settle_data(mdtrt_id, "1000.00", mid_setl_flag="1"))
    await his.done("2301", {"feedetail": [his.fee(mdtrt_id, "2000.00")]})
    await his.done("2304", his.settle_data(mdtrt_id, "2000.00"))
    assert len(await his.effects("2304")) == 2


async def test_a_pharmacy_purchase_is_settled_and_given_back_once(his: His) -> None:
    drug = {**his.fee("", "45.60"), "mdtrt_id": None, "chrg_bchno": None}
    data = {"psn_no": PSN, "insutype": "310", "medfee_sumamt": "45.60", "acct_used_flag": "1", "mdtrt_cert_type": "02"}
    payload = {"druginfo": data, "drugdetail": [drug]}
    assert (await his.done("2101", payload))["setlinfo"]["acct_pay"] == Decimal("45.6")
    info = (await his.done("2102", payload))["setlinfo"]
    assert info["clr_type"] == "41"
    assert await his.refused("2102", payload) == refusals.ALREADY_SETTLED
    keys = {"psn_no": PSN, "setl_id": info["setl_id"]}
    await his.done("2103", {"data": keys})
    assert await his.refused("2103", {"data": keys}) == refusals.ALREADY_CANCELLED
    assert await his.balance() == "1300.00"


async def test_forced_amounts_come_back_exactly_and_only_once(his: His) -> None:
    forced = {"medfee_sumamt": "5800.00", "hifp_pay": "3480.01", "hifob_pay": "319.99", "acct_pay": "500.00"}
    status, _ = await his.control("PUT", "amounts", {PSN: forced})
    assert status == 200
    mdtrt_id = await his.outpatient("5800.00")
    for infno in ("2206", "2206", "2207"):
        info = (await his.done(infno, his.settle_data(mdtrt_id, "5800.00")))["setlinfo"]
        closes(info)
        assert {name: info[name] for name in forced} == {name: Decimal(value) for name, value in forced.items()}
        assert info["psn_cash_pay"] == Decimal("1500")
    assert (await his.settled("5800.00"))["hifp_pay"] == Decimal("3480")


async def test_forced_amounts_that_do_not_close_are_refused_with_the_reason(his: His) -> None:
    wrong = {"medfee_sumamt": "100.00", "hifp_pay": "60.00", "fund_pay_sumamt": "60.00", "psn_part_amt": "41.00"}
    status, answer = await his.control("PUT", "amounts", {PSN: wrong})
    assert status == 422
    assert "I2" in answer["detail"]
    assert (await his.control("PUT", "amounts", {"nobody": {}}))[0] == 422


async def test_two_hospitals_may_give_the_same_setl_id(his: His) -> None:
    other = His(his.sim, his.session, "H43050000002")
    await other.sign_in()
    await his.control("PUT", "amounts", {PSN: [{"setl_id": "SX0001"}, {"setl_id": "SX0001"}]})
    first, second = await his.settled("10.00"), await other.settled("20.00")
    assert first["setl_id"] == second["setl_id"] == "SX0001"
    keys = {"psn_no": PSN, "setl_id": "SX0001", "mdtrt_id": first["mdtrt_id"]}
    assert (await his.done("5203", {"data": keys}))["setlinfo"]["medfee_sumamt"] == 10


async def test_people_insurances_and_the_account(his: His) -> None:
    asked = {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"]}
    out = await his.done("1101", {"data": asked})
    assert out["baseinfo"]["psn_no"] == PSN
    assert [(row["insutype"], row["balc"]) for row in out["insuinfo"]] == [("310", 1300)]
    token = await his.done("1101", {"data": {"mdtrt_cert_type": "01", "mdtrt_cert_no": f"EC{PSN}"}})
    assert token["baseinfo"]["certno"] == PERSON["certno"]
    stale = {"mdtrt_cert_type": "01", "mdtrt_cert_no": "old"}
    assert await his.refused("1101", {"data": stale}) == refusals.TOKEN_INVALID
    unknown = {"mdtrt_cert_type": "02", "mdtrt_cert_no": "000"}
    assert await his.refused("1101", {"data": unknown}) == refusals.PERSON_UNKNOWN
    named = {**asked, "psn_name": "别人"}
    assert await his.refused("1101", {"data": named}) == refusals.PERSON_MISMATCH
    stopped = {**PERSON, "psn_no": "S1", "certno": "S1", "psn_insu_stas": "2"}
    await his.control("POST", "people", [stopped])
    data = {"psn_no": "S1", "insutype": "310", "med_type": "11"}
    assert await his.refused("2001", {"data": data}) == refusals.INSURANCE_STOPPED


async def test_the_account_pays_no_more_than_it_holds(his: His) -> None:
    await his.control("POST", "people", [{**PERSON, "balc": "12.34"}])
    info = await his.settled("100.00")
    assert (info["acct_pay"], info["balc"], info["psn_cash_pay"]) == (Decimal("12.34"), 0, Decimal("27.66"))


async def test_settlement_lists_are_checked_against_the_settlement(his: His) -> None:
    info = await his.settled("100.00")
    node = {"mdtrt_id": info["mdtrt_id"], "setl_id": info["setl_id"], "psn_no": PSN}
    good = {"setlinfo": node, "payinfo": [{"fund_pay_type": "310100", "fund_payamt": "60.00"}]}
    wrong = {"setlinfo": node, "payinfo": [{"fund_pay_type": "310100", "fund_payamt": "60.01"}]}
    assert "不一致" in await his.refused("4101", wrong)
    number = (await his.done("4101", good))["setl_list_id"]
    assert (await his.done("4101", good))["setl_list_id"] == number
    await his.done("4102", {"data": {"stastinfo": [{"psn_no": PSN, "setl_id": info["setl_id"], "stas_type": "1"}]}})
    assert "已提交" in await his.refused("4101", good)


async def test_sign_in_is_demanded_and_is_the_institutions_own(his: His) -> None:
    mine, other = his.sign_no, His(his.sim, his.session, "H43050000002")
    data = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"]}}
    assert await his.refused("1101", data, sign_no="") == refusals.SIGN_NO_INVALID
    assert await other.refused("1101", data, sign_no=mine) == refusals.SIGN_NO_INVALID
    await his.done("9002", {"signOut": {"sign_no": mine, "opter_no": "OP1"}})
    assert await his.refused("1101", data) == refusals.SIGN_NO_INVALID


async def test_the_three_families_of_addresses_and_a_stringified_input(his: His) -> None:
    data = {"data": {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"]}}
    for path in (
        "/fsi/api/1101",
        "/fsi/api/fsiPsnInfoService/queryPsnInfo",
        "/ebus/hebei/fsi/api/fsiPsnInfoService/queryPsnInfo",
        "/fsi/api/rsfComIfsService/callService",
    ):
        assert (await his.done("1101", json.dumps(data), path=path))["baseinfo"]["psn_no"] == PSN
    assert (await his.ask("1101", data, path="/fsi/api/2207"))["infcode"] == -1
    assert "9999" in await his.refused("9999", data)
    status, _ = await his.post(b"{}", "/fsi/api/no/such", tif_headers())
    assert status == 404


async def test_the_gateway_in_front_refuses_what_is_not_signed(his: His) -> None:
    body = json.dumps(his.envelope("1101", {"data": {}})).encode()
    for headers in ({}, tif_headers(skew=200), tif_headers(token="wrong")):
        status, text = await his.post(body, "/fsi/api/1101", headers)
        assert (status, json.loads(text)["code"]) == (500, 400001)
    own = tif_headers(his.code, f"sandbox-{his.code}")
    status, text = await his.post(body, "/fsi/api/1101", own)
    assert status == 200
    again, text = await his.post(body, "/fsi/api/1101", own)
    assert (again, json.loads(text)["code"]) == (500, 400001)


async def test_what_is_no_message_gets_an_answer_all_the_same(his: His) -> None:
    for body in (b"", b"{", b"[1]", b'{"infno":"1101"}', b'"x"'):
        status, text = await his.post(body, "/fsi/api/rsfComIfsService/callService", tif_headers())
        assert (status, json.loads(text)["infcode"]) == (200, -1)
