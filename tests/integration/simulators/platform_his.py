"""A hospital's side of the conversation in the platform's tests: signs, fills the envelope, sends, over a socket."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from simulators.common.clock import SHANGHAI
from simulators.common.server import Options
from simulators.platform.app import PlatformSim

HOSPITAL = "H43050000001"
PERSON = {
    "psn_no": "43050000000000990000900001",
    "psn_name": "测试甲",
    "psn_cert_type": "01",
    "certno": "430502199001019990",
    "gend": "1",
    "brdy": "1990-01-01",
    "insutype": "310",
    "insuplc_admdvs": "430500",
    "psn_type": "1101",
    "balc": "1300.00",
}
RESIDENT = {
    **PERSON,
    "psn_no": "43050000000000990000900002",
    "psn_name": "测试乙",
    "certno": "430502198501019991",
    "insutype": "390",
    "psn_type": "1501",
    "balc": "0.00",
}
_SERIAL = itertools.count(1)


def tif_headers(paasid: str = "xinyi", token: str = "sandbox-platform", *, skew: int = 0) -> dict[str, str]:
    timestamp, nonce = str(int(time.time()) + skew), uuid.uuid4().hex
    text = f"{timestamp}{token}{nonce}{timestamp}"
    return {
        "x-tif-paasid": paasid,
        "x-tif-timestamp": timestamp,
        "x-tif-nonce": nonce,
        "x-tif-signature": hashlib.sha256(text.encode()).hexdigest(),
    }


class His:
    """One hospital at one platform."""

    def __init__(self, sim: PlatformSim, session: aiohttp.ClientSession, code: str = HOSPITAL) -> None:
        self.sim = sim
        self.session = session
        self.code = code
        self.sign_no = ""
        self.last_msgid = ""

    def msgid(self) -> str:
        return f"{self.code}{datetime.now(SHANGHAI):%Y%m%d%H%M%S}{next(_SERIAL) % 10000:04d}"

    def envelope(self, infno: str, payload: Any, **fields: Any) -> dict[str, Any]:
        self.last_msgid = fields.get("msgid") or self.msgid()
        return {
            "infno": infno,
            "msgid": self.last_msgid,
            "mdtrtarea_admvs": "430500",
            "insuplc_admdvs": "430500",
            "recer_sys_code": "YBXT",
            "infver": "V1.0",
            "opter_type": "1",
            "opter": "OP1",
            "opter_name": "收费员甲",
            "inf_time": "2025-03-03 09:00:00",
            "fixmedins_code": self.code,
            "fixmedins_name": "邵阳示例第一医院",
            "sign_no": self.sign_no,
            "input": payload,
            **fields,
        }

    async def post(self, body: bytes, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        async with self.session.post(f"{self.sim.url}{path}", data=body, headers=headers) as answer:
            return answer.status, await answer.read()

    async def ask(
        self, infno: str, payload: Any, *, path: str = "/fsi/api/rsfComIfsService/callService", **fields: Any
    ) -> dict[str, Any]:
        """The answer's envelope, amounts exact."""
        body = json.dumps(self.envelope(infno, payload, **fields), ensure_ascii=False).encode()
        status, text = await self.post(body, path, {**tif_headers(), "Content-Type": "application/json"})
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        return answer

    async def done(self, infno: str, payload: Any, **fields: Any) -> dict[str, Any]:
        """The output of a transaction that has to succeed."""
        answer = await self.ask(infno, payload, **fields)
        assert answer["infcode"] == 0, answer["err_msg"]
        return answer.get("output") or {}

    async def refused(self, infno: str, payload: Any, **fields: Any) -> str:
        """The text of a transaction that has to be refused."""
        answer = await self.ask(infno, payload, **fields)
        assert answer["infcode"] == -1, answer
        return str(answer["err_msg"])

    async def control(self, method: str, path: str, content: Any = None) -> tuple[int, dict[str, Any]]:
        async with self.session.request(method, f"{self.sim.url}/_sim/{path}", json=content) as answer:
            return answer.status, await answer.json()

    async def variants(self, **switches: Any) -> None:
        status, content = await self.control("PUT", "variants", switches)
        assert status == 200, content

    async def faults(self, *faults: dict[str, Any]) -> None:
        status, content = await self.control("PUT", "faults", list(faults))
        assert status == 200, content

    async def effects(self, *operations: str) -> list[dict[str, Any]]:
        _, content = await self.control("GET", "ledger")
        return [e for e in content["effects"] if not operations or e["operation"] in operations]

    async def balance(self, psn_no: str = PERSON["psn_no"]) -> str:
        _, content = await self.control("GET", f"people?psn_no={psn_no}")
        return str(content["people"][0]["balc"])

    async def sign_in(self) -> None:
        out = await self.done("9001", {"signIn": {"opter_no": "OP1", "mac": "00-00", "ip": "127.0.0.1"}}, sign_no="")
        self.sign_no = out["signinoutb"]["sign_no"]

    async def register(self, psn_no: str = PERSON["psn_no"], insutype: str = "310", number: str = "") -> str:
        data = {
            "psn_no": psn_no,
            "insutype": insutype,
            "begntime": "2025-03-03 09:00:00",
            "mdtrt_cert_type": "02",
            "ipt_otp_no": number or f"MZ{next(_SERIAL)}",
        }
        out = await self.done("2201", {"data": data})
        return str(out["data"]["mdtrt_id"])

    async def admit(self, psn_no: str = PERSON["psn_no"], insutype: str = "310", **fields: Any) -> str:
        data = {
            "psn_no": psn_no,
            "insutype": insutype,
            "begntime": "2025-03-01 10:00:00",
            "med_type": "21",
            "ipt_no": f"ZY{next(_SERIAL)}",
        }
        out = await self.done("2401", {"mdtrtinfo": data, "diseinfo": []}, **fields)
        return str(out["result"]["mdtrt_id"])

    def fee(self, mdtrt_id: str, amount: str, **fields: Any) -> dict[str, Any]:
        return {
            "feedetl_sn": f"F{next(_SERIAL)}",
            "mdtrt_id": mdtrt_id,
            "psn_no": PERSON["psn_no"],
            "chrg_bchno": "B1",
            "fee_ocur_time": "2025-03-03 09:10:00",
            "med_list_codg": "XA01AA00010000000001",
            "medins_list_codg": "M1",
            "det_item_fee_sumamt": amount,
            "cnt": "1",
            "pric": amount,
            **fields,
        }

    def settle_data(self, mdtrt_id: str, total: str, **fields: Any) -> dict[str, Any]:
        data = {
            "psn_no": PERSON["psn_no"],
            "mdtrt_cert_type": "02",
            "mdtrt_cert_no": PERSON["certno"],
            "med_type": "11",
            "medfee_sumamt": total,
            "psn_setlway": "01",
            "mdtrt_id": mdtrt_id,
            "chrg_bchno": "B1",
            "insutype": "310",
            "acct_used_flag": "1",
            **fields,
        }
        return {"data": data}

    async def outpatient(self, total: str = "100.00", **fields: Any) -> str:
        """Registers and uploads one row; returns the mdtrt_id, ready to settle."""
        mdtrt_id = await self.register()
        await self.done("2204", {"feedetail": [self.fee(mdtrt_id, total, **fields)]})
        return mdtrt_id

    async def settled(self, total: str = "100.00") -> dict[str, Any]:
        """A settled outpatient visit's setlinfo; ``last_msgid`` is the settlement's."""
        mdtrt_id = await self.outpatient(total)
        out = await self.done("2207", self.settle_data(mdtrt_id, total))
        info: dict[str, Any] = out["setlinfo"]
        return info


@asynccontextmanager
async def running(data: Path, clock_file: Path | None = None) -> AsyncIterator[PlatformSim]:
    sim = PlatformSim(Options(port=0, data=data, clock_file=clock_file))
    await sim.start()
    try:
        yield sim
    finally:
        await sim.stop()


@asynccontextmanager
async def hospital(data: Path, clock_file: Path | None = None) -> AsyncIterator[His]:
    """A signed-in hospital at a fresh platform with the two test persons."""
    async with running(data, clock_file) as sim, aiohttp.ClientSession() as session:
        his = His(sim, session)
        await his.sign_in()
        await his.control("POST", "people", [PERSON, RESIDENT])
        yield his
