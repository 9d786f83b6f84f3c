"""The two chains of a hospital day: an outpatient visit (2201…2208) and an inpatient stay (2401…2305)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from simulators.hospital.books import fen
from simulators.hospital.envelope import amount
from simulators.hospital.fees import FeeLine
from simulators.hospital.his import His, Settled
from simulators.hospital.national import NationalAnswer
from simulators.hospital.people import Person

_ROWS_PER_CALL = 100
_ECHOED = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


class Encounter:
    """What both chains share: the person, the mdtrt_id, fee lines and their total, settlement and its cancellation."""

    fees_infno: str
    presettle_infno: str
    settle_infno: str
    cancel_infno: str

    def __init__(self, his: His, person: Person, med_type: str) -> None:
        self.his = his
        self.person = person
        self.med_type = med_type
        self.mdtrt_id = ""
        self.total = 0
        self.settled: Settled | None = None
        self._estimate: Mapping[str, Any] = {}

    def _fee_extras(self) -> dict[str, Any]:
        raise NotImplementedError

    def _settle_extras(self) -> dict[str, Any]:
        raise NotImplementedError

    def _fee_time(self) -> datetime:
        return self.his.line.now()

    async def upload(self, lines: Sequence[FeeLine]) -> None:
        """Uploads fee lines, at most 100 a call."""
        institution, at = self.his.institution, self._fee_time()
        rows = [line.row(institution, self.mdtrt_id, self.person.psn_no, at) | self._fee_extras() for line in lines]
        for start in range(0, len(rows), _ROWS_PER_CALL):
            await self._call(self.fees_infno, {"feedetail": rows[start : start + _ROWS_PER_CALL]})
        self.total += sum(line.fen for line in lines)

    def settle_input(self) -> dict[str, Any]:
        """``input`` of the settlement, with the pre-settlement's amounts echoed."""
        return {"data": self._settle_data() | {name: self._estimate[name] for name in _ECHOED}}

    def _settle_data(self) -> dict[str, Any]:
        return {
            "psn_no": self.person.psn_no, "mdtrt_cert_type": "02", "mdtrt_cert_no": self.person.certno, "card_sn": "",
            "medfee_sumamt": self._amount(self.total), "psn_setlway": "01",
            "mdtrt_id": self.mdtrt_id, "insutype": self.person.insutype, "acct_used_flag": "1",
            **self._settle_extras(),
        }  # fmt: skip

    async def presettle(self) -> Mapping[str, Any]:
        """2206 or 2303: the estimated split."""
        setlinfo = (await self._call(self.presettle_infno, {"data": self._settle_data()})).output["setlinfo"]
        self._estimate = {name: self._amount(fen(setlinfo[name])) for name in _ECHOED}
        return dict(setlinfo)

    async def settle(self, *, impatient: bool = False) -> Settled:
        """2207 or 2304, booked."""
        self.settled = await self.his.settle(self.settle_infno, self.settle_input(), self.person, impatient=impatient)
        return self.settled

    async def cancel(self) -> None:
        """2208 or 2305 of what was settled here."""
        if self.settled is None:
            raise ValueError("nothing was settled")
        await self.his.cancel(self.cancel_infno, self.settled.booked, self.person)

    def _amount(self, amount_fen: int) -> Any:
        return amount(amount_fen, as_text=self.his.institution.amounts_as_text)

    async def _call(self, infno: str, inputs: Mapping[str, Any]) -> NationalAnswer:
        return await self.his.call(infno, inputs, self.person)


class Outpatient(Encounter):
    """1101, 2201, 2203, 2204 × n, 2206, 2207; refund 2208."""

    fees_infno, presettle_infno, settle_infno, cancel_infno = "2204", "2206", "2207", "2208"

    def __init__(self, his: His, person: Person, med_type: str = "11") -> None:
        super().__init__(his, person, med_type)
        self.chrg_bchno = his.number("MZ")

    def _fee_extras(self) -> dict[str, Any]:
        return {"chrg_bchno": self.chrg_bchno}

    def _settle_extras(self) -> dict[str, Any]:
        return {"med_type": self.med_type, "chrg_bchno": self.chrg_bchno, "invono": ""}

    async def register(self) -> None:
        """1101, 2201 and 2203."""
        await self.his.identify(self.person)
        now = _stamp(self.his.line.now())
        data = {
            "psn_no": self.person.psn_no, "insutype": self.person.insutype, "begntime": now, "mdtrt_cert_type": "02",
            "mdtrt_cert_no": self.person.certno, "card_sn": "", "ipt_otp_no": self.his.number("OP"),
            "atddr_no": "D430500000001", "dr_name": "医师甲", "dept_code": "A03", "dept_name": "内科", "caty": "A03",
        }  # fmt: skip
        self.mdtrt_id = str((await self._call("2201", {"data": data})).output["data"]["mdtrt_id"])
        await self._call("2203", self._diagnosis(now))

    def _diagnosis(self, now: str) -> dict[str, Any]:
        return {
            "mdtrtinfo": {
                "mdtrt_id": self.mdtrt_id, "psn_no": self.person.psn_no, "med_type": self.med_type, "begntime": now,
                "main_cond_dscr": "", "dise_codg": "", "dise_name": "",
            },
            "diseinfo": [{
                "diag_type": "1", "diag_srt_no": 1, "diag_code": "J06.900", "diag_name": "急性上呼吸道感染",
                "diag_dept": "A03", "dise_dor_no": "D430500000001", "dise_dor_name": "医师甲", "diag_time": now,
                "vali_flag": "1",
            }],
        }  # fmt: skip


class Inpatient(Encounter):
    """1101, 2401, 2301 × n, 2402, 2303, 2304; cancellation 2305."""

    fees_infno, presettle_infno, settle_infno, cancel_infno = "2301", "2303", "2304", "2305"

    def __init__(self, his: His, person: Person, med_type: str = "21", days: int = 5) -> None:
        super().__init__(his, person, med_type)
        self.admitted = his.line.now() - timedelta(days=days)

    def _fee_extras(self) -> dict[str, Any]:
        return {"med_type": self.med_type}

    def _settle_extras(self) -> dict[str, Any]:
        return {"mid_setl_flag": "0", "invono": ""}

    def _fee_time(self) -> datetime:
        return self.admitted + timedelta(hours=1)

    async def admit(self) -> None:
        """1101 and 2401."""
        await self.his.identify(self.person)
        begun = _stamp(self.admitted)
        info = {
            "psn_no": self.person.psn_no, "insutype": self.person.insutype, "coner_name": "", "tel": "",
            "begntime": begun, "mdtrt_cert_type": "02", "mdtrt_cert_no": self.person.certno, "card_sn": "",
            "med_type": self.med_type, "ipt_no": self.his.number("IP"), "medrcdno": self.his.number("BA"),
            "atddr_no": "D640001000001", "chfpdr_name": "医师乙", "adm_diag_dscr": "肺炎", "adm_dept_codg": "A03",
            "adm_dept_name": "呼吸内科", "adm_bed": f"{self.his.dice.randrange(1, 60)}",
            "dscg_maindiag_code": "J18.900", "dscg_maindiag_name": "肺炎", "main_cond_dscr": "",
        }  # fmt: skip
        answer = await self._call("2401", {"mdtrtinfo": info, "diseinfo": [self._diagnosis(begun)]})
        self.mdtrt_id = str(answer.output["result"]["mdtrt_id"])

    def _diagnosis(self, at: str) -> dict[str, Any]:
        return {
            "psn_no": self.person.psn_no, "diag_type": "1", "maindiag_flag": "1", "diag_srt_no": 1,
            "diag_code": "J18.900", "diag_name": "肺炎", "adm_cond": "", "diag_dept": "A03",
            "dise_dor_no": "D640001000001", "dise_dor_name": "医师乙", "diag_time": at,
        }  # fmt: skip

    async def discharge(self) -> None:
        """2402."""
        now = _stamp(self.his.line.now())
        info = {
            "mdtrt_id": self.mdtrt_id, "psn_no": self.person.psn_no, "insutype": self.person.insutype, "endtime": now,
            "dscg_dept_codg": "A03", "dscg_dept_name": "呼吸内科", "dscg_bed": "", "dscg_way": "1",
        }  # fmt: skip
        diagnosis = self._diagnosis(now) | {"mdtrt_id": self.mdtrt_id}
        await self._call("2402", {"dscginfo": info, "diseinfo": [diagnosis]})
