"""The province's variant: from the profile of a hospital to the codec, with the secrets it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway import app, provinces
from gateway.check import platforms
from gateway.delivery.declare import PLAIN
from gateway.model.profile import LocalityProfile, Profiles, load_all
from gateway.model.profile_payout import Platform, Timeouts
from gateway.model.registry import Hospital
from gateway.settings import Settings, SettingsError

MANIFEST = app.load_adapters()["insurance"].manifest
ACCOUNT = {"acct_no": "6222000000000001", "acct_name": "示例医院", "bank_code": "301555000011", "bank_name": "示例支行"}
TIF = {"paasid": "x", "token": "secret-token"}


def hospital(code: str = "H43050000001", area: str = "430500") -> Hospital:
    return Hospital(
        code=code, name="示例医院", pool_area=area, level=3, paasid=code, token=SecretStr("t"), account=ACCOUNT
    )  # type: ignore[arg-type]


def profiles(**variant: Any) -> Profiles:
    known = {profile.id: profile for profile in load_all()}
    changed = known["shaoyang"].model_copy(update={"platform": Platform(**variant)})
    return Profiles([*(profile for name, profile in known.items() if name != "shaoyang"), changed])


def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credentials: dict[str, str], **variant: Any) -> Any:
    monkeypatch.setattr(Settings, "profiles", lambda _self: profiles(**variant))
    return Settings(
        store="sqlite:////tmp/none.db", data_dir=tmp_path, vault_key_file=tmp_path / "key", hospitals=(hospital(),),
        counterparts={"insurance": {"adapter": "insurance", "url": "http://p", "credentials": credentials}},
    )  # type: ignore[arg-type]  # fmt: skip


def test_a_hospital_is_spoken_for_as_its_locality_says() -> None:
    found = provinces.variants(
        profiles(url_family="infno", timeouts=Timeouts(money=7, connect=2)), [hospital()], {"insurance": "insurance"}
    )
    variant = found("insurance", "H43050000001")
    assert variant.words["url_family"] == "infno"
    limits = variant.limits(MANIFEST.operations["2207"])
    assert (limits.connect, limits.read) == (2, 7)
    assert variant.limits(MANIFEST.operations["1101"]).read == 30
    assert found("bocom", "H43050000001") is PLAIN
    assert found("insurance", "H99000000001") is PLAIN


def test_a_hospital_nobody_lists_has_the_variant_of_its_pooling_area() -> None:
    of_area = profiles(auth="apikey").for_place("H43050099999", "430500")
    assert isinstance(of_area, LocalityProfile)
    assert of_area.platform.auth == "apikey"
    assert profiles().for_place("H99000000001", "990000") is None


@pytest.mark.parametrize(
    ("variant", "missing"),
    [
        ({}, []), ({"auth": "none"}, []), ({"auth": "csb"}, ["access_key", "secret_key"]),
        ({"auth": "apikey"}, ["apikey"]), ({"cainfo": "sm2"}, ["cainfo_private_key", "cainfo_public_key"]),
    ],
)  # fmt: skip
def test_what_a_variant_needs_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: dict[str, str], missing: list[str]
) -> None:
    settings = settings_of(tmp_path, monkeypatch, TIF, **variant)
    assert provinces.lacking(Platform(**variant), MANIFEST, TIF) == missing  # type: ignore[arg-type]
    adapters = app.load_adapters()
    if not missing:
        assert "insurance" in app._counterparts(settings, adapters)
        return
    with pytest.raises(SettingsError, match=missing[0]) as error:
        app._counterparts(settings, adapters)
    assert "secret-token" not in str(error.value)


def test_a_credential_that_nothing_reads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path, monkeypatch, {**TIF, "url_family": "infno"})
    with pytest.raises(SettingsError, match=r"insurance\.credentials\.url_family"):
        app._counterparts(settings, app.load_adapters())


def test_every_profile_is_explained_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path, monkeypatch, TIF, auth="csb", failure_codes="minus_one_minus_two")
    lines = {line.subject: line for line in platforms(settings)}
    assert set(lines) == {f"platform {profile.id}" for profile in load_all()}
    told = lines["platform shaoyang"]
    assert not told.ok
    assert all(word in told.detail for word in ("access_key", "secret_key", "_api_*", "-2 业务", "money 60"))
    assert lines["platform tianjin"].ok
    assert "x-tif-*" in lines["platform tianjin"].detail


def test_every_variant_has_words() -> None:
    for name, field in Platform.model_fields.items():
        for value in getattr(field.annotation, "__args__", ()) if name in Platform().words else ():
            assert " / " in provinces.in_words(Platform(**{name: value}))
