"""All flows of the product in one place: the one list a new flow package is added to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.flows import bank_inbound, callbacks, credit, desk, mobile, payout, recon
from gateway.flows.api import Endpoint
from gateway.flows.house import House
from gateway.flows.runner import Flow
from gateway.flows.scheduler import Handler

Continuation = Callable[[House, str], Awaitable[None]]

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *credit.ENDPOINTS,
    *payout.ENDPOINTS,
    *recon.ENDPOINTS,
    *desk.ENDPOINTS,
)
FLOWS: Final[Mapping[str, Flow]] = {**bank_inbound.FLOWS, **mobile.FLOWS}
DUE: Final[Mapping[str, Handler]] = {**credit.DUE, **payout.DUE, **recon.DUE, **callbacks.DUE}
CONTINUATIONS: Final[Mapping[str, Continuation]] = {
    **credit.CONTINUATIONS,
    **payout.CONTINUATIONS,
    **mobile.CONTINUATIONS,
}


async def seed(house: House) -> None:
    """Make sure that the recurring rows of the agenda exist."""
    await recon.seed(house)
    await payout.seed(house)
    await credit.seed(house)
