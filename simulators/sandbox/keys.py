"""Keys of a sandbox: the vault's, and an X.509 pair for each side of the bank channel. For the sandbox alone."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=825)


def make_keys(folder: Path, sides: tuple[str, ...]) -> None:
    """Writes what is missing: ``vault.key`` (32 random bytes, Base64), ``<side>.key.pem`` and ``<side>.cert.pem``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / "vault.key").exists():
        _write(folder / "vault.key", base64.b64encode(os.urandom(32)) + b"\n")
    for side in sides:
        if not (folder / f"{side}.cert.pem").exists():
            _make_pair(folder, side)


def _make_pair(folder: Path, side: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(folder / f"{side}.key.pem", secret)
    _write(folder / f"{side}.cert.pem", _certificate(key, side).public_bytes(serialization.Encoding.PEM))


def _certificate(key: rsa.RSAPrivateKey, side: str) -> x509.Certificate:
    # Real time: signatures live in real time whatever the sandbox clock says.
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"xinyi-sandbox-{side}")]), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, content)
    finally:
        os.close(file)
