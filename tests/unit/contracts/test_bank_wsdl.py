"""The bank contract: one schema in three files, importable by an ordinary toolkit, tight where money is concerned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import zeep
from lxml import etree

CONTRACT = Path(__file__).resolve().parents[3] / "adapters" / "bank_soap" / "contract"
NS = "urn:xinyi:bank-channel:v1"
XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
BANK = {
    "SignAgreement", "CancelAgreement", "QueryAgreement", "Withhold", "QueryTransaction", "Refund", "PreAuthorise",
    "CompletePreAuthorisation", "VoidPreAuthorisation", "SubmitPayoutBatch", "QueryPayoutBatch", "GetReceipt",
}  # fmt: skip
NOTIFY = {"NotifyTransaction", "DeliverReceipt"}
FILES = [("bank.wsdl", BANK), ("notify.wsdl", NOTIFY)]


def types() -> etree._Element:
    return etree.parse(str(CONTRACT / "bank-types.xsd"), etree.XMLParser(remove_comments=True)).getroot()


def canonical(element: etree._Element) -> bytes:
    """The element alone, without the whitespace and the namespace declarations of the file around it."""
    copied = etree.fromstring(etree.tostring(element), etree.XMLParser(remove_blank_text=True, remove_comments=True))
    etree.cleanup_namespaces(copied)
    return etree.tostring(copied, method="c14n", exclusive=True)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(types())


@pytest.mark.parametrize("name", ["bank.wsdl", "notify.wsdl"])
def test_inline_schema_equals_the_single_source(name: str) -> None:
    """After a change of bank-types.xsd: copy its xs:schema element into wsdl:types of both WSDLs."""
    inline = etree.parse(str(CONTRACT / name)).getroot().findall(f"{WSDL}types/{XS}schema")
    assert len(inline) == 1
    assert canonical(inline[0]) == canonical(types())


@pytest.mark.parametrize(("name", "operations"), FILES)
def test_every_operation_is_bound_to_both_soap_versions(name: str, operations: set[str]) -> None:
    client = zeep.Client(str(CONTRACT / name), settings=zeep.Settings(forbid_dtd=True, forbid_external=True))
    bound = {binding.name.localname: set(binding._operations) for binding in client.wsdl.bindings.values()}
    port = "BankPort" if name == "bank.wsdl" else "BankNotifyPort"
    assert bound == {f"{port}Soap11": operations, f"{port}Soap12": operations}


@pytest.mark.parametrize(("name", "operations"), FILES)
def test_wrapped_style_action_and_fault_of_every_operation(name: str, operations: set[str]) -> None:
    root = etree.parse(str(CONTRACT / name)).getroot()
    elements = {element.get("name") for element in types().findall(f"{XS}element")}
    for operation in operations:
        assert {operation, f"{operation}Response"} <= elements
        found = root.findall(f"{WSDL}portType/{WSDL}operation[@name='{operation}']")
        assert len(found) == 1
        assert found[0].find(f"{WSDL}fault") is not None
        actions = root.xpath(f"//*[local-name()='binding']/*[@name='{operation}']/*/@soapAction")
        assert actions == [f"{NS}:{operation}"] * 2


def test_no_file_refers_to_another() -> None:
    for name in ("bank.wsdl", "notify.wsdl", "bank-types.xsd"):
        root = etree.parse(str(CONTRACT / name)).getroot()
        assert not root.findall(f".//{XS}import")
        assert not root.findall(f".//{XS}include")
        assert not root.findall(f".//{WSDL}import")


def test_header_comes_first_in_requests_and_result_head_in_answers() -> None:
    for operation in BANK | NOTIFY:
        first = types().find(f"{XS}element[@name='{operation}']/{XS}complexType/{XS}sequence/{XS}element")
        assert first is not None
        assert first.get("name") == "Header"
    for operation in BANK:
        first = types().find(f"{XS}element[@name='{operation}Response']/{XS}complexType/{XS}sequence/{XS}element")
        assert first is not None
        assert first.get("name") == "ResultHead"


def test_patterns_have_no_nested_repetition() -> None:
    patterns = [str(found.get("value")) for found in types().iter(f"{XS}pattern")]
    assert len(patterns) > 10
    assert not [pattern for pattern in patterns if re.search(r"\)\s*[*+?{]", pattern)]


def test_no_decimal_or_float_anywhere() -> None:
    bases = {found.get("base") for found in types().iter(f"{XS}restriction")}
    amounts = {found.get("type") for found in types().iter(f"{XS}element") if str(found.get("name")).endswith("Fen")}
    assert not bases & {"xs:decimal", "xs:float", "xs:double"}
    assert amounts == {"tns:AmountFen", "tns:TotalFen", "tns:BalanceFen"}


def probe(type_name: str) -> etree.XMLSchema:
    """A schema with one element of a type of the contract."""
    root = types()
    etree.SubElement(root, f"{XS}element", name="probe", type=f"tns:{type_name}")
    return etree.XMLSchema(etree.fromstring(etree.tostring(root)))


@pytest.mark.parametrize(
    ("type_name", "good", "bad"),
    [
        ("Serial", ["A1234567", "a" * 32], ["A123456", "a" * 33, "A-1234567", "A_1234567", "水" * 8, ""]),
        ("AmountFen", ["1", "999999999999"], ["0", "-1", "+1", "01", "1.0", "1.00", "1000000000000", "1e3", "", "٣"]),
        ("TotalFen", ["0", "1"], ["-1", "00", "0.0"]),
        ("BankCode", ["301555000018"], ["30155500001", "3015550000180", "30155500001A"]),
        ("Date", ["2025-03-03"], ["2025-03-03Z", "2025-03-03+08:00", "2025-02-30", "20250303"]),
        ("DateTime", ["2025-03-03T08:00:00+08:00", "2025-03-03T00:00:00.123456Z"], ["2025-03-03T08:00:00", "zzz"]),
        ("RecordCount", ["1", "2000"], ["0", "2001"]),
        ("Status", ["ACSC", "UNKN"], ["PART", "acsc", ""]),
        ("FaultRetry", ["NO", "QUERY_FIRST"], ["YES"]),
        ("Name", ["张三", "阿卜杜拉·买买提", "䶮" * 70], ["", "甲" * 71, "甲|乙", "甲\n乙"]),
        ("Hex64", ["0" * 64], ["0" * 63, "A" * 64]),
    ],
)
def test_types_are_tight(type_name: str, good: list[str], bad: list[str]) -> None:
    made = probe(type_name)
    for text, expected in [(text, True) for text in good] + [(text, False) for text in bad]:
        element = etree.Element(f"{{{NS}}}probe")
        element.text = text
        assert made.validate(element) is expected, f"{type_name}: {text!r}"


def record(number: int) -> str:
    account = "<AcctNo>6222</AcctNo><AcctName>医院</AcctName><BankCode>301555000018</BankCode><BankName>行</BankName>"
    return (
        f"<Record><RecordNo>{number}</RecordNo><RecSerial>PO{number:08d}</RecSerial><PayeeAccount>{account}"
        "</PayeeAccount><AmountFen>1</AmountFen><HospitalCode>H1</HospitalCode><Purpose>GOVI</Purpose></Record>"
    )


@pytest.mark.parametrize(("count", "valid"), [(1, True), (2000, True), (2001, False), (0, False)])
def test_a_batch_has_at_most_two_thousand_records(schema: etree.XMLSchema, count: int, valid: bool) -> None:
    header = (
        "<Header><MsgId>M1</MsgId><SenderId>X</SenderId><ReceiverId>B</ReceiverId>"
        "<CreatedAt>2025-03-03T08:00:00+08:00</CreatedAt><TxCode>SubmitPayoutBatch</TxCode><Version>1.0</Version></Header>"
    )
    account = "<AcctNo>6222</AcctNo><AcctName>户</AcctName><BankCode>301555000018</BankCode><BankName>行</BankName>"
    # Beyond the limit the last number is used twice: only the number of records is to decide.
    records = "".join(record(min(number, 2000)) for number in range(1, count + 1))
    text = (
        f'<SubmitPayoutBatch xmlns="{NS}">{header}<Serial>BATCH001</Serial><PayerAccount>{account}</PayerAccount>'
        f"<BizDate>2025-03-03</BizDate><TotalCount>{min(max(count, 1), 2000)}</TotalCount><TotalFen>{count}</TotalFen>"
        f"<Records>{records}</Records><DigestSm3>{'0' * 64}</DigestSm3></SubmitPayoutBatch>"
    )
    assert schema.validate(etree.fromstring(text.encode())) is valid


def test_withholding_has_no_room_for_anything_medical() -> None:
    """R-056: amounts and numbers only; the purpose is a code, not a text."""
    sequence = types().find(f"{XS}element[@name='Withhold']/{XS}complexType/{XS}sequence")
    assert sequence is not None
    assert [(child.get("name"), child.get("type")) for child in sequence] == [
        ("Header", "tns:Header"),
        ("Serial", "tns:Serial"),
        ("AgreementNo", "tns:Id35"),
        ("AmountFen", "tns:AmountFen"),
        ("PayerName", "tns:Name"),
        ("PayeeAccount", "tns:Account"),
        ("VisitNo", "tns:Id35"),
        ("BillNo", "tns:Id35"),
        ("Purpose", "tns:Purpose"),
        ("RequestedDate", "tns:Date"),
    ]
