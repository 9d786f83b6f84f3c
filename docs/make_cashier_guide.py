"""Makes the tables of ``guide-cashier.md`` from `mappings/codes/refusals.csv`: ``python -m docs.make_all``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from docs.sections import DOCS, table, with_section
from gateway.model.refusals import RefusalCode, dictionary

PAGE: Final = "guide-cashier.md"

CALL: Final[Mapping[str, tuple[str, str]]] = {
    "patient": ("请患者办理", "患者本人；说不清时找本院医保办"),
    "hospital": ("本院处理", "本院医保办；接口问题找本院信息科"),
    "caller": ("核对后重新提交", "本院信息科"),
    "operator": ("等一等，或找网关值班", "网关运维值班"),
    "credit_platform": ("信用平台处理", "本院医保办，由其联系信用平台"),
    "agency": ("经办机构业务（窗口一般见不到）", "医保经办机构"),
}
"""Owner of a code → heading, and whom the window calls."""

AT_ONCE: Final = ("IN_PROGRESS", "SETTLEMENT_REVERSED", "ORIGINAL_UNKNOWN", "OVER_LIMIT", "PLATFORM_UNAVAILABLE")
"""What a window sees most: first on the page."""


def render() -> str:
    """The page with its tables made anew. Raises KeyError for an owner nobody can be called for."""
    page = (DOCS / PAGE).read_text("utf-8")
    return with_section(with_section(page, "at-once", at_once()), "codes", codes())


def at_once() -> str:
    """The codes a window sees most, each with whom to call."""
    rows = [dictionary()[code] for code in AT_ONCE]
    cells = ((f"`{row.code}`", row.zh, row.next_action_zh, CALL[row.owner][1]) for row in rows)
    return table(("代码", "意思", "现在怎么办", "找谁"), cells)


def codes() -> str:
    """All other codes, by whom to call."""
    owners = {row.owner for row in dictionary().values()}
    ordered = [owner for owner in CALL if owner in owners] + sorted(owners - CALL.keys())
    return "\n\n".join(_chapter(owner, dictionary().values()) for owner in ordered)


def _chapter(owner: str, rows: Iterable[RefusalCode]) -> str:
    title, call = CALL[owner]
    own = (row for row in rows if row.owner == owner and row.code not in AT_ONCE)
    cells = ((f"`{row.code}`", row.zh, row.next_action_zh) for row in own)
    return f"### {title}\n\n找谁：{call}。\n\n{table(('代码', '意思', '现在怎么办'), cells)}"
