"""The example messages are fixed: what we write, and what we read of what a bank wrote, stays as it is."""

from __future__ import annotations

import pytest
from lxml import etree

from adapters.bank_soap import door
from adapters.bank_soap.binding import qualified
from adapters.bank_soap.notices import NOTICES
from adapters.bank_soap.replies import REPLIES
from adapters.bank_soap.requests import REQUESTS
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from gateway.model.verdict import name_of
from tests.unit.adapters.bank_soap_partner import (
    CONTEXT,
    FOLDER,
    OPERATIONS,
    body_of,
    canonical,
    codec,
    decode,
    edited,
    file_of,
    golden_answer,
    golden_request,
    golden_verdict,
    schema,
)

NOTICE_TYPES = {"NotifyTransaction": NotifyTransaction, "DeliverReceipt": DeliverReceipt}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_request_is_written_as_its_example(operation: str) -> None:
    made = codec.encode(operation, golden_request(operation), CONTEXT)
    assert canonical(made.body) == canonical(file_of(operation, "request.xml"))
    assert (made.method, made.path) == ("POST", "")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_example_request_is_read_back_as_its_model(operation: str) -> None:
    values = {}
    REQUESTS[operation].take(body_of(file_of(operation, "request.xml")), values)
    request = golden_request(operation)
    values.setdefault("serial", request.serial)  # a question has none on the wire
    assert REQUESTS[operation].model_of(values) == request


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_is_read_as_its_example(operation: str) -> None:
    verdict = codec.decode(operation, golden_request(operation), golden_answer(operation))
    name, reply = golden_verdict(operation)
    assert (name_of(verdict), verdict.reply) == (name, reply)


@pytest.mark.parametrize("operation", [op for op in OPERATIONS if op not in ("SubmitPayoutBatch", "QueryPayoutBatch")])
def test_an_answer_is_written_back_as_it_was_read(operation: str) -> None:
    """The tables of answers hold in both directions, but for elements that say nothing to us."""
    element = body_of(file_of(operation, "response.xml"))
    table, values = REPLIES[operation], {}
    table.take(element, values)
    made = etree.Element(qualified(f"{operation}Response"))
    table.put(made, table.model_of(dict(values)), values)
    written = {etree.QName(e).localname: e.text for e in made.iter() if not len(e)}
    read = {etree.QName(e).localname: e.text for e in element.iter() if not len(e)}
    assert set(read) - set(written) <= UNUSED
    defaults = {name for name in read if name not in written}
    assert {k: v for k, v in written.items() if k not in MOMENTS} == {
        k: v for k, v in read.items() if k not in defaults | MOMENTS
    }


UNUSED = {
    "CreditLineNo", "UsedTodayFen", "CreditAvailableFen", "FeeFen", "CreditUsedFen", "ValueDate", "PrintCount",
    "Duplicate", "NeedSms", "HeldFen", "RefundedFen", "Records", "Totals",
}  # fmt: skip
MOMENTS = {"BankTime", "ExpiresAt", "TxnTime"}  # the same moment, written with milliseconds


@pytest.mark.parametrize("name", NOTICE_TYPES)
def test_a_notice_is_read_as_its_example(name: str) -> None:
    notice = door.read_notification(file_of(name, "request.xml"), "text/xml; charset=utf-8", "")
    assert notice == NOTICE_TYPES[name].model_validate_json(file_of(name, "notice.json"))
    assert canonical(door.ack(notice)) == canonical(file_of(name, "response.xml"))


@pytest.mark.parametrize("name", NOTICE_TYPES)
def test_a_notice_is_written_back_as_it_was_read(name: str) -> None:
    element = body_of(file_of(name, "request.xml"))
    values = {}
    NOTICES[name].take(element, values)
    model = NOTICES[name].model_of(dict(values))
    made = etree.Element(qualified(name))
    NOTICES[name].put(made, model, values)
    assert schema().validate(made)
    again = {}
    NOTICES[name].take(made, again)
    assert NOTICES[name].model_of(again) == model


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
def test_faults_are_written_as_their_examples(soap: str) -> None:
    client = door.fault("INVALID_FIELD", "Purpose: 不符合接口合同", "NO", soap)
    server = door.fault("INTERNAL", "处理异常，请先查询", "QUERY_FIRST", soap)
    assert canonical(client[1]) == canonical(file_of("Fault", f"client-{soap}.xml"))
    assert canonical(server[1]) == canonical(file_of("Fault", f"server-{soap}.xml"))
    assert (client[0], server[0]) == ((500, 500) if soap == "1.1" else (400, 500))


def test_every_example_keeps_the_contract() -> None:
    for folder in FOLDER.joinpath("golden").iterdir():
        for file in folder.iterdir():
            if file.name.endswith(".xml") and folder.name != "Fault":
                assert schema().validate(body_of(file.read_bytes())), (folder.name, file.name)


def test_returned_money_is_a_settled_record_with_the_moment_of_its_return() -> None:
    returned = decode("QueryPayoutBatch", edited("QueryPayoutBatch")).reply.records[0]
    assert returned.status == "ACSC"
    assert returned.returned_at is not None


def test_returned_money_without_a_moment_is_not_understood() -> None:
    raw = edited("QueryPayoutBatch", ("<ns0:ReturnedAt>2025-03-05T11:00:00+08:00</ns0:ReturnedAt>", ""))
    assert decode("QueryPayoutBatch", raw).reason == "unreadable ReturnedAt"
