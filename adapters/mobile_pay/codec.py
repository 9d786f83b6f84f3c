"""The payment centre's codec: requests into its envelope, its answers into verdicts. Pure.

An answer counts only under the centre's signature; whatever else comes back leaves the outcome unknown (5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from pydantic import BaseModel

from adapters.insurance.dictionary import ErrorRow, Meaning, explain, read_rows
from adapters.mobile_pay import envelope, fields
from adapters.mobile_pay.envelope import BadEnvelope, Channel
from gateway.delivery.declare import NOT_FOUND, Answer, Manifest, Outbound, SendContext
from gateway.model.mobile import PAY, QUERY, REFUND, REVOKE, UPLOAD, MobileReply, MobileRequest, further
from gateway.model.verdict import Accepted, Done, NotSent, Refused, Unknown, Verdict

PATH_PREFIX: Final = "/mobile"
UNSEEN_REFUSAL: Final = "MOBILE_REFUSED"
PAY_FAILED: Final = "MOBILE_PAY_FAILED"
REVOKED: Final = "ALREADY_REVOKED"
ALREADY_PAID: Final = "ALREADY_PAID"
_JSON: Final = "application/json; charset=UTF-8"
_IN_FORCE: Final = frozenset({"6", "7", "8", "9", "10", "11"})  # paid, some of it perhaps refunded since
_NOT_BEGUN: Final = frozenset({"0", "1"})
_GONE: Final = frozenset({"12", "13"})
_ABOUT: Final = ("payOrdId", "payToken", "orgCodg", "idNo", "userName", "idType")


@cache
def dictionary() -> Sequence[ErrorRow]:
    """The shipped dictionary of the centre's failure texts."""
    return read_rows(resources.files(__package__).joinpath("errors.csv").read_text("utf-8"))


class MobileCodec:
    """Codec of 6201, 6202, 6203, 6301 and 6401; requests are MobileRequest, replies MobileReply."""

    validate_input = staticmethod(fields.validate_input)

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def request_type(self, operation: str) -> type[BaseModel]:
        """MobileRequest, whatever the transaction."""
        return MobileRequest

    def reply_type(self, operation: str) -> type[BaseModel]:
        """MobileReply, whatever the transaction."""
        return MobileReply

    def encode(self, operation: str, request: MobileRequest, context: SendContext) -> Outbound:
        """The request, encrypted and signed. Path: `path_<infno>`, else `path_prefix`/<infno>, of the credentials.

        Raises ValueError for credentials that are missing or make no sense.
        """
        channel = Channel.of(context.credentials)
        prefix = context.credentials.get("path_prefix", PATH_PREFIX)
        path = context.credentials.get(f"path_{operation}") or f"{prefix}/{operation}"
        body = envelope.write(channel, request.data, context.real_now)
        return Outbound("POST", path, {"Content-Type": _JSON}, body)

    def decode(self, operation: str, request: MobileRequest, answer: Answer) -> Verdict[MobileReply]:
        """What the answer means; never raises on foreign bytes."""
        if answer.status == 401:
            return NotSent("authentication refused (HTTP 401)")
        if not 200 <= answer.status < 300:
            return Unknown(f"HTTP {answer.status}")
        if answer.context is None:
            return Unknown("answer without its channel")
        try:
            outer = envelope.parse(answer.body)
            data = envelope.read(Channel.of(answer.context.credentials), outer)
        except BadEnvelope as error:
            return Unknown(f"unreadable answer: {error}")
        reply = MobileReply(code=_scalar(outer.get("code")), message=_scalar(outer.get("message")), data=data)
        if not reply.ok or outer.get("success") is False:
            return self._failure(operation, reply)
        return _success(operation, request, reply)

    def _failure(self, operation: str, reply: MobileReply) -> Verdict[MobileReply]:
        failed = reply.model_copy(update={"code": "-1"}) if reply.ok else reply
        row = explain("", operation, failed.code, failed.message, dictionary())
        if row is not None:
            unknown = row.meaning is Meaning.UNKNOWN
            return Unknown(row.unified_code) if unknown else Refused(row.unified_code, failed.message, failed)
        if self._manifest.operations[operation].guarantee.sole:
            return Unknown("unseen text")
        return Refused(UNSEEN_REFUSAL, failed.message, failed)

    def question_for(self, operation: str, request: MobileRequest) -> tuple[str, MobileRequest] | None:
        """6301 about the order of a payment, a refund or a revocation."""
        if operation not in (PAY, REFUND, REVOKE):
            return None
        known = {**request.about, **{name: request.text(name) for name in _ABOUT if request.text(name)}}
        data = {name: known[name] for name in _ABOUT if known.get(name)}
        return QUERY, MobileRequest(infno=QUERY, hospital=request.hospital, data=data)

    def resolve(
        self, operation: str, request: MobileRequest, question_reply: Verdict[Any]
    ) -> Verdict[MobileReply] | None:
        """What the order's status says of the original (5.4): 0–5 open, 6 paid, 7–13 undone, 14 and 16 for a person."""
        if isinstance(question_reply, Refused) and question_reply.code == NOT_FOUND:
            return Refused(NOT_FOUND)
        if not isinstance(question_reply, Done) or not question_reply.reply.ord_stas:
            return None
        reply: MobileReply = question_reply.reply
        return _RESOLVED[operation](reply, request.before)


def _scalar(value: Any) -> str:
    return "" if value is None or isinstance(value, bool | dict | list) else str(value).strip()


def _success(operation: str, request: MobileRequest, reply: MobileReply) -> Verdict[MobileReply]:
    asked = request.text("payOrdId")
    if asked and reply.pay_ord_id not in ("", asked):
        return Unknown("answer about another order")
    if operation == UPLOAD:
        return Done(reply) if reply.pay_ord_id else Unknown("success without payOrdId")
    if operation == PAY:
        return _payment(reply)
    if operation == QUERY and not reply.ord_stas:
        return Unknown("order without a known status")
    return Done(reply)


def _payment(reply: MobileReply) -> Verdict[MobileReply]:
    """Done at 6; before it the centre works on it, and 14 or 16 are asked after until a person has them."""
    if not reply.ord_stas:
        return Unknown("payment without a known status")
    if reply.ord_stas in _IN_FORCE:
        return Done(reply)
    return _undone(reply) or Accepted(reply)


def _undone(reply: MobileReply) -> Refused[MobileReply] | None:
    if reply.ord_stas == "15":
        return Refused(PAY_FAILED, reply.message, reply)
    return Refused(REVOKED, reply.message, reply) if reply.ord_stas in _GONE else None


def _paid(reply: MobileReply, _before: str) -> Verdict[MobileReply] | None:
    if reply.ord_stas in _IN_FORCE:
        return Done(reply)
    return Refused(NOT_FOUND) if reply.ord_stas in _NOT_BEGUN else _undone(reply)


def _refunded(reply: MobileReply, before: str) -> Verdict[MobileReply] | None:
    """A status that moved on since proves the refund. After a former part refund the same status proves nothing."""
    if before and further(reply.ord_stas, before):
        return Done(reply)
    return Refused(NOT_FOUND) if reply.ord_stas == "6" else None


def _revoked(reply: MobileReply, _before: str) -> Verdict[MobileReply] | None:
    if reply.ord_stas in _GONE:
        return Done(reply)
    if reply.ord_stas in _IN_FORCE:
        return Refused(ALREADY_PAID, reply.message)
    return Refused(NOT_FOUND) if reply.ord_stas in _NOT_BEGUN else None


_RESOLVED: Final[Mapping[str, Callable[[MobileReply, str], Verdict[MobileReply] | None]]] = {
    PAY: _paid,
    REFUND: _refunded,
    REVOKE: _revoked,
}
