"""State changes whose first answer was lost: "already done" on the second attempt is success.

The HIS waits for what the lost answer said, so it is fetched by a query (state-machines G); where nobody can tell, a
task is opened and the HIS is answered as still in progress.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from gateway.delivery.delivery import Order
from gateway.flows import signing_in
from gateway.flows.house import House
from gateway.journal.entities import Act
from gateway.journal.operations import Operation
from gateway.journal.store import Unit
from gateway.model import exact_json
from gateway.model.insurance import NationalAnswer, NationalMessage
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done

DONE_BEFORE: Final = frozenset({"ALREADY_DONE", "ALREADY_CANCELLED"})
_FEES: Final = frozenset({"2204", "2301"})
_REGISTRATIONS: Final = frozenset({"2201", "2401"})
_LONGEST_STAY: Final = timedelta(days=2)


async def answer_lost_before(house: House, message: NationalMessage, act: Act, code: str) -> NationalAnswer | None:
    """The success a HIS is owed when ``code`` says "already" and an earlier attempt of ours had no answer.

    None when this was the first attempt: then the platform's refusal is the HIS's own business. Raises Refusal
    IN_PROGRESS when the lost answer cannot be found; a task is open then.
    """
    if code not in DONE_BEFORE:
        return None
    key = f"{message.fixmedins_code}|{message.msgid}"
    op = await signing_in.sent_as(house, message.infno, key)
    if op is None or not await _unanswered_before(house, op):
        return None
    if message.infno in _FEES:
        return NationalAnswer(output={"result": await _fee_rows(house, message, op, act)})
    if message.infno in _REGISTRATIONS:
        return NationalAnswer(output=await _registration(house, message, op, act))
    return NationalAnswer()


async def _unanswered_before(house: House, op: Operation) -> bool:
    attempts = await house.journal.operations.attempts(op.operation_id)
    return any(row["verdict"] == "UNKNOWN" for row in attempts[:-1])


async def _fee_rows(house: House, message: NationalMessage, op: Operation, act: Act) -> list[Any]:
    sent = _input(message).get("feedetail", [])
    wanted = {str(row.get("feedetl_sn")) for row in sent}
    output = await _query(house, message, op, "5204", {"psn_no": message.psn_no, "mdtrt_id": message.mdtrt_id})
    rows = [row for row in _rows(output) if str(row.get("feedetl_sn")) in wanted]
    if len(rows) != len(wanted):
        await _give_up(house, op, act)
    return rows


async def _registration(house: House, message: NationalMessage, op: Operation, act: Act) -> dict[str, Any]:
    """The visit the lost answer was about, found by the institution's own number."""
    outpatient = message.infno == "2201"
    own_number = str(
        _node(message, "data" if outpatient else "mdtrtinfo").get("ipt_otp_no" if outpatient else "ipt_no")
    )
    today = house.clock.now()
    period = {
        "begntime": f"{today - _LONGEST_STAY:%Y-%m-%d} 00:00:00",
        "endtime": f"{today + _LONGEST_STAY:%Y-%m-%d} 00:00:00",
    }
    query = "5201" if outpatient else "5303"
    output = await _query(house, message, op, query, {"psn_no": message.psn_no, "med_type": "", **period})
    found = [row for row in _rows(output) if str(row.get("ipt_otp_no")) == own_number]
    if len(found) != 1:
        await _give_up(house, op, act)
    mdtrt_id = found[0]["mdtrt_id"]
    if outpatient:
        return {"data": {"mdtrt_id": mdtrt_id, "psn_no": message.psn_no, "ipt_otp_no": own_number}}
    return {"result": {"mdtrt_id": mdtrt_id}}


async def _query(
    house: House, message: NationalMessage, op: Operation, infno: str, data: Mapping[str, Any]
) -> Mapping[str, Any]:
    ask = NationalMessage(
        infno=infno, fixmedins_code=message.fixmedins_code, fixmedins_name=message.fixmedins_name,
        insuplc_admdvs=message.insuplc_admdvs, mdtrtarea_admvs=message.mdtrtarea_admvs, psn_no=message.psn_no,
        mdtrt_id=message.mdtrt_id, sign_no=message.sign_no, input={"data": {"setl_id": "", **data}},
    )  # fmt: skip
    order = Order(
        house.insurance, infno, f"{op.operation_id}:{infno}", ask, op.exchange_id, op.subject, message.fixmedins_code
    )
    verdict = await house.delivery.deliver(order)
    if not isinstance(verdict, Done):
        return {}
    output = exact_json.loads(verdict.reply.raw).get("output")
    return output if isinstance(output, Mapping) else {}


async def _give_up(house: House, op: Operation, act: Act) -> None:
    unit = Unit()
    await house.journal.raise_task(
        unit, "LOST_ANSWER", op.operation_id, act, suggested="unknown.ask_partner", hospital=op.hospital
    )
    await house.journal.commit(unit)
    raise Refusal("IN_PROGRESS", "lost answer not found", state="UNKNOWN")


def _rows(output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The first list of objects in an output; provinces name the node differently."""
    for node in output.values():
        if isinstance(node, Sequence) and not isinstance(node, str):
            return [row for row in node if isinstance(row, Mapping)]
    return []


def _input(message: NationalMessage) -> Mapping[str, Any]:
    payload = exact_json.loads(message.raw).get("input", {}) if message.raw else message.input
    return payload if isinstance(payload, Mapping) else {}


def _node(message: NationalMessage, name: str) -> Mapping[str, Any]:
    node = _input(message).get(name, {})
    return node if isinstance(node, Mapping) else {}
