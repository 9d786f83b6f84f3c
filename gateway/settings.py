"""Settings of an installation: one TOML file, overridable by ``XINYI_*`` environment variables, unknown keys refused.

Secrets (tokens, keys) stay in this file or the environment and are never printed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.model.fieldmap import FieldMap
from gateway.model.fieldmap_file import MapError, load_maps
from gateway.model.keys import UNSIGNED, KeyFiles
from gateway.model.profile import Profiles, load_all
from gateway.model.registry import Agency, Client, Hospital


class SettingsError(Exception):
    """The settings cannot be used; every line names a key and the reason."""


class Part(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(Part):
    """Where the gateway listens."""

    host: str = "127.0.0.1"
    port: int = 8800


class Mappings(Part):
    """Which localities are in force; empty means all that are shipped. ``his``: a folder of own field maps."""

    localities: tuple[str, ...] = ()
    his: Path | None = None


class CounterpartSettings(Part):
    """A partner: the adapter's entry point, its address, credentials for its codec, the keys of a signed channel.

    ``map`` is for a generic adapter: the partner's map file, a name of those shipped or a path ending in .toml.
    ``security`` left out is what the adapter's manifest says. ``sign_key`` and ``sign_cert`` are ours, ``peer_certs``
    the partner's that are trusted: PEM files, read again when they change.
    """

    adapter: str
    map: str = ""
    url: str = ""
    credentials: Mapping[str, SecretStr] = Field(default_factory=dict)
    security: Literal["none", "wsse", "sm2"] | None = None
    sign_key: Path | None = None
    sign_key_password: SecretStr | None = None
    sign_cert: Path | None = None
    peer_certs: tuple[Path, ...] = ()

    def revealed(self) -> dict[str, str]:
        """Credentials for the codec."""
        return {name: value.get_secret_value() for name, value in self.credentials.items()}

    def key_files(self, agreed: str) -> KeyFiles | None:
        """The files of a signed channel; None where none was agreed on. ``agreed`` is the manifest's security.

        Raises SettingsError naming the setting that is missing.
        """
        security = self.security or agreed
        if security == UNSIGNED:
            return None
        if self.sign_key is None or self.sign_cert is None or not self.peer_certs:
            raise SettingsError(f'security = "{security}" needs sign_key, sign_cert and peer_certs')
        password = self.sign_key_password
        secret = None if password is None else password.get_secret_value().encode()
        return KeyFiles(security, self.sign_key, self.sign_cert, self.peer_certs, secret)


class Limits(Part):
    """Protection of the process: sizes in bytes, counts of requests under way."""

    body: int = 2 * 1024 * 1024
    receipt_body: int = 8 * 1024 * 1024
    in_flight: int = 512
    per_hospital: int = 128


class Settings(BaseSettings):
    """Everything an instance needs to start."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="XINYI_", env_nested_delimiter="__")

    sandbox: bool = False
    store: str = Field(repr=False)  # a PostgreSQL address may hold a password
    data_dir: Path
    vault_key_file: Path
    clock_file: Path | None = None
    clock_start: datetime | None = None
    listen: Listen = Listen()
    mappings: Mappings = Mappings()
    limits: Limits = Limits()
    metrics_token: SecretStr | None = None
    hospitals: tuple[Hospital, ...] = ()
    agencies: tuple[Agency, ...] = ()
    clients: tuple[Client, ...] = ()
    counterparts: Mapping[str, CounterpartSettings] = Field(default_factory=dict)

    def profiles(self) -> Profiles:
        """The locality profiles in force. Raises ProfileError."""
        wanted = set(self.mappings.localities)
        return Profiles(profile for profile in load_all() if not wanted or profile.id in wanted)

    def field_maps(self) -> Mapping[str, FieldMap]:
        """The field maps of HIS vendors by id. Raises SettingsError for a faulty map, or a hospital's that is none."""
        try:
            maps = load_maps(self.mappings.his)
        except MapError as error:
            raise SettingsError(str(error)) from error
        wanted = [(hospital.code, hospital.map) for hospital in self.hospitals if hospital.map]
        lacking = [f"hospitals.{code}.map: no field map {name!r}" for code, name in wanted if name not in maps]
        if lacking:
            raise SettingsError("\n".join(lacking))
        return maps

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_settings(path: Path) -> Settings:
    """Read the file. Raises SettingsError naming every wrong key."""
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
        return Settings(**raw)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    except ValidationError as error:
        lines = [f"{path}: {_where(e['loc'])}: {e['msg']}" for e in error.errors(include_input=False)]
        raise SettingsError("\n".join(lines)) from error


def _where(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place)
