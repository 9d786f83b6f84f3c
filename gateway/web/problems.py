"""Refusals on `/v1` as RFC 9457 problem details, Chinese title first."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import web

from gateway.model.refusals import Refusal, describe

PROBLEM: Final = "application/problem+json"


def problem_body(refusal: Refusal, exchange_id: str) -> tuple[int, bytes]:
    """Status and body of a refusal; facts such as ``excess_amt`` and ``differences`` stand beside the code."""
    row = describe(refusal.code)
    body: dict[str, Any] = {
        "type": f"urn:xinyi:refusal:{refusal.code}",
        "status": row.http_status,
        "code": refusal.code,
        "title": row.zh,
        "title_en": row.en,
        "detail": refusal.detail,
        "exchange_id": exchange_id,
        "next_action": row.next_action_zh,
        "next_action_en": row.next_action_en,
        **refusal.facts,
    }
    if refusal.field:
        body["field"] = refusal.field
    return row.http_status, orjson.dumps(body, default=str)


def problem(refusal: Refusal, exchange_id: str = "") -> web.Response:
    """A refusal as a response."""
    status, body = problem_body(refusal, exchange_id)
    return web.Response(status=status, body=body, content_type=PROBLEM)
