"""The same adapter on a contract of the other kind, by another file: document/literal wrapped, SOAP 1.1, UTF-8, fen."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from adapters.bank_wsdl import dialect, manifest_of
from adapters.bank_wsdl.codec import HEAVY, MappedCodec
from adapters.bank_wsdl.door import MappedDoor
from gateway.delivery.declare import NOT_FOUND, Adapter
from gateway.model import bank
from gateway.model.refusals import Refusal
from gateway.model.verdict import Done, Refused, Unknown
from tests.integration.bank_wsdl.wsdl_link import NAME, PAID, Link, batch, holding, linked, signing, withholding

MAPS = Path(__file__).parent / "maps"


@cache
def wrapped() -> Adapter:
    places = dialect.Places((MAPS,), (resources.files("adapters.bank_soap") / "contract",))
    found = dialect.parse((MAPS / "wrapped.toml").read_text("utf-8"), "wrapped.toml", places)
    return Adapter(manifest_of(found), MappedCodec(found), MappedDoor(found), HEAVY)


def linked_to_the_reference(folder: Path):  # type: ignore[no-untyped-def]
    return linked(folder, wrapped(), "/bocom", receiver="BOCOM")


async def test_a_charge_its_question_and_its_refund(tmp_path: Path) -> None:
    async with linked_to_the_reference(tmp_path) as link:
        no = await link.agreement()
        charge = withholding("W0000001", no, 250005)
        done = await link.send("Withhold", charge)
        assert isinstance(done, Done)
        assert (done.reply.amount_fen, done.reply.booking_date.isoformat()) == (250005, "2025-03-03")
        assert done.reply.bank_time.isoformat() == "2025-03-03T08:00:00+08:00"
        refund = bank.Refund(serial="R0000001", orig_serial="W0000001", refund_fen=250005, orig_amount_fen=250005)
        assert (await link.send("Refund", refund)).reply.status == "RVSD"
        assert (await link.ask("Withhold", charge)).reply.status == "RVSD"
        absent = withholding("W0000002", no, 1)
        assert (await link.ask("Withhold", absent)).code == NOT_FOUND


async def test_refusals_faults_and_lies(tmp_path: Path) -> None:
    async with linked_to_the_reference(tmp_path) as link:
        no = await link.agreement("1000.00")
        over = await link.send("Withhold", withholding("W0000001", no, 100001))
        assert isinstance(over, Refused)
        assert over.code == "AM14"
        await link.faults({"operation": "Withhold", "kind": "lie", "fen": 1, "nth": 1})
        assert await link.send("Withhold", withholding("W0000002", no, 100)) == Unknown("amount differs")
        strange = await link.send("Withhold", withholding("W0000003", no, 100, payer_name="别人"))
        assert strange.code == "BE01"
        link.receiver = "坏"
        with pytest.raises(Refusal, match="ReceiverId"):
            await link.send("Withhold", withholding("W0000004", no, 100))


async def test_a_rare_name_needs_nothing_special_in_utf8(tmp_path: Path) -> None:
    async with linked_to_the_reference(tmp_path) as link:
        out = link.codec.encode("SignAgreement", signing(), link.context())
        assert NAME.encode() in out.body
        assert out.headers["Content-Type"] == "text/xml; charset=UTF-8"
        assert out.headers["SOAPAction"] == '"urn:xinyi:bank-channel:v1:SignAgreement"'


async def test_what_the_bank_lacks_is_never_sent(tmp_path: Path) -> None:
    assert "PreAuthorise" in wrapped().manifest.capabilities["lacks"]
    async with linked_to_the_reference(tmp_path) as link:
        for operation, request in (
            ("PreAuthorise", holding("P0000001", "AG1", 100)),
            ("SubmitPayoutBatch", batch("BATCH0001", ("PO000001", 1, PAID))),
        ):
            with pytest.raises(Refusal, match=operation):
                await link.send(operation, request)
        assert (await link.control("GET", "requests"))["requests"] == []


async def test_its_pushes_are_read_and_acknowledged(tmp_path: Path) -> None:
    async with linked_to_the_reference(tmp_path) as link:
        no = await link.agreement()
        await link.send("Withhold", withholding("W0000001", no, 10000))
        await link.control("POST", "repayments", {"agreement_no": no, "amount": "50.00", "channel": "ALIPAY"})
        notice = (await link.told(bank.NotifyTransaction))[0]
        assert (notice.amount_fen, notice.channel, notice.occurred_at.isoformat()) == (
            5000, "ALIPAY", "2025-03-03T08:00:00+08:00",
        )  # fmt: skip
        await acked(link)


async def acked(link: Link) -> None:
    for _ in range(100):
        if all(notice["acked"] for notice in (await link.control("GET", "notices"))["notices"]):
            return
    pytest.fail("not acknowledged")


async def test_a_wrong_push_gets_the_references_fault(tmp_path: Path) -> None:
    status, body = wrapped().door.fault_for(Refusal("INVALID_FIELD", field="Status"), "X1")
    assert status == 500
    assert b"<ns0:Code>INVALID_FIELD</ns0:Code>" in body
    assert b"<ns0:Retry>NO</ns0:Retry>" in body
