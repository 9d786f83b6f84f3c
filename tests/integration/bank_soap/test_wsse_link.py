"""Our side against the bank with signing on: what is taken, and what an answer is worth that somebody touched."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.bank_soap import door
from gateway.model import bank
from gateway.model.keys import KeyFiles, KeyRing
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from simulators.bank.wsse import Keys
from tests.integration.bank_soap.bank_link import PAID, batch, withholding
from tests.integration.bank_soap.wsse_link import (
    SOAP11,
    SignedLink,
    bank_keys,
    copy_keys,
    key_files,
    other_keys,
    served,
    signed_link,
)
from tests.unit.adapters.bank_soap_partner import file_of
from tests.unit.adapters.bank_wsse_sm2 import sm2_side


async def told(link: SignedLink, kind: type, seconds: float = 5.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := [notice for notice in link.notices if isinstance(notice, kind)]):
        assert time.monotonic() < deadline, f"no {kind.__name__}"
        await asyncio.sleep(0.02)
    return found[0]


async def test_a_charge_its_question_and_its_refund(tmp_path: Path) -> None:
    async with signed_link(tmp_path) as link:
        charge = withholding("W0000001", await link.agreement(), 250000)
        done = await link.send("Withhold", charge)
        assert isinstance(done, Done)
        assert (done.reply.amount_fen, done.reply.status) == (250000, "ACSC")
        asked = bank.QueryTransaction(serial="Q0000001", orig_serial="W0000001", orig_tx_code="Withhold")
        assert (await link.send("QueryTransaction", asked)).reply.orig_amount_fen == 250000
        refund = bank.Refund(serial="R0000001", orig_serial="W0000001", refund_fen=100, orig_amount_fen=250000)
        assert isinstance(await link.send("Refund", refund), Done)
        assert len(await link.effects("Withhold")) == 1


async def test_a_signed_business_refusal_is_one(tmp_path: Path) -> None:
    async with signed_link(tmp_path) as link:
        refused = await link.send("Withhold", withholding("W0000001", await link.agreement(), 9_999_999))
        assert isinstance(refused, Refused)
        assert refused.code == "AM14"


async def test_a_batch_its_receipt_and_signed_acknowledgements(tmp_path: Path) -> None:
    async with signed_link(tmp_path) as link:
        orders = batch("DP0000001", *((f"PO{n:07d}", 100 + n, PAID) for n in range(1, 300)))
        assert isinstance(await link.send("SubmitPayoutBatch", orders), Accepted)
        state = await link.send("QueryPayoutBatch", bank.QueryPayoutBatch(serial="Q0000001", batch_no="DP0000001"))
        assert len(state.reply.records) == 299
        receipt = (await told(link, bank.DeliverReceipt)).receipt
        assert hashlib.sha256(receipt.content).hexdigest() == receipt.sha256
        await told(link, bank.NotifyTransaction)
        for ack in link.acks:
            assert link.shown(ack)[0].text == "OK"


async def test_a_push_that_the_bank_did_not_sign_is_refused(tmp_path: Path) -> None:
    async with signed_link(tmp_path) as link:
        await link.send("SubmitPayoutBatch", batch("DP0000001", ("PO0000001", 100, PAID)))
        await told(link, bank.DeliverReceipt)
        before = len(link.notices)
        notice = file_of("NotifyTransaction", "request.xml")
        for raw in (notice, bank_keys(other_keys(tmp_path / "mallory")).sign(notice, SOAP11)):
            kind = {"Content-Type": "text/xml; charset=utf-8"}
            async with link.session.post(f"{link.gateway}/soap/bank/bocom", data=raw, headers=kind) as answer:
                assert answer.status == 500
                assert "SIGNATURE_INVALID" in await answer.text()
        assert len(link.notices) == before


# -- answers that cannot be trusted ---------------------------------------------------------------------------------


async def test_a_bank_that_forgets_to_sign_is_unknown_and_asked(tmp_path: Path) -> None:
    async with signed_link(tmp_path, bank_signs=False) as link:
        await link.control("PUT", "lines", {})
        charge = withholding("W0000001", "AG-NONE", 100)
        verdict = await link.send("Withhold", charge)
        assert verdict == Unknown("HTTP 200: SIGNATURE_INVALID: no Header")
        op = await link.operation("Withhold", "W0000001")
        assert (op.state, op.next_question_at is not None) == ("UNKNOWN", True)
        assert await link.send("Withhold", charge) == verdict
        requests = (await link.control("GET", "requests"))["requests"]
        assert len([row for row in requests if row["operation"] == "Withhold"]) == 1


async def test_an_unsigned_fault_refuses_nothing(tmp_path: Path) -> None:
    """Somebody on the way answers a charge with "not processed" while the bank books it."""

    async def fault(answer: aiohttp.ClientResponse) -> web.Response:
        raw = await answer.read()
        if b"WithholdResponse" not in raw:
            return web.Response(body=raw, status=answer.status, content_type="text/xml", charset="utf-8")
        status, body = door.fault("INVALID_FIELD", "未处理")
        return web.Response(body=body, status=status, content_type="text/xml", charset="utf-8")

    async with signed_link(tmp_path, passage=fault) as link:
        verdict = await link.send("Withhold", withholding("W0000001", await link.agreement(), 250000))
        assert verdict == Unknown("HTTP 500: SIGNATURE_INVALID: no Header")
        assert len(await link.effects("Withhold")) == 1


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "amount": lambda raw: raw.replace(b"AmountFen>250000<", b"AmountFen>250001<"),
    "status": lambda raw: raw.replace(b">ACSC<", b">RJCT<"),
    "comment": lambda raw: raw.replace(b">250000<", b">2<!-- -->50000<"),
    "certificate": lambda raw: raw.replace(b"BinarySecurityToken", b"BinarySecurityTokens"),
    "header": lambda raw: raw[: raw.index(b"<soap:Header>")] + raw[raw.index(b"</soap:Header>") + 14 :],
}


@pytest.mark.parametrize("name", CHANGES)
async def test_an_answer_changed_on_the_way_is_unknown(tmp_path: Path, name: str) -> None:
    async def change(answer: aiohttp.ClientResponse) -> web.Response:
        raw = await answer.read()
        if b"WithholdResponse" in raw:
            changed = CHANGES[name](raw)
            assert changed != raw
            raw = changed
        return web.Response(body=raw, status=answer.status, content_type="text/xml", charset="utf-8")

    async with signed_link(tmp_path, passage=change) as link:
        verdict = await link.send("Withhold", withholding("W0000001", await link.agreement(), 250000))
        assert isinstance(verdict, Unknown)
        assert "SIGNATURE_INVALID" in verdict.reason
        asked = bank.QueryTransaction(serial="Q0000001", orig_serial="W0000001", orig_tx_code="Withhold")
        assert (await link.send("QueryTransaction", asked)).reply.orig_status == "ACSC"


async def test_a_bank_with_a_new_certificate_is_unknown_until_it_is_trusted(tmp_path: Path) -> None:
    """The new certificate's file is all it takes."""
    seconds = [0.0]
    ring = KeyRing(key_files(copy_keys(tmp_path / "keys")), lambda: seconds[0])
    fresh = other_keys(tmp_path / "fresh")
    resigned = Keys.load(fresh / "bocom.key.pem", fresh / "bocom.cert.pem", None)

    async def renew(answer: aiohttp.ClientResponse) -> web.Response:
        raw = await answer.read()
        plain = raw[: raw.index(b"<soap:Header>")] + raw[raw.index(b"</soap:Header>") + 14 :]
        body = resigned.sign(plain.replace(b'wsu:Id="Body"', b"").replace(b'ns0:Id="Body"', b""), SOAP11)
        return web.Response(body=body, status=answer.status, content_type="text/xml", charset="utf-8")

    async with signed_link(tmp_path, passage=renew, ring=ring) as link:
        no = "AG-NONE"
        before = await link.send("Withhold", withholding("W0000001", no, 100))
        assert before == Unknown("HTTP 200: SIGNATURE_INVALID: not a certificate that was agreed on")
        (fresh / "bocom.cert.pem").replace(tmp_path / "keys" / "bocom.cert.pem")
        seconds[0] += 11
        after = await link.send("Withhold", withholding("W0000002", no, 100))
        assert isinstance(after, Refused)
        assert after.code == "MD01"


# -- SM2 ------------------------------------------------------------------------------------------------------------


async def test_the_sm2_variant_over_sockets(tmp_path: Path) -> None:
    """The bank behind somebody who verifies and signs with another implementation of SM2."""
    ours, theirs = sm2_side("gateway"), sm2_side("bank")
    key, cert = ours.write(tmp_path, "own")
    ring = KeyRing(KeyFiles("sm2", key, cert, (theirs.write(tmp_path, "bank")[1],)), time.monotonic)
    honest = [True]
    async with signed_link(tmp_path, bank_signs=False, ring=ring) as link:

        async def handler(request: web.Request) -> web.Response:
            body = await request.read()
            assert ours.signed(body, b64decode(request.headers["x-xinyi-sm2-signature"]))
            kept = {name: request.headers[name] for name in ("Content-Type", "SOAPAction")}
            async with link.session.post(f"{link.bank}{request.path}", data=body, headers=kept) as answer:
                raw = await answer.read()
            signature = theirs.sign(raw if honest[0] else raw + b" ")
            headers = {"X-Xinyi-SM2-Signature": signature, "Content-Type": "text/xml; charset=utf-8"}
            return web.Response(body=raw, status=answer.status, headers=headers)

        async with served(handler) as url:
            link.delivery.counterparts["bocom"].url = f"{url}/bocom"
            no = await link.agreement()
            done = await link.send("Withhold", withholding("W0000001", no, 250000))
            assert isinstance(done, Done)
            honest[0] = False
            unsure = await link.send("Withhold", withholding("W0000002", no, 100))
            assert unsure == Unknown("HTTP 200: SIGNATURE_INVALID: not signed by a key that was agreed on")
            assert len(await link.effects("Withhold")) == 2
