"""A map is judged whole when it is loaded: what is wrong is told with file, line and key, and nothing starts on it."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from adapters.bank_wsdl import ADAPTER, dialect, mapped
from adapters.bank_wsdl.contract import Contract, ContractError
from adapters.bank_wsdl.dialect import Places
from adapters.bank_wsdl.port import SETTINGS, Offline, Port, PortError
from gateway.app import adapter_of, load_adapters
from gateway.check import signed_channels
from gateway.model.fieldmap_file import MapError
from gateway.settings import CounterpartSettings, Settings, SettingsError

MAP = resources.files("mappings").joinpath("banks/cib.toml").read_text("utf-8")
CODES = resources.files("mappings").joinpath("codes/cib.csv").read_text("utf-8")
CONTRACT = resources.files("adapters.bank_wsdl").joinpath("contract")


def faults(old: str, new: str) -> list[str]:
    """What loading says of the shipped map with one change; the line is checked to be the changed one."""
    assert old in MAP
    with pytest.raises(MapError) as wrong:
        dialect.parse(MAP.replace(old, new, 1), "cib.toml")
    return list(wrong.value.problems)


def line_of(text: str) -> int:
    return MAP[: MAP.index(text)].count("\n") + 1


TRADE = 'status = { from = "body.tradeSts", codes = "trade_status" }'
FOUND = 'found = { from = "retHead.retCode", codes = "found" }\n'
WRONG = [
    # (old, new, key, reason)
    ('id = "cib"', 'id = "other"', "map.id", "must be the file's name"),
    ('id = "cib"', 'id = "CIB!"', "map.id", "String should match pattern"),
    ('codes = "cib.csv"', 'codes = "none.csv"', "map.codes", "no such file"),
    ('wsdl = "cib/YxfService.wsdl"', 'wsdl = "cib/None.wsdl"', "contract.wsdl", "no such file"),
    ('wsdl = "cib/YxfService.wsdl"', 'wsdl = "cib/YxfTypes.xsd"', "contract.wsdl", "no WSDL 1.1"),
    ('binding = "YxfPortSoap12"', 'binding = "Nope"', "contract.wsdl", "no SOAP binding 'Nope'; known: YxfPortSoap12"),
    ('style = "rpc"', 'style = "document"', "contract.style", "rpc"),
    ('soap = "1.2"', 'soap = "1.1"', "contract.soap", "SOAP 1.2"),
    ('encoding = "gb18030"', 'encoding = "latin-1"', "channel.encoding", "Input should be"),
    ('amounts = "yuan"', 'amounts = "jiao"', "channel.amounts", "Input should be"),
    ('day_switch = "22:30"', 'day_switch = "24:30"', "channel.day_switch", "String should match pattern"),
    ("settling_seconds = 900", "settling_seconds = 5", "channel.settling_seconds", "greater than or equal"),
    ("lacks = []", 'lacks = ["GetReceipt"]', "channel.lacks", "without a map"),
    ("max_records = 2000", "max_record = 2000", "channel.max_record", "Extra inputs"),
    ('code = "retHead.retCode"', 'code = "retHead.nope"', "result.code", "nope"),
    ('code = "retHead.retCode"', 'code = "retHead"', "result.code", "is no single value"),
    ('reasons = "reason"', 'reasons = "none"', "result.reasons", "no such code table"),
    ('reasons = "reason"', 'reasons = "trade_status"', "result.reasons", "not in the dictionary"),
    ('busy = ["YX900001"]', 'busy = ["YX300002"]', "result", "YX300002"),
    ('busy = ["YX900001"]', 'busy = ["YX000000"]', "result", "YX000000"),
    ('element = "YxfFault"', 'element = "Fault"', "fault.element", "no element Fault"),
    ('text = "errMsg"', 'text = "errText"', "fault.element", "errMsg, errText"),
    ('"sysHead.ver" = { value = "2.0" }\n', "", "operations.SignAgreement.request", "sysHead.ver"),
    ('"sysHead.chnlNo" = "@sender_id"', '"sysHead.chnlNo" = "@sender"', "head.request.sysHead.chnlNo", "@sender"),
    ('bank_time = ["retHead.bankDate", "retHead.bankTime"]', 'bank_time = ["retHead.bankDate", "retHead.at"]',
     "head.reply.bank_time", "at / no such place"),
    ("[operations.SignAgreement]", "[operations.Sign]", "operations.Sign", "no such operation"),
    ('bank = "openCredit"', 'bank = "openAccount"', "operations.SignAgreement.bank", "openAccount"),
    ('ask = "QueryAgreement"', 'ask = "QueryTransaction"', "operations.SignAgreement.ask", "QueryAgreement"),
    ('code = "YX2001"\nask = "QueryTransaction"\n', 'code = "YX2001"\n', "operations.Withhold.ask", "QueryTransaction"),
    ('"body.payAmt" = "amount_fen"', '"body.payAmount" = "amount_fen"',
     "operations.Withhold.request.body.payAmount", "payAmount / no such place"),
    ('"body.payAmt" = "amount_fen"', '"body.payAmt" = "amount"', "operations.Withhold.request.body.payAmt", "amount /"),
    ('"body.payAmt" = "amount_fen"\n', "", "operations.Withhold.request", "body.payAmt"),
    ('"body.payAmt" = "amount_fen"', '"body.payee" = "amount_fen"', "operations.Withhold.request.body.payee", "single"),
    ('"body.payAmt" = "amount_fen"', '"body.payAmt" = { from = "amount_fen", value = "1.00" }',
     "operations.Withhold.request.body.payAmt", "one of from and value"),
    ('"body.payAmt" = "amount_fen"', '"body.payAmt" = { from = "amount_fen", unit = "fen" }',
     "operations.Withhold.request.body.payAmt.unit", "Extra inputs"),
    ('"body.payee.bankNm" = "payee.bank_name"\n', "", "operations.Withhold.request", "body.payee.bankNm"),
    ('{ from = "id_type", codes = "id_type" }', '{ from = "id_type", codes = "ids" }',
     "operations.SignAgreement.request.body.certType", "no such code table"),
    (TRADE, TRADE.replace("trade_status", "row_status"), "operations.Withhold.reply.status", "RETURNED"),
    ('amount_fen = "body.payAmt"\nbooking_date', "booking_date", "operations.Withhold.reply", "amount_fen"),
    ('booking_date = "body.acctDate"', 'booked_on = "body.acctDate"', "operations.Withhold.reply.booked_on", "booked"),
    (f'{FOUND}"@orig', '"@orig', "operations.QueryTransaction.reply", "found"),
    (f"orig_{TRADE}\n", f'orig_{TRADE}\nstatus = "body.tradeSts"\n', "operations.QueryTransaction.reply.status",
     "follows from other words"),
    ("only = { final", "only = { finally", "operations.CompletePreAuthorisation.only.finally", "no such"),
    ('each = "records"', 'each = "rows"', "operations.SubmitPayoutBatch.request.body.rows.row[]", "rows"),
    ('each = "body.fails.row"', 'each = "body.fails"', "operations.SubmitPayoutBatch.reply.rejected[]", "not repeated"),
    ('each = "body.fails.row"\n', "", "operations.SubmitPayoutBatch.reply.rejected[]", "each is missing"),
    ('hospNo = "hospital_code"\n', "", "operations.SubmitPayoutBatch.request.body.rows.row[]", "hospNo"),
    ('status = { from = "tradeSts", codes = "row_status" }\n', "", "operations.QueryPayoutBatch.reply", "records[].st"),
    ('"receipt.amount_in_words" = "body.rcpt.amtInWords"\n', "", "operations.GetReceipt.reply", "receipt.amount_in"),
    ('msg_id = "sysHead.msgSeq"\n', "", "notices.NotifyTransaction.request", "msg_id"),
    ('event_type = { from', 'event = { from', "notices.NotifyTransaction.request.event", "event"),
    ("[notices.DeliverReceipt]", "[notices.Receipt]", "notices.Receipt", "no such push"),
    ('{ from = "@ack", codes = "ack" }', '{ from = "@ack", codes = "close_by" }', "head.ack.ret.retCode", "MISMATCH"),
    ("[fault]", "[faults]", "faults", "no such part"),
    ("[channel]\n", "[channel\n", "-", "not valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key", "reason"), WRONG, ids=[f"{row[2]}-{n}" for n, row in enumerate(WRONG)])
def test_a_wrong_map_is_refused_with_its_line_and_key(old: str, new: str, key: str, reason: str) -> None:
    told = [re.fullmatch(r"cib\.toml:(\d+): (\S+): (.*)", fault, re.S) for fault in faults(old, new)]
    assert all(told)
    found = [(match[2], match[3]) for match in told if match]
    assert any(at == key and reason in why for at, why in found), found


def test_the_line_is_the_changed_one() -> None:
    old = '"body.payAmt" = "amount_fen"'
    assert faults(old, '"body.payAmt" = "amount"') == [
        f"cib.toml:{line_of(old)}: operations.Withhold.request.body.payAmt: 没有 amount / no such place or word"
    ]


def test_every_fault_is_told_at_once() -> None:
    text = MAP.replace('"body.payAmt" = "amount_fen"', '"body.payAmt" = "amount"', 1)
    text = text.replace('bank = "openCredit"', 'bank = "open"', 1)
    with pytest.raises(MapError) as wrong:
        dialect.parse(text, "cib.toml")
    assert len(wrong.value.problems) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("reason,YX300001,AM04,账户余额不足", "reason,YX300001,AM4X,账户余额不足"),
        ("trade_status,2,ACSC,成功", "trade_status,2,OKAY,成功"),
        ("trade_kind,UFZ,VoidPreAuthorisation,解除占用\n", ""),
        ("found,YX000000,true,查到", "found,YX000000,ja,查到"),
        ("event,E01,WITHHOLD,扣款", "event,E02,WITHHOLD,扣款"),
        ("event,E01,WITHHOLD,扣款", "event,E01,,扣款"),
    ],
)
def test_a_wrong_code_table_is_refused(tmp_path: Path, row: str, reason: str) -> None:
    assert row in CODES
    (tmp_path / "cib.csv").write_text(CODES.replace(row, reason, 1), "utf-8")
    (tmp_path / "cib.toml").write_text(MAP, "utf-8")
    with pytest.raises(MapError):
        dialect.load(str(tmp_path / "cib.toml"))


def test_an_installation_brings_its_own_map_codes_and_contract(tmp_path: Path) -> None:
    """A further bank is connected by files alone (R-020)."""
    (tmp_path / "their").mkdir()
    for file in CONTRACT.joinpath("cib").iterdir():
        (tmp_path / "their" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "bankx.csv").write_text(CODES, "utf-8")
    text = MAP.replace('id = "cib"', 'id = "bankx"').replace("cib.csv", "bankx.csv").replace('"cib/', '"their/')
    (tmp_path / "bankx.toml").write_text(text.replace('day_switch = "22:30"', 'day_switch = "21:00"'), "utf-8")
    adapter = mapped(str(tmp_path / "bankx.toml"))
    assert (adapter.manifest.capabilities["map"], adapter.manifest.capabilities["day_switch"]) == ("bankx", "21:00")
    assert adapter.manifest.capabilities["map_digest"] != mapped("cib").manifest.capabilities["map_digest"]


def test_a_bank_may_lack_operations_and_says_so() -> None:
    text = re.sub(r"\[operations\.GetReceipt\].*?(?=\n# -- 银行推送)", "", MAP, flags=re.S)
    found = dialect.parse(text.replace("lacks = []", 'lacks = ["GetReceipt"]'), "cib.toml")
    assert found.channel.lacks == ("GetReceipt",)
    assert "GetReceipt" not in found.operations


def test_a_question_that_is_lacking_takes_its_operations_with_it() -> None:
    text = re.sub(r"\[operations\.QueryTransaction\].*?(?=\n# -- 占用)", "", MAP, flags=re.S)
    with pytest.raises(MapError) as wrong:
        dialect.parse(text.replace("lacks = []", 'lacks = ["QueryTransaction"]'), "cib.toml")
    assert any("operations.Withhold.ask: QueryTransaction" in fault for fault in wrong.value.problems)


# -- the contract and zeep ------------------------------------------------------------------------------------------


def contract() -> Contract:
    folder = CONTRACT.joinpath("cib")
    return Contract.read(folder.joinpath("YxfService.wsdl"), folder)


def test_zeep_is_strict_and_offline() -> None:
    assert (SETTINGS.strict, SETTINGS.forbid_dtd, SETTINGS.forbid_entities, SETTINGS.forbid_external) == (True,) * 4
    assert SETTINGS.xml_huge_tree is False
    offline = Offline(contract())
    assert offline.load("/contract/YxfTypes.xsd").startswith(b"<?xml")
    for address in ("http://127.0.0.1/YxfTypes.xsd", "/etc/passwd", "file:///etc/passwd", "/contract/passwd"):
        with pytest.raises(ContractError):
            offline.load(address)
    for send in (offline.get, offline.post, offline.post_xml):
        with pytest.raises(ContractError, match="the wire is delivery's"):
            send("http://127.0.0.1", b"", {})


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/x.xsd", "https://example.invalid/x.xsd", "file:///etc/passwd", "../../secret.xsd"]
)
def test_a_contract_that_points_elsewhere_is_refused(location: str) -> None:
    found = contract()
    wsdl = found.files["YxfService.wsdl"].replace(
        b'schemaLocation="YxfTypes.xsd"', f'schemaLocation="{location}"'.encode()
    )
    with pytest.raises(ContractError):
        Port(Contract("YxfService.wsdl", {**found.files, "YxfService.wsdl": wsdl}), "YxfPortSoap12")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<wsdl:definitions", b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><wsdl:definitions"),
        (b'type="t:PayReq"', b'type="t:Nope"'),
        (b'<wsdl:part name="body" type="t:PayReq"/>', b'<wsdl:part name="body" element="t:YxfFault"/>'),
        (b'<wsdl:output message="s:payBillResponse"/>', b""),
        (b'transport="http://schemas.xmlsoap.org/soap/http"', b'transport="urn:smtp"'),
        (b"</wsdl:definitions>", b""),
    ],
)
def test_a_wsdl_that_cannot_be_spoken_is_refused(old: bytes, new: bytes) -> None:
    found = contract()
    assert old in found.files["YxfService.wsdl"]
    broken = found.files["YxfService.wsdl"].replace(old, new, 1)
    with pytest.raises(ContractError):
        Port(Contract("YxfService.wsdl", {**found.files, "YxfService.wsdl": broken}), "YxfPortSoap12")


def test_a_schema_that_is_broken_is_refused() -> None:
    found = contract()
    xsd = found.files["YxfTypes.xsd"].replace(b'base="xs:decimal"', b'base="xs:dezimal"', 1)
    with pytest.raises(ContractError):
        Port(Contract("YxfService.wsdl", {**found.files, "YxfTypes.xsd": xsd}), "YxfPortSoap12")


def test_the_wsdl_is_served_in_one_piece() -> None:
    served = contract().served('http://127.0.0.1:8800/soap/bank/cib?a="b"&c')
    assert b"schemaLocation" not in served
    assert b"a=&quot;b&quot;&amp;c" in served
    alone = Port(Contract("one.wsdl", {"one.wsdl": served}), "YxfPortSoap12")
    assert alone.operations.keys() == Port(contract(), "YxfPortSoap12").operations.keys()


def test_a_path_never_leaves_the_contract_folders() -> None:
    with pytest.raises(ContractError):
        Places.of(None).port("cib/../../contract.py", "X")


def test_a_binding_that_is_no_soap_is_refused() -> None:
    with pytest.raises(PortError, match="no SOAP binding"):
        Port(contract(), "YxfPort")


# -- settings -------------------------------------------------------------------------------------------------------


def partner(**more: str) -> CounterpartSettings:
    return CounterpartSettings.model_validate({"adapter": "bank_wsdl", "security": "none", **more})


def test_the_settings_name_the_map() -> None:
    adapters = load_adapters()
    assert adapters["bank_wsdl"] is ADAPTER
    assert adapter_of("cib", partner(map="cib"), adapters).manifest.capabilities["map"] == "cib"
    for wrong, why in (
        (partner(), "bank_wsdl needs a map"),
        (partner(adapter="bank_soap", map="cib"), "bank_soap takes no map"),
        (partner(map="nobody"), "nobody.toml"),
        (partner(adapter="none"), "no adapter 'none' is installed"),
    ):
        with pytest.raises(SettingsError, match=re.escape(why)):
            adapter_of("cib", wrong, adapters)


def test_the_check_command_names_every_fault_of_a_map(tmp_path: Path) -> None:
    (tmp_path / "cib.toml").write_text(MAP.replace('bank = "openCredit"', 'bank = "open"', 1), "utf-8")
    base = {"store": "sqlite:////tmp/x", "data_dir": tmp_path, "vault_key_file": tmp_path / "key"}
    bad = Settings(**base, counterparts={"cib": partner(map=str(tmp_path / "cib.toml"))})
    lines = list(signed_channels(bad))
    assert [(line.ok, line.subject) for line in lines] == [(False, "adapter cib")]
    assert "cib.toml:" in lines[0].detail
    assert "operations.SignAgreement.bank" in lines[0].detail
    good = Settings(**base, counterparts={"cib": partner(map="cib")})
    assert [(line.ok, line.subject) for line in signed_channels(good)] == [(True, "map cib")]
