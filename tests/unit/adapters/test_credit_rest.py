"""The credit platform's adapter: its contract on the way out, and what each answer means on the way back."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.credit_rest import ADAPTER
from adapters.credit_rest.codec import dictionary
from adapters.credit_rest.wire import ListPush, ScoreInvalid, parse_score
from gateway.delivery.declare import AfterUnknown, Answer, Guarantee, SendContext
from gateway.model.clock import SHANGHAI
from gateway.model.credit import CreditAnswer, CreditFeedback, CreditQuery
from gateway.model.verdict import Done, NotSent, Refused, Unknown, name_of

CODEC = ADAPTER.codec
FOLDER = Path(__file__).resolve().parents[3] / "adapters" / "credit_rest"
GOLDEN = FOLDER / "golden"
CASES: list[dict[str, Any]] = tomllib.loads((GOLDEN / "cases.toml").read_text("utf-8"))["case"]
CONTEXT = SendContext(1795224615.9, datetime(2025, 3, 3, tzinfo=SHANGHAI), "n", "m", {"token": "sandbox-credit"})
REQUESTS = {
    "query": CreditQuery(
        request_id="Q-00000001", auth_id="AUTH0001", query_reason="CREDIT_PAY", scheme="haihe", psn_cert_type="01",
        certno="120101199001019990", psn_name="测试甲",
    ),
    "feedback": CreditFeedback(
        event_id="EV-00000001", auth_id="AUTH0001", scheme="shaoyang", certno="430502199001019990",
        event_type="OVERDUE", amount_fen=250000, overdue_days=31, status="OPEN",
    ),
    "list": ListPush.model_validate({
        "batch_no": "RED-2024-0001", "kind": "RED",
        "records": [{"subject_id": "H41050000001", "subject_name": "示例医院", "grade": "A", "year": "2024"}],
    }),
}  # fmt: skip


def decode(operation: str, body: bytes, status: int = 200) -> Any:
    return CODEC.decode(operation, REQUESTS[operation], Answer(status, {}, body))


def found(**changed: Any) -> bytes:
    plain = json.loads((GOLDEN / "query.found.json").read_text("utf-8"))
    return json.dumps({name: value for name, value in (plain | changed).items() if value is not ...}).encode()


@pytest.mark.parametrize("operation", sorted(REQUESTS))
def test_a_request_leaves_as_the_example(operation: str) -> None:
    out = CODEC.encode(operation, REQUESTS[operation], CONTEXT)
    assert out.body == (GOLDEN / f"{operation}.request.json").read_bytes()
    assert (out.method, out.path) == ("POST", f"/credit/v1/{operation}")
    assert out.headers["Authorization"] == "Bearer sandbox-credit"
    assert out.headers["x-request-time"] == "2026-11-21T09:30:15+08:00"


@pytest.mark.parametrize("operation", sorted(REQUESTS))
def test_a_request_names_exactly_the_contracts_members(operation: str) -> None:
    schema = json.loads((FOLDER / "contract" / f"{operation}.request.schema.json").read_text("utf-8"))
    sent = json.loads(CODEC.encode(operation, REQUESTS[operation], CONTEXT).body)
    assert set(schema["required"]) <= set(sent) <= set(schema["properties"])


@pytest.mark.parametrize("operation", sorted(REQUESTS))
def test_a_journalled_request_is_sent_the_same_again(operation: str) -> None:
    kept = REQUESTS[operation].model_dump_json(context={"reveal": True})
    again = CODEC.request_type(operation).model_validate_json(kept)
    assert CODEC.encode(operation, again, CONTEXT).body == CODEC.encode(operation, REQUESTS[operation], CONTEXT).body


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["answer"])
def test_an_answer_ends_in_its_verdict(case: dict[str, Any]) -> None:
    verdict = decode(case["operation"], (GOLDEN / case["answer"]).read_bytes(), case.get("status", 200))
    assert name_of(verdict) == case["verdict"]
    if isinstance(verdict, Refused):
        assert verdict.code == case["code"]
    if isinstance(verdict, Done):
        assert case["reply"].items() <= verdict.reply.model_dump(mode="json").items()
        kept = verdict.reply.model_dump_json()
        assert CODEC.reply_type(case["operation"]).model_validate_json(kept) == verdict.reply


def test_guarantees() -> None:
    declared = ADAPTER.manifest.operations
    assert declared["query"].guarantee is Guarantee.QUERY
    for operation in ("feedback", "list"):
        assert declared[operation].guarantee is Guarantee.IDEMPOTENT
        assert declared[operation].after_unknown is AfterUnknown.RESEND
        assert CODEC.question_for(operation, REQUESTS[operation]) is None
        assert CODEC.resolve(operation, REQUESTS[operation], NotSent("x")) is None


def test_personal_data_is_on_the_wire_and_nowhere_else() -> None:
    assert b"120101199001019990" in CODEC.encode("query", REQUESTS["query"], CONTEXT).body
    for request in REQUESTS.values():
        assert "199001019990" not in repr(request)
        assert "示例医院" not in repr(request)


def test_without_a_token_nothing_is_built() -> None:
    with pytest.raises(ValueError, match="token"):
        CODEC.encode("query", REQUESTS["query"], replace(CONTEXT, credentials={}))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b'{"found":true}'),
        (200, found(mark=...)),
        (200, found(mark="false")),
        (200, found(released=...)),
        (200, found(request_id="Q-00000002")),
        (200, found(auth_id="AUTH0002")),
        (200, found(scheme="shaoyang")),
        (200, found(score_date="yesterday")),
        (200, found(grade="\ud800")),
        (302, b""),
        (403, b"<html>forbidden</html>"),
        (404, b"{}"),
        (429, b'{"code":"SLOW","message":"x"}'),
        (500, b'{"code":"NO_AUTHORISATION","message":"x"}'),
        (503, b""),
    ],
)
def test_what_cannot_be_read_is_unknown(status: int, body: bytes) -> None:
    assert isinstance(decode("query", body, status), Unknown)


def test_an_acknowledgement_of_something_else_is_unknown() -> None:
    assert isinstance(decode("feedback", b'{"event_id":"EV-2","ack_id":"A","duplicate":false}'), Unknown)
    assert isinstance(decode("list", b'{"batch_no":"RED-2","ack_id":"A","duplicate":false}'), Unknown)
    assert isinstance(decode("list", b'{"batch_no":"RED-2024-0001","ack_id":"","duplicate":false}'), Unknown)


def test_a_refused_token_sent_nothing() -> None:
    assert isinstance(decode("query", b'{"code":"UNAUTHENTICATED","message":"x"}', 401), NotSent)


def test_refusals_are_unified() -> None:
    assert decode("query", b'{"code":"INVALID_CERTNO","message":"x"}', 422).code == "IDENTITY_MISMATCH"
    assert decode("feedback", b'{"code":"NO_OPEN_RECORD","message":"x"}', 422).code == "NO_OPEN_RECORD"
    assert decode("query", b'{"code":"NO_OPEN_RECORD","message":"x"}', 422).code == "CREDIT_REFUSED"
    assert decode("query", b'{"code":"NEVER_SEEN","message":"x"}', 422) == Refused("CREDIT_REFUSED", "x")


def test_the_dictionary_knows_every_code_of_the_contract() -> None:
    text = json.loads((FOLDER / "contract" / "refusal.schema.json").read_text("utf-8"))["description"]
    listed = {word.strip(",;.") for word in text.split() if word.isupper() or "_" in word}
    codes = {word for word in listed if word.replace("_", "").isupper() and "_" in word} | {"MALFORMED"}
    assert codes <= {code for _, code in dictionary()}


@pytest.mark.parametrize(
    ("score", "means"),
    [
        ("574.99", "574.99"),
        ("610.5", "610.5"),
        ("750", "750"),
        (Decimal("610.50"), "610.50"),
        (0, "0"),
        ("", None),
        (None, None),
    ],
)
def test_a_score_keeps_its_digits(score: object, means: str | None) -> None:
    assert parse_score(score) == (None if means is None else Decimal(means))


@pytest.mark.parametrize(
    "score", ["-1", "−1", "abc", "6 10", "NaN", "1e3", "610.", ".5", "+5", "６１０", True, [], "9" * 12]
)
def test_what_is_no_score(score: object) -> None:
    with pytest.raises(ScoreInvalid):
        parse_score(score)


def test_a_score_as_a_number_is_exact() -> None:
    verdict = decode("query", found().replace(b'"610.5"', b"610.50"))
    assert isinstance(verdict, Done)
    assert str(verdict.reply.score) == "610.50"


def test_marks_and_qualification_are_carried() -> None:
    verdict = decode("query", found(mark=True, qualification=False, released=False, grade="D", score=None))
    assert verdict == Done(
        CreditAnswer(
            request_id="Q-00000001", found=True, scheme="haihe", score=None, grade="D",
            score_date=date(2025, 3, 1), dishonest=True, qualification=False, released=False,
        )
    )  # fmt: skip


@settings(deadline=None)
@given(st.binary(max_size=100), st.integers(100, 599), st.sampled_from(sorted(REQUESTS)))
def test_decoding_never_raises(body: bytes, status: int, operation: str) -> None:
    assert name_of(decode(operation, body, status)) in ("UNKNOWN", "NOT_SENT", "REFUSED")
