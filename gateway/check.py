"""`xinyi check`: every part an installation needs, verified, a line each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import sqlalchemy as sa

from gateway import provinces
from gateway.app import adapter_of, load_adapters, security_of
from gateway.delivery.declare import Manifest
from gateway.journal.migrate import is_current
from gateway.journal.vault import Vault
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import SHANGHAI, SystemClock
from gateway.model.keys import UNSIGNED
from gateway.model.profile import ProfileError
from gateway.model.refusals import Refusal, dictionary
from gateway.settings import CounterpartSettings, Settings, SettingsError

_REACH_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """One finding."""

    ok: bool
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'} {self.subject}: {self.detail}"


async def run_checks(settings: Settings) -> list[Line]:
    """All findings, settings first, partners last."""
    lines = [Line(True, "settings", f"{len(settings.hospitals)} hospitals, {len(settings.clients)} clients")]
    lines += list(_data(settings))
    lines += list(platforms(settings))
    lines += list(signed_channels(settings))
    lines += [await _reach(name, partner.url) for name, partner in settings.counterparts.items() if partner.url]
    return lines


def _data(settings: Settings) -> Iterator[Line]:
    yield _try("refusal codes", lambda: f"{len(dictionary())} codes")
    yield _try("profiles", lambda: ", ".join(p.id for p in settings.profiles()))
    yield _try("field maps", lambda: ", ".join(settings.field_maps()))
    yield _try("calendar", _calendar)
    yield _try("vault key", lambda: "readable" if Vault.from_file(settings.vault_key_file) else "")
    yield _try("database", lambda: _database(settings.store))


def platforms(settings: Settings) -> Iterator[Line]:
    """How each profile's province is spoken to, in words, and which credentials of it are missing."""
    try:
        profiles = settings.profiles()
    except ProfileError:  # told under "profiles"
        return
    adapters = load_adapters()
    partners = [p for p in settings.counterparts.values() if p.adapter in adapters]
    sides = [(p, adapters[p.adapter].manifest) for p in partners]
    platform = next(((p, m) for p, m in sides if m.kind == provinces.INSURANCE), None)
    used = {profile.id for profile in provinces.in_use(profiles, settings.hospitals)}
    for profile in profiles:
        lacking = [] if platform is None else provinces.lacking(profile.platform, platform[1], platform[0].credentials)
        words = provinces.in_words(profile.platform)
        if lacking and profile.id in used:
            yield Line(
                False, f"platform {profile.id}", f"缺少凭据 / credentials missing: {', '.join(lacking)}；{words}"
            )
        else:
            yield Line(True, f"platform {profile.id}", words)


def signed_channels(settings: Settings) -> Iterator[Line]:
    """Adapters and maps of the partners, a line for each fault; keys and certificates of the signed channels."""
    adapters = load_adapters()
    for name, partner in settings.counterparts.items():
        try:
            manifest = adapter_of(name, partner, adapters).manifest
        except SettingsError as error:
            yield from (Line(False, f"adapter {name}", fault) for fault in str(error).splitlines())
            continue
        if partner.map:
            yield Line(True, f"map {name}", f"{partner.adapter}, {partner.map}")
        if security_of(partner, manifest) != UNSIGNED:
            yield _try(f"keys {name}", partial(_channel, partner, manifest))


def _channel(partner: CounterpartSettings, manifest: Manifest) -> str:
    files = partner.key_files(security_of(partner, manifest))
    if files is None:
        return "not signed"
    files.load()
    ends = {name: certificate.not_valid_after_utc for name, certificate in files.certificates()}
    ended = [name for name, end in ends.items() if end <= datetime.now(UTC)]
    if ended:
        raise ValueError(f"certificate has ended: {', '.join(ended)}")
    return f"{files.security}, " + ", ".join(f"{name} until {end:%Y-%m-%d}" for name, end in ends.items())


def _calendar() -> str:
    today = SystemClock().now().astimezone(SHANGHAI).date()
    WorkingCalendar.load().is_working_day(today)
    return f"{today.year} known"


def _database(store: str) -> str:
    if not is_current(store):
        raise ValueError("schema is not current, run `xinyi migrate`")
    return "schema is current"


def _try(subject: str, look: Callable[[], str]) -> Line:
    try:
        return Line(True, subject, look())
    except (OSError, ValueError, ProfileError, Refusal, SettingsError, sa.exc.SQLAlchemyError) as error:
        return Line(False, subject, str(error).splitlines()[0])


async def _reach(name: str, url: str) -> Line:
    """Whether somebody listens at a counterpart's address; no message is sent."""
    place = urlsplit(url)
    port = place.port or (443 if place.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_REACH_SECONDS):
            _, writer = await asyncio.open_connection(place.hostname, port)
            writer.close()
    except (OSError, TimeoutError) as error:
        return Line(False, f"counterpart {name}", f"{place.hostname}:{port} {type(error).__name__}")
    return Line(True, f"counterpart {name}", f"{place.hostname}:{port} reachable")
