"""WS-Security X.509: Body and Timestamp signed, exclusive C14N, SHA-256 with RSA or ECDSA (contract, section 6). Pure.

What verifies is fixed before anything is computed: one Security header, one signature in it, exactly two references, to
the only Body and the only Timestamp, each in its place. So a signature that is true of other elements (wrapping) never
counts, and only what signxml gives back as signed is read. Certificates are pinned; time is real time.
"""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml import methods
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from gateway.model.keys import WsseKeys

WINDOW: Final = 300.0  # seconds a message is good for
SKEW: Final = 120.0  # seconds two clocks may differ
INVALID: Final = "SIGNATURE_INVALID"
EXPIRED: Final = "TIMESTAMP_EXPIRED"

_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE: Final = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU: Final = f"{_OASIS}wssecurity-utility-1.0.xsd"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_TOKEN_TYPE: Final = f"{_OASIS}x509-token-profile-1.0#X509v3"
_BASE64: Final = f"{_OASIS}soap-message-security-1.0#Base64Binary"
_ID: Final = f"{{{WSU}}}Id"
# Whatever anybody may take for an id, in any namespace: none of them may be there twice.
_IDS: Final = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")
_SHA256: Final = frozenset({DigestAlgorithm.SHA256})
_CONFIG: Final = SignatureConfiguration(expect_references=2, digest_algorithms=_SHA256)

etree.register_namespace("wsu", WSU)
# At level DEBUG signxml logs the canonical text, which is people's data.
logging.getLogger("signxml").setLevel(logging.WARNING)


class BadSignature(ValueError):
    """Not to be trusted. ``code`` is SIGNATURE_INVALID or TIMESTAMP_EXPIRED; ``reason`` repeats nothing of the text."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Parts:
    """The elements a signature is about, each in the one place where it may be."""

    signature: etree._Element
    token: etree._Element
    stamp: etree._Element
    body: etree._Element


# -- signing --------------------------------------------------------------------------------------------------------


def sign(root: etree._Element, version: str, keys: WsseKeys, real_now: float) -> None:
    """Put the Security header into an envelope of ours. ``real_now`` is Unix time in seconds."""
    body = root.find(f"{{{version}}}Body")
    if body is None:
        raise ValueError("an envelope has a Body")
    body.set(_ID, "Body")
    security = _security(root, version, keys.certificate, datetime.fromtimestamp(real_now, UTC))
    signer = XMLSigner(
        method=methods.detached,
        signature_algorithm=method_of(keys.key.public_key()),
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    references = ["#Body", "#Timestamp"]
    security.append(signer.sign(root, key=keys.key, key_info=_key_info(), reference_uri=references, id_attribute="Id"))


def method_of(key: object) -> SignatureMethod:
    """The one signature method allowed for a public key."""
    return SignatureMethod.RSA_SHA256 if isinstance(key, rsa.RSAPublicKey) else SignatureMethod.ECDSA_SHA256


def _security(root: etree._Element, version: str, certificate: x509.Certificate, now: datetime) -> etree._Element:
    header = etree.Element(f"{{{version}}}Header")
    root.insert(0, header)
    security = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    security.set(f"{{{version}}}mustUnderstand", "1")
    token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken", EncodingType=_BASE64, ValueType=_TOKEN_TYPE)
    token.set(_ID, "Token")
    token.text = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
    stamp.set(_ID, "Timestamp")
    etree.SubElement(stamp, f"{{{WSU}}}Created").text = _instant(now)
    etree.SubElement(stamp, f"{{{WSU}}}Expires").text = _instant(now + timedelta(seconds=WINDOW))
    return security


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key_info() -> etree._Element:
    """A reference to the token beside the signature, as WS-Security wants it."""
    info = etree.Element(f"{{{DS}}}KeyInfo")
    reference = etree.SubElement(info, f"{{{WSSE}}}SecurityTokenReference", nsmap={"wsse": WSSE})
    etree.SubElement(reference, f"{{{WSSE}}}Reference", URI="#Token", ValueType=_TOKEN_TYPE)
    return info


# -- verifying ------------------------------------------------------------------------------------------------------


def verify(
    root: etree._Element, version: str, keys: WsseKeys, real_now: float, since: float | None = None
) -> etree._Element:
    """The Body as it was signed: read nothing else of the message. Raises BadSignature.

    ``real_now`` is Unix time in seconds; with ``since`` (when the question left) an answer that is older is refused.
    """
    parts = _parts(root, version)
    body_id, stamp_id = _id_of(parts.body), _id_of(parts.stamp)
    certificate = _pinned(parts.token, keys)
    _check_form(parts.signature, method_of(certificate.public_key()), {f"#{body_id}", f"#{stamp_id}"})
    signed = _signed(root, version, certificate, datetime.fromtimestamp(real_now, UTC))
    body, stamp = signed.get(parts.body.tag), signed.get(parts.stamp.tag)
    if body is None or stamp is None or body.get(_ID) != body_id or stamp.get(_ID) != stamp_id:
        raise BadSignature(INVALID, "Body and Timestamp are not what was signed")
    _check_time(stamp, real_now, since)
    return body


def _parts(root: etree._Element, version: str) -> _Parts:
    """Every element of these names in the whole document, each once and where it belongs."""
    security = _only(root, f"{{{WSSE}}}Security", _only(root, f"{{{version}}}Header", root))
    parts = _Parts(
        signature=_only(root, f"{{{DS}}}Signature", security),
        token=_only(root, f"{{{WSSE}}}BinarySecurityToken", security),
        stamp=_only(root, f"{{{WSU}}}Timestamp", security),
        body=_only(root, f"{{{version}}}Body", root),
    )
    if any(count > 1 for count in Counter(map(str, _IDS(root))).values()):  # type: ignore[arg-type]
        raise BadSignature(INVALID, "an Id twice")
    return parts


def _only(root: etree._Element, tag: str, parent: etree._Element) -> etree._Element:
    found = list(root.iter(tag))
    if len(found) != 1 or found[0].getparent() is not parent:
        name = etree.QName(tag).localname
        raise BadSignature(INVALID, f"no {name}" if not found else f"{name} not once in its place")
    return found[0]


def _id_of(element: etree._Element) -> str:
    found = element.get(_ID)
    if not found:
        raise BadSignature(INVALID, f"{etree.QName(element).localname} without wsu:Id")
    return found


def _pinned(token: etree._Element, keys: WsseKeys) -> x509.Certificate:
    try:
        return keys.peers[b64decode("".join((token.text or "").split()), validate=True)]
    except (ValueError, KeyError):
        raise BadSignature(INVALID, "not a certificate that was agreed on") from None


def _check_form(signature: etree._Element, method: SignatureMethod, targets: set[str]) -> None:
    """The algorithms of the contract and nothing more: no other transform, no HMAC, no SHA-1, no key inside."""
    if [_local(child) for child in signature] != ["SignedInfo", "SignatureValue", "KeyInfo"]:
        raise BadSignature(INVALID, "unexpected parts of the signature")
    if [child.tag for child in signature[2]] != [f"{{{WSSE}}}SecurityTokenReference"]:
        raise BadSignature(INVALID, "KeyInfo is not a reference to the token")
    info = list(signature[0])
    if [_local(child) for child in info] != ["CanonicalizationMethod", "SignatureMethod", "Reference", "Reference"]:
        raise BadSignature(INVALID, "Body and Timestamp are not what was signed")
    if info[0].get("Algorithm") != EXC_C14N or info[1].get("Algorithm") != method.value:
        raise BadSignature(INVALID, "algorithm not allowed")
    if {reference.get("URI") for reference in info[2:]} != targets:
        raise BadSignature(INVALID, "Body and Timestamp are not what was signed")
    for reference in info[2:]:
        _check_reference(reference)


def _check_reference(reference: etree._Element) -> None:
    if [_local(child) for child in reference] != ["Transforms", "DigestMethod", "DigestValue"]:
        raise BadSignature(INVALID, "unexpected parts of a reference")
    transforms = [(_local(one), one.get("Algorithm")) for one in reference[0]]
    if transforms != [("Transform", EXC_C14N)] or reference[1].get("Algorithm") != DigestAlgorithm.SHA256.value:
        raise BadSignature(INVALID, "algorithm not allowed")


def _local(element: etree._Element) -> str:
    name = etree.QName(element)
    return name.localname if name.namespace == DS else ""


def _signed(
    root: etree._Element, version: str, certificate: x509.Certificate, now: datetime
) -> dict[str, etree._Element]:
    """What signxml vouches for, by name. Whatever it stumbles over is a bad signature, and its text stays here."""
    config = replace(
        _CONFIG,
        location=f"./{{{version}}}Header/{{{WSSE}}}Security/",
        signature_methods=frozenset({method_of(certificate.public_key())}),
        verification_time=now,
    )
    try:
        results = XMLVerifier().verify(
            root, x509_cert=certificate, id_attribute="Id", validate_schema=False, expect_config=config
        )
    except (SignXMLException, InvalidSignature, UnsupportedAlgorithm, etree.LxmlError, ValueError, TypeError) as error:
        raise BadSignature(INVALID, type(error).__name__) from None
    found = [results] if isinstance(results, VerifyResult) else results
    return {one.signed_xml.tag: one.signed_xml for one in found if one.signed_xml is not None}


def _check_time(stamp: etree._Element, real_now: float, since: float | None) -> None:
    created, expires = (_seconds(stamp, name) for name in ("Created", "Expires"))
    if not created - SKEW <= real_now < min(expires, created + WINDOW) + SKEW:
        raise BadSignature(EXPIRED, "outside the time window")
    if since is not None and created < since - SKEW:
        raise BadSignature(EXPIRED, "older than what it answers")


def _seconds(stamp: etree._Element, name: str) -> float:
    """Unix time of a moment with a time zone."""
    found = stamp.findall(f"{{{WSU}}}{name}")
    try:
        moment = datetime.fromisoformat((found[0].text or "").strip())
    except (IndexError, ValueError):
        raise BadSignature(EXPIRED, f"no readable {name}") from None
    if len(found) != 1 or moment.tzinfo is None:
        raise BadSignature(EXPIRED, f"no readable {name}")
    return moment.timestamp()
