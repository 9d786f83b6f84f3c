"""A bar chart as SVG, written by hand: one group per number of callers, one bar per way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

_COLOURS = ("#4878a8", "#8fb98b", "#d08a4e")
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 380, 60, 50, 50


def bars(title: str, groups: Sequence[str], values: Mapping[str, Sequence[float]]) -> str:
    """The chart; ``values`` has a row per way with a value per group."""
    top = max((value for row in values.values() for value in row), default=1.0) or 1.0
    plot = _HEIGHT - _TOP - _BOTTOM
    group_width = (_WIDTH - _LEFT - 20) / len(groups)
    bar = group_width * 0.8 / len(values)
    parts = [_text(_LEFT, 24, title, 15)]
    for row, (name, numbers) in enumerate(values.items()):
        colour = _COLOURS[row % len(_COLOURS)]
        x = _LEFT + row * 200
        parts += [f'<rect x="{x}" y="32" width="11" height="11" fill="{colour}"/>', _text(x + 16, 42, name)]
        for place, value in enumerate(numbers):
            height = plot * value / top
            at = _LEFT + place * group_width + row * bar
            y = _TOP + plot - height
            parts.append(
                f'<rect x="{at:.1f}" y="{y:.1f}" width="{bar * 0.92:.1f}" height="{height:.1f}" fill="{colour}"/>'
            )
            parts.append(_text(at, y - 4, f"{value:,.0f}", 11))
    for place, group in enumerate(groups):
        parts.append(_text(_LEFT + place * group_width, _HEIGHT - 24, group))
    body = "\n".join(parts)
    size = f'width="{_WIDTH}" height="{_HEIGHT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n{body}\n</svg>\n'


def _text(x: float, y: float, text: str, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>'
