"""Callbacks: signed over time and body, taken once, and what a hospital's answer means."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from adapters.his_callback import ADAPTER
from adapters.his_callback.codec import SIGNATURE, TIMESTAMP, dictionary, encode_event, sign
from gateway.delivery.declare import AfterUnknown, Answer, Guarantee, SendContext
from gateway.model.callback import CallbackAck, CallbackEvent, CallbackType
from gateway.model.clock import SHANGHAI
from gateway.model.masked import PersonName
from gateway.model.verdict import Done, NotSent, Refused, Unknown

CODEC = ADAPTER.codec
GOLDEN = Path(__file__).resolve().parents[3] / "adapters" / "his_callback" / "golden"
CASE = tomllib.loads((GOLDEN / "cases.toml").read_text("utf-8"))
BODY = (GOLDEN / CASE["event"]).read_bytes()
EVENT = CallbackEvent(
    event_id="EV1",
    type=CallbackType.CHARGE_FINAL,
    occurred_at=datetime(2025, 3, 3, 1, 30, tzinfo=UTC),
    resource="visits/V1",
    data={"state": "SUCCEEDED", "amount": "30.50", "message": "已扣款"},
)
CONTEXT = SendContext(1795224615.9, datetime(2025, 3, 3, 9, 30, tzinfo=SHANGHAI), "n", "m", {"secret": CASE["secret"]})


def test_an_event_leaves_as_the_example() -> None:
    out = CODEC.encode("callback", EVENT, CONTEXT)
    assert out.body == BODY
    assert out.headers[TIMESTAMP] == CASE["timestamp"]
    assert out.headers[SIGNATURE] == CASE["signature"]
    assert (out.method, out.path) == ("POST", "")


def test_an_event_reads_back() -> None:
    assert CODEC.request_type("callback").model_validate_json(BODY) == EVENT
    assert encode_event(CallbackEvent.model_validate_json(EVENT.model_dump_json())) == BODY


def test_the_signature_covers_time_and_body() -> None:
    signed = sign("secret", "1", b"{}")
    assert signed != sign("secret", "2", b"{}")
    assert signed != sign("secret", "1", b"{ }")
    assert signed != sign("other", "1", b"{}")


def test_a_path_of_its_own() -> None:
    context = replace(CONTEXT, credentials={"secret": "s", "path": "/callbacks/H43050000001"})
    assert CODEC.encode("callback", EVENT, context).path == "/callbacks/H43050000001"


def test_without_a_secret_nothing_is_built() -> None:
    with pytest.raises(ValueError, match="secret"):
        CODEC.encode("callback", EVENT, replace(CONTEXT, credentials={}))


@pytest.mark.parametrize("status", [200, 201, 204])
def test_taken(status: int) -> None:
    verdict = CODEC.decode("callback", EVENT, Answer(status, {}, b"whatever"))
    assert verdict == Done(CallbackAck(event_id="EV1", status=status))
    assert CODEC.reply_type("callback").model_validate_json(verdict.reply.model_dump_json()) == verdict.reply


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "CALLBACK_REFUSED"),
        (401, "SIGNATURE_INVALID"),
        (404, "NOT_FOUND"),
        (409, "KEY_REUSED"),
        (422, "CALLBACK_REFUSED"),
    ],
)
def test_refused(status: int, code: str) -> None:
    assert CODEC.decode("callback", EVENT, Answer(status, {}, b"")) == Refused(code, f"HTTP {status}")


@pytest.mark.parametrize("status", [302, 500, 502, 503])
def test_anything_else_says_nothing(status: int) -> None:
    assert CODEC.decode("callback", EVENT, Answer(status, {}, b"")) == Unknown(f"HTTP {status}")


def test_it_is_sent_again_under_the_same_event() -> None:
    declared = ADAPTER.manifest.operations["callback"]
    assert declared.guarantee is Guarantee.IDEMPOTENT
    assert declared.after_unknown is AfterUnknown.RESEND
    assert CODEC.question_for("callback", EVENT) is None
    assert CODEC.resolve("callback", EVENT, NotSent("x")) is None
    assert "*" in dictionary()


@pytest.mark.parametrize(
    "changed",
    [{"type": "charge.other"}, {"event_id": ""}, {"occurred_at": "2025-03-03T09:30:00"}, {"resource": ""}, {"x": 1}],
)
def test_an_event_is_complete(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CallbackEvent.model_validate(json.loads(BODY) | changed)


def test_a_person_in_an_event_stops_it() -> None:
    leaking = EVENT.model_copy(update={"data": {"name": PersonName("测试甲")}})
    with pytest.raises(PydanticSerializationError):
        CODEC.encode("callback", leaking, CONTEXT)
