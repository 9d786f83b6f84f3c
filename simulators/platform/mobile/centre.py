"""The payment centre's door and its notices. Faults name an operation by its number, 6302 included."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.common.clock import SHANGHAI
from simulators.common.faults import Fault
from simulators.common.server import Call
from simulators.common.wire import Reply
from simulators.platform.mobile.crypto import NotOurs, centre_keys, opened, sealed
from simulators.platform.mobile.orders import MobileOrder, MobileOrders, notice_of
from simulators.platform.refusals import Refused

if TYPE_CHECKING:
    from simulators.platform.app import PlatformSim

NOTICE = "6302"
NUMBERS = frozenset({"6201", "6202", "6203", "6301", "6401"})


class MobileCentre:
    """One centre with one channel."""

    def __init__(self, sim: PlatformSim) -> None:
        self._sim = sim
        self._keys = centre_keys()
        self.orders = MobileOrders(sim.journal, sim.variants, self._tell)
        sim.on_push(NOTICE, self._deliver)

    def routes(self, app: web.Application) -> None:
        app.router.add_post("/mobile/{infno}", self._exchange)

    async def _exchange(self, request: web.Request) -> web.StreamResponse:
        infno, body = request.match_info["infno"], await request.read()
        try:
            _, data = opened(self._keys, body)
        except NotOurs as error:
            self._sim.note_refused(request, infno, "", body, why=str(error))
            return self._said(infno, {}, 1, str(error)).response()
        if infno not in NUMBERS:
            return self._said(infno, {}, 1, "交易不存在").response()
        key = str(data.get("payOrdId") or data.get("medOrgOrd") or "")
        return await self._sim.run(request, infno, key, lambda call: self._execute(call, data), body=body)

    def _execute(self, call: Call, data: dict[str, Any]) -> Reply:
        try:
            output = self.orders.transactions[call.operation](call, data)
        except Refused as refused:
            self._sim.journal.rollback()
            call.verdict = "duplicate" if refused.duplicate else "refused"
            return self._said(call.operation, {}, 1, refused.text)
        message = output.pop("_message", "")
        return self._said(call.operation, output, 1 if message else 0, message or "成功")

    def refusal(self, call: Call, fault: Fault) -> Reply:
        """What the fault ``reject`` answers."""
        return self._said(call.operation, {}, 1, fault.message or "参数不正确")

    def _said(self, infno: str, data: dict[str, Any], code: int, message: str) -> Reply:
        outer = {**self._head(), "code": code, "success": code == 0, "message": message, "type": "success"}
        wrong = self._sim.variants["mobile_wrong_sign"]
        return Reply(sealed(self._keys, data, outer, spoil=wrong is True or wrong == infno))

    def _head(self) -> dict[str, Any]:
        now = time.time()
        if self._sim.variants["mobile_timestamp_ms"]:
            stamp = str(int(now * 1000))
        elif self._sim.variants["mobile_timestamp_s"]:
            stamp = str(int(now))
        else:
            stamp = f"{datetime.fromtimestamp(now, SHANGHAI):%Y%m%d%H%M%S}"
        return {"version": "2.0.1", "timestamp": stamp}

    # -- 6302 ---------------------------------------------------------------------------------------------------------

    def _tell(self, order: MobileOrder) -> None:
        variants, now = self._sim.variants, self._sim.clock.now()
        if variants["mobile_notice_none"]:
            return
        for place in range(2 if variants["mobile_notice_twice"] else 1):
            self._sim.push(NOTICE, notice_of(order, now), real=0.2 + place * 0.3)
        if variants["mobile_notice_disordered"]:
            self._sim.push(NOTICE, notice_of(order, now, "2"), real=0.8)

    async def _deliver(self, payload: dict[str, Any]) -> bool:
        body = sealed(self._keys, payload, self._head())
        async with self._sim.session.post(f"{self._sim.options.gateway}/mobile/notify", data=body) as answer:
            said = await answer.read()
        try:
            outer, _ = opened(self._keys, said)
        except NotOurs:
            return False
        return bool(answer.status == 200 and outer.get("code") == 0)
