"""Reconciliation with the platform: by totals every morning, hospital by hospital."""

from __future__ import annotations

from gateway.flows.recon.morning import DUE, seed
from gateway.flows.recon.requests import ENDPOINTS

__all__ = ["DUE", "ENDPOINTS", "seed"]
