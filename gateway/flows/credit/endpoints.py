"""The endpoints of credit pay (v1.md, "Credit pay")."""

from __future__ import annotations

from typing import Final

from gateway.flows.api import ApiHandler, Body, Endpoint
from gateway.flows.credit import (
    agreements,
    authorisations,
    cancelling,
    closing,
    deposits,
    enrolment,
    repayments,
    settlements,
    visits,
)
from gateway.flows.credit import requests as bodies
from gateway.model.registry import Role

HOSPITAL: Final[frozenset[Role]] = frozenset({"hospital"})
BANK: Final[frozenset[Role]] = frozenset({"bank"})
READERS: Final[frozenset[Role]] = frozenset({"hospital", "preparer", "approver", "operator", "auditor", "cashier"})


def _write(path: str, handler: ApiHandler, body: type[Body], zh: str, en: str, roles: frozenset[Role]) -> Endpoint:
    return Endpoint("POST", path, roles, handler, zh, en, body, tags=("credit",))


def _read(path: str, handler: ApiHandler, zh: str, en: str, query: tuple[str, ...] = ()) -> Endpoint:
    return Endpoint("GET", path, READERS, handler, zh, en, query=query, tags=("credit",))


_AGREEMENT = "/v1/agreements/{number}"
_VISIT = "/v1/visits/{visit_id}"

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    _write("/v1/authorisations", authorisations.give, bodies.AuthorisationBody, "授权", "Authorise", HOSPITAL),
    _write(
        "/v1/authorisations/{auth_id}/revoke", authorisations.revoke, bodies.ReasonBody, "撤回授权", "Revoke consent",
        HOSPITAL,
    ),
    _write("/v1/agreements", enrolment.apply, bodies.ApplicationBody, "申请签约", "Apply and sign", HOSPITAL),
    _read("/v1/agreements", agreements.listing, "查询某人协议", "A person's agreements", ("psn_no", "cursor")),
    _read(_AGREEMENT, agreements.show, "查询协议", "An agreement"),
    _write(f"{_AGREEMENT}/confirm", agreements.confirm, bodies.ConfirmBody, "短信确认", "Confirm by SMS", HOSPITAL),
    _write(f"{_AGREEMENT}/revoke", agreements.revoke, bodies.ReasonBody, "解约", "End an agreement", HOSPITAL),
    _write("/v1/visits", visits.open_visit, bodies.VisitBody, "开通信用就诊", "Open a credit visit", HOSPITAL),
    _read(_VISIT, visits.show, "就医费用查询", "Expenses of a visit"),
    _write(f"{_VISIT}/legs", visits.leg, bodies.LegBody, "诊间环节", "A leg of a visit", HOSPITAL),
    _write(f"{_VISIT}/deposits", deposits.deposit, bodies.DepositBody, "押金占用", "Hold a deposit", HOSPITAL),
    _write(f"{_VISIT}/topups", visits.topup, bodies.TopupBody, "超额补缴", "Top up", HOSPITAL),
    _write(f"{_VISIT}/settle", settlements.settle, bodies.SettleBody, "一次性结算", "Settle and charge", HOSPITAL),
    _write(f"{_VISIT}/cancel", cancelling.cancel, bodies.ReasonBody, "撤销结算", "Cancel and refund", HOSPITAL),
    _write(f"{_VISIT}/close", closing.close, bodies.CloseBody, "其他方式付款", "Paid otherwise", HOSPITAL),
    _write("/v1/repayments", repayments.repay, bodies.RepaymentBody, "还款", "A repayment", BANK),
)  # fmt: skip
