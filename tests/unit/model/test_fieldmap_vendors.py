"""The two vendors that ship as examples, and 'xinyi mapping check' on their samples and on what is wrong with them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from adapters.his_json import ADAPTER as NATIONAL
from adapters.his_soap import ADAPTER as SOAP
from gateway.cli import main
from gateway.model.exact_json import dumps, loads
from gateway.model.fieldmap_file import load_maps

HIS = Path(str(resources.files("mappings").joinpath("his")))
SAMPLES = HIS / "samples"
RARE = "䶮㛃·𬱖"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str]]:
    code = main(["mapping", "check", *map(str, arguments)])
    return code, capsys.readouterr().out.splitlines()


# -- carried over -------------------------------------------------------------------------------------------


def test_an_outpatient_settlement_in_json() -> None:
    vendor = load_maps()["qingzhu"]
    message = vendor.parse_json((SAMPLES / "qingzhu.json").read_bytes())
    raw = dumps(vendor.read(message, {"fixmedins_code": "H43050000001"}).content).encode()
    inbound = NATIONAL.door.read_envelope(raw)
    NATIONAL.door.check_input(inbound)
    assert (inbound.infno, inbound.opter, inbound.header["inf_time"]) == ("2207", "SF07", "2025-03-03 09:30:00")
    data = inbound.input["data"]
    assert (data["insutype"], data["med_type"], data["mdtrt_cert_type"]) == ("310", "11", "02")
    assert (data["medfee_sumamt"], data["fulamt_ownpay_amt"], data["overlmt_selfpay"]) == ("519.38", "12.00", "0.00")


def test_an_inpatient_settlement_in_xml_and_gb18030_keeps_rare_characters_both_ways() -> None:
    vendor = load_maps()["baishi"]
    body = (SAMPLES / "baishi.xml").read_bytes()
    assert RARE.encode("gb18030") in body
    call = SOAP.door.read_call(body, "text/xml; charset=GB18030", "", encoding=vendor.encoding)
    given = {"fixmedins_code": "H44010000001", "infno": call.infno, "msgid": call.msgid}
    content = vendor.read(call.payload, given).content
    inbound = NATIONAL.door.read_envelope(dumps(content).encode())
    NATIONAL.door.check_input(inbound)
    data = inbound.input["data"]
    assert (inbound.infno, data["psn_name"], data["medfee_sumamt"]) == ("2304", RARE, "12500.50")
    assert (inbound.opter, inbound.opter_name, inbound.insuplc_admdvs) == ("ZY03", "出院处三号", "440100")

    answer = (SAMPLES / "2304.answer.json").read_bytes()
    output = vendor.write("2304", loads(answer)).content
    reply = SOAP.door.reply(answer, "text/xml", output=output, encoding=vendor.encoding)
    told = reply.decode("gb18030")
    assert f"<姓名>{RARE}</姓名>" in told
    assert '<总额 type="number">12500.50</总额>' in told
    assert "<险种>职工</险种>" in told
    assert "<结算时间>2025/03/03 15:05:01</结算时间>" in told


@pytest.mark.parametrize("name", ["qingzhu", "baishi"])
def test_every_transaction_and_every_answer_of_a_vendor_is_one_the_gateway_knows(name: str) -> None:
    vendor = load_maps()[name]
    known = NATIONAL.door.known_infnos()
    assert set(vendor.requests) <= known
    assert set(vendor.answers) - {"always"} <= set(vendor.requests)


# -- xinyi mapping check ------------------------------------------------------------------------------------


def test_the_check_tells_which_source_went_where_by_which_rule(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(capsys, HIS / "qingzhu.toml", SAMPLES / "qingzhu.json", "--answer", SAMPLES / "2207.answer.json")
    assert (code, lines[0], lines[-1]) == (0, "qingzhu → 2207", "通过 / passed")
    text = (HIS / "qingzhu.toml").read_text("utf-8").splitlines()
    shown = [line.split(maxsplit=1) for line in lines if line.startswith(" ")]
    assert ["98", "body.bill.totalFen → input.data.medfee_sumamt  [fen]"] in shown
    assert all(rule.split(" →")[0] in text[int(number) - 1] for number, rule in shown if not rule.startswith("- "))
    assert "2207 → qingzhu" in lines
    said = "\n".join(lines)
    sample = json.loads((SAMPLES / "qingzhu.json").read_text("utf-8"))
    assert sample["body"]["person"]["insuredNo"] not in said
    assert sample["body"]["cert"]["no"] not in said


def test_a_whole_soap_message_or_its_payload_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = run(capsys, HIS / "baishi.toml", SAMPLES / "baishi.xml", "--answer", SAMPLES / "2304.answer.json")
    assert (code, lines[0]) == (0, "baishi → 2304")
    whole = (SAMPLES / "baishi.xml").read_bytes().decode("gb18030")
    payload = whole.partition("<his:payload>")[2].partition("</his:payload>")[0]
    (tmp_path / "p.xml").write_bytes(f"<payload>{payload}</payload>".encode("gb18030"))
    assert run(capsys, HIS / "baishi.toml", tmp_path / "p.xml", "--infno", "JS")[0] == 0
    code, lines = run(capsys, HIS / "baishi.toml", tmp_path / "p.xml")
    assert code == 1
    assert lines[-1].endswith("baishi.toml:13: infno ← $infno: 缺少必需的值")
    (tmp_path / "p.xml").write_text("<payload>", "utf-8")
    assert run(capsys, HIS / "baishi.toml", tmp_path / "p.xml", "--infno", "JS")[0] == 1


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        (("worker", "soldier"), 102, "input.data.insutype ← body.person.insurance: 代码不在码表中"),
        (("51938", "519.38"), 98, "input.data.medfee_sumamt ← body.bill.totalFen: 不是整数分"),
        (('"20250303093000"', '"2025-03-03"'), 19, "inf_time ← head.time: 时间格式不符"),
        (('"430500990001"', "[]"), 100, "input.data.mdtrt_id ← body.visitId: 找到的不是单个值"),
        (('"430500990001"', f'"{"9" * 31}"'), 100, "INVALID_FIELD"),
        (("1200", "1201"), 98, "SPLIT_MISMATCH"),
        (("430500990001", ""), None, "没有规则带来 input.data.mdtrt_id"),
        (("OP_PAY", "OP_DANCE"), 12, "infno ← head.trade: 代码不在码表中"),
    ],
)
def test_a_failure_names_the_line_of_the_map_and_the_path(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: tuple[str, str], line: int | None, told: str
) -> None:
    text = (SAMPLES / "qingzhu.json").read_text("utf-8")
    assert change[0] in text
    (tmp_path / "s.json").write_text(text.replace(*change, 1), "utf-8")
    code, lines = run(capsys, HIS / "qingzhu.toml", tmp_path / "s.json")
    assert code == 1
    where = f"{HIS / 'qingzhu.toml'}:" if line is None else f"{HIS / 'qingzhu.toml'}:{line}: "
    assert lines[-1].startswith(where)
    assert told in lines[-1]


def test_an_answer_that_is_left_as_it_was_fails_the_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"infcode": -2, "err_msg": "x"}', "utf-8")
    code, lines = run(capsys, HIS / "qingzhu.toml", SAMPLES / "qingzhu.json", "--answer", tmp_path / "a.json")
    assert code == 1
    assert lines[-1] == f"{HIS / 'qingzhu.toml'}:122: head.result ← infcode: 未能换算，原样返回 / left as it is"
    (tmp_path / "a.json").write_text("x", "utf-8")
    assert run(capsys, HIS / "qingzhu.toml", SAMPLES / "qingzhu.json", "--answer", tmp_path / "a.json")[0] == 2


def test_what_cannot_be_used_at_all(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(capsys, HIS / "qingzhu.toml", tmp_path / "nowhere.json")[0] == 2
    assert run(capsys, tmp_path / "nowhere.toml", SAMPLES / "qingzhu.json")[0] == 2
    (tmp_path / "m.toml").write_text('[map]\nid = "m"\n', "utf-8")
    code, lines = run(capsys, tmp_path / "m.toml", SAMPLES / "qingzhu.json")
    assert code == 2
    assert lines[0].startswith("m.toml:1: map.name: ")
    (tmp_path / "s.json").write_text("[]", "utf-8")
    code, lines = run(capsys, HIS / "qingzhu.toml", tmp_path / "s.json")
    assert code == 1
    assert "MALFORMED" in lines[-1]
