"""A callback is believed only with a fresh timestamp and a signature made with the hospital's own token."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from simulators.hospital.callbacks import refusal, shape_error, sign

BODY = b'{"event_id":"E1"}'
NOW = 1_763_700_000.0
EVENT = {
    "event_id": "E1",
    "type": "charge.final",
    "occurred_at": "2025-03-03T09:00:00+08:00",
    "resource": "visit/V1",
    "data": {},
}


def test_the_signature_covers_timestamp_and_body() -> None:
    expected = hmac.new(b"sandbox-H43050000001", b"1763700000." + BODY, hashlib.sha256).hexdigest()
    assert sign("sandbox-H43050000001", "1763700000", BODY) == expected
    assert refusal("sandbox-H43050000001", "1763700000", expected.upper(), BODY, NOW) == ""


@pytest.mark.parametrize(
    ("timestamp", "token", "body", "code"),
    [("1763700000", "sandbox-H43050000002", BODY, "SIGNATURE_INVALID"),
     ("1763700000", "sandbox-H43050000001", BODY + b" ", "SIGNATURE_INVALID"),
     ("1763699000", "sandbox-H43050000001", BODY, "TIMESTAMP_EXPIRED"),
     ("soon", "sandbox-H43050000001", BODY, "SIGNATURE_INVALID")],
)  # fmt: skip
def test_a_wrong_token_another_body_or_an_old_timestamp_is_refused(
    timestamp: str, token: str, body: bytes, code: str
) -> None:
    signature = sign(token, timestamp, BODY)
    assert refusal("sandbox-H43050000001", timestamp, signature, body, NOW) == code


def test_a_missing_signature_is_refused() -> None:
    assert refusal("sandbox-H43050000001", "1763700000", "", BODY, NOW) == "SIGNATURE_INVALID"


@pytest.mark.parametrize("member", sorted(EVENT))
def test_an_event_needs_every_member(member: str) -> None:
    assert shape_error(EVENT) == ""
    assert member in shape_error({name: value for name, value in EVENT.items() if name != member})


def test_an_event_of_an_unknown_type_is_refused() -> None:
    assert shape_error(EVENT | {"type": "charge.maybe"}) == "type: unknown"
