"""The insurance platform as a program: its door, its checks before a transaction, and its state."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import orjson
from aiohttp import web

from simulators.common.cli import options, parser, serve
from simulators.common.faults import Fault
from simulators.common.server import Call, Options, SimulatorApp
from simulators.common.wire import Reply
from simulators.platform.auth import Gatekeeper
from simulators.platform.controls import PlatformControls, add_person
from simulators.platform.envelope import Answers, Envelope, Unreadable, path_infno, read_envelope
from simulators.platform.message import QUERIES, TRANSACTIONS, Message
from simulators.platform.mobile.centre import NUMBERS, MobileCentre
from simulators.platform.refusals import Refused
from simulators.platform.required import check_required
from simulators.platform.rows import Hospital
from simulators.platform.state import State, message_key
from simulators.platform.transactions.system import check_sign_no
from simulators.platform.variants import SWITCHES

DATA = Path(__file__).parent.parent / "data"
CLIENTS = {"xinyi": "sandbox-platform"}
_INSTITUTION = re.compile(r"[HP]\d{11}")
_MSGID_LENGTH = 30
_HTML = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
_HTML_PAGE = Reply(_HTML, 502, "text/html")
_BACKEND_DOWN = Reply(
    orjson.dumps({"code": 500159, "message": "后端服务不可用", "success": False}), 500, "application/json"
)
_NO_SERVICE = Reply(orjson.dumps({"code": 404, "message": "服务不存在", "success": False}), 404)


class PlatformSim(SimulatorApp):
    """One provincial platform. ``people``: seed file; ``clients``: paasid → token."""

    name = "platform"
    switches: ClassVar[dict[str, str]] = SWITCHES

    def __init__(self, options: Options, *, people: Path | None = None, clients: dict[str, str] | None = None) -> None:
        super().__init__(options)
        self.state = State(self.journal)
        self._people = people or DATA / "people.json"
        self._gatekeeper = Gatekeeper(CLIENTS if clients is None else clients)
        self._answers = Answers(self.variants)
        self._msgids: set[tuple[str, str]] = set()
        self._mobile = MobileCentre(self)

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/{prefix:(?:.*/)?}fsi/api/{tail:.+}", self._exchange)
        self._mobile.routes(app)
        PlatformControls(self).add_to(app)

    def seed_state(self) -> None:
        for row in json.loads(self._people.read_text(encoding="utf-8")):
            add_person(self.state, row)
        for code, row in json.loads((DATA / "hospitals.json").read_text(encoding="utf-8")).items():
            self.state.hospitals.put(code, Hospital(fixmedins_code=code, **row))

    def reset(self) -> None:
        """As every reset; sign-ins stay, they are sessions of the callers and no business state."""
        signed = dict(self.state.sign_ins.items())
        self._msgids.clear()
        super().reset()
        with self.step():
            for number, row in signed.items():
                self.state.sign_ins.put(number, row)

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        infno = path_infno(request.match_info["tail"])
        turned_away = _NO_SERVICE if infno is None else self._gatekeeper.refusal(request.headers, self.variants)
        if turned_away is not None:
            self.note_refused(request, infno or "", "", body, why="not admitted")
            return turned_away.response()
        try:
            envelope = read_envelope(body, request.headers.get("Content-Type", ""), infno or "")
        except Unreadable as error:
            return self._unreadable(request, body, str(error))
        page = self._gateway_page(envelope.infno)
        if page is not None:
            self.note_refused(request, envelope.infno, envelope.msgid, body, why="gateway page")
            return page.response()
        return await self._run(request, envelope, body, infno or "")

    async def _run(self, request: web.Request, envelope: Envelope, body: bytes, infno: str) -> web.StreamResponse:
        received, caller = self.clock.now(), self._gatekeeper.caller(request.headers)

        def handle(call: Call) -> Reply:
            try:
                if infno not in ("", envelope.infno) or caller not in ("", envelope.fixmedins_code):
                    raise Refused("交易编号与服务地址不符，或无权代该机构办理")
                return self._execute(call, envelope, received)
            except Refused as refused:
                self.journal.rollback()
                call.verdict = "duplicate" if refused.duplicate else "refused"
                call.detail["err_msg"] = refused.text
                return self._answers.refused(envelope, refused, received, self.clock.now())

        call_key = envelope.msgid
        response = await self.run(request, envelope.infno, call_key, handle, body=body)
        slow = self.variants["cross_area"]
        if slow and slow is not True and envelope.insuplc_admdvs[:4] != envelope.mdtrtarea_admvs[:4]:
            await asyncio.sleep(slow)
        return response

    def _execute(self, call: Call, envelope: Envelope, received: datetime) -> Reply:
        m = Message(
            infno=envelope.infno,
            msgid=envelope.msgid,
            fixmedins_code=envelope.fixmedins_code,
            insuplc_admdvs=envelope.insuplc_admdvs,
            mdtrtarea_admvs=envelope.mdtrtarea_admvs,
            opter=envelope.opter,
            opter_name=envelope.opter_name,
            input=envelope.input,
            call=call,
            sim=self,
        )
        transaction = TRANSACTIONS.get(m.infno)
        if transaction is None:
            raise Refused(f"交易编号{m.infno}不存在或未开通")
        self._admit(m, envelope)
        if m.infno in QUERIES:
            call.verdict = "query"
        output = transaction(m)
        if isinstance(output, Reply):
            return output
        return self._answers.success(envelope, output, received, self.clock.now())

    def _admit(self, m: Message, envelope: Envelope) -> None:
        """What every transaction is checked for before it runs. Raises Refused."""
        if not m.msgid:
            raise Refused("msgid不能为空")
        if not _INSTITUTION.fullmatch(m.fixmedins_code):
            raise Refused("fixmedins_code不正确")
        if self.variants["unknown_hospitals_refused"] and m.fixmedins_code not in self.state.hospitals:
            raise Refused("未找到定点医药机构")
        self._check_msgid(m)
        check_sign_no(m, envelope.sign_no)
        if self.variants["strict_fields"]:
            check_required(m.infno, envelope.fields, m.input, m.insuplc_admdvs)

    def _check_msgid(self, m: Message) -> None:
        if self.variants["msgid_checked"]:
            well_formed = len(m.msgid) == _MSGID_LENGTH and m.msgid.startswith(m.fixmedins_code)
            if not well_formed or not m.msgid[12:].isdigit():
                raise Refused("msgid格式不正确")
        if self.variants["msgid_duplicates_refused"]:
            if (m.fixmedins_code, m.msgid) in self._msgids:
                raise Refused("msgid重复", duplicate=True)
            self._msgids.add((m.fixmedins_code, m.msgid))
        known = self.state.messages.get(message_key(m.fixmedins_code, m.infno, m.msgid))
        if known is not None and known.state == "barred":
            raise Refused("该报文已被冲正，不再受理")

    def _gateway_page(self, infno: str) -> Reply | None:
        for name, page in (("html_error_page", _HTML_PAGE), ("backend_down", _BACKEND_DOWN)):
            value = self.variants[name]
            if value is True or (value and infno in value):
                return page
        return None

    def _unreadable(self, request: web.Request, body: bytes, why: str) -> web.StreamResponse:
        self.note_refused(request, "", "", body, why=why)
        nobody = Envelope("", "", "", "", "", "", "", "", {}, {})
        now = self.clock.now()
        return self._answers.failure(nobody, -1, why, now, now).response()

    def refusal(self, call: Call, fault: Fault) -> Reply:
        """``code``: an infcode when it is a number, else put in front of the text."""
        if call.operation in NUMBERS:
            return self._mobile.refusal(call, fault)
        code = int(fault.code) if re.fullmatch(r"-?\d{1,4}", fault.code) and int(fault.code) else -1
        word = f"[{fault.code}]" if fault.code and str(code) != fault.code else ""
        envelope = Envelope(call.operation, call.key, call.key[:12], "", "", "", "", "", {}, {})
        return self._answers.failure(envelope, code, f"{word}{fault.message or '业务校验不通过'}", call.at, call.at)


def _client(value: str) -> tuple[str, str]:
    paasid, _, token = value.partition(":")
    if not token:
        raise argparse.ArgumentTypeError("paasid:token")
    return paasid, token


def main(argv: Sequence[str]) -> int:
    """``python -m simulators platform``: serves until SIGTERM; returns the exit code."""
    arguments_of = parser("platform", 8811)
    arguments_of.add_argument("--people", type=Path, default=None, help="参保人种子文件 seed file of people")
    arguments_of.add_argument("--client", type=_client, action="append", help="paasid:token")
    arguments = arguments_of.parse_args(argv)
    clients: dict[str, Any] = dict(arguments.client) if arguments.client else CLIENTS
    return serve(PlatformSim(options(arguments), people=arguments.people, clients=clients))
