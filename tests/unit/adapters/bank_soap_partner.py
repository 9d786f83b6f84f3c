"""The independent partner of the channel's tests: zeep, fed with nothing but the WSDL, and the golden examples."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import zeep
import zeep.helpers
import zeep.wsdl
from lxml import etree

from adapters.bank_soap import ADAPTER
from gateway.delivery.declare import Answer, SendContext
from gateway.model.clock import SHANGHAI

NS = "urn:xinyi:bank-channel:v1"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
FOLDER = resources.files("adapters.bank_soap")
OPERATIONS = tuple(ADAPTER.manifest.operations)
QUERIES = ("QueryAgreement", "QueryTransaction", "QueryPayoutBatch", "GetReceipt")
MONEY = ("Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation")
NOW = datetime(2025, 3, 3, 9, 0, 0, 123000, tzinfo=SHANGHAI)
CONTEXT = SendContext(
    1740963600.0, NOW, "nonce", "01JNDVJ7C0BANKMESSAGE00001", {"sender_id": "XINYI", "receiver_id": "BOCOM"}
)
codec = ADAPTER.codec


@cache
def document(which: str = "bank") -> zeep.wsdl.Document:
    return zeep.wsdl.Document(str(FOLDER.joinpath(f"contract/{which}.wsdl")), zeep.Transport())


@cache
def schema() -> etree.XMLSchema:
    """Compiled from the WSDL, not from the file the adapter compiles."""
    root = etree.fromstring(FOLDER.joinpath("contract/bank.wsdl").read_bytes())
    inline = root.find(".//{http://www.w3.org/2001/XMLSchema}schema")
    return etree.XMLSchema(etree.fromstring(etree.tostring(inline)))


def binding(which: str = "bank", soap: str = "11") -> Any:
    port = "BankPort" if which == "bank" else "BankNotifyPort"
    return document(which).bindings[f"{{{NS}}}{port}Soap{soap}"]


def read_request(operation: str, raw: bytes, soap: str = "11") -> dict[str, Any]:
    """What the partner's server side understands of our bytes, as plain values."""
    envelope = etree.fromstring(raw)
    typed = binding("bank", soap).get(operation).input.deserialize(envelope)
    return zeep.helpers.serialize_object(typed, dict)


def answer(operation: str, soap: str = "11", **content: Any) -> Answer:
    """The partner's answer to us."""
    made = binding("bank", soap).get(operation).output.serialize(**content)
    return Answer(200, {"content-type": "text/xml"}, etree.tostring(made.content))


def head(serial: str | None = None, code: str = "000000", **more: Any) -> dict[str, Any]:
    return {"RespCode": code, "RespMsg": "说明", "Serial": serial, "BankTime": NOW, **more}


def body_of(raw: bytes) -> etree._Element:
    return etree.fromstring(raw)[-1][0]


def file_of(operation: str, name: str) -> bytes:
    return FOLDER.joinpath(f"golden/{operation}/{name}").read_bytes()


def golden_request(operation: str) -> Any:
    return codec.request_type(operation).model_validate_json(file_of(operation, "request.json"))


def golden_verdict(operation: str) -> tuple[str, Any]:
    kept = json.loads(file_of(operation, "verdict.json"))
    return kept["verdict"], codec.reply_type(operation).model_validate(kept["reply"])


def golden_answer(operation: str) -> Answer:
    return Answer(200, {}, file_of(operation, "response.xml"))


def decode(operation: str, raw: bytes, status: int = 200) -> Any:
    return codec.decode(operation, golden_request(operation), Answer(status, {}, raw))


def edited(operation: str, *changes: tuple[str, str]) -> bytes:
    """The golden answer with texts replaced; every text must be there."""
    raw = file_of(operation, "response.xml").decode()
    for old, new in changes:
        assert old in raw, old
        raw = raw.replace(old, new)
    return raw.encode()


def canonical(raw: bytes) -> bytes:
    """C14N of a message without the blanks of its layout."""
    return etree.tostring(etree.fromstring(raw, etree.XMLParser(remove_blank_text=True)), method="c14n", exclusive=True)


def plain(raw: bytes) -> Any:
    """Element names and texts of the body, whatever the prefixes."""

    def walk(element: etree._Element) -> Any:
        name = etree.QName(element).localname
        return (name, [walk(child) for child in element] if len(element) else (element.text or ""))

    return walk(body_of(raw))
