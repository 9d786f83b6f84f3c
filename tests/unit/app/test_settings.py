"""Settings: one file, unknown keys refused by name, secrets never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import load_adapters
from gateway.settings import Settings, SettingsError, load_settings

EXAMPLE = Path(__file__).parents[3] / "ops/compose/etc/xinyi.example.toml"


def test_the_shipped_example_loads_and_its_adapters_exist() -> None:
    settings = load_settings(EXAMPLE)
    assert not settings.sandbox
    assert [hospital.code for hospital in settings.hospitals] == ["H43050000001"]
    assert {partner.adapter for partner in settings.counterparts.values()} <= load_adapters().keys()
    assert [profile.id for profile in settings.profiles()] == ["shaoyang"]


def test_secrets_stay_out_of_the_repr() -> None:
    settings = load_settings(EXAMPLE)
    assert "change-me" not in repr(settings)
    assert settings.counterparts["insurance"].revealed()["token"] == "change-me"


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINYI_LISTEN__PORT", "9999")
    assert load_settings(EXAMPLE).listen.port == 9999


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("no_such_key = 1", "no_such_key"),
        ('[limits]\nbody = "much"', "limits.body"),
        ("[[hospitals]]\ncode = 'H1'", "hospitals.0.name"),
        ("[listen]\nprot = 1", "listen.prot"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, line: str, named: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(f'store = "sqlite:///x"\ndata_dir = "x"\nvault_key_file = "k"\n{line}\n')
    with pytest.raises(SettingsError, match=named.replace(".", r"\.")):
        load_settings(file)


def test_what_is_no_toml_or_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("= 1")
    for path in (tmp_path / "bad.toml", tmp_path / "none.toml"):
        with pytest.raises(SettingsError):
            load_settings(path)


def test_settings_are_read_only() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.__setattr__(load_settings(EXAMPLE), "store", "x")
