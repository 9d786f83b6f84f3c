"""Agreements over this bank's own JSON: what an answer must say, and what is Unknown."""

from __future__ import annotations

import json
from datetime import date
from importlib import resources
from typing import Any

import pytest

from adapters.bank_iso20022 import ADAPTER, wire
from adapters.bank_iso20022.standard import SINGLE
from adapters.bank_iso20022.text import Unfit
from gateway.delivery.declare import AfterUnknown, Guarantee
from gateway.model import bank
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.unit.adapters.bank_iso_partner import (
    CASES,
    CONTEXT,
    GOLDEN,
    OPERATIONS,
    PUSHES,
    QUERIES,
    answered,
    codec,
    file_of,
    request_of,
)

SIGNING, ENDING = request_of("SignAgreement"), request_of("CancelAgreement")
BY_NUMBER = bank.QueryAgreement(serial="Q0000001", agreement_no="AG1")
BY_SERIAL = bank.QueryAgreement(serial="Q0000002", sign_serial="SIGN00000001")
LINE = {"Lmt": "8000.00", "Ccy": "CNY", "FreeDays": 50, "ToDt": "2025-12-31"}


def answer(operation: str, request: Any, name: str, **content: Any) -> Any:
    said = {"CreDtTm": "2025-03-03T09:00:00+08:00", **content}
    body = json.dumps({name: {k: v for k, v in said.items() if v is not None}}, ensure_ascii=False).encode()
    return codec.decode(operation, request, answered(body, "json"))


def signed(**content: Any) -> Any:
    told = {"OrgnlReqId": "SIGN00000001", "Sts": "ACTV", "MndtId": "AG1", "CdtLine": LINE, **content}
    return answer("SignAgreement", SIGNING, "MndtAccptncRpt", **told)


def ended(**content: Any) -> Any:
    told = {"OrgnlReqId": ENDING.serial, "Sts": "CANC", **content}
    return answer("CancelAgreement", ENDING, "MndtAccptncRpt", **told)


def shown(request: bank.QueryAgreement, **content: Any) -> Any:
    return answer("QueryAgreement", request, "MndtStsRpt", **content)


def test_a_mandate_in_force_has_its_number_and_line() -> None:
    said = signed(Dplct=True)
    assert isinstance(said, Done)
    reply = said.reply
    assert (reply.agreement_no, reply.agreement_status, reply.credit_limit_fen) == ("AG1", "ACTV", 800000)
    assert (reply.free_days, reply.valid_to, reply.duplicate) == (50, date(2025, 12, 31), True)
    for missing in ({"MndtId": None}, {"CdtLine": None}):
        assert signed(**missing) == Unknown("a mandate without its number or line")


def test_a_mandate_that_waits_is_accepted() -> None:
    said = signed(Sts="PDNG", CdtLine=None, OTPReqrd=True)
    assert isinstance(said, Accepted)
    assert said.reply.need_sms is True


def test_a_declined_mandate_is_refused_by_the_dictionary() -> None:
    said = signed(Sts="RJCT", Rsn={"Cd": "NARR", "AddtlInf": "审批未通过，阿依古丽·䶮"}, OTPReqrd=True)
    assert isinstance(said, Refused)
    assert (said.code, said.reply.need_sms) == ("NARR", True)
    assert "古丽" not in said.text
    assert codec.explain("SignAgreement", "NARR").unified_code == "AGREEMENT_NOT_ACTIVE"
    assert isinstance(signed(Sts="RJCT", Rsn={"Cd": "DU04"}), Unknown)
    assert isinstance(signed(Sts="RJCT"), Unknown)


@pytest.mark.parametrize("state", ["CANC", "EXPI"])
def test_a_signing_cannot_end_in_an_ended_mandate(state: str) -> None:
    assert signed(Sts=state) == Unknown(f"mandate status {state}")


def test_the_end_of_a_mandate() -> None:
    assert isinstance(ended(), Done)
    assert ended(Sts="RJCT", Rsn={"Cd": "NARR", "AddtlInf": "有欠款"}).code == "NARR"
    assert codec.explain("CancelAgreement", "NARR").unified_code == "HAS_ARREARS"
    for state in ("ACTV", "PDNG", "SUSP", "EXPI"):
        assert ended(Sts=state) == Unknown(f"mandate status {state}")


def test_an_answer_to_another_request_is_unknown() -> None:
    assert signed(OrgnlReqId="SIGN00000002") == Unknown("the answer is about another request")
    assert ended(OrgnlReqId="C9") == Unknown("the answer is about another request")


def test_a_report_repeats_what_was_asked_for() -> None:
    found = shown(
        BY_NUMBER, Fnd=True, MndtId="AG1", Sts="ACTV", CdtLine={**LINE, "Usd": "10.00", "Hld": "0.50", "Avlbl": "-1.00"}
    )
    reply = found.reply
    assert (reply.used_fen, reply.held_fen, reply.credit_available_fen, reply.found) == (1000, 50, -100, True)
    assert shown(BY_SERIAL, Fnd=True, MndtReqId="SIGN00000001", MndtId="AG1", Sts="ACTV").reply.agreement_no == "AG1"
    assert shown(BY_NUMBER, Fnd=False, MndtId="AG1").reply.found is False
    for told in ({"MndtId": "AG2"}, {}, {"MndtReqId": "AG1"}):
        assert shown(BY_NUMBER, Fnd=False, **told) == Unknown("the answer is about another mandate")
    assert shown(BY_SERIAL, Fnd=False, MndtId="SIGN00000001") == Unknown("the answer is about another mandate")
    assert shown(BY_NUMBER, Fnd=True, MndtId="AG1") == Unknown("found without a status")


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"CdtLine": {**LINE, "Lmt": 8000}}, "Lmt"),
        ({"CdtLine": {**LINE, "Lmt": "8,000.00"}}, "Lmt"),
        ({"CdtLine": {**LINE, "Ccy": "USD"}}, "Ccy"),
        ({"CdtLine": {**LINE, "FreeDays": -1}}, "FreeDays"),
        ({"CdtLine": {**LINE, "ToDt": "31.12.2025"}}, "ToDt"),
        ({"OTPReqrd": "false"}, "OTPReqrd"),
        ({"Sts": ""}, "Sts"),
        ({"Sts": None}, "Sts"),
        ({"CreDtTm": "2025-03-03"}, "CreDtTm"),
        ({"Rsn": {"Cd": "bad!"}}, "Cd"),
        ({"More": 1}, "MndtAccptncRpt"),
    ],
)
def test_an_answer_that_breaks_the_contract_is_unknown(content: dict[str, Any], field: str) -> None:
    assert signed(**content) == Unknown(f"HTTP 200: the answer breaks the contract at {field}")


def test_a_message_is_written_and_read_back_by_its_names_alone() -> None:
    for case in CASES:
        for stem in ("sent", "answer"):
            raw, kind = file_of(case, stem)
            if kind == "json":
                found = wire.read(raw, SINGLE, *wire.NAMES)
                assert json.loads(wire.write(found)).keys() == json.loads(raw).keys()
                assert wire.read(wire.write(found), SINGLE, *wire.NAMES) == found
    with pytest.raises(Unfit):
        wire.read(b'{"Ack":{"status":"OK","original":"N1"}}', SINGLE, wire.Acknowledgement)


def test_the_contract_holds_the_messages_as_they_are() -> None:
    """`python -c "…wire.contract()…"` writes it anew; the bank's engineers read the file."""
    kept = json.loads(resources.files("adapters.bank_iso20022").joinpath("contract/messages.schema.json").read_bytes())
    assert kept == wire.contract()
    assert set(kept["properties"]) == set(wire.NAMES.values())


# -- the manifest ---------------------------------------------------------------------------------------------------


def test_guarantees_are_those_of_the_table() -> None:
    rows = ADAPTER.manifest.operations
    kinds = {op: row.guarantee for op, row in rows.items()}
    assert {op for op in kinds if kinds[op] is Guarantee.QUERY} == set(QUERIES)
    assert {op for op in kinds if kinds[op] is Guarantee.AT_MOST_ONCE} == {"Withhold", "Refund"}
    assert {op for op in kinds if kinds[op] is Guarantee.ONCE_EVER} == {"SubmitPayoutBatch"}
    assert {op for op in kinds if kinds[op] is Guarantee.IDEMPOTENT} == {"SignAgreement", "CancelAgreement"}
    assert not any(row.resend_after_not_found for row in rows.values())
    assert all(row.settling_seconds == 600 for row in rows.values())
    assert all((row.after_unknown is AfterUnknown.RETRY) == (op in QUERIES) for op, row in rows.items())


def test_this_bank_has_no_pre_authorisation_and_says_so() -> None:
    assert ADAPTER.manifest.capabilities["pre_authorisation"] is False
    assert not [op for op in OPERATIONS if "Authoris" in op]
    with pytest.raises(KeyError):
        codec.request_type("PreAuthorise")


def test_the_golden_folders_are_all_looked_at() -> None:
    assert {folder.name for folder in GOLDEN.iterdir()} == {*CASES, *PUSHES}


def test_nothing_medical_has_a_name() -> None:
    """R-056: amounts and numbers only."""
    folder = resources.files("adapters.bank_iso20022")
    code = "".join(folder.joinpath(name).read_text("utf-8") for name in ("wire.py", "initiation.py"))
    for word in ("diag", "disease", "drug", "dept", "doctor", "fee_", "insutype", "hosp_lv"):
        assert word not in code.lower()


def test_a_question_by_number_names_no_serial() -> None:
    sent = json.loads(codec.encode("QueryAgreement", BY_NUMBER, CONTEXT).body)["MndtStsReq"]
    assert (sent["MndtId"], "MndtReqId" in sent) == ("AG1", False)
    sent = json.loads(codec.encode("QueryAgreement", BY_SERIAL, CONTEXT).body)["MndtStsReq"]
    assert (sent["MndtReqId"], "MndtId" in sent) == ("SIGN00000001", False)


@pytest.mark.parametrize("name", ["orig_serial", "bank_txn_no", "receipt_no"])
def test_a_receipt_is_asked_for_by_one_number(name: str) -> None:
    wanted = {"orig_serial": "EndToEndId", "bank_txn_no": "AcctSvcrTxId", "receipt_no": "AcctSvcrRef"}
    request = bank.GetReceipt.model_validate({"serial": "Q0000001", name: "N1"})
    sent = json.loads(codec.encode("GetReceipt", request, CONTEXT).body)["NtfctnReq"]
    assert {key: sent[key] for key in wanted.values() if key in sent} == {wanted[name]: "N1"}


def test_a_receipt_about_another_payment_is_unknown() -> None:
    raw, _ = file_of("GetReceipt", "answer")
    for change in (
        {"orig_serial": "PO9"},
        {"orig_serial": "", "receipt_no": "HD9"},
        {"orig_serial": "", "bank_txn_no": "B9"},
    ):
        request = request_of("GetReceipt").model_copy(update=change)
        assert codec.decode("GetReceipt", request, answered(raw)) == Unknown("the receipt is about another payment")
