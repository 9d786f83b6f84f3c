"""The bank's door: what it refuses to read, the two SOAP versions, faults of the menu, signatures (facts 4, 7)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import zeep
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from simulators.bank import wsse
from simulators.bank.soap import SOAP11
from simulators.bank.wsse import Keys
from tests.integration.simulators.bank_harness import (
    ACCOUNTS,
    HOSPITAL,
    NS,
    Client,
    Gateway,
    batch,
    later,
    record,
    running,
)

SOAP12 = "http://www.w3.org/2003/05/soap-envelope"


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[Client, Gateway]]:
    async with running(tmp_path) as (client, gateway, _):
        yield client, gateway


@pytest.fixture
async def bank(both: tuple[Client, Gateway]) -> Client:
    return both[0]


def body(operation: str, inner: str, *, code: str = "", message: str = "M1") -> str:
    head = (
        f"<MsgId>{message}</MsgId><SenderId>XINYI</SenderId><ReceiverId>BOCOM</ReceiverId>"
        f"<CreatedAt>2025-03-03T08:00:00+08:00</CreatedAt><TxCode>{code or operation}</TxCode><Version>1.0</Version>"
    )
    return f'<{operation} xmlns="{NS}"><Header>{head}</Header>{inner}</{operation}>'


def envelope(content: str, namespace: str = SOAP11, prolog: str = "", header: str = "") -> bytes:
    text = f'{prolog}<e:Envelope xmlns:e="{namespace}">{header}<e:Body>{content}</e:Body></e:Envelope>'
    return text.encode()


def withhold(agreement: str = "AG1", amount: str = "100", *, serial: str = "W0000001", **more: str) -> str:
    account = "".join(f"<{name}>{value}</{name}>" for name, value in ACCOUNTS[HOSPITAL].items())
    inner = (
        f"<Serial>{serial}</Serial><AgreementNo>{agreement}</AgreementNo><AmountFen>{amount}</AmountFen>"
        f"<PayerName>测试甲</PayerName><PayeeAccount>{account}</PayeeAccount><VisitNo>V</VisitNo><BillNo>B</BillNo>"
        "<Purpose>HSPC</Purpose><RequestedDate>2025-03-03</RequestedDate>"
    )
    return body("Withhold", inner, **more)


def fault_of(answer: bytes) -> tuple[str, str]:
    """The fault code (without prefix) and the BankFault's code."""
    root = etree.fromstring(answer)
    code = root.findtext(".//faultcode") or root.findtext(f".//{{{SOAP12}}}Code/{{{SOAP12}}}Value") or ""
    return code.partition(":")[2], root.findtext(f".//{{{NS}}}BankFault/{{{NS}}}Code") or ""


def _swapped(text: str, first: str, second: str) -> str:
    return text.replace(first, "#").replace(second, first).replace("#", second)


GOOD = withhold()
UNREADABLE = {
    "not xml": b"hello",
    "empty": b"",
    "doctype": envelope(GOOD, prolog="<!DOCTYPE e:Envelope>"),
    "entity": envelope(GOOD.replace("100", "&x;"), prolog='<!DOCTYPE a [<!ENTITY x "100">]>'),
    "gbk": b'<?xml version="1.0" encoding="GBK"?>' + envelope(GOOD).decode().encode("gbk"),
    "utf-16": envelope(GOOD).decode().encode("utf-16"),
    "xsi:type": envelope(
        GOOD.replace("<AmountFen>", '<AmountFen xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="x">')
    ),
    "two children": envelope(GOOD + GOOD),
    "no child": envelope(""),
    "not an envelope": GOOD.encode(),
    "must understand": envelope(GOOD, header='<e:Header><a e:mustUnderstand="1"/></e:Header>'),
}
WRONG = {
    "no such operation": body("Withdraw", "", code="Withhold"),
    "an answer instead": f'<WithholdResponse xmlns="{NS}"/>',
    "foreign namespace": withhold().replace(NS, "urn:other"),
    "zero": withhold(amount="0"),
    "decimals": withhold(amount="1.00"),
    "negative": withhold(amount="-5"),
    "missing element": withhold().replace("<VisitNo>V</VisitNo>", ""),
    "wrong order": _swapped(withhold(), "VisitNo", "BillNo"),
    "one element too many": withhold().replace("<Purpose>", "<Diagnosis>J18</Diagnosis><Purpose>"),
    "free text as purpose": withhold().replace("HSPC", "肺炎"),
    "unknown TxCode": withhold(code="Withdraw"),
    "TxCode of another operation": withhold(code="Refund"),
    "short serial": withhold(serial="W1"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(UNREADABLE))
async def test_unreadable_is_a_client_fault_and_nothing_happens(bank: Client, name: str) -> None:
    status, answer = await bank.post(UNREADABLE[name])
    assert (status, fault_of(answer)) == (500, ("Client", "MALFORMED"))
    assert (await bank.get("requests"))["requests"][0]["verdict"] == "refused"


@pytest.mark.parametrize("name", list(WRONG))
async def test_what_breaks_the_contract_is_not_executed(bank: Client, name: str) -> None:
    number = await bank.agreement()
    status, answer = await bank.post(envelope(WRONG[name].replace("AG1", number)))
    assert status == 500
    assert fault_of(answer)[0] == "Client"
    assert fault_of(answer)[1] in ("INVALID_FIELD", "UNKNOWN_OPERATION")
    assert await bank.effects("Withhold") == []
    assert b"Retry>NO<" in answer


async def test_a_fault_never_repeats_the_value_it_complains_about(bank: Client) -> None:
    _, answer = await bank.post(envelope(withhold(amount="430502199001019990")))
    assert b"430502199001019990" not in answer
    assert b"AmountFen" in answer


async def test_a_comment_cannot_shorten_an_amount(bank: Client) -> None:
    number = await bank.agreement()
    await bank.post(envelope(withhold(number, "10<!-- x -->00")))
    assert [effect["amount_fen"] for effect in await bank.effects("Withhold")] == [1000]


@pytest.mark.parametrize(
    ("action", "taken"), [('""', True), (f'"{NS}:Withhold"', True), (f'"{NS}:Refund"', False), ('"Withhold"', False)]
)
async def test_the_soap_action_agrees_with_the_body(bank: Client, action: str, taken: bool) -> None:
    status, answer = await bank.post(envelope(GOOD), SOAPAction=action)
    assert (status == 200) is taken
    assert taken or fault_of(answer) == ("Client", "INVALID_FIELD")


async def test_a_single_operation_is_small(bank: Client) -> None:
    _, answer = await bank.post(envelope(GOOD) + b" " * 300_000)
    assert fault_of(answer) == ("Client", "TOO_LARGE")


async def test_a_known_message_id_with_other_content(bank: Client) -> None:
    number = await bank.agreement()
    assert (await bank.post(envelope(withhold(number))))[0] == 200
    assert (await bank.post(envelope(withhold(number))))[0] == 200
    _, answer = await bank.post(envelope(withhold(number, serial="W0000002")))
    assert fault_of(answer) == ("Client", "REPLAYED")
    assert len(await bank.effects("Withhold")) == 1


async def test_the_wsdl_is_served_and_names_this_address(bank: Client) -> None:
    async with bank.session.get(f"{bank.url}/bocom?wsdl") as answer:
        text = await answer.text()
        assert answer.content_type == "text/xml"
    assert f'location="{bank.url}/bocom"' in text
    client = await asyncio.to_thread(zeep.Client, f"{bank.url}/bocom?wsdl")
    assert len(client.wsdl.bindings) == 2


async def test_soap_12_all_the_way(tmp_path: Path) -> None:
    async with running(tmp_path, soap12=True) as (bank, _, _sim):
        number = await bank.agreement()
        assert (await bank.withhold("W0000001", number, 100))["Status"] == "ACSC"
        status, answer = await bank.post(envelope(withhold(amount="0"), SOAP12), "application/soap+xml; charset=utf-8")
        assert (status, fault_of(answer)) == (400, ("Sender", "INVALID_FIELD"))
        action = f'application/soap+xml; charset=utf-8; action="{NS}:Refund"'
        assert (await bank.post(envelope(GOOD, SOAP12), action))[0] == 400
        assert (await bank.post(envelope(GOOD, SOAP12)))[0] == 400


# -- the menu of faults -----------------------------------------------------------------------------------------------


async def test_not_executed_and_truly_not_found(bank: Client) -> None:
    number = await bank.agreement()
    for position, kind in enumerate(("drop_before", "http_500_before")):
        await bank.faults({"operation": "Withhold", "kind": kind, "nth": 1})
        with pytest.raises((zeep.exceptions.Error, OSError)):
            await bank.withhold(f"W000000{position}", number, 100)
        assert (await bank.transaction(f"W000000{position}"))["QueryResult"] == "NOT_FOUND"
    assert await bank.effects("Withhold") == []


@pytest.mark.parametrize("kind", ["drop_after", "http_500_after", "garbage", "half_reply"])
async def test_executed_though_the_answer_is_lost(bank: Client, kind: str) -> None:
    number = await bank.agreement()
    await bank.faults({"operation": "Withhold", "kind": kind, "nth": 1})
    status_or_error: Any
    try:
        status_or_error = await bank.post(envelope(withhold(number)))
    except (aiohttp.ClientError, OSError) as error:
        status_or_error = error
    assert not (isinstance(status_or_error, tuple) and b"ACSC" in status_or_error[1])
    assert (await bank.transaction("W0000001"))["OrigStatus"] == "ACSC"
    assert len(await bank.effects("Withhold")) == 1


async def test_a_rejection_is_kept_like_any_other(bank: Client) -> None:
    number = await bank.agreement()
    await bank.faults({"operation": "Withhold", "kind": "reject", "nth": 1, "code": "AM04", "message": "余额不足"})
    for duplicate in (None, True):
        answer = await bank.withhold("W0000001", number, 100)
        assert (answer["Status"], answer["ReasonCode"]) == ("RJCT", "AM04")
        assert answer["ResultHead"]["Duplicate"] is duplicate
    assert (await bank.transaction("W0000001"))["OrigReason"] == "AM04"
    await bank.withhold("W0000002", number, 100)
    await bank.faults({"operation": "Withhold", "kind": "reject", "nth": 1, "code": "AM04"})
    assert (await bank.withhold("W0000002", number, 100))["Status"] == "ACSC"


async def test_a_rejected_batch_is_rejected_whole(bank: Client) -> None:
    await bank.faults({"operation": "SubmitPayoutBatch", "kind": "reject", "nth": 1, "code": "TM01"})
    answer = await bank.payout("BATCH0000001", record(1, "PO00000001", 1))
    assert (answer["BatchStatus"], answer["ReasonCode"]) == ("RJCT", "TM01")
    assert (await bank.batch_state("BATCH0000001"))["BatchStatus"] == "RJCT"


async def test_a_rejected_question_says_nothing_about_the_original(bank: Client) -> None:
    await bank.faults({"operation": "QueryTransaction", "kind": "reject", "nth": 1, "code": "BUSY"})
    with pytest.raises(zeep.exceptions.Fault, match="BUSY"):
        await bank.transaction("W0000001")


async def test_a_lie_is_told_once(bank: Client) -> None:
    number = await bank.agreement()
    await bank.faults({"operation": "Withhold", "kind": "lie", "nth": 1, "fen": 1})
    assert (await bank.withhold("W0000001", number, 100))["AmountFen"] == 101
    assert (await bank.withhold("W0000001", number, 100))["AmountFen"] == 100
    assert (await bank.transaction("W0000001"))["OrigAmountFen"] == 100


async def test_what_waited_past_the_settling_time_is_not_executed(bank: Client) -> None:
    """Else the NOT_FOUND that the bank has given for good would have been untrue."""
    number = await bank.agreement()
    await bank.faults({"operation": "Withhold", "kind": "delay_before", "nth": 1, "seconds": 0.5})
    late = asyncio.create_task(bank.post(envelope(withhold(number))))
    await asyncio.sleep(0.2)
    bank.set_clock(later(minutes=11))
    assert (await bank.transaction("W0000001"))["QueryResult"] == "NOT_FOUND"
    assert fault_of((await late)[1]) == ("Client", "EXPIRED_IN_QUEUE")
    assert await bank.effects("Withhold") == []


# -- settings and reset -----------------------------------------------------------------------------------------------


async def test_settings_are_checked(bank: Client) -> None:
    shown = await bank.get("settings")
    agreed = {"settling_minutes": 10, "day_switch": "23:00", "auto_receipts": True, "needs_sms": False}
    assert {**shown, **agreed, "sms_token": "000000", "dedup": True} == shown
    for wrong in ({"day_switch": "24:00"}, {"dedup": "no"}, {"settling_minutes": -1}, {"cut_off": "15:00"}, ["x"]):
        assert (await bank.control("PUT", "settings", wrong))[0] == 422
    assert await bank.get("settings") == shown


async def test_a_reset_empties_the_books_and_never_repeats_a_number(bank: Client) -> None:
    number = await bank.agreement()
    first = await bank.withhold("W0000001", number, 100)
    total = (await bank.get("accounts"))["total_fen"]
    await bank.control("POST", "reset")
    assert (await bank.effects(), (await bank.get("requests"))["requests"]) == ([], [])
    assert (await bank.get("accounts"))["total_fen"] == total
    again = await bank.withhold("W0000001", await bank.agreement(), 100)
    assert again["Status"] == "ACSC"
    assert again["ResultHead"]["BankTxnNo"] != first["ResultHead"]["BankTxnNo"]


async def test_more_hospitals_can_bank_here(bank: Client) -> None:
    account = {
        "acct_no": "6222099",
        "acct_name": "新医院",
        "bank_code": "301000000001",
        "bank_name": "行",
        "owner": "H9",
    }
    total = (await bank.get("accounts"))["total_fen"]
    async with bank.session.put(f"{bank.url}/_sim/accounts", json=[account]) as answer:
        assert answer.status == 200
    payee = {"AcctNo": "6222099", "AcctName": "新医院", "BankCode": "301000000001", "BankName": "行"}
    await bank.payout("BATCH0000001", record(1, "PO00000001", 5, "H64000100001", PayeeAccount=payee, HospitalCode="H9"))
    assert await bank.balance("H9") == 5
    assert (await bank.get("accounts"))["total_fen"] == total


# -- signatures -------------------------------------------------------------------------------------------------------


def pair(name: str) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
    return key, builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())


@pytest.fixture(scope="module")
def sides() -> tuple[Keys, Keys]:
    """The bank's keys and the gateway's."""
    bank, gateway = pair("bocom"), pair("xinyi")
    return Keys(*bank, gateway[1]), Keys(*gateway, bank[1])


async def test_signed_both_ways(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    ours, theirs = sides
    async with running(tmp_path, keys=ours) as (bank, gateway, _sim):
        request = bank.message("SubmitPayoutBatch", **batch("BATCH0000001", record(1, "PO00000001", 100)))
        status, answer = await bank.post(theirs.sign(request, SOAP11))
        assert status == 200
        signed = theirs.verified_body(etree.fromstring(answer), SOAP11)
        assert signed.findtext(f"{{{NS}}}BatchStatus") == "ACCP"
        receipt = (await gateway.wait("DeliverReceipt"))[0]["Receipt"]
        raw = next(message for message in gateway.raw if b":DeliverReceipt" in message)
        pushed = theirs.verified_body(etree.fromstring(raw), SOAP11)
        assert pushed.findtext(f"{{{NS}}}Receipt/{{{NS}}}ReceiptNo") == receipt["ReceiptNo"]
        seal, content = base64.b64decode(receipt["SealSignature"]), base64.b64decode(receipt["Content"])
        ours.key.public_key().verify(seal, content, padding.PKCS1v15(), hashes.SHA256())


def _tampered(message: bytes) -> bytes:
    return message.replace(b"<AmountFen>100<", b"<AmountFen>900<")


def _moved(message: bytes) -> bytes:
    """Signature wrapping: the signed Body hides in the header, another one stands in its place."""
    root = etree.fromstring(message)
    header, signed = root.find(f"{{{SOAP11}}}Header"), root.find(f"{{{SOAP11}}}Body")
    assert header is not None
    assert signed is not None
    false = etree.fromstring(_tampered(etree.tostring(signed)))
    del false.attrib[next(name for name in false.attrib if str(name).endswith("Id"))]
    etree.SubElement(header, "Wrapper").append(signed)
    root.append(false)
    return etree.tostring(root)


def _doubled(message: bytes) -> bytes:
    """A second Body with the same Id beside the signed one."""
    root = etree.fromstring(message)
    signed = root[-1]
    root.append(etree.fromstring(_tampered(etree.tostring(signed))))
    return etree.tostring(root)


@pytest.mark.parametrize("spoil", [_tampered, _moved, _doubled])
async def test_a_spoilt_signature_executes_nothing(
    tmp_path: Path, sides: tuple[Keys, Keys], spoil: Callable[[bytes], bytes]
) -> None:
    ours, theirs = sides
    async with running(tmp_path, keys=ours) as (bank, _, _sim):
        _, answer = await bank.post(spoil(theirs.sign(envelope(GOOD), SOAP11)))
        assert fault_of(answer)[0] == "Client"
        assert fault_of(answer)[1] in ("SIGNATURE_INVALID", "MALFORMED")
        assert fault_of((await bank.post(envelope(GOOD)))[1]) == ("Client", "UNAUTHENTICATED")
        assert [row["verdict"] for row in (await bank.get("requests"))["requests"]] == ["refused", "refused"]


async def test_another_key_and_an_old_timestamp(
    tmp_path: Path, sides: tuple[Keys, Keys], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = sides
    async with running(tmp_path, keys=ours) as (bank, _, _sim):
        _, answer = await bank.post(Keys(*pair("mallory"), ours.cert).sign(envelope(GOOD), SOAP11))
        assert fault_of(answer) == ("Client", "SIGNATURE_INVALID")
        fresh = wsse._instant
        monkeypatch.setattr(wsse, "_instant", lambda moment: fresh(moment - timedelta(minutes=8)))
        _, answer = await bank.post(theirs.sign(envelope(GOOD), SOAP11))
        assert fault_of(answer) == ("Client", "TIMESTAMP_EXPIRED")


async def test_signing_without_asking_for_signatures(tmp_path: Path, sides: tuple[Keys, Keys]) -> None:
    ours, theirs = sides
    async with running(tmp_path, keys=Keys(ours.key, ours.cert, None)) as (bank, _, _sim):
        status, answer = await bank.post(envelope(GOOD))
        assert status == 200
        assert theirs.verified_body(etree.fromstring(answer), SOAP11).tag == f"{{{NS}}}WithholdResponse"
