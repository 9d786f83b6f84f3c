"""Bank → gateway: what is let in, what it becomes, and what the bank is told (contract, chapter 5)."""

from __future__ import annotations

import pytest
from lxml import etree

from adapters.bank_soap import door
from gateway.model.bank import BankStatus, DeliverReceipt, NotifyTransaction
from gateway.model.refusals import Refusal
from tests.unit.adapters.bank_soap_partner import NS, SOAP11, SOAP12, body_of, file_of, schema

NOTICE = file_of("NotifyTransaction", "request.xml")
RECEIPT = file_of("DeliverReceipt", "request.xml")
XML = "text/xml; charset=utf-8"
ACTION = f'"{NS}:NotifyTransaction"'


def read(raw: bytes, content_type: str = XML, action: str = "") -> NotifyTransaction | DeliverReceipt:
    return door.read_notification(raw, content_type, action)


def refused(raw: bytes, content_type: str = XML, action: str = "") -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(raw, content_type, action)
    return caught.value


def edited(raw: bytes, *changes: tuple[str, str]) -> bytes:
    for old, new in changes:
        assert old.encode() in raw, old
        raw = raw.replace(old.encode(), new.encode())
    return raw


# -- SOAP versions and actions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["", '""', ACTION, ACTION.strip('"')])
def test_the_action_may_be_left_out_and_must_agree(action: str) -> None:
    assert isinstance(read(NOTICE, XML, action), NotifyTransaction)


@pytest.mark.parametrize("action", [f"{NS}:DeliverReceipt", "NotifyTransaction", "urn:other:NotifyTransaction"])
def test_another_action_than_the_body_is_refused(action: str) -> None:
    assert (refused(NOTICE, XML, action).code, refused(NOTICE, XML, action).field) == ("INVALID_FIELD", "SOAPAction")


def test_soap_12_has_its_action_in_the_content_type() -> None:
    twelve = edited(NOTICE, (SOAP11, SOAP12))
    assert isinstance(read(twelve, f"application/soap+xml; charset=utf-8; action={ACTION}"), NotifyTransaction)
    assert isinstance(read(twelve, "application/soap+xml", "ignored in 1.2"), NotifyTransaction)
    assert refused(twelve, f'application/soap+xml; action="{NS}:DeliverReceipt"').field == "SOAPAction"


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "application/xml", "application/soap+xml", "text/xml; charset=gbk", "multipart/related"],
)
def test_other_content_types_are_refused(content_type: str) -> None:
    assert refused(NOTICE, content_type).code == "MALFORMED"


def test_the_version_of_an_answer_follows_the_content_type() -> None:
    assert door.soap_version("application/soap+xml; charset=utf-8") == "1.2"
    assert door.soap_version("text/xml") == door.soap_version("nonsense") == "1.1"
    assert door.media_type("1.2") == "application/soap+xml; charset=utf-8"


def test_the_header_comes_along() -> None:
    inbound = door.read(NOTICE, XML, ACTION)
    assert (inbound.sender_id, inbound.receiver_id, inbound.soap_version) == ("BOCOM", "XINYI", "1.1")
    assert inbound.created_at.isoformat() == "2025-03-03T10:30:01+08:00"
    assert inbound.message.msg_id == "BK20250303000001"


def test_a_signed_element_is_read_without_its_envelope() -> None:
    assert door.read_element(body_of(NOTICE), ACTION).message == read(NOTICE)


def test_only_notices_come_in_by_this_door() -> None:
    assert refused(file_of("Withhold", "request.xml")).code == "MALFORMED"
    assert refused(file_of("Fault", "client-1.1.xml")).code == "MALFORMED"
    assert refused(file_of("NotifyTransaction", "response.xml")).code == "MALFORMED"


# -- fields ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("<ns0:TxCode>NotifyTransaction<", "<ns0:TxCode>DeliverReceipt<"), "TxCode"),
        (("<ns0:TxCode>NotifyTransaction<", "<ns0:TxCode>Nonsense<"), "TxCode"),
        (("<ns0:MsgId>BK20250303000001<", "<ns0:MsgId>BK 1<"), "MsgId"),
        (("<ns0:EventType>PAYOUT_RECORD<", "<ns0:EventType>GIFT<"), "EventType"),
        (("<ns0:Status>ACSC<", "<ns0:Status>DONE<"), "Status"),
        (("<ns0:AmountFen>920001<", "<ns0:AmountFen>9200.01<"), "AmountFen"),
        (("2025-03-03T10:30:00+08:00", "2025-03-03T10:30:00"), "OccurredAt"),
        (("2025-03-03T10:30:00+08:00", "2025-03-03T24:00:00+08:00"), "OccurredAt"),
        (("<ns0:BookingDate>2025-03-03<", "<ns0:BookingDate>2025-02-30<"), "BookingDate"),
        (("<ns0:Attempt>1<", "<ns0:Attempt>0<"), "Attempt"),
        (("<ns0:Version>1.0<", "<ns0:Version>2.0<"), "Version"),
    ],
)
def test_a_field_that_breaks_the_contract_is_named(change: tuple[str, str], field: str) -> None:
    refusal = refused(edited(NOTICE, change))
    assert (refusal.code, refusal.field) == ("INVALID_FIELD", field)
    assert "GIFT" not in str(refusal)


NEEDED = {
    "PAYOUT_RECORD": ["OrigSerial", "BatchNo"],
    "PAYOUT_RETURN": ["OrigSerial", "BatchNo"],
    "AGREEMENT": ["AgreementNo"],
    "WITHHOLD": [],
    "REPAYMENT": ["AgreementNo", "Channel", "ChannelSerial"],
    "DEFAULT": ["AgreementNo", "DaysOverdue", "CbRef"],
}
ADDED = {
    "AgreementNo": ("<ns0:BatchNo>", "<ns0:AgreementNo>AG1</ns0:AgreementNo><ns0:BatchNo>"),
    "Channel": ("</ns0:Attempt>", "</ns0:Attempt><ns0:Channel>ALIPAY</ns0:Channel>"),
    "ChannelSerial": ("</ns0:Channel>", "</ns0:Channel><ns0:ChannelSerial>ZFB1</ns0:ChannelSerial>"),
    "DaysOverdue": ("</ns0:Attempt>", "</ns0:Attempt><ns0:DaysOverdue>31</ns0:DaysOverdue>"),
    "CbRef": ("</ns0:DaysOverdue>", "</ns0:DaysOverdue><ns0:CbRef>CB1</ns0:CbRef>"),
}


@pytest.mark.parametrize("event", NEEDED)
def test_an_event_needs_what_it_is_about(event: str) -> None:
    raw = edited(NOTICE, ("PAYOUT_RECORD", event))
    for name in NEEDED[event]:
        if name in ADDED:
            assert refused(raw).field == name
            raw = edited(raw, ADDED[name])
    notice = read(raw)
    assert isinstance(notice, NotifyTransaction)
    assert notice.event_type == event
    if event == "DEFAULT":
        assert notice.cb_ref == "CB1"


@pytest.mark.parametrize("name", ["OrigSerial", "BatchNo"])
def test_a_payout_notice_names_its_order_and_its_batch(name: str) -> None:
    serial = "PO64010020250302000000000001" if name == "OrigSerial" else "DP64010020250302000000000001"
    assert refused(edited(NOTICE, (f"<ns0:{name}>{serial}</ns0:{name}>", ""))).field == name


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("ACSC", "ACSC"), ("RJCT", "RJCT"), ("CANC", "CANC"), ("RVSD", "RVSD"), ("RETURNED", "RVSD"),
        ("ACTV", "ACSC"), ("SUSP", "PDNG"), ("EXPI", "CANC"), ("PDNG", "PDNG"), ("ACCC", "ACCC"),
    ],
)  # fmt: skip
def test_what_a_notices_status_becomes(told: str, status: str) -> None:
    notice = read(edited(NOTICE, ("<ns0:Status>ACSC<", f"<ns0:Status>{told}<")))
    assert isinstance(notice, NotifyTransaction)
    assert notice.status == BankStatus(status)


# -- receipts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("<ns0:Size>39<", "<ns0:Size>38<"), "Size"),
        (("<ns0:Content>PO", "<ns0:Content>P!"), "Content"),
        (("<ns0:Currency>CNY<", "<ns0:Currency>USD<"), "Currency"),
        (("<ns0:Sha256>", "<ns0:Sha256>F"), "Sha256"),
    ],
)
def test_a_receipt_that_cannot_be_kept_is_refused(change: tuple[str, str], field: str) -> None:
    refusal = refused(edited(RECEIPT, change))
    assert (refusal.code, refusal.field) == ("INVALID_FIELD", field)


def test_digests_are_for_a_rule_to_judge() -> None:
    spoilt = edited(RECEIPT, ("<ns0:Sha256>fed85e", "<ns0:Sha256>000000"))
    assert read(spoilt).receipt.sha256.startswith("000000")


def test_nothing_personal_shows_in_a_receipt() -> None:
    shown = repr(read(RECEIPT))
    assert "640000000000100001" not in shown
    assert "宁夏示例医院" not in shown


# -- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
@pytest.mark.parametrize(
    ("raw", "ack", "good"),
    [(NOTICE, "OK", True), (NOTICE, "RETRY", True), (NOTICE, "MISMATCH", False), (NOTICE, "LATER", False),
     (RECEIPT, "OK", True), (RECEIPT, "RETRY", True), (RECEIPT, "MISMATCH", True), (RECEIPT, "ok", False)],
)  # fmt: skip
def test_acknowledgements(raw: bytes, ack: str, good: bool, soap: str) -> None:
    notice = read(raw)
    if not good:
        with pytest.raises(ValueError, match="does not allow"):
            door.ack(notice, ack, soap)
        return
    made = body_of(door.ack(notice, ack, soap))
    assert schema().validate(made)
    assert [child.text for child in made] == [ack, notice.notify_no]


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
@pytest.mark.parametrize(("retry", "name", "status"), [("NO", "Client", 500), ("QUERY_FIRST", "Server", 500)])
def test_faults(retry: str, name: str, status: int, soap: str) -> None:
    given, raw = door.fault("REPLAYED", "报文重放", retry, soap)
    twelve = {"Client": "Sender", "Server": "Receiver"}
    code = etree.fromstring(raw).xpath("string(//*[local-name()='faultcode' or local-name()='Value'])")
    assert code == f"soap:{name if soap == '1.1' else twelve[name]}"
    assert given == (400 if (soap, retry) == ("1.2", "NO") else status)
    assert schema().validate(next(etree.fromstring(raw).iter(f"{{{NS}}}BankFault")))


def test_a_fault_repeats_nobodys_number_and_is_cut_to_its_room() -> None:
    raw = door.fault("INVALID_FIELD", "账号 6222600000000000018 " + "长" * 300)[1]
    assert b"6222600000000000018" not in raw
    text = next(etree.fromstring(raw).iter(f"{{{NS}}}Text")).text
    assert len(text) == 200


def test_a_fault_the_contract_does_not_know_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="contract"):
        door.fault("lower case", "x")
    with pytest.raises(ValueError, match="contract"):
        door.fault("MALFORMED", "x", "LATER")


@pytest.mark.parametrize(("kind", "version"), [("application/soap+xml; action=x", SOAP12), (XML, SOAP11), ("", SOAP11)])
def test_answers_keep_the_version_of_the_content_type(kind: str, version: str) -> None:
    assert etree.fromstring(door.ack(read(NOTICE), "OK", kind)).tag == f"{{{version}}}Envelope"
    status, raw = door.fault_for(Refusal("INVALID_FIELD", "x", field="TxCode"), "E-1", kind)
    assert etree.fromstring(raw).tag == f"{{{version}}}Envelope"
    assert status == (400 if version == SOAP12 else 500)


@pytest.mark.parametrize("code", ["MALFORMED", "SIGNATURE_INVALID", "TIMESTAMP_EXPIRED", "REPLAYED", "OVERLOADED"])
def test_a_refusal_of_ours_is_a_client_fault_with_its_code(code: str) -> None:
    raw = door.fault_for(Refusal(code, "细节不外传"), "EX0001")[1]
    said = {etree.QName(e).localname: e.text for e in next(etree.fromstring(raw).iter(f"{{{NS}}}BankFault"))}
    assert (said["Code"], said["Retry"]) == (code, "NO")
    assert said["Text"].endswith(f"[{code}|EX0001]")
    assert "细节" not in said["Text"]


def test_only_our_own_documents_are_served() -> None:
    with pytest.raises(KeyError):
        door.wsdl("../manifest", "http://127.0.0.1")
    assert door.wsdl("notify", "http://h/x").count(b'location="http://h/x"') == 2
