"""Every requirement number that is cited is explained, and every link of the documentation leads somewhere."""

from __future__ import annotations

import re
import types
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from docs.sections import DOCS, ROOT
from gateway.model.profile import LocalityProfile

NUMBER = re.compile(r"\b(?:R-\d{3}|AMB-\d{2})\b")
SOURCES = ("gateway", "adapters", "mappings", "simulators", "tests", "ops", "docs")
TEXT = {".py", ".toml", ".csv", ".md", ".yml", ".yaml", ".json", ".xsd", ".wsdl"}
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
NOTHING = "Not in this version"


def explained() -> list[tuple[str, str]]:
    """(number, the row's last cell) of every row of requirements.md."""
    rows = [line.strip("|").split(" | ") for line in (DOCS / "requirements.md").read_text("utf-8").splitlines()]
    return [(cells[0].strip(), cells[-1].strip()) for cells in rows if NUMBER.fullmatch(cells[0].strip())]


def cited(folders: tuple[str, ...]) -> dict[str, Path]:
    """Number → a file that cites it."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in TEXT and path.is_file() and path.name != "requirements.md":
                found |= dict.fromkeys(NUMBER.findall(path.read_text("utf-8")), path.relative_to(ROOT))
    return found


def test_every_number_that_is_cited_is_explained() -> None:
    known = {number for number, _ in explained()}
    unknown = {number: str(path) for number, path in cited(SOURCES).items() if number not in known}
    assert unknown == {}


def test_no_number_is_explained_twice() -> None:
    doubled = [number for number, count in Counter(number for number, _ in explained()).items() if count > 1]
    assert doubled == []


def test_what_the_product_cites_is_not_said_to_be_missing() -> None:
    missing = {number for number, where in explained() if where.startswith(NOTHING)}
    assert {n: str(p) for n, p in cited(("gateway", "adapters")).items() if n in missing} == {}


def test_profile_keys_that_are_named_exist() -> None:
    text = (DOCS / "requirements.md").read_text("utf-8")
    named = set(re.findall(r"`((?:locality|credit|payout)\.[a-z_.\[\]]+)`", text))
    assert named
    assert sorted(key for key in named if not _is_key(LocalityProfile, key.replace("[]", "").split("."))) == []


def _is_key(model: Any, path: list[str]) -> bool:
    if not path:
        return True
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or path[0] not in model.model_fields:
        return False
    inner = [one for one in _models(model.model_fields[path[0]].annotation) if one is not type(None)]
    return not path[1:] or any(_is_key(one, path[1:]) for one in inner)


def _models(annotation: Any) -> Iterator[Any]:
    """The models inside an annotation such as ``tuple[Grade, ...]`` or ``Credit | None``."""
    origin = typing.get_origin(annotation)
    if origin is None:
        yield annotation
    elif origin is typing.Annotated:
        yield from _models(typing.get_args(annotation)[0])
    elif origin in (tuple, list, types.UnionType, typing.Union, dict, Mapping):
        for part in typing.get_args(annotation):
            yield from _models(part)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as a forge makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_resolves(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    broken = [link for link in targets if not _resolves(page, link)]
    assert broken == []


def _resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def test_every_page_is_linked_from_the_readme_or_from_another_page() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in LINK.findall(page.read_text())
    }
    assert [page.name for page in PAGES[1:] if page not in linked] == []
