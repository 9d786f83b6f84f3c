"""SM2 as another party does it: the pure-Python implementation of the tests, and key files as banks hand them over."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gmssl_pyx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gmssl.sm2 import CryptSM2

from gateway.model.keys import Sm2Keys
from tests.unit.adapters.bank_wsse_partner import side

# The example of GB/T 32918.5: its key, and nothing secret.
STANDARD_PRIVATE = bytes.fromhex("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
STANDARD_PUBLIC = bytes.fromhex(
    "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)
P256, SM2 = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a811ccf5501822d")
EC_KEY = bytes.fromhex("06072a8648ce3d0201")


@dataclass(frozen=True)
class Sm2Side:
    """A key pair: d of 32 bytes, x‖y of 64 bytes."""

    private: bytes
    public: bytes

    @property
    def other(self) -> CryptSM2:
        """The same pair in the other implementation."""
        return CryptSM2(private_key=self.private.hex(), public_key=self.public.hex(), mode=1)

    def sign(self, body: bytes) -> str:
        """The header's value, made by the other implementation."""
        return b64encode(bytes.fromhex(self.other.sign_with_sm3(body))).decode()

    def signed(self, body: bytes, raw: bytes) -> bool:
        """Whether the other implementation takes r‖s for this body."""
        return bool(self.other.verify_with_sm3(raw.hex(), body))

    def keys(self, *peers: Sm2Side) -> Sm2Keys:
        return Sm2Keys(self.private, self.public, tuple(peer.public for peer in peers))

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """PKCS#8 and a certificate."""
        key, cert = folder / f"{name}.key.pem", folder / f"{name}.cert.pem"
        key.write_bytes(pem("PRIVATE KEY", self.pkcs8))
        cert.write_bytes(pem("CERTIFICATE", self.certificate))
        return key, cert

    @property
    def sec1(self) -> bytes:
        """RFC 5915, without the curve's parameters."""
        point = tlv(0xA1, tlv(0x03, b"\0\x04" + self.public))
        return tlv(0x30, tlv(0x02, b"\1") + tlv(0x04, self.private) + tlv(0xA0, SM2) + point)

    @property
    def pkcs8(self) -> bytes:
        return tlv(0x30, tlv(0x02, b"\0") + tlv(0x30, EC_KEY + SM2) + tlv(0x04, self.sec1))

    @property
    def spki(self) -> bytes:
        return tlv(0x30, tlv(0x30, EC_KEY + SM2) + tlv(0x03, b"\0\x04" + self.public))

    @property
    def certificate(self) -> bytes:
        """A certificate of another curve with ours put in: who pins it does not look at its issuer's signature."""
        model = side("sm2-model", "ec")
        point = model.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        made = model.der.replace(P256, SM2).replace(point, b"\x04" + self.public)
        assert x509.load_der_x509_certificate(made).subject == model.cert.subject
        return made


@cache
def sm2_side(name: str) -> Sm2Side:
    """A fresh pair, the same for the same name."""
    assert name
    public, private = gmssl_pyx.sm2_key_generate()
    return Sm2Side(private, public)


def tlv(tag: int, content: bytes) -> bytes:
    """One element of DER."""
    size = len(content)
    length = (
        bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82, size >> 8, size & 255])
    )
    return bytes([tag]) + length + content


def pem(label: str, der: bytes) -> bytes:
    """Base64 in lines of 64."""
    text = b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()
