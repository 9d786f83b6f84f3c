"""Attacks on the signature of a bank's message, each a function from the plain message to what arrives.

The table of what other toolkits let through (facts of the channel, 4.6), and what the contract names besides. Several
of them are true signatures, of something else than what stands in the Body.
"""

from __future__ import annotations

import copy
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from lxml import etree

from tests.unit.adapters.bank_soap_partner import file_of
from tests.unit.adapters.bank_wsse_partner import (
    DS,
    EXC,
    HMAC_SHA256,
    NOW,
    RSA_SHA1,
    SHA1,
    SOAP11,
    SOAP12,
    WSSE,
    WSU,
    Forger,
    keys_of,
    parse,
    side,
)

SECRET = b"77777701"
ANSWER = file_of("Withhold", "response.xml").replace(b">250000<", b">%s<" % SECRET)
NOTICE = file_of("NotifyTransaction", "request.xml").replace(b">920001<", b">%s<" % SECRET)
FALSE = b"99999900"
GATEWAY, BANK, MALLORY = side("xinyi-rsa"), side("bocom-rsa"), side("mallory")
KEYS = keys_of(GATEWAY, BANK)
BODY, HEADER, ENVELOPE = (f"{{{SOAP11}}}{name}" for name in ("Body", "Header", "Envelope"))
SECURITY, STAMP, SIGNATURE = f"{{{WSSE}}}Security", f"{{{WSU}}}Timestamp", f"{{{DS}}}Signature"
ID = f"{{{WSU}}}Id"
HONEST = Forger(BANK)


def out(root: etree._Element) -> bytes:
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def find(root: etree._Element, tag: str) -> etree._Element:
    return next(root.iter(tag))


def edit(change: Callable[[etree._Element], None]) -> Callable[[bytes], bytes]:
    """An attack on an honest message, as a change of its tree."""

    def attack(plain: bytes) -> bytes:
        root = parse(HONEST.sign(plain))
        change(root)
        return out(root)

    return attack


def text(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """An attack on an honest message, as a change of its bytes."""

    def attack(plain: bytes) -> bytes:
        signed = HONEST.sign(plain)
        assert old in signed
        return signed.replace(old, new, 1)

    return attack


def forged(forger: Forger) -> Callable[[bytes], bytes]:
    """A message signed in another way than the contract's."""
    return forger.sign


def false_body(root: etree._Element, keep_id: bool = True) -> etree._Element:
    made = etree.fromstring(etree.tostring(find(root, BODY)).replace(SECRET, FALSE))
    if not keep_id:
        del made.attrib[ID]
    return made


# -- wrapping -------------------------------------------------------------------------------------------------------


def wrapped(place: str, keep_id: bool) -> Callable[[etree._Element], None]:
    """The signed Body hides somewhere else, another one stands in its place."""

    def change(root: etree._Element) -> None:
        signed = find(root, BODY)
        false = false_body(root, keep_id)
        parent = root if place == ENVELOPE else find(root, place)
        root.replace(signed, false)
        etree.SubElement(parent, "Wrapper").append(signed)

    return change


def nested(root: etree._Element) -> None:
    """The signed Body inside the false one."""
    signed, false = find(root, BODY), false_body(root, keep_id=False)
    root.replace(signed, false)
    false.append(signed)


def renamed(root: etree._Element) -> None:
    """The signed element keeps its content under another name of the wrapper; the false one has its Id."""
    signed, false = find(root, BODY), false_body(root)
    signed.tag = f"{{{SOAP12}}}Body"
    root.insert(0, signed)
    root.append(false)


def second_body(at: int, keep_id: bool) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        root.insert(at if at >= 0 else len(root), false_body(root, keep_id))

    return change


def other_envelope(root: etree._Element) -> None:
    """The whole honest message inside the header of a false one."""
    honest = copy.deepcopy(root)
    header = find(root, HEADER)
    for child in list(header):
        header.remove(child)
    header.append(honest)
    root.replace(root[-1], false_body(root, keep_id=False))


def spliced(plain: bytes) -> bytes:
    """The signature of one honest message over the Body of another one."""
    root = parse(HONEST.sign(plain))
    other = parse(HONEST.sign(plain.replace(SECRET, FALSE)))
    root.replace(find(root, BODY), find(other, BODY))
    return out(root)


# -- ids ------------------------------------------------------------------------------------------------------------


def same_id(name: str) -> Callable[[etree._Element], None]:
    """Another element answers to the Body's Id, by whatever attribute somebody may take for an id."""

    def change(root: etree._Element) -> None:
        etree.SubElement(find(root, HEADER), "Decoy").set(name, "B")

    return change


def without_id(root: etree._Element) -> None:
    del find(root, BODY).attrib[ID]


# -- the Security header --------------------------------------------------------------------------------------------


def without(tag: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = find(root, tag)
        found.getparent().remove(found)

    return change


def twice(tag: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = find(root, tag)
        twin = copy.deepcopy(found)
        for element in twin.iter():
            if element.get(ID):
                element.set(ID, element.get(ID) + "2")
        found.addnext(twin)

    return change


def moved_out(tag: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        find(root, HEADER).append(find(root, tag))

    return change


def key_inside(root: etree._Element) -> None:
    info = find(root, f"{{{DS}}}KeyInfo")
    data = etree.SubElement(etree.SubElement(info, f"{{{DS}}}X509Data"), f"{{{DS}}}X509Certificate")
    data.text = b64encode(MALLORY.der).decode()


def key_instead(root: etree._Element) -> None:
    key_inside(root)
    info = find(root, f"{{{DS}}}KeyInfo")
    info.remove(info[0])


def object_inside(root: etree._Element) -> None:
    etree.SubElement(find(root, SIGNATURE), f"{{{DS}}}Object").append(false_body(root, keep_id=False))


def emptied(tag: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        find(root, tag).text = None

    return change


def more_time(root: etree._Element) -> None:
    find(root, f"{{{WSU}}}Expires").text = "2030-01-01T00:00:00Z"


def pointed_at(uri: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        find(root, f"{{{DS}}}Reference").set("URI", uri)

    return change


def added_transform(algorithm: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        etree.SubElement(find(root, f"{{{DS}}}Transforms"), f"{{{DS}}}Transform", Algorithm=algorithm)

    return change


C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INVALID, EXPIRED = "SIGNATURE_INVALID", "TIMESTAMP_EXPIRED"
ATTACKS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    # The table of the facts, row by row.
    "changed amount": (text(SECRET, FALSE), INVALID),
    "signed Body moved into a header wrapper": (edit(wrapped(HEADER, keep_id=False)), INVALID),
    "only the Timestamp signed": (forged(replace(HONEST, refer=("T",))), INVALID),
    "Timestamp expired in 2001": (
        forged(replace(HONEST, created="2001-01-01T00:00:00Z", expires="2001-01-01T00:05:00Z")), EXPIRED,
    ),
    "copy with the same Id after": (edit(second_body(-1, keep_id=True)), INVALID),
    "copy with the same Id first": (edit(second_body(0, keep_id=True)), INVALID),
    "comment inside the amount": (text(SECRET, b"7<!-- x -->7777701"), INVALID),
    "processing instruction inside the amount": (text(SECRET, b"7<?x y?>7777701"), INVALID),
    "no Security header": (edit(without(HEADER)), INVALID),
    "not signed at all": (lambda plain: plain, INVALID),
    "Security without Signature": (edit(without(SIGNATURE)), INVALID),
    "wrong certificate": (forged(Forger(MALLORY)), INVALID),
    # Wrapping in other places.
    "wrapped, false Body with the Id": (edit(wrapped(HEADER, keep_id=True)), INVALID),
    "wrapped inside Security": (edit(wrapped(SECURITY, keep_id=False)), INVALID),
    "wrapped inside the signature": (edit(wrapped(SIGNATURE, keep_id=False)), INVALID),
    "wrapped after the Body": (edit(wrapped(ENVELOPE, keep_id=False)), INVALID),
    "nested in the false Body": (edit(nested), INVALID),
    "hidden as the other version's Body": (edit(renamed), INVALID),
    "second Body without Id after": (edit(second_body(-1, keep_id=False)), INVALID),
    "second Body without Id first": (edit(second_body(0, keep_id=False)), INVALID),
    "honest envelope in the header": (edit(other_envelope), INVALID),
    "signature of another message": (spliced, INVALID),
    # Ids.
    **{f"the Body's Id again as {name}": (edit(same_id(name)), INVALID) for name in ("Id", "ID", "id", ID)},
    "the Body's Id as xml:id": (edit(same_id("{http://www.w3.org/XML/1998/namespace}id")), INVALID),
    "Body without Id": (edit(without_id), INVALID),
    # What is signed.
    "only the Body signed": (forged(replace(HONEST, refer=("B",))), INVALID),
    "the Timestamp signed twice": (forged(replace(HONEST, refer=("T", "T"))), INVALID),
    "the token instead of the Timestamp": (forged(replace(HONEST, refer=("B", "X"))), INVALID),
    "a third reference": (forged(replace(HONEST, refer=("B", "T", "X"))), INVALID),
    "no reference": (forged(replace(HONEST, refer=())), INVALID),
    "no Timestamp": (forged(replace(HONEST, refer=("B", "X"), stamp=False)), INVALID),
    "Timestamp taken out": (edit(without(STAMP)), INVALID),
    "Timestamp prolonged": (edit(more_time), INVALID),
    "two Timestamps": (edit(twice(STAMP)), INVALID),
    "Timestamp outside Security": (edit(moved_out(STAMP)), INVALID),
    "Timestamp from the future": (forged(replace(HONEST, created=NOW + timedelta(hours=1))), EXPIRED),
    "Timestamp without an end": (forged(replace(HONEST, expires="")), EXPIRED),
    "Timestamp good for years": (
        forged(replace(HONEST, created=NOW - timedelta(days=1), expires=NOW + timedelta(days=999))), EXPIRED,
    ),
    # Algorithms.
    "HMAC with the certificate as secret": (forged(replace(HONEST, method=HMAC_SHA256)), INVALID),
    "RSA with SHA-1": (forged(replace(HONEST, method=RSA_SHA1)), INVALID),
    "digests with SHA-1": (forged(replace(HONEST, digest=SHA1)), INVALID),
    "no algorithm": (forged(replace(HONEST, canonical="urn:none")), INVALID),
    "another canonical form": (forged(replace(HONEST, transform=C14N)), INVALID),
    "comments in the canonical form": (
        forged(replace(HONEST, transform=f"{EXC}WithComments")), INVALID,
    ),
    **{
        f"transform {name}": (edit(added_transform(uri)), INVALID)
        for name, uri in {
            "enveloped": f"{DS}enveloped-signature",
            "base64": f"{DS}base64",
            "xslt": "http://www.w3.org/TR/1999/REC-xslt-19991116",
            "xpath": "http://www.w3.org/TR/1999/REC-xpath-19991116",
        }.items()
    },
    **{
        f"reference to {uri or 'everything'}": (edit(pointed_at(uri)), INVALID)
        for uri in ("", "#", "#xpointer(/)", "#X", "file:///etc/passwd", "http://127.0.0.1:1/x", "cid:part1")
    },
    # Parts of the header.
    "two Security headers": (edit(twice(SECURITY)), INVALID),
    "two signatures": (edit(twice(SIGNATURE)), INVALID),
    "signature outside Security": (edit(moved_out(SIGNATURE)), INVALID),
    "token taken out": (edit(without(f"{{{WSSE}}}BinarySecurityToken")), INVALID),
    "token emptied": (edit(emptied(f"{{{WSSE}}}BinarySecurityToken")), INVALID),
    "a key beside the reference": (edit(key_inside), INVALID),
    "a key instead of the reference": (edit(key_instead), INVALID),
    "an object in the signature": (edit(object_inside), INVALID),
    "signature emptied": (edit(emptied(f"{{{DS}}}SignatureValue")), INVALID),
    "digest emptied": (edit(emptied(f"{{{DS}}}DigestValue")), INVALID),
    # Certificates.
    "another key behind the bank's certificate": (forged(Forger(MALLORY, token=BANK)), INVALID),
    "the bank's key behind another certificate": (forged(Forger(BANK, token=MALLORY)), INVALID),
    "our own certificate sent back": (forged(Forger(GATEWAY)), INVALID),
}  # fmt: skip
