"""The platform's wire: where a transaction is posted, what an answer's envelope says (national interface, 1.2, 1.6)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from adapters.insurance.exact_json import NotJson, loads
from gateway.model.insurance import NationalReply

PREFIX = "/fsi/api"
CALL_SERVICE = f"{PREFIX}/rsfComIfsService/callService"
# Control characters but tab and line ends, and lone surrogates.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
AUTH_FAILURES = frozenset({"400001", "401"})


@cache
def service_paths() -> Mapping[str, str]:
    """infno → path after `/fsi/api` in the one-path-per-service family (1.6 b)."""
    text = resources.files(__package__).joinpath("service_paths.csv").read_text("utf-8")
    return MappingProxyType({row["infno"]: row["path"] for row in csv.DictReader(io.StringIO(text))})


def path_of(infno: str, family: str, prefix: str = PREFIX) -> str:
    """Path below the counterpart's base URL, by family; a prefix of its own replaces `/fsi/api`.

    A transaction without a service path of its own falls back to its number. Raises ValueError for an unknown family.
    """
    if family == "call_service":
        return prefix + CALL_SERVICE.removeprefix(PREFIX)
    if family == "service_path":
        return prefix + service_paths().get(infno, f"/{infno}")
    if family == "infno":
        return f"{prefix}/{infno}"
    raise ValueError(f"unknown url_family {family}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer's top level. `infcode` is empty where a gateway in between answered instead of the platform."""

    infcode: str
    code: str
    reply: NationalReply | None
    content: Mapping[str, Any]

    @property
    def by_platform(self) -> bool:
        """True where the platform itself made the body: it has an infcode and an id or a text of its own (1.4)."""
        return self.reply is not None and bool(self.infcode == "0" or self.reply.inf_refmsgid or self.reply.err_msg)


def read_envelope(body: bytes) -> Envelope | None:
    """The answer's envelope, or None for an empty body or anything that is not a JSON object in UTF-8."""
    try:
        content = loads(body)
    except NotJson:
        return None
    if not isinstance(content, dict):
        return None
    infcode = scalar(content.get("infcode"))
    reply = NationalReply(
        infcode=infcode,
        inf_refmsgid=scalar(content.get("inf_refmsgid")),
        err_msg=scalar(content.get("err_msg")),
        warn_msg=scalar(content.get("warn_msg")),
        raw=body.decode("utf-8-sig"),
    )
    return Envelope(infcode, scalar(content.get("code")), reply if infcode else None, content)


def scalar(value: Any) -> str:
    """A scalar as text: 0, "0" and 0.0 are "0"; null, booleans and structures are "" (1.1, null handling).

    Characters no store can hold become U+FFFD: a strange text must not cost us the answer it came with.
    """
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, Decimal):
        # A huge exponent would be written out digit by digit.
        whole = abs(value.adjusted()) < 20 and value == value.to_integral_value()
        return str(int(value)) if whole else str(value)
    return _UNFIT.sub("\ufffd", str(value)).strip() if isinstance(value, str | int) else ""


def output_in(envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `output` of a parsed answer; an empty mapping where it is absent, null or no object."""
    output = envelope.get("output")
    return output if isinstance(output, dict) else {}


def rows_of(node: Any) -> tuple[Mapping[str, Any], ...]:
    """A node as rows: some provinces send one object where the table says a list."""
    if isinstance(node, dict):
        return (node,)
    return tuple(row for row in node if isinstance(row, dict)) if isinstance(node, list) else ()
