"""Keys of a signed channel: our own to sign with, the partner's certificates to verify with, kept fresh from files.

Two kinds: ``wsse`` (X.509 with RSA or a NIST curve) and ``sm2`` (GB/T 32918). What verifies is pinned: a certificate is
trusted because an operator named its file, not because somebody signed it. Nothing here ever shows a private key.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import gmssl_pyx
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

WSSE: Final = "wsse"
SM2: Final = "sm2"
UNSIGNED: Final = "none"
CHECK_SECONDS: Final = 10.0
_RSA_BITS: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_PEM: Final = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----([A-Za-z0-9+/=\s]+)-----END")
# DER has one form for one value: what precedes the point of an SM2 public key, and the number of an SM2 private key.
_SM2_CURVE: Final = bytes.fromhex("06082a811ccf5501822d")
_SM2_PUBLIC: Final = bytes.fromhex("301306072a8648ce3d0201") + _SM2_CURVE + bytes.fromhex("03420004")
_SM2_PRIVATE: Final = bytes.fromhex("0201010420")


class KeysUnusable(ValueError):
    """A key or certificate cannot be read or does not fit; the text names the file and never shows its content."""


@dataclass(frozen=True, slots=True)
class WsseKeys:
    """For WS-Security X.509. ``peers`` are the partner's pinned certificates by their DER bytes."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    peers: Mapping[bytes, x509.Certificate] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sm2Keys:
    """For detached SM2 signatures: the number d of 32 bytes, points x‖y of 64 bytes."""

    private: bytes = field(repr=False)
    public: bytes
    peers: tuple[bytes, ...]


ChannelKeys = WsseKeys | Sm2Keys


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where the keys of a channel lie, PEM all of them. ``security`` is "wsse" or "sm2"."""

    security: str
    sign_key: Path
    sign_cert: Path
    peer_certs: tuple[Path, ...]
    password: bytes | None = field(default=None, repr=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file."""
        return (self.sign_key, self.sign_cert, *self.peer_certs)

    def load(self) -> ChannelKeys:
        """Read them all. Raises KeysUnusable."""
        if not self.peer_certs:
            raise KeysUnusable("peer_certs: at least one certificate is needed")
        return self._sm2() if self.security == SM2 else self._wsse()

    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Changes when one of the files does. Raises OSError."""
        found = (path.stat() for path in self.paths)
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)

    def certificates(self) -> Iterator[tuple[str, x509.Certificate]]:
        """The certificates as ``sign/<file>`` and ``peer/<file>``; a bare SM2 public key has no end.

        Raises KeysUnusable.
        """
        named = [("sign", self.sign_cert), *(("peer", path) for path in self.peer_certs)]
        for role, path in named:
            if b"BEGIN CERTIFICATE" in _read(path):
                yield f"{role}/{path.name}", _certificate(path)

    def _wsse(self) -> WsseKeys:
        key, own = self._private(), _certificate(self.sign_cert)
        if _public(self.sign_cert, own) != key.public_key():
            raise KeysUnusable(f"{self.sign_cert.name} is not the certificate of {self.sign_key.name}")
        peers = [_certificate(path) for path in self.peer_certs]
        for path, peer in zip(self.peer_certs, peers, strict=True):
            _require_strong(path, _public(path, peer))
        return WsseKeys(key, own, {peer.public_bytes(Encoding.DER): peer for peer in peers})

    def _private(self) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
        content = _read(self.sign_key)
        try:
            key = load_pem_private_key(content, self.password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeysUnusable(f"{self.sign_key.name}: {type(error).__name__}") from None
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise KeysUnusable(f"{self.sign_key.name}: neither RSA nor an elliptic curve")
        _require_strong(self.sign_key, key.public_key())
        return key

    def _sm2(self) -> Sm2Keys:
        der = _der(self.sign_key)
        at = der.find(_SM2_PRIVATE)
        if _SM2_CURVE not in der or at < 0:
            raise KeysUnusable(f"{self.sign_key.name}: no SM2 private key")
        private, public = der[at + len(_SM2_PRIVATE) :][:32], _sm2_point(self.sign_cert)
        if not _sm2_pair(private, public):
            raise KeysUnusable(f"{self.sign_cert.name} is not the certificate of {self.sign_key.name}")
        return Sm2Keys(private, public, tuple(_sm2_point(path) for path in self.peer_certs))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeysUnusable(f"{path}: {error.strerror}") from None


def _certificate(path: Path) -> x509.Certificate:
    content = _read(path)
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        raise KeysUnusable(f"{path.name}: no certificate") from None


def _public(path: Path, certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeysUnusable(f"{path.name}: {type(error).__name__}") from None


def _require_strong(path: Path, key: object) -> None:
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return
    raise KeysUnusable(f"{path.name}: RSA from {_RSA_BITS} bits or a NIST curve is expected")


def _der(path: Path) -> bytes:
    found = _PEM.search(_read(path))
    if found is None:
        raise KeysUnusable(f"{path.name}: no PEM")
    try:
        return b64decode(found[1])
    except ValueError:
        raise KeysUnusable(f"{path.name}: no PEM") from None


def _sm2_point(path: Path) -> bytes:
    """The point of an SM2 certificate or public key; cryptography does not know the curve, so the bytes are read."""
    der = _der(path)
    _, prefix, rest = der.partition(_SM2_PUBLIC)
    if not prefix or len(rest) < 64 or _SM2_PUBLIC in rest:
        raise KeysUnusable(f"{path.name}: no SM2 public key")
    return rest[:64]


def _sm2_pair(private: bytes, public: bytes) -> bool:
    probe = b"xinyi"
    try:
        return bool(gmssl_pyx.sm2_verify(public, probe, gmssl_pyx.sm2_sign(private, public, probe)))
    except gmssl_pyx.GmsslInnerError:
        return False


class KeyRing:
    """The keys of one channel, read again when their files change: a new certificate needs no restart.

    Files are looked at no more than once in `CHECK_SECONDS`. Files that cannot be used leave the keys as they are, so a
    half-done exchange of files stops nothing; ``tell`` is told once per state of the files.
    """

    def __init__(
        self, files: KeyFiles, monotonic: Callable[[], float], tell: Callable[[str], None] = lambda _reason: None
    ) -> None:
        """Raises KeysUnusable when the files cannot be used at all."""
        self.files, self._monotonic, self._tell = files, monotonic, tell
        self._stamp = self._refused = self._look()
        self._keys = files.load()
        self._ends = dict(_ends(files))
        self._checked = monotonic()

    def current(self) -> ChannelKeys:
        """The keys in force."""
        now = self._monotonic()
        if now - self._checked >= CHECK_SECONDS:
            self._checked = now
            self._refresh()
        return self._keys

    def ends(self) -> Mapping[str, datetime]:
        """When each certificate in force ends, by ``sign/<file>`` and ``peer/<file>``."""
        self.current()
        return self._ends

    def _refresh(self) -> None:
        stamp = self._look()
        if stamp in (self._stamp, self._refused):
            return
        try:
            keys, ends = self.files.load(), dict(_ends(self.files))
        except KeysUnusable as unusable:
            self._refused = stamp
            self._tell(str(unusable))
            return
        self._keys, self._ends, self._stamp = keys, ends, stamp

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        try:
            return self.files.stamp()
        except OSError:  # between the removal of a file and its successor
            return ()


def _ends(files: KeyFiles) -> Iterator[tuple[str, datetime]]:
    return ((name, certificate.not_valid_after_utc) for name, certificate in files.certificates())
