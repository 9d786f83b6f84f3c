"""Who calls: bearer tokens on `/v1`, header signatures on the HIS door, and nothing on the short list of open paths."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway.flows.api import Caller
from gateway.model.refusals import Refusal
from gateway.model.registry import Client, Hospital
from gateway.web.context import Desk

_NONCE_MEMORY: Final = 400.0  # twice the window of the signature, and some
_NONCES_KEPT: Final = 200_000


def clients_by_token(clients: tuple[Client, ...], hospitals: Mapping[str, Hospital]) -> dict[str, Client]:
    """All bearer tokens: the clients of the settings, and every hospital under its own token."""
    found = {client.token.get_secret_value(): client for client in clients}
    for hospital in hospitals.values():
        found.setdefault(
            hospital.token.get_secret_value(),
            Client(id=hospital.code, role="hospital", token=hospital.token, hospital=hospital.code),
        )
    return found


def bearer(request: web.Request, desk: Desk) -> Caller:
    """The caller of `/v1`. Raises Refusal UNAUTHENTICATED."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    client = desk.clients.get(token.strip()) if scheme.lower() == "bearer" else None
    if client is None:
        raise Refusal("UNAUTHENTICATED")
    return Caller(id=client.id, role=client.role, hospital=client.hospital, bank=client.bank)


def hospital_of(request: web.Request, desk: Desk) -> Hospital:
    """The hospital that signed the headers. Raises Refusal UNAUTHENTICATED, TIMESTAMP_EXPIRED or REPLAYED."""
    door = desk.doors["his_json"]
    by_paasid = {hospital.paasid: hospital for hospital in desk.house.hospitals.values()}

    def token_of(paasid: str) -> str | None:
        hospital = by_paasid.get(paasid)
        return None if hospital is None else hospital.token.get_secret_value()

    now = desk.house.clock.real()
    if door.uses_csb(request.headers):
        return by_paasid[door.verify_csb(request.headers, token_of, now)]
    hospital = by_paasid[door.verify_tif(request.headers, token_of, now)]
    remember_nonce(desk, f"{hospital.code}|{door.nonce_of(request.headers)}", now)
    return hospital


def remember_nonce(desk: Desk, nonce: str, now: float) -> None:
    """Refuse a nonce that was used inside the window. Raises Refusal REPLAYED."""
    if desk.nonces.get(nonce, 0.0) > now - _NONCE_MEMORY:
        raise Refusal("REPLAYED")
    if len(desk.nonces) > _NONCES_KEPT:
        for old in [key for key, at in desk.nonces.items() if at < now - _NONCE_MEMORY]:
            del desk.nonces[old]
    desk.nonces[nonce] = now


def same_token(given: str, expected: str) -> bool:
    """Compare without telling how much was right."""
    return hmac.compare_digest(given.encode(), expected.encode())
