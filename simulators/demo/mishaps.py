"""What goes wrong on the way, on purpose: lost replies, garbage, refused connections. Nobody tells the hospitals."""

from __future__ import annotations

from typing import Any

from simulators.demo.world import World

MISHAPS: dict[int, dict[str, list[dict[str, Any]]]] = {
    0: {
        "platform": [
            {"operation": "2207", "nth": 3, "kind": "drop_after"},
            {"operation": "2207", "nth": 8, "kind": "half_reply"},
            {"operation": "2304", "nth": 2, "kind": "drop_after"},
            {"operation": "2304", "nth": 5, "kind": "drop_before"},
            {"operation": "2204", "nth": 4, "kind": "drop_after"},
            {"operation": "1101", "nth": 7, "kind": "http_500_before"},
        ],
        "bank": [
            {"operation": "SignAgreement", "nth": 5, "kind": "drop_after"},
            {"operation": "PreAuthorise", "nth": 3, "kind": "drop_after"},
            {"operation": "Withhold", "nth": 2, "kind": "drop_after"},
            {"operation": "Withhold", "nth": 5, "kind": "garbage"},
            {"operation": "Withhold", "nth": 8, "kind": "drop_before"},
            {"operation": "Withhold", "nth": 12, "kind": "refuse_connection", "seconds": 1},
        ],
        "credit": [{"operation": "query", "nth": 2, "kind": "drop_before"}],
        "hospital": [{"operation": "*", "nth": 1, "kind": "http_500_before"}],
    },
    1: {
        "platform": [{"operation": "2304", "nth": 3, "kind": "http_500_after"}],
        "bank": [{"operation": "Refund", "nth": 1, "kind": "drop_after"}],
    },
    2: {
        "platform": [{"operation": "2304", "nth": 4, "kind": "garbage"}],
        "bank": [{"operation": "CompletePreAuthorisation", "nth": 2, "kind": "drop_after"}],
    },
}
"""By day: what strikes which request of the day. ``nth`` counts the requests of an operation since the morning."""

LIES: dict[str, list[dict[str, Any]]] = {
    "platform": [{"operation": "2304", "nth": 6, "kind": "lie", "fen": 1}],
    "bank": [
        {"operation": "Withhold", "nth": 4, "kind": "lie", "fen": 1},
        {"operation": "QueryTransaction", "kind": "lie", "fen": 1},
    ],
}
"""One fen more in an answer than was executed. The bank keeps to its story when it is asked again."""

_ZH = {
    "drop_after": "已执行、答复丢失",
    "drop_before": "未执行、连接断开",
    "half_reply": "答复只到一半",
    "garbage": "答复无法解析",
    "http_500_before": "未执行、HTTP 500",
    "http_500_after": "已执行、HTTP 500",
    "refuse_connection": "拒绝连接",
    "reject": "业务拒绝",
    "lie": "金额不实",
}


def in_chinese(kind: str) -> str:
    return _ZH.get(kind, kind)


async def set_mishaps(world: World, day: int, lie: str = "") -> None:
    """Puts the day's faults in place; ``lie`` (``platform`` or ``bank``) adds a party that lies by one fen."""
    faults = {simulator: list(rows) for simulator, rows in MISHAPS[day].items()}
    if lie and day == 0:
        faults[lie] = [*faults[lie], *LIES[lie]]
    for simulator, rows in faults.items():
        await world.sims.ask("PUT", simulator, "faults", rows)


async def collect_mishaps(world: World, day: int) -> None:
    """Notes which faults struck, and clears them."""
    for simulator in MISHAPS[day]:
        shown = (await world.sims.ask("GET", simulator, "faults"))["faults"]
        world.facts.faults += [(simulator, fault["operation"], fault["kind"]) for fault in shown if fault["fired"]]
        await world.sims.ask("DELETE", simulator, "faults")
