"""A bank's engineer with a SOAP toolkit and our address: the WSDL is imported from `?wsdl` and used as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import aiohttp
import pytest
import zeep
from aiohttp import web

from adapters.bank_soap import door
from gateway.model.bank import NotifyTransaction
from tests.integration.bank_soap.bank_link import START, Link


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, Link]]:
    async with aiohttp.ClientSession() as session:
        link = Link("", session)

        async def wsdl(request: web.Request) -> web.Response:
            body = door.wsdl("notify", f"http://{request.host}/soap/bank/bocom")
            return web.Response(body=body, content_type="text/xml", charset="utf-8")

        app = web.Application()
        app.router.add_get("/soap/bank/bocom", wsdl)
        app.router.add_post("/soap/bank/bocom", link.take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/soap/bank/bocom", link
        await runner.cleanup()


def notice(**change: Any) -> dict[str, Any]:
    header = {
        "MsgId": "BK1", "SenderId": "BOCOM", "ReceiverId": "XINYI", "CreatedAt": START, "TxCode": "NotifyTransaction",
        "Version": "1.0",
    }  # fmt: skip
    return {
        "Header": header, "NotifyNo": "NT1", "EventType": "WITHHOLD", "OrigSerial": "W0000001", "BankTxnNo": "BT1",
        "Status": "ACSC", "AmountFen": 250000, "BookingDate": date(2025, 3, 3), "OccurredAt": START, "Attempt": 1,
        **change,
    }  # fmt: skip


@pytest.mark.parametrize("soap", ["11", "12"])
async def test_a_toolkit_notifies_us(address: tuple[str, Link], soap: str) -> None:
    url, link = address

    def call() -> Any:
        client = zeep.Client(f"{url}?wsdl", transport=zeep.Transport(timeout=10, operation_timeout=10))
        return client.bind("BankNotifyService", f"BankNotifyPortSoap{soap}").NotifyTransaction(**notice())

    ack = await asyncio.to_thread(call)
    assert (ack.Ack, ack.NotifyNo) == ("OK", "NT1")
    assert isinstance(link.notices[0], NotifyTransaction)
    assert (link.notices[0].orig_serial, link.notices[0].amount_fen) == ("W0000001", 250000)


@pytest.mark.parametrize("soap", ["11", "12"])
async def test_a_toolkit_gets_a_fault_it_understands(address: tuple[str, Link], soap: str) -> None:
    url, link = address

    def call() -> str:
        client = zeep.Client(f"{url}?wsdl", transport=zeep.Transport(timeout=10, operation_timeout=10))
        try:
            client.bind("BankNotifyService", f"BankNotifyPortSoap{soap}").NotifyTransaction(**notice(AmountFen=0))
        except zeep.exceptions.Fault as fault:
            return f"{fault.code} {fault.detail.findtext('.//{*}Code')} {fault.message}"
        return "no fault"

    told = await asyncio.to_thread(call)
    assert told.startswith("soap:Client INVALID_FIELD" if soap == "11" else "soap:Sender INVALID_FIELD")
    assert "AmountFen" in told
    assert link.notices == []
