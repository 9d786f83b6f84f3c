"""The transactions, a module per chapter of the interface; importing this package registers them all."""

from simulators.platform.transactions import (
    clearing,
    fees,
    files,
    inpatient,
    lists,
    outpatient,
    persons,
    pharmacy,
    queries,
    reconcile,
    reversal,
    settlements,
    system,
)

__all__ = [
    "clearing",
    "fees",
    "files",
    "inpatient",
    "lists",
    "outpatient",
    "persons",
    "pharmacy",
    "queries",
    "reconcile",
    "reversal",
    "settlements",
    "system",
]
