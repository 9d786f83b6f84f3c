"""Markdown made from the product: tables, and the marked sections of pages that are otherwise written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parent
ROOT: Final = DOCS.parent


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def with_section(page: str, name: str, body: str) -> str:
    """The page with what stands between the marks of ``name`` replaced. Raises ValueError for a page without them."""
    first, last = f"<!-- made: {name} -->", f"<!-- end: {name} -->"
    found = re.compile(f"{re.escape(first)}.*?{re.escape(last)}", re.DOTALL)
    if len(found.findall(page)) != 1:
        raise ValueError(f"section {name} is not marked exactly once")
    return found.sub(lambda _old: f"{first}\n{body.strip()}\n{last}", page)


def relative_link(path: str) -> str:
    """A link from a page of this folder to a file or folder of the repository."""
    return f"[`{path}`](../{path})"
