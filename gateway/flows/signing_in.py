"""Sign-in at the platform (9001) on the hospital's behalf: every message carries the number of its operator."""

from __future__ import annotations

from gateway.delivery.delivery import Order
from gateway.flows.house import House
from gateway.journal.store import Unit
from gateway.model.clock import to_micros
from gateway.model.insurance import NationalMessage
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done


async def completed(house: House, message: NationalMessage, exchange_id: str) -> NationalMessage:
    """The message with a sign-in number; one that has its own keeps it. Raises Refusal PLATFORM_UNAVAILABLE."""
    if message.sign_no or message.infno in ("9001", "9002"):
        return message
    return message.model_copy(
        update={"sign_no": await number(house, message.fixmedins_code, message.opter, exchange_id)}
    )


async def number(house: House, hospital: str, opter: str, exchange_id: str) -> str:
    """The operator's sign-in number, signed in now where there is none."""
    row = await house.journal.store.row(
        "SELECT sign_no FROM sign_in WHERE hospital = :hospital AND opter = :opter",
        {"hospital": hospital, "opter": opter},
    )
    if row is not None:
        return str(row["sign_no"])
    ask = NationalMessage(
        infno="9001", fixmedins_code=hospital, fixmedins_name=house.hospital(hospital).name,
        mdtrtarea_admvs=house.hospital(hospital).pool_area, opter=opter,
        input={"signIn": {"opter_no": opter, "mac": "00-00-00-00-00-00", "ip": "127.0.0.1"}},
    )  # fmt: skip
    verdict = await house.delivery.deliver(
        Order(house.insurance, "9001", f"{exchange_id}:sign-in", ask, exchange_id, hospital, hospital)
    )
    if not isinstance(verdict, Done) or not verdict.reply.sign_no:
        raise Refusal("PLATFORM_UNAVAILABLE", "9001")
    await keep(house, hospital, opter, verdict.reply.sign_no)
    return str(verdict.reply.sign_no)


async def keep(house: House, hospital: str, opter: str, sign_no: str) -> None:
    """Remember the number of an operator; a later sign-in replaces it."""
    unit = Unit().run(
        "INSERT INTO sign_in (hospital, opter, sign_no, at) VALUES (:hospital, :opter, :sign_no, :at) "
        "ON CONFLICT (hospital, opter) DO UPDATE SET sign_no = excluded.sign_no, at = excluded.at",
        {"hospital": hospital, "opter": opter, "sign_no": sign_no, "at": to_micros(house.clock.now())},
    )
    await house.journal.commit(unit)
