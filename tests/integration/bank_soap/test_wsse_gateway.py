"""The running gateway's door for banks: verified before it is read, answered signed, refusals kept (contracts §5)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from lxml import etree

from simulators.bank import wsse
from tests.integration.bank_soap.wsse_link import SOAP11, bank_keys, other_keys
from tests.support.sandbox import Town
from tests.unit.adapters.bank_soap_partner import NS, file_of

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
_numbers = count(1)


class Bank:
    """The bank's side of the door."""

    def __init__(self, town: Town, session: aiohttp.ClientSession) -> None:
        self.town, self.session = town, session
        self.keys = bank_keys(town.place.keys)

    async def push(self, raw: bytes, kind: str = "text/xml; charset=utf-8") -> tuple[int, bytes]:
        url = f"{self.town.gateway}/soap/bank/bocom"
        async with self.session.post(url, data=raw, headers={"Content-Type": kind}) as answer:
            return answer.status, await answer.read()

    async def told(self, raw: bytes, version: str = SOAP11) -> str:
        """The Ack, or the fault's code, out of an answer whose signature was verified."""
        kind = "text/xml; charset=utf-8" if version == SOAP11 else "application/soap+xml; charset=utf-8"
        _, answer = await self.push(raw, kind)
        body = self.keys.verified_body(etree.fromstring(answer), version)
        return body.findtext(f"{{{NS}}}Ack") or body.findtext(f".//{{{NS}}}BankFault/{{{NS}}}Code") or ""

    def kept(self, code: str) -> list[tuple[str, str]]:
        """Refusals in the journal: whose, and what of."""
        with sqlite3.connect(self.town.place.data / "xinyi.db") as store:
            return store.execute(
                "SELECT actor, detail FROM access_log WHERE purpose = 'BANK_MESSAGE_REFUSED' AND authority = ?", (code,)
            ).fetchall()


@pytest.fixture
async def bank(town: Town) -> AsyncIterator[Bank]:
    async with aiohttp.ClientSession() as session:
        yield Bank(town, session)


def notice(**change: str) -> bytes:
    """A notice of its own about an operation of nobody; ``change`` by element."""
    number = next(_numbers)
    root = etree.fromstring(file_of("NotifyTransaction", "request.xml"))
    fields = {"MsgId": f"BK{number:014d}", "NotifyNo": f"NT{number:013d}", "BankTxnNo": f"BT{number:013d}", **change}
    for name, value in fields.items():
        next(root.iter(f"{{{NS}}}{name}")).text = value
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


async def test_a_signed_notice_is_acknowledged_in_either_version(bank: Bank) -> None:
    assert await bank.told(bank.keys.sign(notice(), SOAP11)) == "OK"
    twelve = notice().replace(SOAP11.encode(), SOAP12.encode())
    assert await bank.told(bank.keys.sign(twelve, SOAP12), SOAP12) == "OK"


async def test_missing_and_foreign_signatures_are_refused_and_kept(bank: Bank, tmp_path: Path) -> None:
    before = len(bank.kept("SIGNATURE_INVALID"))
    mallory = bank_keys(other_keys(tmp_path / "other"))
    signed = bank.keys.sign(notice(), SOAP11)
    spoilt = [notice(), mallory.sign(notice(), SOAP11), signed.replace(b">920001<", b">920002<")]
    for raw in spoilt:
        assert await bank.told(raw) == "SIGNATURE_INVALID"
    kept = bank.kept("SIGNATURE_INVALID")[before:]
    assert [actor for actor, _ in kept] == ["bank:bocom"] * 3
    assert [detail.split("; ")[0].partition(": ")[2] for _, detail in kept] == [
        "SIGNATURE_INVALID: no Header",
        "SIGNATURE_INVALID: not a certificate that was agreed on",
        "SIGNATURE_INVALID: InvalidDigest",
    ]
    assert "92000" not in str(kept)


async def test_the_bank_is_told_the_number_under_which_it_is_kept(bank: Bank) -> None:
    status, answer = await bank.push(notice())
    text = etree.fromstring(answer).findtext(f".//{{{NS}}}BankFault/{{{NS}}}Text")
    assert status == 500
    exchange_id = str(text).rpartition("|")[2].rstrip("]")
    assert any(detail.startswith(f"{exchange_id}: ") for _, detail in bank.kept("SIGNATURE_INVALID"))
    with sqlite3.connect(bank.town.place.data / "xinyi.db") as store:
        rows = store.execute("SELECT subject, rule, decision FROM reason WHERE exchange_id = ?", (exchange_id,))
        assert rows.fetchall() == [("bank:bocom", "bank.channel", "refuse")]


async def test_an_old_message_is_refused_and_kept(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time decides: the business clock of the sandbox stands in 2025 all the while."""
    fresh, before = wsse._instant, len(bank.kept("TIMESTAMP_EXPIRED"))
    monkeypatch.setattr(wsse, "_instant", lambda moment: fresh(moment - timedelta(minutes=8)))
    old = bank.keys.sign(notice(), SOAP11)
    monkeypatch.undo()
    assert await bank.told(old) == "TIMESTAMP_EXPIRED"
    assert len(bank.kept("TIMESTAMP_EXPIRED")) == before + 1
    assert datetime.now(UTC).year > 2025


async def test_a_repetition_gets_the_stored_answer(bank: Bank) -> None:
    """The same message again, and the same notice in a new message."""
    first = notice(MsgId="BKREPEAT1", NotifyNo="NTREPEAT1", BankTxnNo="BTREPEAT1")
    again = notice(MsgId="BKREPEAT2", NotifyNo="NTREPEAT1", BankTxnNo="BTREPEAT1", Attempt="2")
    for raw in (first, first, again, again):
        assert await bank.told(bank.keys.sign(raw, SOAP11)) == "OK"


@pytest.mark.parametrize(
    "change",
    [
        {"NotifyNo": "NTREPLAY1", "AmountFen": "1"},
        {"NotifyNo": "NTREPLAY2"},
        {"MsgId": "BKREPLAY9", "NotifyNo": "NTREPLAY1", "Status": "RJCT"},
    ],
    ids=["other amount", "other notice", "new message, same notice, other status"],
)
async def test_known_numbers_with_other_content_are_refused_and_kept(bank: Bank, change: dict[str, str]) -> None:
    known: dict[str, Any] = {"MsgId": "BKREPLAY1", "NotifyNo": "NTREPLAY1", "BankTxnNo": "BTREPLAY1"}
    assert await bank.told(bank.keys.sign(notice(**known), SOAP11)) == "OK"
    before = len(bank.kept("REPLAYED"))
    assert await bank.told(bank.keys.sign(notice(**{**known, **change}), SOAP11)) == "REPLAYED"
    assert len(bank.kept("REPLAYED")) == before + 1
    assert await bank.told(bank.keys.sign(notice(**known), SOAP11)) == "OK"


async def test_the_rest_of_the_contract_is_answered_signed_as_well(bank: Bank) -> None:
    assert await bank.told(bank.keys.sign(notice(Status="DONE"), SOAP11)) == "INVALID_FIELD"


async def test_the_gateway_says_how_long_its_certificates_last(bank: Bank) -> None:
    async with bank.session.get(f"{bank.town.gateway}/metrics") as answer:
        text = await answer.text()
    for name in ("sign/gateway.cert.pem", "peer/bocom.cert.pem"):
        line = next(line for line in text.splitlines() if f'certificate_expiry_seconds{{name="bocom/{name}"}}' in line)
        assert 800 * 86400 < float(line.split()[1]) < 826 * 86400
    assert 'xinyi_refused_total{code="SIGNATURE_INVALID",door="bank_soap"}' in text


async def test_both_sides_of_the_sandbox_sign(bank: Bank) -> None:
    """Without the gateway's signature the simulated bank does nothing either."""
    async with bank.session.post(
        f"{bank.town.simulator('bank')}/bocom",
        data=file_of("Withhold", "request.xml"),
        headers={"Content-Type": "text/xml; charset=utf-8"},
    ) as answer:
        assert b"UNAUTHENTICATED" in await answer.read()
