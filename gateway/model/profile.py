"""A locality's profile: every ratio, date, deadline and scope of a city is data in `mappings/localities/`, never code.

A file holds `[locality]`, then `[credit]`, `[payout]` or both, and the province's `[platform]` variant. It is refused
as a whole, with file, key and reason, rather than half understood.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from gateway.model.profile_credit import Credit, Scene
from gateway.model.profile_fields import Area, AreaPrefix, Code, Name, Strict
from gateway.model.profile_payout import Payout, Platform
from gateway.model.refusals import Refusal

Part = Literal["credit", "payout"]


class ProfileError(ValueError):
    """A profile that cannot be loaded; `problems` has one line per fault: file, key, reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Hospital(Strict):
    """A designated institution here: level, start and end, scenes with starts of their own (R-028, R-073)."""

    code: Code
    name: str = ""
    level: int = Field(ge=1, le=3)
    pool_area: Area | None = None
    enabled_from: date
    enabled_to: date | None = None
    scenes: tuple[Scene, ...] = ()
    scene_from: dict[Scene, date] = Field(default_factory=dict)
    agreement_id: str = ""

    def enabled_on(self, day: date) -> bool:
        """Say whether the institution takes part on that day, both ends included."""
        return self.enabled_from <= day and (self.enabled_to is None or day <= self.enabled_to)

    def scene_on(self, scene: str, day: date) -> bool:
        """Say whether the scene is offered on that day."""
        return any(scene == known and day >= self.scene_from.get(known, self.enabled_from) for known in self.scenes)


class SubArea(Strict):
    """A county with its own start (R-029)."""

    prefix: AreaPrefix
    enabled_from: date
    approval_id: str = ""


class Text(Strict):
    """A name in both languages."""

    zh: str
    en: str


class Locality(Strict):
    """Who and when: areas that count as insured here, institutions, counties, the offices responsible (R-057)."""

    id: Name
    name: Text
    areas: tuple[AreaPrefix, ...] = Field(min_length=1)
    effective_from: date
    effective_to: date | None = None
    owners: dict[str, str] = Field(default_factory=dict)
    hospitals: tuple[Hospital, ...] = ()
    sub_areas: tuple[SubArea, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        codes = [hospital.code for hospital in self.hospitals]
        if len(set(codes)) != len(codes):
            raise ValueError("hospitals 中机构编号重复 / an institution is listed twice")
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError("effective_to 早于 effective_from / ends before it starts")
        if not all(area.prefix.startswith(self.areas) for area in self.sub_areas):
            raise ValueError("sub_areas 须属于 areas / a sub-area lies outside")
        return self

    def insured_here(self, insuplc_admdvs: str, day: date) -> bool:
        """Say whether a person insured there belongs here on that day; the longest county prefix decides."""
        if not insuplc_admdvs.startswith(self.areas):
            return False
        counties = [area for area in self.sub_areas if insuplc_admdvs.startswith(area.prefix)]
        county = max(counties, key=lambda area: len(area.prefix), default=None)
        return county is None or day >= county.enabled_from

    def hospital(self, code: str) -> Hospital | None:
        """Return the institution of that code, if it is listed."""
        return next((hospital for hospital in self.hospitals if hospital.code == code), None)


class LocalityProfile(Strict):
    """All rules and parameters of a locality. `version` is stored with every decision made under it."""

    locality: Locality
    credit: Credit | None = None
    payout: Payout | None = None
    platform: Platform = Platform()

    @model_validator(mode="after")
    def _useful(self) -> Self:
        if self.credit is None and self.payout is None:
            raise ValueError("须有 [credit] 或 [payout] / neither credit nor payout")
        return self

    @property
    def id(self) -> str:
        """The locality's identifier."""
        return self.locality.id

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 over the content as understood, defaults included."""
        content = self.model_dump(mode="json", context={"reveal": True})
        text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def effective_on(self, day: date) -> bool:
        """Say whether the scheme runs on that day, both ends included (R-030)."""
        last = self.locality.effective_to
        return self.locality.effective_from <= day and (last is None or day <= last)

    def has(self, part: Part) -> bool:
        """Say whether the profile holds that part."""
        return (self.credit if part == "credit" else self.payout) is not None

    def pool_area(self, code: str) -> str:
        """Return the pooling area of an institution: its own, else the locality's first area (D.5)."""
        hospital = self.locality.hospital(code)
        own = hospital.pool_area if hospital else None
        return own or self.pool_areas[0]

    @cached_property
    def pool_areas(self) -> tuple[str, ...]:
        """The pooling areas this profile answers for."""
        named = self.payout.pool_areas if self.payout else ()
        own = [hospital.pool_area for hospital in self.locality.hospitals if hospital.pool_area]
        return tuple(dict.fromkeys([*named, *own])) or tuple(area.ljust(6, "0") for area in self.locality.areas)


class Profiles:
    """Every profile of an installation, found by what a request names."""

    def __init__(self, profiles: Iterable[LocalityProfile]) -> None:
        self._all = tuple(profiles)
        problems = [*_overlaps(self._all)]
        if problems:
            raise ProfileError(problems)

    def __iter__(self) -> Iterator[LocalityProfile]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def by_locality(self, locality: str, on: date | None = None) -> LocalityProfile:
        """Return the profile of a locality: the one effective on the day, without a day the latest.

        Raises Refusal INVALID_FIELD (`locality`) for a locality nobody configured and NOT_LIVE outside its dates.
        """
        known = [profile for profile in self._all if profile.id == locality]
        if not known:
            raise Refusal("INVALID_FIELD", "未配置该地市画像", field="locality")
        live = known if on is None else [profile for profile in known if profile.effective_on(on)]
        if not live:
            raise Refusal("NOT_LIVE", "该地市方案不在有效期内", field="locality")
        return max(live, key=lambda profile: profile.locality.effective_from)

    def by_pool_area(self, area: str, on: date) -> LocalityProfile | None:
        """Return the payout profile of a pooling area on a settlement date, or None where no scheme runs."""
        for profile in self._all:
            if profile.payout is not None and area in profile.pool_areas and profile.effective_on(on):
                return profile
        return None

    def for_hospital(self, code: str, part: Part | None = None) -> LocalityProfile | None:
        """Return the profile that lists the institution, the latest one; with `part`, one that has that part."""
        listed = [profile for profile in self._all if profile.locality.hospital(code) is not None]
        wanted = [profile for profile in listed if part is None or profile.has(part)]
        return max(wanted, key=lambda profile: profile.locality.effective_from, default=None)

    def for_place(self, code: str, pool_area: str) -> LocalityProfile | None:
        """Return the profile whose `[platform]` holds for an institution: the one that lists it, else its area's."""
        listed = self.for_hospital(code)
        if listed is not None:
            return listed
        of_area = [profile for profile in self._all if pool_area in profile.pool_areas]
        return max(of_area, key=lambda profile: profile.locality.effective_from, default=None)


def _meet(left: LocalityProfile, right: LocalityProfile) -> bool:
    ends = left.locality.effective_to or date.max, right.locality.effective_to or date.max
    return left.locality.effective_from <= ends[1] and right.locality.effective_from <= ends[0]


def _overlaps(profiles: Sequence[LocalityProfile]) -> Iterator[str]:
    """Two profiles in force at the same time must not answer the same question."""
    for index, right in enumerate(profiles):
        for left in profiles[:index]:
            if not _meet(left, right):
                continue
            if left.id == right.id:
                yield f"{right.id}: locality.id: 有效期重叠的画像重复 / two profiles at the same time"
            for part in ("credit", "payout"):
                if left.has(part) and right.has(part):
                    mine = {hospital.code for hospital in left.locality.hospitals}
                    both = sorted(mine & {hospital.code for hospital in right.locality.hospitals})
                    yield from (
                        f"{right.id}: locality.hospitals: {code} 已属于 {left.id} / listed twice" for code in both
                    )
            if left.payout and right.payout and set(left.pool_areas) & set(right.pool_areas):
                yield f"{right.id}: payout.pool_areas: 与 {left.id} 重叠 / pooling area claimed twice"


def parse_profile(text: str, name: str) -> LocalityProfile:
    """Read a profile from TOML text; `name` is how errors call it. Raises ProfileError."""
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        raise ProfileError([f"{name}: -: 不是合法的 TOML / not valid TOML: {broken}"]) from None
    try:
        return LocalityProfile.model_validate(raw)
    except ValidationError as invalid:
        # The rejected input stays out of the text: it may be an account number.
        rows = invalid.errors(include_input=False, include_url=False, include_context=False)
        raise ProfileError([f"{name}: {_key(row['loc'])}: {row['msg']}" for row in rows]) from None


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "-"


def load_profile(source: Path | Traversable | str) -> LocalityProfile:
    """Load one profile from a path, or from TOML text given as str. Raises ProfileError."""
    if isinstance(source, str):
        return parse_profile(source, "<text>")
    return parse_profile(source.read_text(encoding="utf-8"), source.name)


def load_all(directory: Path | None = None) -> Profiles:
    """Load every profile of a folder, by default the product's own; `template.toml` is documentation, not a profile.

    Raises ProfileError with the faults of all files at once.
    """
    folder: Path | Traversable = directory or resources.files("mappings").joinpath("localities")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    profiles: list[LocalityProfile] = []
    problems: list[str] = []
    for entry in files:
        if entry.name == "template.toml":
            continue
        try:
            profiles.append(load_profile(entry))
        except ProfileError as error:
            problems.extend(error.problems)
    if problems:
        raise ProfileError(problems)
    return Profiles(profiles)
