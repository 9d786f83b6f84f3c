"""Every example message of the insurance adapter: out byte for byte, back with the verdict its index names."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.his_json import ADAPTER as HIS
from adapters.insurance import ADAPTER
from gateway.delivery.declare import Answer, SendContext
from gateway.model.clock import SHANGHAI
from gateway.model.insurance import NationalMessage, NationalReply
from gateway.model.verdict import Done, Refused, name_of

GOLDEN = Path(__file__).resolve().parents[3] / "adapters" / "insurance" / "golden"
CASES: list[dict[str, Any]] = tomllib.loads((GOLDEN / "cases.toml").read_text("utf-8"))["case"]
CONTEXT = SendContext(
    real_now=1795224615.9,
    business_now=datetime(2026, 11, 20, 9, 35, 12, tzinfo=SHANGHAI),
    nonce="n-1",
    msgid="H42010200999202611200935128888",
    credentials={"paasid": "xinyi", "token": "demoSecretToken"},
)


def message(operation: str) -> NationalMessage:
    raw = (GOLDEN / f"{operation}.request.json").read_bytes()
    return HIS.door.complete_envelope(HIS.door.read_envelope(raw, "application/json"))


def _lifted(reply: NationalReply) -> dict[str, Any]:
    return {name: getattr(reply, name) for name in ("sign_no", "mdtrt_id", "stmt_rslt", "stmt_text")}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.request.json")), ids=lambda path: path.name)
def test_a_hospitals_message_goes_out_as_it_came(path: Path) -> None:
    operation = path.name.partition(".")[0]
    out = ADAPTER.codec.encode(operation, message(operation), CONTEXT)
    assert out.method == "POST"
    if operation != "9001":  # its sign_no is filled in the example, and it is relayed like all others
        assert b'"sign_no": "420100202611200000031877"' in out.body
    assert out.body == path.read_bytes()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.request.json")), ids=lambda path: path.name)
def test_the_examples_fit_the_field_tables(path: Path) -> None:
    inbound = HIS.door.read_envelope(path.read_bytes())
    ADAPTER.codec.validate_input(inbound.infno, inbound.input, strict=True)
    assert inbound.infno in ADAPTER.manifest.operations


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['operation']}-{case['answer']}")
def test_an_answer_ends_in_its_verdict(case: dict[str, Any]) -> None:
    body = (GOLDEN / case["answer"]).read_bytes()
    verdict = ADAPTER.codec.decode(
        case["operation"], message(case["operation"]), Answer(case.get("status", 200), {}, body)
    )
    assert name_of(verdict) == case["verdict"]
    if isinstance(verdict, Refused):
        assert verdict.code == case["code"]
        assert verdict.reply.raw == body.decode()
    if isinstance(verdict, Done):
        reply = verdict.reply
        assert reply.raw == body.decode()
        assert _lifted(reply) == dict.fromkeys(_lifted(reply), "") | case.get("lifted", {})
        for name, fen in case.get("amounts", {}).items():
            assert reply.settlement.fen(name) == fen
        if "setl_id" in case:
            assert reply.settlement.setl_id == case["setl_id"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['operation']}-{case['answer']}")
def test_a_journalled_reply_reads_back_the_same(case: dict[str, Any]) -> None:
    body = (GOLDEN / case["answer"]).read_bytes()
    verdict = ADAPTER.codec.decode(
        case["operation"], message(case["operation"]), Answer(case.get("status", 200), {}, body)
    )
    if isinstance(verdict, Done):
        kept = verdict.reply.model_dump_json(context={"reveal": True})
        assert ADAPTER.codec.reply_type(case["operation"]).model_validate_json(kept) == verdict.reply
    else:
        assert case["verdict"] != "DONE"


def test_persons_are_lifted_and_masked() -> None:
    body = (GOLDEN / "1101.done.json").read_bytes()
    verdict = ADAPTER.codec.decode("1101", message("1101"), Answer(200, {}, body))
    assert isinstance(verdict, Done)
    first, second = verdict.reply.persons
    assert (first.psn_no, first.insutype, first.insuplc_admdvs) == ("42010000000000990000123456", "310", "420100")
    assert (first.balc_fen, second.balc_fen) == (130050, 0)
    assert first.certno.reveal() == "420102199001019990"
    assert "420102199001019990" not in repr(first)
