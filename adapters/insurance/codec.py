"""The insurance platform's codec: national messages to bytes, bytes to verdicts. Pure: no clock, no socket.

What an answer means follows chapter 6.1 of the national interface: the platform has one failure code, so a listed
business text is a refusal, a system text is an unknown outcome, and a text nobody has seen on a settlement or a
reversal is unknown too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from adapters.insurance import builders, fields, lifting, statement
from adapters.insurance.auth import auth_headers
from adapters.insurance.dictionary import ErrorRow, Meaning, explain
from adapters.insurance.wire import AUTH_FAILURES, PREFIX, Envelope, path_of, read_envelope
from gateway.delivery.declare import NOT_FOUND, AfterUnknown, Answer, Manifest, Outbound, SendContext
from gateway.model.insurance import NationalMessage, NationalReply
from gateway.model.verdict import Done, NotSent, Refused, Unknown, Verdict

REVERSAL: Final = "2601"
UPLOAD: Final = "9101"
DOWNLOAD: Final = "9102"
UNSEEN: Final = "unseen text"
UNSEEN_REFUSAL: Final = "PLATFORM_REFUSED"
SYSTEM_ERROR: Final = "PLATFORM_SYSTEM_ERROR"
BUSINESS_REJECTED: Final = "BUSINESS_REJECTED"
TWO_CODES: Final = "minus_one_minus_two"
CALL: Final = "call_service"
REVERSED: Final = "SETTLEMENT_REVERSED"
ALREADY_DONE: Final = "ALREADY_DONE"
_JSON: Final = "application/json; charset=UTF-8"


class InsuranceCodec:
    """Codec of every transaction; requests are NationalMessage, replies NationalReply."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    # What flows and doors reach through the codec, since nothing above imports an adapter.
    validate_input = staticmethod(fields.validate_input)
    sign_in = staticmethod(builders.sign_in)
    totals = staticmethod(builders.totals)
    upload = staticmethod(statement.upload_of)
    download = staticmethod(statement.download_of)
    detail = staticmethod(statement.detail)
    reversal = staticmethod(builders.reversal)
    stmt_class = staticmethod(lifting.stmt_class)

    def request_type(self, operation: str) -> type[BaseModel]:
        """NationalMessage, whatever the transaction."""
        return NationalMessage

    def reply_type(self, operation: str) -> type[BaseModel]:
        """NationalReply, whatever the transaction."""
        return NationalReply

    def encode(self, operation: str, request: NationalMessage, context: SendContext) -> Outbound:
        """A relayed envelope exactly as it is in `request.raw`, completed where msgid or sign_no is missing in it.

        A message of the gateway's own (no raw) gets an envelope around its `input`. The hospital's variant says
        `url_family`, `auth`, `input` and `cainfo`; credentials read: `path_prefix`, `recer_sys_code` and what the
        variant needs (manifest, `[capabilities.credentials]`). Raises ValueError where they make no sense.
        """
        variant, credentials = context.variant, context.credentials
        path = path_of(operation, variant.get("url_family", CALL), credentials.get("path_prefix", PREFIX))
        content_type, content = _JSON, b""
        if operation == UPLOAD and not request.raw:
            request, content = statement.with_file(request, credentials)
        body = builders.envelope_bytes(request, context)
        if content:
            body, content_type = statement.form(body, content, credentials.get("file_part", "file"))
        headers = {"Content-Type": content_type} | auth_headers(operation, context)
        return Outbound("POST", path, headers, body)

    def decode(self, operation: str, request: NationalMessage, answer: Answer) -> Verdict[NationalReply]:
        """What the answer means; never raises on foreign bytes."""
        if operation == DOWNLOAD and not request.raw and 200 <= answer.status < 300 and statement.is_file(answer.body):
            return _file(answer.body)
        envelope = read_envelope(answer.body)
        if refused := _authentication_refused(answer, envelope):
            return refused
        if not 200 <= answer.status < 300:
            return Unknown(f"HTTP {answer.status}")
        if envelope is None or envelope.reply is None or not envelope.by_platform:
            return Unknown("empty answer" if not answer.body.strip() else "unreadable answer")
        if envelope.infcode == "0":
            return _success(operation, envelope.reply, envelope.content)
        if answer.context is not None and answer.context.variant.get("failure_codes") == TWO_CODES:
            return self._by_code(operation, request, envelope.reply)
        return self._by_text(operation, request, envelope.reply)

    def _by_code(self, operation: str, request: NationalMessage, reply: NationalReply) -> Verdict[NationalReply]:
        """Two failure codes: -1 is the system's, whatever its text; -2 the business's (1.4, register 2)."""
        if reply.infcode == "-1":
            return Unknown(f"{SYSTEM_ERROR} infcode -1")
        verdict = self._by_text(operation, request, reply)
        if reply.infcode == "-2" and isinstance(verdict, Unknown) and verdict.reason == UNSEEN:
            return Refused(BUSINESS_REJECTED, reply.err_msg, reply)
        return verdict

    def _by_text(self, operation: str, request: NationalMessage, reply: NationalReply) -> Verdict[NationalReply]:
        row = self.explain(operation, request, reply)
        if row is not None:
            if row.meaning is Meaning.UNKNOWN:
                return Unknown(f"{row.unified_code} infcode {reply.infcode}")
            return Refused(row.unified_code, reply.err_msg, reply)
        if operation == REVERSAL or self._sole(operation):
            return Unknown(UNSEEN)
        return Refused(UNSEEN_REFUSAL, reply.err_msg, reply)

    def explain(self, operation: str, request: NationalMessage, reply: NationalReply) -> ErrorRow | None:
        """The dictionary's row for a failure, with its texts for a person; None for an unseen text."""
        area = request.mdtrtarea_admvs or request.fixmedins_code[1:7]
        return explain(area, operation, reply.infcode, reply.err_msg)

    def _sole(self, operation: str) -> bool:
        declared = self._manifest.operations.get(operation)
        # An operation nobody declared is treated as the dearest one.
        return declared is None or declared.guarantee.sole

    def question_for(self, operation: str, request: NationalMessage) -> tuple[str, NationalMessage] | None:
        """2601 for a settlement; None for everything else, which is simply sent again."""
        declared = self._manifest.operations.get(operation)
        if declared is None or declared.after_unknown is not AfterUnknown.REVERSE:
            return None
        return REVERSAL, builders.reversal(request)

    def resolve(
        self, operation: str, request: NationalMessage, question_reply: Verdict[Any]
    ) -> Verdict[NationalReply] | None:
        """A reversal that went through ends the settlement as refused; "not found" means it is not in force (6.2)."""
        if isinstance(question_reply, Done):
            return Refused(REVERSED)
        if isinstance(question_reply, Refused) and question_reply.code == ALREADY_DONE:
            return Refused(REVERSED)
        if isinstance(question_reply, Refused) and question_reply.code == NOT_FOUND:
            return Refused(NOT_FOUND)
        return None


def _success(operation: str, reply: NationalReply, content: Mapping[str, Any]) -> Verdict[NationalReply]:
    """A settlement one cannot book is no success: it has to be reversed."""
    try:
        return Done(lifting.lift(operation, reply, content))
    except lifting.SettlementUnreadable as error:
        return Unknown(f"success without a readable settlement: {error}")


def _file(body: bytes) -> Verdict[NationalReply]:
    """A result file; one that cannot be read is asked for again."""
    try:
        rows = statement.read_result(body, lifting.stmt_class)
    except statement.StatementUnreadable as error:
        return Unknown(f"unreadable file: {error}")
    return Done(NationalReply(infcode="0", raw="", statement=rows))


def _authentication_refused(answer: Answer, envelope: Envelope | None) -> NotSent | None:
    """The gateway in front of the platform turned the request away, so nothing was executed (1.6, 6.1)."""
    by_platform = envelope is not None and envelope.reply is not None
    if by_platform:
        return None
    if answer.status == 401:
        return NotSent("authentication refused (HTTP 401)")
    if envelope is not None and envelope.code in AUTH_FAILURES:
        return NotSent(f"authentication refused ({envelope.code})")
    return None
