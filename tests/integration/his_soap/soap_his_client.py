"""An older HIS with a SOAP toolkit: it knows the address, its token and the WSDL, and shares no code with the door."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import requests
import zeep
from lxml import etree

from simulators.hospital.envelope import Institution, tif_headers

ENVELOPES = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}
TYPES = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}
NS = "urn:xinyi:his:v1"


def fields(content: Mapping[str, Any]) -> list[etree._Element]:
    """The national `input` as elements: a field each, an array repeated."""
    found = []
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            element = etree.Element(name)
            if isinstance(one, Mapping):
                element.extend(fields(one))
            elif one is not None:
                element.text = str(one)
            found.append(element)
    return found


def rebuilt(element: etree._Element) -> Any:
    """JSON out of an answer's element, by the contract's attributes; a number as its digits in a Decimal."""
    kind = element.get("type", "object" if len(element) else "text")
    text = element.text or ""
    match kind:
        case "object":
            return members(element)
        case "list":
            return [rebuilt(child) for child in element]
        case "number":
            return Decimal(text)
        case "null":
            return None
        case "boolean":
            return text == "true"
    return json.loads(f'"{text}"') if element.get("escaped") == "json" else text


def members(holder: etree._Element | list[etree._Element]) -> dict[str, Any]:
    """The members of an object."""
    found: dict[str, Any] = {}
    for child in holder:
        if child.get("of") == "list":
            found.setdefault(str(child.tag), []).append(rebuilt(child))
        else:
            found[str(child.tag)] = rebuilt(child)
    return found


class Toolkit:
    """zeep, told nothing but the address."""

    def __init__(self, url: str, institution: Institution, version: str = "1.1") -> None:
        self.institution = institution
        self.session = requests.Session()
        transport = zeep.Transport(session=self.session, timeout=30, operation_timeout=60)
        self.client = zeep.Client(f"{url}/soap/his?wsdl", transport=transport)
        self.service = self.client.bind("HisService", f"HisPortSoap{version.replace('.', '')}")

    def call(self, infno: str, msgid: str, content: Mapping[str, Any], head: Mapping[str, str] | None = None) -> Any:
        """One call, signed anew."""
        self.session.headers.update(tif_headers(self.institution))
        more = {} if head is None else {"_soapheaders": {"head": dict(head)}}
        return self.service.Call(infno=infno, msgid=msgid, payload={"_value_1": fields(content)}, **more)


async def toolkit(url: str, institution: Institution, version: str = "1.1") -> Toolkit:
    """zeep loads the WSDL while it is made."""
    return await asyncio.to_thread(Toolkit, url, institution, version)


def written(infno: str, msgid: str, payload: str, version: str = "1.1") -> str:
    """A message as somebody without a toolkit writes it."""
    return (
        f'<s:Envelope xmlns:s="{ENVELOPES[version]}" xmlns:h="{NS}"><s:Body><h:Call><h:infno>{infno}</h:infno>'
        f"<h:msgid>{msgid}</h:msgid><h:payload>{payload}</h:payload></h:Call></s:Body></s:Envelope>"
    )


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str], kind: str = TYPES["1.1"]
) -> tuple[int, bytes, Mapping[str, str]]:
    """Post bytes as they are."""
    sent = {**headers, "Content-Type": kind}
    async with session.post(f"{url}/soap/his", data=body, headers=sent) as answer:
        return answer.status, await answer.read(), dict(answer.headers)


def fault_of(raw: bytes) -> dict[str, str]:
    """The channel's detail of a fault."""
    detail = next(etree.fromstring(raw).iter(f"{{{NS}}}HisFault"))
    return {etree.QName(child).localname: child.text or "" for child in detail}
