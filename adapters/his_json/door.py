"""The door as one object: what the web layer gets from the adapter without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from adapters.his_json import auth, envelope, reply, transactions
from adapters.his_json import fingerprint as content
from adapters.his_json.wire import NationalInbound
from adapters.insurance.rawjson import value_of
from adapters.insurance.wire import CALL_SERVICE, PREFIX, service_paths
from gateway.model.ids import is_msgid


@cache
def service_routes() -> Mapping[str, str]:
    """Path a hospital posts to → infno, for the one-path-per-service family (national interface, 1.6 b).

    `callService` and `/fsi/api/<infno>` take the transaction from the body and are not listed.
    """
    return MappingProxyType({PREFIX + path: infno for infno, path in service_paths().items()})


def check_input(inbound: NationalInbound) -> None:
    """The field tables applied to a message. Raises Refusal INVALID_FIELD, INVALID_AMOUNT or SPLIT_MISMATCH."""
    transactions.check_input(inbound.infno, inbound.input)


class NationalDoor:
    """Pure functions of the national envelope; stateless."""

    call_service = CALL_SERVICE
    prefix = PREFIX
    service_routes = staticmethod(service_routes)
    known_infnos = staticmethod(transactions.known_infnos)
    read_envelope = staticmethod(envelope.read_envelope)
    complete_envelope = staticmethod(envelope.complete_envelope)
    fingerprint = staticmethod(content.fingerprint)
    differences = staticmethod(content.differences)
    verify_tif = staticmethod(auth.verify_tif)
    verify_csb = staticmethod(auth.verify_csb)
    uses_csb = staticmethod(auth.uses_csb)
    nonce_of = staticmethod(auth.nonce_of)
    reply_refusal = staticmethod(reply.reply_refusal)
    reply_unauthenticated = staticmethod(reply.reply_unauthenticated)
    reply_to = staticmethod(reply.reply_to)
    with_creditpay = staticmethod(reply.with_creditpay)
    encode_answer = staticmethod(reply.encode_answer)
    check_input = staticmethod(check_input)
    is_msgid = staticmethod(is_msgid)
    value_of = staticmethod(value_of)
