"""One request as a transaction sees it: the envelope's fields, the input's nodes, refusals for what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulators.common.server import Call
from simulators.common.wire import Reply
from simulators.platform.dates import date_time, stamp
from simulators.platform.money import fen_of
from simulators.platform.refusals import Refused

if TYPE_CHECKING:
    from simulators.platform.app import PlatformSim
    from simulators.platform.state import State

Output = dict[str, Any] | Reply | None
Transaction = Callable[["Message"], Output]

TRANSACTIONS: dict[str, Transaction] = {}
"""Every transaction the platform knows, by infno."""
QUERIES: set[str] = set()
"""Those that change nothing."""


def transaction(*infnos: str, query: bool = False) -> Callable[[Transaction], Transaction]:
    """Registers the handler of one or more transaction numbers."""

    def register(handler: Transaction) -> Transaction:
        for infno in infnos:
            TRANSACTIONS[infno] = handler
        if query:
            QUERIES.update(infnos)
        return handler

    return register


@dataclass(slots=True)
class Message:
    """An envelope being executed. ``now`` is business time."""

    infno: str
    msgid: str
    fixmedins_code: str
    insuplc_admdvs: str
    mdtrtarea_admvs: str
    opter: str
    opter_name: str
    input: dict[str, Any]
    call: Call
    sim: PlatformSim

    @property
    def state(self) -> State:
        return self.sim.state

    @property
    def now(self) -> datetime:
        return self.call.at

    @property
    def time(self) -> str:
        """Business time as the interface writes it."""
        return stamp(self.call.at)

    def variant(self, name: str) -> Any:
        return self.sim.variants[name]

    def date(self, value: str) -> str:
        """A date in an answer, padded with a time where the province does so."""
        return f"{value} 00:00:00" if value and self.variant("dates_padded") else value

    def node(self, *names: str) -> dict[str, Any]:
        """The first of the named objects that is there; ``data`` unless named. Raises Refused."""
        for name in names or ("data",):
            found = self.input.get(name)
            if isinstance(found, list) and len(found) == 1:
                found = found[0]
            if isinstance(found, dict):
                return found
        raise Refused(f"交易输入节点{(names or ('data',))[0]}不能为空")

    def rows(self, *names: str) -> list[dict[str, Any]]:
        """A node that holds rows; a single object counts as one row. Raises Refused."""
        for name in names:
            found = self.input.get(name)
            if isinstance(found, dict):
                found = [found]
            if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
                return found
        raise Refused(f"交易输入节点{names[0]}不能为空")

    def effect(self, amount_fen: int, **detail: Any) -> None:
        self.call.effect(amount_fen, self.fixmedins_code, **detail)


def text(node: dict[str, Any], name: str, default: str | None = None) -> str:
    """A text field; numbers are accepted as their digits. Raises Refused when empty and there is no default."""
    value = node.get(name)
    if value is None or value == "":
        if default is None:
            raise Refused(f"{name}不能为空")
        return default
    return str(value)


def amount(node: dict[str, Any], name: str) -> int:
    """A required amount in fen. Raises Refused."""
    if node.get(name) in (None, ""):
        raise Refused(f"{name}不能为空")
    return fen_of(node[name], name)


def time_of(m: Message, node: dict[str, Any], name: str, default: str = "") -> str:
    """A time field; ``default`` or business time when it is empty. Raises Refused."""
    return date_time(text(node, name, default or m.time), name)
