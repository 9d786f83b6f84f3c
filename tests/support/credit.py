"""Credit pay as a hospital uses it, over the real runner and scheduler, with the parties in small."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.flows import callbacks, credit, relay
from gateway.flows.api import Caller, Endpoint, api_flow, pack_call, render, unpack_call
from gateway.flows.runner import Handled
from gateway.journal.entities import Entity
from gateway.journal.exchanges import Arrival
from gateway.model.insurance import NationalMessage
from gateway.web import v1
from tests.support.house import Wire
from tests.support.parties import Insured, Receiver, SmallBank, SmallCredit, SmallPlatform
from tests.support.site import Party, Site, hospital

SHAOYANG, SHAOYANG_TWO = "H43050000001", "H43050000002"
TIANJIN, GUANGZHOU, QUANZHOU = "H12010000001", "H44010000001", "H35050000001"
CITY = {
    SHAOYANG: "shaoyang",
    SHAOYANG_TWO: "shaoyang",
    TIANJIN: "tianjin",
    GUANGZHOU: "guangzhou",
    QUANZHOU: "quanzhou",
}
AREA = {"shaoyang": "430500", "tianjin": "120100", "guangzhou": "440100", "quanzhou": "350500"}
FUNDING = {"tianjin": "BANK_ADVANCE"}


@dataclass(frozen=True)
class Said:
    """An answer of `/v1`."""

    status: int
    body: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def code(self) -> str:
        """The refusal's code; empty for a resource."""
        return str(self.body.get("code") or "")


@dataclass
class World:
    """All parties; they outlive a crash of the gateway."""

    path: Path
    store_url: str = ""
    wire: Wire = field(default_factory=Wire)
    bank: SmallBank = field(default_factory=SmallBank)
    platform: SmallPlatform = field(default_factory=SmallPlatform)
    second_bank: SmallBank = field(default_factory=lambda: SmallBank(name="cib"))
    platform_credit: SmallCredit = field(default_factory=SmallCredit)
    receivers: dict[str, Receiver] = field(default_factory=lambda: {code: Receiver(code) for code in CITY})

    def person(self, name: str = "张三", city: str = "shaoyang", score: str | None = "72.00", **more: Any) -> Insured:
        """An insured person the credit platform has a word about."""
        number = len(self.platform.people) + 1
        area = str(more.pop("area", AREA[city]))
        person = Insured(f"{area}{number:012d}", name, f"{area}19800101{number:03d}X", area)
        scheme = {"tianjin": "haihe"}.get(city, city)
        if score is not None:
            self.platform_credit.say(person.certno, scheme, score=score, **more)
        return self.platform.know(person)

    @property
    def parties(self) -> list[Party]:
        """Everybody outside."""
        receivers = [receiver.party for receiver in self.receivers.values()]
        banks = [self.bank.party, self.second_bank.party]
        return [*banks, self.platform.party, self.platform_credit.party, *receivers]

    def site(self, **more: Any) -> Site:
        """A life of the gateway."""
        flows = {endpoint.flow: api_flow(endpoint) for endpoint in credit.ENDPOINTS if endpoint.method != "GET"}
        return Site(
            self.path, self.wire, self.parties,
            [hospital(code, city, AREA[city], callback_url=f"http://{code}") for code, city in CITY.items()],
            {"national": relay.national, **flows}, {v1.DOOR: v1.refused, "his_json": relay.refused},
            {**credit.DUE, **callbacks.DUE}, credit.CONTINUATIONS, store_url=self.store_url, **more,
        )  # fmt: skip

    @asynccontextmanager
    async def gateway(self, **more: Any) -> AsyncIterator[Window]:
        """A hospital's window at a running gateway."""
        async with self.site(**more) as site:
            self.bank.clock = self.second_bank.clock = self.platform.clock = site.clock
            yield Window(self, site)


@dataclass
class Window:
    """A hospital's clients."""

    world: World
    site: Site
    code: str = SHAOYANG
    keys: int = 0

    def at(self, code: str) -> Window:
        """The same gateway, seen from another hospital."""
        return Window(self.world, self.site, code)

    # -- /v1 --------------------------------------------------------------------------------------------------------

    async def post(self, path: str, body: Mapping[str, Any], key: str = "", caller: Caller | None = None) -> Said:
        """A POST under a key of its own, or a repeated one."""
        handled = await self.handled(path, body, key, caller)
        if handled.reply is None:
            return Said(409, {"code": "IN_PROGRESS"})
        return Said(handled.reply.status, orjson.loads(handled.reply.body))

    async def handled(self, path: str, body: Mapping[str, Any], key: str = "", caller: Caller | None = None) -> Handled:
        """What the runner made of a POST."""
        who = caller or Caller(id=f"his-{self.code}", role="hospital", hospital=self.code)
        endpoint, parts = _match("POST", path)
        self.keys += 1
        call = pack_call(who, parts, {}, dict(body))
        unpack_call(endpoint, call)
        arrival = Arrival(
            scope=f"v1:{who.id}", idem_key=key or f"key-{self.code}-{self.keys}-{path}", door=v1.DOOR,
            operation=endpoint.flow, flow=endpoint.flow, fingerprint=call.hex(), body=call, hospital=who.hospital,
            client=who.id,
        )  # fmt: skip
        return await self.site.runner.handle(arrival)

    async def get(self, path: str, caller: Caller | None = None, **query: str) -> dict[str, Any]:
        """A GET. Raises Refusal."""
        endpoint, parts = _match("GET", path)
        who = caller or Caller(id=f"his-{self.code}", role="hospital", hospital=self.code)
        call = unpack_call(endpoint, pack_call(who, parts, query, None))
        answer = await endpoint.handler(self.site.house, None, call)
        return dict(orjson.loads(render(answer)))

    # -- steps ------------------------------------------------------------------------------------------------------

    @property
    def city(self) -> str:
        """The hospital's city."""
        return CITY[self.code]

    async def authorise(self, person: Insured, **more: Any) -> Said:
        """A person's consent."""
        body = {
            "psn_no": person.psn_no, "psn_name": person.psn_name, "psn_cert_type": "01", "certno": person.certno,
            "purpose": "CREDIT_PAY", "scope": ["CREDIT_QUERY", "BANK_SHARE"], "channel": "HOSPITAL_WINDOW",
            "valid_to": "2025-12-31", "evidence_digest": "sha256-x", **more,
        }  # fmt: skip
        return await self.post("/v1/authorisations", body)

    def application(self, person: Insured, auth_id: str, **more: Any) -> dict[str, Any]:
        """The body of an application."""
        products = ["OUTPATIENT"] if self.city in ("tianjin",) else ["OUTPATIENT", "INPATIENT"]
        return {
            "locality": self.city, "psn_no": person.psn_no, "auth_id": auth_id, "bank": "bocom",
            "products": products, "funding": FUNDING.get(self.city, "CREDIT_LOAN"), "commitment_id": "C1",
            "disclosure_id": "D1",
            "payer": {"acct_no": "622202000011112222", "acct_name": person.psn_name, "mobile": "13800001234"}, **more,
        }  # fmt: skip

    async def apply(self, person: Insured, key: str = "", **more: Any) -> Said:
        """Consent and application."""
        auth = await self.authorise(person)
        return await self.post("/v1/agreements", self.application(person, auth["auth_id"], **more), key)

    async def agreement(self, person: Insured, limit_fen: int = 1_000_000, **more: Any) -> str:
        """An active agreement's number."""
        self.world.bank.line(person.certno).limit_fen = limit_fen
        said = await self.apply(person, **more)
        assert said.body.get("state") == "ACTIVE", said
        return str(said["agreement_no"])

    async def open(self, agreement_no: str, person: Insured, scene: str = "OUTPATIENT", mdtrt_id: str = "") -> str:
        """An open visit's id."""
        said = await self.try_open(agreement_no, person, scene, mdtrt_id)
        assert said.status == 200, said
        return str(said["visit_id"])

    async def try_open(self, agreement_no: str, person: Insured, scene: str = "OUTPATIENT", mdtrt_id: str = "") -> Said:
        """What opening a visit answers."""
        self.keys += 1
        body = {
            "agreement_no": agreement_no, "fixmedins_code": self.code, "mdtrt_id": mdtrt_id or f"M{self.keys:06d}",
            "psn_no": person.psn_no, "scene": scene, "med_type": "21" if scene == "INPATIENT" else "11",
            "insutype": "310",
        }  # fmt: skip
        return await self.post("/v1/visits", body)

    async def leg(self, visit: str, leg_no: str, estimate: str, fee: str = "", key: str = "") -> Said:
        """A leg's answer."""
        body = {"leg_no": leg_no, "kind": "LAB", "medfee_sumamt": fee or estimate, "self_pay_estimate": estimate}
        return await self.post(f"/v1/visits/{visit}/legs", body, key)

    async def deposit(self, visit: str, amount: str, deposit_no: str = "D1", key: str = "") -> Said:
        """A deposit's answer."""
        return await self.post(f"/v1/visits/{visit}/deposits", {"deposit_no": deposit_no, "amount": amount}, key)

    async def topup(self, visit: str, amount: str, leg_no: str | None = None, topup_no: str = "T1") -> Said:
        """A top-up's answer."""
        body = {"topup_no": topup_no, "leg_no": leg_no, "amount": amount, "channel": "WECHAT", "channel_serial": "WX1"}
        return await self.post(f"/v1/visits/{visit}/topups", body)

    async def settle(self, visit: str, total: str, key: str = "", infno: str = "", **data: Any) -> Said:
        """Settle by `/v1`; the platform's amounts are set beforehand."""
        shown = await self.view(visit)
        infno = infno or ("2304" if shown["scene"] == "INPATIENT" else "2207")
        national = {"data": {"psn_no": shown["psn_no"], "mdtrt_id": shown["mdtrt_id"], **data}}
        body = {"infno": infno, "input": national, "his_bill_no": "B1", "his_total_amt": total}
        return await self.post(f"/v1/visits/{visit}/settle", body, key)

    async def cancel(self, visit: str, key: str = "") -> Said:
        """Cancel by `/v1`."""
        return await self.post(f"/v1/visits/{visit}/cancel", {"reason": "退费"}, key)

    async def close(self, visit: str, amount: str, key: str = "") -> Said:
        """Paid at the window."""
        return await self.post(
            f"/v1/visits/{visit}/close", {"paid_otherwise": {"amount": amount, "channel": "CASH"}}, key
        )

    async def view(self, visit: str) -> dict[str, Any]:
        """The visit."""
        return await self.get(f"/v1/visits/{visit}")

    async def avail(self, agreement_no: str) -> str:
        """What is free of a line."""
        return str((await self.get(f"/v1/agreements/{agreement_no}"))["avail_amt"])

    # -- the relay --------------------------------------------------------------------------------------------------

    async def relay(self, infno: str, visit: str, msgid: str, **more: Any) -> dict[str, Any]:
        """A national message about a visit's encounter, as a HIS that knows nothing of `/v1` sends it."""
        shown = await self.view(visit)
        message = NationalMessage(
            infno=infno, msgid=msgid, fixmedins_code=self.code, psn_no=shown["psn_no"], mdtrt_id=shown["mdtrt_id"],
            raw="{}", **more,
        )  # fmt: skip
        body = message.model_dump_json(context={"reveal": True}).encode()
        arrival = Arrival(
            scope=f"his:{self.code}", idem_key=msgid, door="his_json", operation=infno, flow="national",
            fingerprint=body.hex(), body=body, hospital=self.code,
        )  # fmt: skip
        handled = await self.site.runner.handle(arrival)
        if handled.reply is None:
            return {"refusal": "IN_PROGRESS"}
        return dict(orjson.loads(handled.reply.body))

    # -- what is kept -----------------------------------------------------------------------------------------------

    async def entities(self, kind: str) -> list[Entity]:
        """Everything of a kind."""
        return await self.site.house.journal.entities.find(kind)

    async def tasks(self) -> list[str]:
        """Kinds of the tasks that are open."""
        return [task["task_kind"] for task in await self.entities("task")]

    def events(self, resource: str = "") -> list[str]:
        """Types of the callbacks the hospital has got."""
        return self.world.receivers[self.code].types(resource)


def _match(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    for endpoint in credit.ENDPOINTS:
        pattern = "^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.path) + "$"
        found = re.match(pattern, path)
        if found and endpoint.method == method:
            return endpoint, found.groupdict()
    raise LookupError(f"{method} {path}")
