"""Field tables of the national interface: what is refused before anything is sent, and what always passes."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.insurance.dictionary import Meaning, dictionary, read_rows
from adapters.insurance.fields import fields_of, tables, validate_input
from adapters.insurance.lifting import amount_fields
from gateway.model.refusals import Refusal

SETTLE: dict[str, Any] = {
    "data": {
        "psn_no": "P1", "mdtrt_cert_type": "02", "mdtrt_cert_no": "430502199001019990", "med_type": "11",
        "medfee_sumamt": Decimal("186.50"), "psn_setlway": "01", "mdtrt_id": "M1", "chrg_bchno": "B1",
        "insutype": "310", "acct_used_flag": "1", "invono": "", "fulamt_ownpay_amt": Decimal("12.00"),
        "overlmt_selfpay": Decimal("0.00"), "preselfpay_amt": "14.50", "inscp_scp_amt": 160,
    }
}  # fmt: skip
ROW: dict[str, Any] = {
    "feedetl_sn": "F1", "mdtrt_id": "M1", "psn_no": "P1", "med_type": "21", "fee_ocur_time": "2025-03-03 10:00:00",
    "med_list_codg": "X", "medins_list_codg": "Y", "det_item_fee_sumamt": "86.50", "cnt": 2, "pric": "43.250000",
    "bilg_dept_codg": "1", "bilg_dept_name": "内科", "bilg_dr_codg": "D1", "bilg_dr_name": "医师",
}  # fmt: skip


def changed(infno: str = "2207", **members: Any) -> Refusal | None:
    content = deepcopy(SETTLE if infno != "2301" else {"feedetail": [dict(ROW), dict(ROW)]})
    target = content["data"] if "data" in content else content["feedetail"][1]
    target.update(members)
    try:
        validate_input(infno, content)
    except Refusal as refusal:
        return refusal
    return None


def test_a_good_settlement_passes() -> None:
    assert changed() is None
    assert changed("2301") is None


@pytest.mark.parametrize("name", ["psn_no", "medfee_sumamt", "mdtrt_id", "insutype"])
@pytest.mark.parametrize("empty", [None, ""])
def test_a_missing_field_is_named(name: str, empty: object) -> None:
    refusal = changed(**{name: empty})
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("INVALID_FIELD", f"input.data.{name}")


def test_what_only_the_platform_needs_is_left_to_it() -> None:
    names = ("psn_setlway", "acct_used_flag", "mdtrt_cert_type", "med_type", "chrg_bchno")
    assert changed(**dict.fromkeys(names, "")) is None
    keys = {"data": {name: SETTLE["data"][name] for name in ("psn_no", "mdtrt_id", "medfee_sumamt", "insutype")}}
    validate_input("2207", keys)
    with pytest.raises(Refusal) as caught:
        validate_input("2207", keys, strict=True)
    assert caught.value.field == "input.data.mdtrt_cert_type"


def test_a_node_without_business_keys_may_be_left_out() -> None:
    visit = {"mdtrtinfo": {"psn_no": "P1", "mdtrt_id": "M1", "med_type": "11"}}
    validate_input("2203", visit)
    validate_input("2203", visit | {"diseinfo": []})
    with pytest.raises(Refusal) as caught:
        validate_input("2203", visit, strict=True)
    assert caught.value.field == "input.mdtrtinfo.begntime"
    with pytest.raises(Refusal) as caught:
        validate_input("2203", visit | {"diseinfo": "x"})
    assert caught.value.field == "input.diseinfo"


@pytest.mark.parametrize("name", ["invono", "mdtrt_cert_no", "inscp_scp_amt", "exp_content", "card_sn"])
def test_optional_and_conditional_fields_may_be_empty(name: str) -> None:
    assert changed(**{name: ""}) is None
    assert changed(**{name: None}) is None


@pytest.mark.parametrize(
    "amount", ["0.005", Decimal("186.500"), "1e2", "abc", Decimal("NaN"), "-1.00", "1 000", True, []]
)
def test_an_amount_has_two_decimals_and_no_sign(amount: object) -> None:
    refusal = changed(medfee_sumamt=amount)
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("INVALID_AMOUNT", "input.data.medfee_sumamt")


@pytest.mark.parametrize("code", [{"a": 1}, [], True, "x" * 31])
def test_a_text_field_holds_a_short_text(code: object) -> None:
    refusal = changed(psn_no=code)
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("INVALID_FIELD", "input.data.psn_no")


def test_codes_sent_as_numbers_pass() -> None:
    assert changed(insutype=310, acct_used_flag=1) is None


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=10).map(lambda name: "x_" + name), st.none() | st.text() | st.integers()))
def test_fields_no_table_names_always_pass(extra: dict[str, Any]) -> None:
    assert changed(**extra) is None


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ({"cnt": "1.00001"}, "INVALID_FIELD"),
        ({"cnt": "x"}, "INVALID_FIELD"),
        ({"pric": Decimal("1E+30")}, "INVALID_FIELD"),
        ({"fee_ocur_time": "2025-02-30 10:00:00"}, "INVALID_FIELD"),
        ({"fee_ocur_time": "20250303"}, "INVALID_FIELD"),
        ({"fee_ocur_time": 20250303}, "INVALID_FIELD"),
        ({"det_item_fee_sumamt": "86.505"}, "INVALID_AMOUNT"),
        ({"feedetl_sn": None}, "INVALID_FIELD"),
    ],
)
def test_a_row_is_named_by_its_place(member: dict[str, Any], code: str) -> None:
    refusal = changed("2301", **member)
    assert refusal is not None
    assert (refusal.code, refusal.field) == (code, f"input.feedetail.1.{next(iter(member))}")


def test_refund_rows_are_negative_and_dates_may_lack_a_time() -> None:
    assert changed("2301", det_item_fee_sumamt="-86.50", cnt=-2, fee_ocur_time="2025-03-03") is None


@pytest.mark.parametrize(
    ("infno", "content", "field"),
    [
        ("2207", {}, "input.data"),
        ("2207", {"data": "x"}, "input.data"),
        ("2204", {"feedetail": []}, "input.feedetail"),
        ("2204", {"feedetail": [1]}, "input.feedetail.0"),
        ("9001", {"data": {}}, "input.signIn"),
    ],
)
def test_a_missing_node_is_named(infno: str, content: dict[str, Any], field: str) -> None:
    with pytest.raises(Refusal) as caught:
        validate_input(infno, content)
    assert (caught.value.code, caught.value.field) == ("INVALID_FIELD", field)


def test_object_and_list_and_no_node_at_all() -> None:
    keys = {"feedetl_sn": "0000", "mdtrt_id": "M1", "psn_no": "P1"}
    for content in ({"data": keys}, {"data": [keys]}, keys):
        validate_input("2302", content)
    with pytest.raises(Refusal) as caught:
        validate_input("2302", keys | {"psn_no": ""})
    assert caught.value.field == "input.psn_no"


@pytest.mark.parametrize("infno", ["2207", "2207A", "2304", "2304A"])
def test_a_total_that_is_not_its_parts(infno: str) -> None:
    refusal = changed(infno, inscp_scp_amt="160.01")
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("SPLIT_MISMATCH", "input.data.medfee_sumamt")
    assert "186" not in str(refusal)


@pytest.mark.parametrize("infno", ["2207", "2304"])
def test_parts_that_are_not_told_are_not_summed(infno: str) -> None:
    assert changed(infno, inscp_scp_amt="") is None
    nothing = dict.fromkeys(("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt"), "0.00")
    assert changed(infno, **nothing) is None


def test_a_transaction_without_a_table_passes() -> None:
    assert not fields_of("5301")
    validate_input("5301", {"whatever": 1})


def test_the_tables_are_complete() -> None:
    wanted = (
        "1101 2001 2201 2202 2203 2204 2205 2206 2207 2208 2301 2302 2303 2304 2305 2401 2402 2404 2405 2601 3201 9001"
    )
    assert {infno for infno, direction in tables() if direction == "in"} == set(wanted.split())
    for nodes in tables().values():
        for rules in nodes.values():
            assert len({rule.field for rule in rules}) == len(rules)
            assert all(rule.kind in ("string", "number", "date", "datetime") for rule in rules)
            assert all(rule.length for rule in rules if rule.kind in ("string", "number"))
    assert {"hifp_pay", "hifob_pay", "psn_cash_pay", "balc", "hifdm_pay"} <= set(amount_fields())
    assert "age" not in amount_fields()


def test_the_dictionary_is_complete_and_says_one_thing_per_code() -> None:
    meanings: dict[str, set[tuple[str, str]]] = {}
    for row in dictionary():
        meanings.setdefault(row.unified_code, set()).add((row.zh, row.next_action_en))
    assert all(len(texts) == 1 for texts in meanings.values())
    assert {row.meaning for row in dictionary()} == set(Meaning)


@pytest.mark.parametrize(
    "bad", ["*,*,*,re:(,refused,X,a,b,c,d,e", "*,*,*,x,refused,X,,b,c,d,e", "*,*,*,x,maybe,X,a,b,c,d,e"]
)
def test_a_broken_dictionary_stops_the_start(bad: str) -> None:
    head = "province,infno,code,pattern,verdict,unified_code,zh,en,next_action_zh,next_action_en,owner"
    with pytest.raises(ValueError, match=r"line 2|maybe"):
        read_rows(f"{head}\n{bad}\n")
