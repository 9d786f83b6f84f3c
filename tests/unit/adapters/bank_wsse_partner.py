"""A signing partner for tests, written from the standards alone: lxml canonicalises, cryptography signs, no signxml.

`Forger` signs whatever it is told to, so that attacks can be true signatures of the wrong thing.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from lxml import etree

from gateway.model.keys import WsseKeys

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{OASIS}wssecurity-secext-1.0.xsd"
WSU = f"{OASIS}wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
RSA_SHA256, ECDSA_SHA256, HMAC_SHA256 = f"{MORE}rsa-sha256", f"{MORE}ecdsa-sha256", f"{MORE}hmac-sha256"
RSA_SHA1 = f"{DS}rsa-sha1"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
REAL = NOW.timestamp()


@dataclass(frozen=True)
class Side:
    """A private key with its own certificate."""

    key: Any
    cert: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(Encoding.DER)

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """PEM files of key and certificate."""
        key, cert = folder / f"{name}.key.pem", folder / f"{name}.cert.pem"
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        cert.write_bytes(self.cert.public_bytes(Encoding.PEM))
        return key, cert


@cache
def side(name: str, kind: str = "rsa", bits: int = 2048, days: int = 365) -> Side:
    """A self-signed pair, the same for the same name; ``days`` from `NOW`, negative ones have passed."""
    key: Any = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=730))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return Side(key, cert)


def keys_of(own: Side, *peers: Side) -> WsseKeys:
    """What one side has: its own pair and the certificates it trusts."""
    return WsseKeys(own.key, own.cert, {peer.der: peer.cert for peer in peers})


def parse(raw: bytes) -> etree._Element:
    """As lxml reads by itself, comments and all."""
    return etree.fromstring(raw)


def c14n(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    """Exclusive, without comments, of the element as it stands in its document."""
    return etree.tostring(
        element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=list(prefixes) or None
    )


def by_id(root: etree._Element, name: str) -> etree._Element:
    """The first element with that wsu:Id."""
    return next(element for element in root.iter() if element.get(f"{{{WSU}}}Id") == name)


@dataclass
class Forger:
    """Signs an envelope, by default as the contract says; every field is a way to do it differently."""

    signer: Side
    token: Side | None = None
    created: datetime | str = NOW
    expires: datetime | str = NOW + timedelta(minutes=5)
    refer: Sequence[str] = ("B", "T")
    method: str = ""
    digest: str = SHA256
    transform: str = EXC
    canonical: str = EXC
    prefixes: Sequence[str] = ()
    stamp: bool = True

    def sign(self, raw: bytes) -> bytes:
        root = parse(raw)
        version = etree.QName(root).namespace
        body = root.find(f"{{{version}}}Body")
        body.set(f"{{{WSU}}}Id", "B")
        header = etree.Element(f"{{{version}}}Header")
        root.insert(0, header)
        security = etree.SubElement(header, f"{{{WSSE}}}Security")
        token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken")
        token.set(f"{{{WSU}}}Id", "X")
        token.text = b64encode((self.token or self.signer).der).decode()
        if self.stamp:
            self._stamp(security)
        self._signature(root, security)
        return etree.tostring(root, xml_declaration=True, encoding="UTF-8")

    def _stamp(self, security: etree._Element) -> None:
        stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
        stamp.set(f"{{{WSU}}}Id", "T")
        for name, moment in (("Created", self.created), ("Expires", self.expires)):
            text = moment if isinstance(moment, str) else moment.isoformat().replace("+00:00", "Z")
            if text:
                etree.SubElement(stamp, f"{{{WSU}}}{name}").text = text

    def _signature(self, root: etree._Element, security: etree._Element) -> None:
        method = self.method or (
            ECDSA_SHA256 if isinstance(self.signer.key, ec.EllipticCurvePrivateKey) else RSA_SHA256
        )
        signature = etree.SubElement(security, f"{{{DS}}}Signature")
        info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
        etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod", Algorithm=self.canonical)
        etree.SubElement(info, f"{{{DS}}}SignatureMethod", Algorithm=method)
        for name in self.refer:
            self._reference(info, root, name)
        etree.SubElement(signature, f"{{{DS}}}SignatureValue").text = b64encode(
            self._value(method, c14n(info))
        ).decode()
        pointer = etree.SubElement(etree.SubElement(signature, f"{{{DS}}}KeyInfo"), f"{{{WSSE}}}SecurityTokenReference")
        etree.SubElement(pointer, f"{{{WSSE}}}Reference", URI="#X")

    def _reference(self, info: etree._Element, root: etree._Element, name: str) -> None:
        reference = etree.SubElement(info, f"{{{DS}}}Reference", URI=f"#{name}")
        transforms = etree.SubElement(reference, f"{{{DS}}}Transforms")
        form = etree.SubElement(transforms, f"{{{DS}}}Transform", Algorithm=self.transform)
        if self.prefixes:
            etree.SubElement(form, f"{{{EXC}}}InclusiveNamespaces", PrefixList=" ".join(self.prefixes))
        etree.SubElement(reference, f"{{{DS}}}DigestMethod", Algorithm=self.digest)
        content = c14n(by_id(root, name), self.prefixes)
        made = hashlib.sha1(content) if self.digest == SHA1 else hashlib.sha256(content)
        etree.SubElement(reference, f"{{{DS}}}DigestValue").text = b64encode(made.digest()).decode()

    def _value(self, method: str, content: bytes) -> bytes:
        key = self.signer.key
        if method == HMAC_SHA256:  # the certificate is public, so everybody could
            return hmac.new((self.token or self.signer).der, content, "sha256").digest()
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return bytes(key.sign(content, padding.PKCS1v15(), hashes.SHA1() if method == RSA_SHA1 else hashes.SHA256()))


def check(raw: bytes, cert: x509.Certificate) -> etree._Element:
    """Verify a message of ours by the standards alone; returns its Body. Asserts at the first thing that is wrong."""
    root = parse(raw)
    version = etree.QName(root).namespace
    security = root.find(f"{{{version}}}Header/{{{WSSE}}}Security")
    assert security.get(f"{{{version}}}mustUnderstand") == "1"
    assert b64decode(security.findtext(f"{{{WSSE}}}BinarySecurityToken")) == cert.public_bytes(Encoding.DER)
    signature = security.find(f"{{{DS}}}Signature")
    info = signature.find(f"{{{DS}}}SignedInfo")
    assert info.find(f"{{{DS}}}CanonicalizationMethod").get("Algorithm") == EXC
    signed = []
    for reference in info.findall(f"{{{DS}}}Reference"):
        element = by_id(root, reference.get("URI")[1:])
        assert [t.get("Algorithm") for t in reference.iter(f"{{{DS}}}Transform")] == [EXC]
        assert reference.find(f"{{{DS}}}DigestMethod").get("Algorithm") == SHA256
        assert b64decode(reference.findtext(f"{{{DS}}}DigestValue")) == hashlib.sha256(c14n(element)).digest()
        signed.append(element.tag)
    assert signed == [f"{{{version}}}Body", f"{{{WSU}}}Timestamp"]
    _check_value(b64decode(signature.findtext(f"{{{DS}}}SignatureValue")), c14n(info), info, cert.public_key())
    pointer = signature.find(f"{{{DS}}}KeyInfo/{{{WSSE}}}SecurityTokenReference/{{{WSSE}}}Reference")
    assert by_id(root, pointer.get("URI")[1:]).tag == f"{{{WSSE}}}BinarySecurityToken"
    return root.find(f"{{{version}}}Body")


def _check_value(value: bytes, content: bytes, info: etree._Element, key: Any) -> None:
    method = info.find(f"{{{DS}}}SignatureMethod").get("Algorithm")
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert method == ECDSA_SHA256
        made = encode_dss_signature(int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big"))
        key.verify(made, content, ec.ECDSA(hashes.SHA256()))
    else:
        assert method == RSA_SHA256
        key.verify(value, content, padding.PKCS1v15(), hashes.SHA256())
