"""The `/v1` routes of the fund's settlement with who may call them (the roles' table of v1)."""

from __future__ import annotations

from typing import Final

from gateway.flows.api import Endpoint
from gateway.flows.payout import requests as handle
from gateway.model.registry import Role

_PREPARER: Final[frozenset[Role]] = frozenset({"preparer"})
_PAYOUT_READERS: Final[frozenset[Role]] = frozenset({"preparer", "approver", "auditor", "operator"})
_TWO_PERSONS: Final[frozenset[Role]] = frozenset({"preparer", "approver", "operator"})
_SETTLEMENT_READERS: Final[frozenset[Role]] = frozenset(
    {"hospital", "preparer", "approver", "operator", "auditor", "cashier"}
)
_EVERYBODY: Final[frozenset[Role]] = _SETTLEMENT_READERS | {"bank"}

ENDPOINTS: Final = (
    Endpoint(
        "GET", "/v1/payouts/{biz_date}", _PAYOUT_READERS, handle.show_day,
        "查询日拨付汇总单", "Payout summaries of a settlement date", query=("agency",), tags=("payouts",),
    ),
    Endpoint(
        "POST", "/v1/payouts/{biz_date}/build", _PREPARER, handle.build_day,
        "生成汇总单（含当日补充）", "Build, also what was reconciled after the morning", body=handle.BuildBody,
        tags=("payouts",),
    ),
    Endpoint(
        "POST", "/v1/payouts/{biz_date}/approve", frozenset({"preparer", "approver"}), handle.approve,
        "复核与审批（两人）", "Approve: the preparer, then another person", body=handle.SummaryBody, tags=("payouts",),
    ),
    Endpoint(
        "POST", "/v1/payouts/{biz_date}/submit", frozenset({"approver"}), handle.submit,
        "提交银行（截止时间前）", "Submit to the bank before the cut-off", body=handle.SummaryBody, tags=("payouts",),
    ),
    Endpoint(
        "GET", "/v1/payout-orders/{pay_order_no}", _PAYOUT_READERS | {"hospital"}, handle.show_order,
        "查询付款指令", "A payment order", tags=("payouts",),
    ),
    Endpoint(
        "POST", "/v1/payout-orders/{pay_order_no}/resubmit", _EVERYBODY, handle.resubmit,
        "重新提交（一律拒绝）", "Submit again: always refused", body=handle.ReasonBody, tags=("payouts",),
    ),
    Endpoint(
        "GET", "/v1/settlements", _SETTLEMENT_READERS, handle.list_settlements,
        "查询结算记录", "Settlements", query=("date", "state", "fixmedins_code", "cursor", "limit"),
        tags=("settlements",),
    ),
    Endpoint(
        "GET", "/v1/settlements/{setl_id}", _SETTLEMENT_READERS, handle.show_settlement,
        "结算记录及其拨付链", "A settlement with its chain to the receipt", query=("fixmedins_code",),
        tags=("settlements",),
    ),
    Endpoint(
        "GET", "/v1/receipts", _PAYOUT_READERS, handle.list_receipts,
        "查询电子回单", "E-receipts", query=("pay_order_no", "date", "state", "cursor", "limit"), tags=("receipts",),
    ),
    Endpoint(
        "POST", "/v1/receipts/{receipt_no}/decisions", _TWO_PERSONS, handle.decide_receipt,
        "回单处理决定（两人）", "Decide about a receipt: two persons", body=handle.DecisionBody, tags=("receipts",),
    ),
    Endpoint(
        "GET", "/v1/feedback/{yyyymm}", _PAYOUT_READERS | {"hospital"}, handle.show_feedback,
        "查询月度数据回传", "Feedback of a month", query=("agency",), tags=("feedback",),
    ),
    Endpoint(
        "POST", "/v1/feedback/{yyyymm}", _PREPARER, handle.send_feedback,
        "立即执行数据回传", "Run a month's feedback now", body=handle.FeedbackBody, tags=("feedback",),
    ),
)  # fmt: skip
