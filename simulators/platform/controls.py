"""The platform's own ``/_sim`` controls: people, forced amounts, institutions (v1.md, controls of the simulators)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.common.controls import json_response, read_json, unprocessable
from simulators.platform.engine import Case
from simulators.platform.forced import DoesNotClose, check_forced, parse_forced
from simulators.platform.money import fen_of, parse_json, yuan
from simulators.platform.refusals import Refused
from simulators.platform.rows import OUTPATIENT, Hospital, Insurance, Person

if TYPE_CHECKING:
    from simulators.platform.app import PlatformSim
    from simulators.platform.state import State

_REQUIRED = ("psn_no", "psn_name", "certno", "insutype", "insuplc_admdvs")
_INSURANCE = ("insutype", "insuplc_admdvs", "psn_type", "psn_insu_stas", "cvlserv_flag", "emp_name")
_CIVIL_SERVANTS = ("1102", "1202")


def add_person(state: State, row: dict[str, Any]) -> Person:
    """Adds a person, or an insurance row to a person known. Raises Refused: a field missing, an amount unreadable."""
    missing = [name for name in _REQUIRED if not row.get(name)]
    if missing:
        raise Refused(f"{missing[0]}不能为空")
    psn_type = str(row.get("psn_type") or ("1501" if row["insutype"] == "390" else "1101"))
    known = state.persons.get(str(row["psn_no"]))
    defaults = {"psn_type": psn_type, "cvlserv_flag": "1" if psn_type in _CIVIL_SERVANTS else "0"}
    insurance = Insurance(**{**defaults, **{name: str(row[name]) for name in _INSURANCE if row.get(name)}})
    kept = tuple(i for i in known.insurances if _differs(i, insurance)) if known else ()
    person = Person(
        psn_no=str(row["psn_no"]),
        psn_name=str(row["psn_name"]),
        psn_cert_type=str(row.get("psn_cert_type") or "01"),
        certno=str(row["certno"]),
        gend=str(row.get("gend") or "9"),
        brdy=str(row.get("brdy") or "1990-01-01")[:10],
        insurances=(*kept, insurance),
        naty=str(row.get("naty") or "01"),
        psn_idet_type=str(row.get("psn_idet_type") or ""),
    )
    state.persons.put(person.psn_no, person)
    if row.get("balc") not in (None, ""):
        state.balances.put(person.psn_no, fen_of(row["balc"], "balc"))
    return person


def _differs(one: Insurance, other: Insurance) -> bool:
    return (one.insutype, one.insuplc_admdvs) != (other.insutype, other.insuplc_admdvs)


class PlatformControls:
    """Handlers of the platform's controls."""

    def __init__(self, sim: PlatformSim) -> None:
        self._sim = sim

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/_sim/people", self.post_people)
        app.router.add_get("/_sim/people", self.get_people)
        app.router.add_put("/_sim/amounts", self.put_amounts)
        app.router.add_get("/_sim/amounts", self.get_amounts)
        app.router.add_put("/_sim/hospitals", self.put_hospitals)
        app.router.add_get("/_sim/hospitals", self.get_hospitals)

    async def post_people(self, request: web.Request) -> web.Response:
        """People as seed files hold them; one object or a list, all or none."""
        rows = await _exact_json(request)
        rows = [rows] if isinstance(rows, dict) else rows
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return unprocessable("a list of people is expected")
        try:
            with self._sim.step():
                for row in rows:
                    add_person(self._sim.state, row)
        except Refused as error:
            return unprocessable(error.text)
        return json_response({"people": len(rows)})

    async def get_people(self, request: web.Request) -> web.Response:
        """Everybody, one row per insurance, with the account's present balance; ``?psn_no=`` for one."""
        wanted = request.query.get("psn_no")
        state = self._sim.state
        people = [p for p in state.persons.values() if wanted in (None, p.psn_no)]
        return json_response({"people": [row for person in people for row in _person_rows(state, person)]})

    async def put_amounts(self, request: web.Request) -> web.Response:
        """Fixes the figures of a person's next settlement: fields, a list for the next few, or null for none."""
        content = await _exact_json(request)
        if not isinstance(content, dict):
            return unprocessable("an object of setlinfo fields by psn_no is expected")
        try:
            with self._sim.step():
                for psn_no, fields in content.items():
                    self._force(psn_no, fields)
        except DoesNotClose as error:
            return unprocessable(str(error))
        return json_response({"amounts": dict(self._sim.state.forced.items())})

    def _force(self, psn_no: str, fields: Any) -> None:
        queue = fields if isinstance(fields, list) else [] if fields is None else [fields]
        person = self._sim.state.persons.get(psn_no)
        if person is None:
            raise DoesNotClose(f"no person {psn_no}")
        for item in queue:
            forced = parse_forced(item)
            case = Case(forced.texts.get("insutype", person.insurances[0].insutype), OUTPATIENT, "3")
            check_forced(forced, replace(case, balance=self._sim.state.balance(psn_no)))
        self._sim.state.forced.put(psn_no, [{name: str(v) for name, v in item.items()} for item in queue])

    async def get_amounts(self, request: web.Request) -> web.Response:
        return json_response({"amounts": {key: value for key, value in self._sim.state.forced.items() if value}})

    async def put_hospitals(self, request: web.Request) -> web.Response:
        """Level, pool area and name of institutions; members left out stay."""
        content = await _exact_json(request)
        if not isinstance(content, dict) or not all(isinstance(row, dict) for row in content.values()):
            return unprocessable("an object by fixmedins_code is expected")
        unknown = {name for row in content.values() for name in row} - {"hosp_lv", "pool_area", "fixmedins_name"}
        if unknown:
            return unprocessable(f"unknown member {sorted(unknown)[0]}")
        with self._sim.step():
            for code, row in content.items():
                found = self._sim.state.hospital(code)
                self._sim.state.hospitals.put(code, replace(found, **{name: str(value) for name, value in row.items()}))
        return await self.get_hospitals(request)

    async def get_hospitals(self, request: web.Request) -> web.Response:
        return json_response({"hospitals": {h.fixmedins_code: _hospital_row(h) for h in self._hospitals()}})

    def _hospitals(self) -> list[Hospital]:
        return list(self._sim.state.hospitals.values())


def _hospital_row(hospital: Hospital) -> dict[str, str]:
    return {
        "hosp_lv": hospital.hosp_lv,
        "pool_area": hospital.pool_area,
        "fixmedins_name": hospital.fixmedins_name,
    }


def _person_rows(state: State, person: Person) -> list[dict[str, str]]:
    return [
        {
            "psn_no": person.psn_no,
            "psn_name": person.psn_name,
            "psn_cert_type": person.psn_cert_type,
            "certno": person.certno,
            "gend": person.gend,
            "brdy": person.brdy,
            "insutype": row.insutype,
            "insuplc_admdvs": row.insuplc_admdvs,
            "psn_type": row.psn_type,
            "balc": yuan(state.balance(person.psn_no)),
        }
        for row in person.insurances
    ]


async def _exact_json(request: web.Request) -> Any:
    """As ``read_json``, with exact decimals."""
    await read_json(request)
    return parse_json(await request.read())
