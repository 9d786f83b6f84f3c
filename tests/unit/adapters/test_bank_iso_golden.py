"""The example messages are fixed: what we write, and what we read of what a bank wrote, stays as it is."""

from __future__ import annotations

import json
import warnings

import pytest
from lxml import etree

from adapters.bank_iso20022 import door, signature
from gateway.model.bank import DeliverReceipt, NotifyTransaction
from tests.unit.adapters.bank_iso_judge import FOLDER as XSDS
from tests.unit.adapters.bank_iso_judge import JUDGE, Invalid, assert_valid
from tests.unit.adapters.bank_iso_partner import (
    CASES,
    CONTEXT,
    GOLDEN,
    KINDS,
    OPERATIONS,
    PUSHES,
    answer_of,
    codec,
    file_of,
    request_of,
    told,
)

EXAMPLES = [
    (case, stem)
    for case in (*CASES, *PUSHES)
    for stem in ("sent", "answer", "pushed")
    if GOLDEN.joinpath(case, f"{stem}.xml").is_file()
]


def same(raw: bytes, kind: str) -> object:
    """Comparable whatever the layout."""
    if kind == "json":
        return json.loads(raw)
    parser = etree.XMLParser(remove_blank_text=True)
    return etree.tostring(etree.fromstring(raw, parser), method="c14n", exclusive=True)


def test_every_operation_has_an_example() -> None:
    assert set(OPERATIONS) <= set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_request_is_written_as_its_example(case: str) -> None:
    made = codec.encode(case.split(".", maxsplit=1)[0], request_of(case), CONTEXT)
    sent, kind = file_of(case, "sent")
    assert same(made.body, kind) == same(sent, kind)
    assert made.headers["Content-Type"] == KINDS[kind]
    assert made.headers["Content-Digest"] == signature.digest_of(made.body)
    assert made.headers["X-Request-Id"] == CONTEXT.nonce


@pytest.mark.parametrize("case", CASES)
def test_an_answer_is_read_as_its_example(case: str) -> None:
    operation = case.split(".", maxsplit=1)[0]
    verdict = codec.decode(operation, request_of(case), answer_of(case))
    assert told(verdict, operation) == json.loads(GOLDEN.joinpath(case, "verdict.json").read_bytes())


@pytest.mark.parametrize("case", PUSHES)
def test_a_push_is_read_and_acknowledged_as_its_example(case: str) -> None:
    body, kind = file_of(case, "pushed")
    notice = door.read_notification(
        body, KINDS[kind], "", door.guard(None, {"Content-Digest": signature.digest_of(body)}, 0)
    )
    type_ = DeliverReceipt if case == "DeliverReceipt" else NotifyTransaction
    assert notice == type_.model_validate_json(GOLDEN.joinpath(case, "notice.json").read_bytes())
    assert json.loads(door.ack(notice)) == json.loads(GOLDEN.joinpath(case, "ack.json").read_bytes())


@pytest.mark.parametrize(("case", "stem"), EXAMPLES)
def test_an_example_keeps_the_standard(case: str, stem: str) -> None:
    message = assert_valid(GOLDEN.joinpath(case, f"{stem}.xml").read_bytes())
    assert message in {
        "pain.001.001.09", "pain.002.001.10", "pain.007.001.10", "pain.008.001.09", "camt.054.001.08"
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        ("<MsgId>", f"<MsgId>{'9' * 36}"),
        ("CtrlSum>", "CtrlSumme>"),
        ('Ccy="CNY"', 'Ccy="cny"'),
        ("<Purp>", "<Purpose/><Purp>"),
    ],
)
def test_the_judge_finds_what_breaks_the_standard(change: tuple[str, str]) -> None:
    raw = GOLDEN.joinpath("Withhold", "sent.xml").read_text("utf-8")
    assert change[0] in raw
    with pytest.raises(Invalid):
        assert_valid(raw.replace(*change).encode())


def test_who_judged_is_said() -> None:
    """Without the official schemas the run says so in the summary of its warnings."""
    if not XSDS:
        warnings.warn(f"ISO 20022 messages were judged by {JUDGE}", UserWarning, stacklevel=1)
    assert assert_valid(GOLDEN.joinpath("Withhold", "sent.xml").read_bytes()) == "pain.008.001.09"
