"""Bodies: the bytes of messages, apart from the indexed keys, deflated and encrypted."""

from __future__ import annotations

from gateway.journal.store import Store, Unit
from gateway.journal.vault import Vault
from gateway.model.clock import Clock, to_micros


class Bodies:
    """Adds bodies to a unit and reads them back."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store, self._vault, self._clock = store, vault, clock

    def add(self, unit: Unit, content: bytes, body_id: str) -> str:
        """Add a body under its id and return the id."""
        sealed = self._vault.seal(content, body_id)
        unit.insert("body", {"body_id": body_id, "content": sealed, "created_at": to_micros(self._clock.now())})
        return body_id

    async def get(self, body_id: str) -> bytes:
        """The bytes; empty when retention has removed them. Raises VaultError on altered bytes."""
        row = await self._store.row("SELECT content FROM body WHERE body_id = :id", {"id": body_id})
        return b"" if row is None else self._vault.open(bytes(row["content"]), body_id)
