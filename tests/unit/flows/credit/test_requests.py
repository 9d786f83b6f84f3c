"""Bodies of credit pay: money becomes fen, what nobody declared is refused by name, what a rule judges may be empty."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.flows.credit import requests as bodies
from gateway.flows.credit.endpoints import ENDPOINTS
from gateway.model.clock import SHANGHAI
from gateway.model.money import InvalidAmount

LEG = {"leg_no": "L1", "kind": "LAB", "medfee_sumamt": "20.00", "self_pay_estimate": "12.34"}
AUTH = {
    "psn_no": "P1", "psn_name": "张三", "psn_cert_type": "01", "certno": "X1", "purpose": "CREDIT_PAY",
    "scope": ["CREDIT_QUERY"], "channel": "APP", "valid_to": "2025-12-31", "evidence_digest": "d",
}  # fmt: skip


def test_money_is_a_string_and_becomes_fen() -> None:
    leg = bodies.LegBody.model_validate(LEG)
    assert (leg.medfee_sumamt, leg.self_pay_estimate) == (2000, 1234)


@pytest.mark.parametrize("amount", [12.34, 12, "12.345", "1e3", "-1.00", "", None, "NaN"])
def test_money_of_another_shape_is_an_invalid_amount(amount: Any) -> None:
    with pytest.raises(InvalidAmount) as refused:
        bodies.LegBody.model_validate({**LEG, "self_pay_estimate": amount})
    assert refused.value.field == "self_pay_estimate"


@pytest.mark.parametrize("amount", ["0.00", "0", "-0.00"])
def test_a_deposit_is_more_than_nothing(amount: str) -> None:
    with pytest.raises(InvalidAmount):
        bodies.DepositBody.model_validate({"deposit_no": "D1", "amount": amount})


@pytest.mark.parametrize("model", [endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None])
def test_a_field_nobody_declared_is_refused_by_name(model: type[Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"nobody_declared_this": 1})
    assert ("nobody_declared_this",) in [error["loc"] for error in refused.value.errors()]


def test_what_a_rule_judges_may_be_empty() -> None:
    body = bodies.ApplicationBody.model_validate(
        {"locality": "shaoyang", "psn_no": "P1", "bank": "bocom", "funding": "CREDIT_LOAN"}
    )
    assert (body.auth_id, body.commitment_id, body.products) == ("", "", ())


def test_a_date_is_good_until_its_last_moment() -> None:
    moment = bodies.moment_of("2025-12-31")
    assert moment == datetime(2025, 12, 31, 23, 59, 59, 999999, SHANGHAI)
    assert bodies.moment_of("2025-12-31T08:00:00+00:00").hour == 16
    assert bodies.AuthorisationBody.model_validate(AUTH).valid_to == "2025-12-31"


@pytest.mark.parametrize("text", ["2025-12-31T08:00:00", "31.12.2025", "soon", "2025-13-01"])
def test_a_moment_without_offset_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        bodies.AuthorisationBody.model_validate({**AUTH, "valid_to": text})


def test_every_row_of_the_surface_is_an_endpoint() -> None:
    rows = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    visit = "/v1/visits/{visit_id}"
    assert rows == {
        ("POST", "/v1/authorisations"),
        ("POST", "/v1/authorisations/{auth_id}/revoke"),
        ("POST", "/v1/agreements"),
        ("GET", "/v1/agreements"),
        ("GET", "/v1/agreements/{number}"),
        ("POST", "/v1/agreements/{number}/confirm"),
        ("POST", "/v1/agreements/{number}/revoke"),
        ("POST", "/v1/visits"),
        ("GET", visit),
        *(("POST", f"{visit}/{act}") for act in ("legs", "deposits", "topups", "settle", "cancel", "close")),
        ("POST", "/v1/repayments"),
    }


def test_hospitals_write_banks_repay_and_everybody_else_reads() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.path == "/v1/repayments":
            assert endpoint.roles == {"bank"}
        elif endpoint.method == "POST":
            assert endpoint.roles == {"hospital"}
        else:
            assert endpoint.roles == {"hospital", "preparer", "approver", "operator", "auditor", "cashier"}
