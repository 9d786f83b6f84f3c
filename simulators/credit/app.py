"""The credit platform as a program: REST operations ``query``, ``feedback`` and ``list``, port 8813.

The JSON schemas are the contract. It refuses what a real platform would: no token, no authorisation or reason, an
unknown scheme, an impossible certificate number, a key used again with other content, an update without open record.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from aiohttp import web

from simulators.common.cli import run_simulator
from simulators.common.controls import json_response, read_json, unprocessable
from simulators.common.faults import Fault
from simulators.common.server import Call, Options, SimulatorApp
from simulators.common.wire import Reply
from simulators.credit.contract import violation
from simulators.credit.schemes import schemes
from simulators.credit.store import ScoreRefused, Store, certno_is_well_formed, fen, parse_scores

TOKEN = "sandbox-credit"
DEFAULT_PORT = 8813
_KEYS = {"query": "request_id", "feedback": "event_id", "list": "batch_no"}
_Operation = Callable[[Call, dict[str, Any]], Reply]


def _reply(content: Any, status: int = 200) -> Reply:
    return Reply(orjson.dumps(content), status)


def _refused(call: Call, status: int, code: str, message: str, **more: Any) -> Reply:
    call.verdict = "refused"
    call.detail["code"] = code
    return _reply({"code": code, "message": message, **more}, status)


class CreditPlatform(SimulatorApp):
    """The simulated credit platform."""

    name = "credit"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.store = Store(self.journal)
        self._operations: dict[str, _Operation] = {
            "query": self._query, "feedback": self._feedback, "list": self._list,
        }  # fmt: skip

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/credit/v1/{operation}", self._receive)
        app.router.add_put("/_sim/scores", self._put_scores)
        app.router.add_get("/_sim/queries", self._get_queries)

    def refusal(self, call: Call, fault: Fault) -> Reply:
        code = fault.code or "REJECTED"
        call.detail["code"] = code
        return _reply({"code": code, "message": fault.message or "信用平台拒绝受理"}, 422)

    # -- operations ---------------------------------------------------------------------------------------------------

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        operation, body = request.match_info["operation"], await request.read()
        if operation not in self._operations:
            return json_response({"code": "NOT_FOUND", "message": "无此接口"}, 404)
        if not hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {TOKEN}"):
            self.note_refused(request, operation, "", body, code="UNAUTHENTICATED")
            return json_response({"code": "UNAUTHENTICATED", "message": "令牌无效"}, 401)
        content = _object(body)
        if content is None:
            self.note_refused(request, operation, "", body, code="MALFORMED")
            return json_response({"code": "MALFORMED", "message": "报文不是 JSON 对象"}, 400)
        handler = self._operations[operation]
        key = str(content.get(_KEYS[operation]) or "")
        return await self.run(request, operation, key, lambda call: self._checked(call, content, handler), body=body)

    def _checked(self, call: Call, content: dict[str, Any], handler: _Operation) -> Reply:
        """Consent first: a question without it is refused for that reason, whatever else is wrong with it."""
        if call.operation == "query" and not (content.get("auth_id") and content.get("query_reason")):
            return _refused(call, 403, "NO_AUTHORISATION", "缺少授权编号或查询原因")
        if found := violation(f"{call.operation}.request", content):
            return _refused(call, 422, "INVALID_FIELD", f"{found[0]}: {found[1]}", field=found[0])
        scheme = content.get("scheme")
        if scheme is not None and scheme not in schemes():
            return _refused(call, 422, "UNKNOWN_SCHEME", "未知的信用评价体系", field="scheme")
        return handler(call, content)

    def _query(self, call: Call, content: dict[str, Any]) -> Reply:
        certno = content["certno"]
        if not certno_is_well_formed(content["psn_cert_type"], certno):
            return _refused(call, 422, "INVALID_CERTNO", "证件号码不合法", field="certno")
        if differences := _differences(self.store.asked.get(call.key), content):
            return _reused(call, "REQUEST_ID_REUSED", differences)
        call.verdict = "query"
        self.store.asked.put(call.key, content)
        self.store.queries.put(str(len(self.store.queries) + 1), {"at": call.at.isoformat(), **content})
        found = self.store.standing(schemes()[content["scheme"]], certno, call.at.date())
        answer = {
            "request_id": call.key,
            "auth_id": content["auth_id"],
            "found": found.found,
            "scheme": content["scheme"],
        }
        for name in ("score", "grade", "mark", "qualification", "released", "score_date"):
            answer[name] = getattr(found, name)
        return _reply(answer if found.found else answer | _NOTHING)

    def _feedback(self, call: Call, content: dict[str, Any]) -> Reply:
        if not certno_is_well_formed("01" if len(content["certno"]) == 18 else "99", content["certno"]):
            return _refused(call, 422, "INVALID_CERTNO", "证件号码不合法", field="certno")
        stored = self.store.events.get(call.key)
        if stored is not None:
            return self._repeated(call, stored, content, "EVENT_ID_REUSED")
        if content["status"] != "OPEN" and not self.store.open_record(content["scheme"], content["certno"]):
            return _refused(call, 422, "NO_OPEN_RECORD", "没有可更新的不良信息记录", field="status")
        ack = _ack("F", call.key)
        self.store.events.put(call.key, {"content": content, "ack_id": ack})
        detail = {name: content[name] for name in ("scheme", "event_type", "status", "overdue_days", "auth_id")}
        call.effect(fen(content["amount"]), _masked(content["certno"]), **detail)
        return _reply({"event_id": call.key, "ack_id": ack, "duplicate": False})

    def _list(self, call: Call, content: dict[str, Any]) -> Reply:
        stored = self.store.batches.get(call.key)
        if stored is not None:
            return self._repeated(call, stored, content, "BATCH_NO_REUSED")
        subjects = [record["subject_id"] for record in content["records"]]
        if len(set(subjects)) != len(subjects):
            return _refused(call, 422, "DUPLICATE_SUBJECT", "同一批次内主体重复", field="records")
        ack = _ack("L", call.key)
        self.store.batches.put(call.key, {"content": content, "ack_id": ack})
        call.effect(0, content["list"], records=len(subjects), subjects=subjects)
        return _reply({"batch_no": call.key, "ack_id": ack, "duplicate": False})

    def _repeated(self, call: Call, stored: dict[str, Any], content: dict[str, Any], code: str) -> Reply:
        if differences := _differences(stored["content"], content):
            return _reused(call, code, differences)
        call.verdict = "duplicate"
        return _reply({_KEYS[call.operation]: call.key, "ack_id": stored["ack_id"], "duplicate": True})

    # -- controls -----------------------------------------------------------------------------------------------------

    async def _put_scores(self, request: web.Request) -> web.Response:
        try:
            standings = parse_scores(await read_json(request))
        except ScoreRefused as error:
            return unprocessable(str(error))
        with self.step():
            self.store.post(standings)
        return json_response({"scores": len(standings)})

    async def _get_queries(self, request: web.Request) -> web.Response:
        return json_response({"queries": list(self.store.queries.values())})


_NOTHING = {"score": None, "grade": None, "mark": False, "qualification": None, "score_date": None}


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None


def _differences(first: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    if first is None:
        return []
    return sorted(name for name in first.keys() | now.keys() if first.get(name) != now.get(name))


def _reused(call: Call, code: str, differences: list[str]) -> Reply:
    return _refused(call, 409, code, "同一编号内容不一致", differences=differences)


def _ack(prefix: str, key: str) -> str:
    return f"{prefix}{hashlib.sha256(key.encode()).hexdigest()[:20].upper()}"


def _masked(certno: str) -> str:
    return f"{certno[:6]}{'*' * max(0, len(certno) - 10)}{certno[-4:]}" if len(certno) > 10 else "***"


def main(argv: Sequence[str]) -> int:
    """Runs the simulator until it is told to stop; returns the exit code."""
    return run_simulator(CreditPlatform, argv, "credit", DEFAULT_PORT)
