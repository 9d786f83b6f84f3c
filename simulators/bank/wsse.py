"""WS-Security X.509 on both directions: Body and Timestamp signed with RSA-SHA256 (contract, section 6).

Verification trusts one pinned certificate and hands on only what was signed. Timestamps are real time, whatever the
sandbox clock says.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml import methods
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidInput, InvalidSignature
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from simulators.bank.soap import WSSE, Fault, parse_xml, to_bytes

_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
_BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
_DS = "http://www.w3.org/2000/09/xmldsig#"
_WINDOW = timedelta(minutes=5)
_SKEW = timedelta(minutes=2)
_CONFIG = SignatureConfiguration(
    location=".//",
    expect_references=2,
    signature_methods=frozenset({SignatureMethod.RSA_SHA256}),
    digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
)


class KeysMissing(ValueError):
    """A key or certificate was not given or cannot be read."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The bank's key and certificate, and the gateway's certificate: without it, unsigned messages are taken."""

    key: rsa.RSAPrivateKey
    cert: x509.Certificate
    peer: x509.Certificate | None

    @classmethod
    def load(cls, key: Path, cert: Path, peer: Path | None) -> Keys:
        try:
            private = serialization.load_pem_private_key(key.read_bytes(), password=None)
            own = x509.load_pem_x509_certificate(cert.read_bytes())
            other = x509.load_pem_x509_certificate(peer.read_bytes()) if peer else None
        except (OSError, ValueError, TypeError) as error:
            raise KeysMissing(f"key or certificate cannot be read: {type(error).__name__}") from error
        if not isinstance(private, rsa.RSAPrivateKey):
            raise KeysMissing("an RSA key is expected")
        return cls(private, own, other)

    def seal(self, content: bytes) -> bytes:
        """The electronic seal of a receipt: RSA PKCS#1 v1.5 over SHA-256 of its bytes."""
        return self.key.sign(content, padding.PKCS1v15(), hashes.SHA256())

    # -- signing ------------------------------------------------------------------------------------------------------

    def sign(self, message: bytes, version: str) -> bytes:
        """The envelope with a Security header; Body and Timestamp carry ``wsu:Id``."""
        root = parse_xml(message)
        body = root.find(f"{{{version}}}Body")
        if body is None:
            raise ValueError("an envelope has a Body")
        body.set(f"{{{_WSU}}}Id", "Body")
        security = self._security(root, version)
        signer = XMLSigner(
            method=methods.detached,
            signature_algorithm=SignatureMethod.RSA_SHA256,
            digest_algorithm=DigestAlgorithm.SHA256,
            c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#",
        )
        references = ["#Body", "#Timestamp"]
        made = signer.sign(root, key=self.key, cert=[self.cert], reference_uri=references, id_attribute="Id")
        security.append(_with_token_reference(made))
        return to_bytes(root)

    def _security(self, root: etree._Element, version: str) -> etree._Element:
        header = etree.Element(f"{{{version}}}Header")
        root.insert(0, header)
        security = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": _WSU})
        token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken", EncodingType=_BASE64, ValueType=_PROFILE)
        token.set(f"{{{_WSU}}}Id", "Token")
        token.text = base64.b64encode(self.cert.public_bytes(serialization.Encoding.DER)).decode()
        now = datetime.now(UTC)
        stamp = etree.SubElement(security, f"{{{_WSU}}}Timestamp")
        stamp.set(f"{{{_WSU}}}Id", "Timestamp")
        etree.SubElement(stamp, f"{{{_WSU}}}Created").text = _instant(now)
        etree.SubElement(stamp, f"{{{_WSU}}}Expires").text = _instant(now + _WINDOW)
        return security

    # -- verifying ----------------------------------------------------------------------------------------------------

    def verified_body(self, root: etree._Element, version: str) -> etree._Element:
        """The message as it was signed. Raises Fault UNAUTHENTICATED, SIGNATURE_INVALID or TIMESTAMP_EXPIRED."""
        if root.find(f"{{{version}}}Header/{{{WSSE}}}Security/{{{_DS}}}Signature") is None:
            raise Fault("UNAUTHENTICATED", "报文未签名", version=version)
        try:
            results = XMLVerifier().verify(
                root, x509_cert=self.peer, id_attribute="Id", validate_schema=False, expect_config=_CONFIG
            )
        except (InvalidSignature, InvalidInput, ValueError) as error:
            raise Fault("SIGNATURE_INVALID", "签名无效", version=version) from error
        found = results if isinstance(results, list) else [results]
        signed = {r.signed_xml.tag: r.signed_xml for r in found if r.signed_xml is not None}
        body, stamp = signed.get(f"{{{version}}}Body"), signed.get(f"{{{_WSU}}}Timestamp")
        # The signed Body may have been moved: it must be the one this envelope has, and in its place.
        placed = root.findall(f"{{{version}}}Body")
        if body is None or stamp is None or len(body) != 1 or len(placed) != 1 or not _same(placed[0], body):
            raise Fault("SIGNATURE_INVALID", "签名未覆盖报文体与时间戳", version=version)
        _check_time(stamp, version)
        return body[0]


def _same(placed: etree._Element, signed: etree._Element) -> bool:
    def canonical(element: etree._Element) -> bytes:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)

    return canonical(placed) == canonical(signed)


def _with_token_reference(signature: etree._Element) -> etree._Element:
    """KeyInfo as WS-Security wants it: a reference to the token beside it (KeyInfo itself is not signed)."""
    info = signature.find(f"{{{_DS}}}KeyInfo")
    if info is None:
        raise ValueError("a signature has a KeyInfo")
    for child in list(info):
        info.remove(child)
    reference = etree.SubElement(info, f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(reference, f"{{{WSSE}}}Reference", URI="#Token", ValueType=_PROFILE)
    return signature


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check_time(stamp: etree._Element, version: str) -> None:
    now = datetime.now(UTC)
    try:
        created = datetime.fromisoformat(stamp.findtext(f"{{{_WSU}}}Created", ""))
        expires = datetime.fromisoformat(stamp.findtext(f"{{{_WSU}}}Expires", ""))
        fresh = created - _SKEW <= now <= min(expires, created + _WINDOW) + _SKEW
    except (ValueError, TypeError) as error:
        raise Fault("TIMESTAMP_EXPIRED", "时间戳不合法", version=version) from error
    if not fresh:
        raise Fault("TIMESTAMP_EXPIRED", "时间戳已过期", version=version)
