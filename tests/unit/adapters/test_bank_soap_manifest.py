"""The manifest follows the table of guarantees, and the tables follow the XSD."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import etree

from adapters.bank_soap import ADAPTER, HEAVY
from adapters.bank_soap.binding import qualified
from adapters.bank_soap.notices import ACK, FAULT, NOTICES
from adapters.bank_soap.replies import RECEIPT, REPLIES
from adapters.bank_soap.requests import REQUESTS
from adapters.bank_soap.schema import contract_file
from adapters.bank_soap.structures import ACCOUNT
from gateway.delivery.declare import AfterUnknown, Guarantee
from tests.unit.adapters.bank_soap_partner import MONEY, OPERATIONS, QUERIES, codec

XS = "{http://www.w3.org/2001/XMLSchema}"
SCHEMA = etree.fromstring(contract_file("types"))


def declared(name: str) -> Iterator[str]:
    """Child elements the XSD declares directly for a message or a structure, choices included."""
    found = SCHEMA.xpath(f"xs:element[@name='{name}'] | xs:complexType[@name='{name}']", namespaces={"xs": XS[1:-1]})
    return (qualified(str(element.get("name"))) for element in found[0].iterdescendants(f"{XS}element"))


TABLES = {
    **REQUESTS,
    **{f"{name}Response": table for name, table in REPLIES.items()},
    **NOTICES,
    "NotifyTransactionResponse": ACK,
    "DeliverReceiptResponse": ACK,
    "BankFault": FAULT,
    "Account": ACCOUNT,
    "Receipt": RECEIPT,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_knows_every_element_of_its_message_and_no_other(name: str) -> None:
    assert TABLES[name].tags == set(declared(name))


def test_every_message_of_the_contract_has_a_table() -> None:
    assert {str(element.get("name")) for element in SCHEMA.iterfind(f"{XS}element")} <= set(TABLES)


def test_guarantees_are_those_of_the_table() -> None:
    rows = ADAPTER.manifest.operations
    assert {op for op in OPERATIONS if rows[op].guarantee is Guarantee.QUERY} == set(QUERIES)
    assert {op for op in OPERATIONS if rows[op].guarantee is Guarantee.AT_MOST_ONCE} == set(MONEY)
    assert {op for op in OPERATIONS if rows[op].guarantee is Guarantee.ONCE_EVER} == {"SubmitPayoutBatch"}
    assert {op for op in OPERATIONS if rows[op].guarantee is Guarantee.IDEMPOTENT} == {
        "SignAgreement",
        "CancelAgreement",
    }
    assert not any(row.resend_after_not_found for row in rows.values())
    assert all(row.settling_seconds == 600 for row in rows.values())
    assert all((row.after_unknown is AfterUnknown.RETRY) == (op in QUERIES) for op, row in rows.items())


def test_the_adapter_says_what_it_can() -> None:
    capabilities = ADAPTER.manifest.capabilities
    assert (ADAPTER.manifest.id, ADAPTER.manifest.kind) == ("bank_soap", "bank")
    assert capabilities["day_switch"] == "23:00"
    assert capabilities["max_records"] == 2000
    assert capabilities["security"] in ("wsse", "none")
    assert ADAPTER.heavy == HEAVY == {"SubmitPayoutBatch", "QueryPayoutBatch", "GetReceipt"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_types_are_given_for_every_operation(operation: str) -> None:
    assert codec.request_type(operation) is REQUESTS[operation].model
    assert codec.reply_type(operation) is REPLIES[operation].model


def test_nothing_medical_has_an_element() -> None:
    """R-056: amounts and numbers only; what a bank reads says nothing about an illness."""
    names = {str(element.get("name")).lower() for element in SCHEMA.iter(f"{XS}element")}
    for word in ("diag", "dise", "drug", "medicine", "item", "dept", "doctor", "fee_detail", "insutype", "hosp_lv"):
        assert not [name for name in names if word in name]
