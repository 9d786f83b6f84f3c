"""The platform's own gateway: test vectors and windows of national-interface 1.7."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from simulators.common.journal import Journal
from simulators.common.variants import Variants
from simulators.platform.auth import (
    APIKEY_REFUSED,
    CSB_REFUSED,
    INCOMPLETE,
    WRONG,
    Gatekeeper,
    csb_signature,
    tif_signature,
)
from simulators.platform.variants import SWITCHES

GATE = Gatekeeper({"xinyi": "secret"})


def variants(tmp_path: Path, **switches: Any) -> Variants:
    journal = Journal(tmp_path / "x.jsonl")
    made = Variants(journal, SWITCHES)
    journal.open()
    made.set(switches or {"auth_none": False})
    return made


def tif(nonce: str, *, skew: int = 0, token: str = "secret", paasid: str = "xinyi") -> dict[str, str]:
    timestamp = str(int(time.time()) + skew)
    return {
        "x-tif-paasid": paasid,
        "x-tif-timestamp": timestamp,
        "x-tif-nonce": nonce,
        "x-tif-signature": tif_signature(token, timestamp, nonce).upper(),
    }


def test_vector_of_variant_a() -> None:
    signature = tif_signature("demoSecretToken", "1795224615", "7f8a2c1e-0b3d-4e5f-9a6b-1c2d3e4f5a6b")
    assert signature == "1daef49073d16503150d61fb12af6d91b3dc6d3e0d83abd6f769d59e69710b17"


def test_vector_of_variant_b() -> None:
    headers = {
        "_api_access_key": "demoAK",
        "_api_name": "2207",
        "_api_timestamp": "1795224615000",
        "_api_version": "1.0.0",
    }
    assert csb_signature("demoSK", headers) == "jP57rKaolDtnI6/yIa73Y0fIPkk="


def test_variant_a_window_nonce_and_token(tmp_path: Path) -> None:
    plain = variants(tmp_path)
    assert GATE.refusal(tif("n1"), plain) is None
    assert GATE.refusal(tif("n1"), plain) is WRONG
    assert GATE.refusal(tif("n2", skew=-170), plain) is None
    assert GATE.refusal(tif("n3", skew=-190), plain) is WRONG
    assert GATE.refusal(tif("n4", skew=190), plain) is WRONG
    assert GATE.refusal(tif("n5", token="other"), plain) is WRONG
    assert GATE.refusal(tif("n6", paasid="nobody"), plain) is WRONG
    assert GATE.refusal({"x-tif-paasid": "xinyi"}, plain) is INCOMPLETE
    assert (WRONG.status, INCOMPLETE.status) == (500, 500)


def test_an_institution_may_call_with_its_sandbox_token(tmp_path: Path) -> None:
    headers = tif("n7", paasid="H43050000001", token="sandbox-H43050000001")
    assert GATE.refusal(headers, variants(tmp_path)) is None
    assert GATE.caller(headers) == "H43050000001"
    assert GATE.caller(tif("n8")) == ""


def test_variant_b_in_milliseconds(tmp_path: Path) -> None:
    csb = variants(tmp_path, auth_csb=True)
    headers = {
        "_api_access_key": "xinyi",
        "_api_name": "2207",
        "_api_timestamp": str(int(time.time() * 1000)),
        "_api_version": "1.0.0",
    }
    signed = {**headers, "_api_signature": csb_signature("secret", headers)}
    assert GATE.refusal(signed, csb) is None
    assert GATE.refusal({**signed, "_api_name": "2208"}, csb) is CSB_REFUSED
    assert GATE.refusal({**signed, "_api_timestamp": "1795224615"}, csb) is CSB_REFUSED
    assert CSB_REFUSED.status == 401


def test_variants_c_and_d(tmp_path: Path) -> None:
    assert GATE.refusal({"apikey": "secret"}, variants(tmp_path, auth_apikey=True)) is None
    assert GATE.refusal({"apikey": "no"}, variants(tmp_path, auth_apikey=True)) is APIKEY_REFUSED
    assert GATE.refusal({}, variants(tmp_path, auth_none=True)) is None
