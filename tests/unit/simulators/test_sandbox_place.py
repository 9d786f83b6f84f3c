"""The sandbox's files: settings of the gateway, a description for everybody else, keys, what a fresh start removes."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path

import pytest
from cryptography import x509

from simulators.sandbox.app import main
from simulators.sandbox.cast import cast
from simulators.sandbox.keys import make_keys
from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.settings import Place, description, gateway_settings, toml

CODES = {
    "H43050000001", "H43050000002", "H12010000001", "H44010000001", "H35050000001", "H53010000001", "H64000100001",
    "H64000100002",
}  # fmt: skip


def test_the_settings_file_reads_back_as_it_was_meant() -> None:
    settings = gateway_settings(Place(Path("/data"), port=9000), cast())
    assert tomllib.loads(toml(settings)) == settings


def test_the_settings_name_every_hospital_with_its_credentials_and_account() -> None:
    settings = gateway_settings(Place(Path("/data"), port=9000), cast())
    hospitals = {row["code"]: row for row in settings["hospitals"]}
    assert set(hospitals) == CODES
    for code, row in hospitals.items():
        assert (row["paasid"], row["token"]) == (code, f"sandbox-{code}")
        assert row["callback_url"] == f"http://127.0.0.1:9014/callbacks/{code}"
        assert set(row["account"]) == {"acct_no", "acct_name", "bank_code", "bank_name"}
    assert {hospitals[code]["level"] for code in ("H43050000002", "H64000100002")} == {2}


def test_every_person_and_bank_is_a_client_of_its_role() -> None:
    settings = gateway_settings(Place(Path("/data")), cast())
    clients = {row["token"]: row["role"] for row in settings["clients"]}
    assert {
        role: clients[f"sandbox-{role}"] for role in ("preparer", "approver", "operator", "auditor", "cashier")
    } == {role: role for role in ("preparer", "approver", "operator", "auditor", "cashier")}
    assert {clients[f"sandbox-bank-{bank}"] for bank in ("bocom", "cib", "iso")} == {"bank"}
    assert clients["sandbox-H64000100001"] == "hospital"
    assert len({row["id"] for row in settings["clients"]}) == len(settings["clients"])


def test_the_counterparts_move_with_the_port_and_the_store_can_be_chosen() -> None:
    settings = gateway_settings(Place(Path("/data"), port=9000, store="postgresql://db/x"), cast())
    assert settings["counterparts"]["insurance"]["url"] == "http://127.0.0.1:9011"
    assert settings["counterparts"]["bocom"]["url"] == "http://127.0.0.1:9012/bocom"
    assert settings["store"] == "postgresql://db/x"
    assert gateway_settings(Place(Path("/data")), cast())["store"] == "sqlite:////data/xinyi.db"


def test_the_description_says_all_that_somebody_outside_needs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    make_keys(place.keys, ("gateway", "bocom"))
    shown = json.loads(json.dumps(description(place, cast(), {"gateway": 42})))
    assert shown["gateway"] == "http://127.0.0.1:8800"
    assert set(shown["simulators"]) == {"platform", "bank", "credit", "hospital"}
    assert shown["tokens"]["H64000100001"] == "sandbox-H64000100001"
    assert shown["console"]["logins"]["preparer"] == {"user": "sandbox-preparer", "password": "sandbox-preparer"}
    assert all(Path(path).exists() for path in shown["keys"].values())
    assert set(shown["keys"]) == {"vault", "gateway_key", "gateway_cert", "bocom_key", "bocom_cert"}


def test_keys_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    make_keys(tmp_path, ("bocom",))
    first = (tmp_path / "vault.key").read_bytes()
    assert len(base64.b64decode(first)) == 32
    certificate = x509.load_pem_x509_certificate((tmp_path / "bocom.cert.pem").read_bytes())
    assert certificate.subject.rfc4514_string() == "CN=xinyi-sandbox-bocom"
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    make_keys(tmp_path, ("bocom",))
    assert (tmp_path / "vault.key").read_bytes() == first


def test_a_fresh_start_removes_what_a_sandbox_wrote_and_nothing_else(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "bench.png").write_bytes(b"png")
    place.simulator_data.mkdir()
    (place.simulator_data / "bank.jsonl").write_text("old")
    (tmp_path / "xinyi.db").write_text("old")
    Sandbox(place)._prepare()
    assert (tmp_path / "bench.png").exists()
    assert not (tmp_path / "xinyi.db").exists()
    assert list(place.simulator_data.iterdir()) == []
    assert place.config.exists()


def test_keep_goes_on_with_the_last_data(tmp_path: Path) -> None:
    place = Place(tmp_path)
    Sandbox(place)._prepare()
    key = (place.keys / "vault.key").read_bytes()
    (tmp_path / "xinyi.db").write_text("old")
    Sandbox(place, keep=True)._prepare()
    assert (tmp_path / "xinyi.db").read_text() == "old"
    assert (place.keys / "vault.key").read_bytes() == key


def test_a_clock_without_an_offset_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--clock", "2025-03-03T08:00:00"])
    assert "+08:00" in capsys.readouterr().err
