"""Encryption at rest: bodies and the sealed part of an entity (AES-256-GCM over deflated bytes)."""

from __future__ import annotations

import base64
import os
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_PLAIN, _DEFLATED = b"\x00", b"\x01"
_SMALL = 200  # below this deflate costs more than it saves


class VaultError(Exception):
    """A stored body could not be opened: wrong key or altered bytes."""


class Vault:
    """Seals and opens bytes with one key; ``context`` binds them to their row, so rows cannot be swapped."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def from_file(cls, path: Path) -> Vault:
        """Read the base64 key file. Raises OSError or ValueError."""
        return cls(base64.b64decode(path.read_text("ascii").strip()))

    def seal(self, content: bytes, context: str) -> bytes:
        """Encrypt."""
        packed = _PLAIN + content if len(content) < _SMALL else _DEFLATED + zlib.compress(content, 1)
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, packed, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt. Raises VaultError."""
        try:
            packed = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise VaultError(context) from error
        return packed[1:] if packed[:1] == _PLAIN else zlib.decompress(packed[1:])
