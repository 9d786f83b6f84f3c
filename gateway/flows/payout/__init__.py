"""Daily payout, receipts and feedback: from a reconciled claim to the proof that it was paid (D.6, D.7, D.8).

What the composition root needs of this package; everything else is reached through these names.
"""

from __future__ import annotations

from gateway.flows.payout.endpoints import ENDPOINTS
from gateway.flows.payout.gauges import gauges
from gateway.flows.payout.leaving import on_claim_changed
from gateway.flows.payout.schedule import CONTINUATIONS, DUE, seed

__all__ = ["CONTINUATIONS", "DUE", "ENDPOINTS", "gauges", "on_claim_changed", "seed"]
