"""The example messages are fixed: what we write, and what we read of what the bank wrote, stays as it is."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest
from lxml import etree

from adapters.bank_wsdl import canon
from gateway.model.verdict import Refused, Unknown, name_of
from simulators.bank.cib import wire
from tests.unit.adapters.bank_wsdl_partner import CONTEXT, REQUESTS, THEIRS, adapter, answer

GOLDEN = resources.files("adapters.bank_wsdl").joinpath("golden/cib")
codec: Any = adapter().codec
door: Any = adapter().door


def file_of(folder: str, name: str) -> bytes:
    return GOLDEN.joinpath(folder).joinpath(name).read_bytes()


def canonical(raw: bytes) -> bytes:
    """Free of indentation and prefixes."""
    parser = etree.XMLParser(remove_blank_text=True)
    return etree.tostring(etree.fromstring(raw.decode("gb18030").partition("?>")[2].encode(), parser), method="c14n")


def request(operation: str) -> Any:
    return REQUESTS[operation].model_validate_json(file_of(operation, "request.json"))


@pytest.mark.parametrize("operation", THEIRS)
def test_a_request_is_written_as_its_example(operation: str) -> None:
    made = codec.encode(operation, request(operation), CONTEXT)
    assert canonical(made.body) == canonical(file_of(operation, "request.xml"))
    assert (made.method, made.path) == ("POST", "")


@pytest.mark.parametrize("operation", THEIRS)
def test_an_answer_is_read_as_its_example(operation: str) -> None:
    verdict = codec.decode(operation, request(operation), answer(file_of(operation, "response.xml")))
    wanted = json.loads(file_of(operation, "verdict.json"))
    assert (name_of(verdict), verdict.reply) == (
        wanted["verdict"], canon.REPLIES[operation].model_validate(wanted["reply"]),
    )  # fmt: skip


@pytest.mark.parametrize("name", canon.NOTICES)
def test_a_push_is_read_and_acknowledged_as_its_example(name: str) -> None:
    notice = door.read_notification(file_of(name, "request.xml"), "application/soap+xml; charset=GB18030", "")
    assert notice == canon.NOTICES[name].model_validate_json(file_of(name, "notice.json"))
    assert canonical(door.ack(notice, "OK")) == canonical(file_of(name, "response.xml"))


def test_faults_are_read_as_their_examples() -> None:
    sender, receiver = (
        codec.decode("Withhold", request("Withhold"), answer(file_of("Fault", name), status))
        for name, status in (("sender.xml", 400), ("receiver.xml", 500))
    )
    assert isinstance(sender, Refused)
    assert isinstance(receiver, Unknown)


@pytest.mark.parametrize("folder", [*THEIRS, *canon.NOTICES])
@pytest.mark.parametrize("name", ["request.xml", "response.xml"])
def test_every_example_keeps_the_contract_in_the_eyes_of_somebody_else(folder: str, name: str) -> None:
    root, _ = wire.parse(file_of(folder, name))
    assert wire.valid(wire.only_child(root))


def test_no_example_holds_a_medical_word() -> None:
    """Nothing but amounts, numbers and names leaves for a bank (R-056)."""
    for operation in THEIRS:
        text = file_of(operation, "request.xml").decode("gb18030")
        assert not any(word in text for word in ("诊断", "药", "diag", "dise", "科"))
