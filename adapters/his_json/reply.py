"""What the HIS door answers by itself, and what it adds to the platform's answers (contracts, HIS surface)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final

from adapters.insurance.exact_json import dumps
from adapters.insurance.rawjson import RawJsonError, insert_into_object, quote
from gateway.model.clock import SHANGHAI
from gateway.model.insurance import NationalAnswer, Settlement
from gateway.model.money import format_yuan
from gateway.model.refusals import Refusal, cashier_text, describe

CREDITPAY: Final = "creditpay"
_OTHERS: Final = "*"


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """How a refusal is answered: HTTP status, and `infcode` (in the envelope) or `code` (authentication, 1.7)."""

    http_status: int
    code: int


@cache
def answers() -> Mapping[str, DoorAnswer]:
    """`errors.csv`: our code → how the door answers it; `*` is every code not listed."""
    text = resources.files(__package__).joinpath("errors.csv").read_text("utf-8")
    rows = csv.DictReader(io.StringIO(text))
    return {row["unified_code"]: DoorAnswer(int(row["http_status"]), int(row["code"])) for row in rows}


def reply_refusal(
    code: str,
    exchange_id: str,
    *,
    detail_zh: str = "",
    facts: Mapping[str, Any] | None = None,
    respond_time: str = "",
) -> bytes:
    """Our own refusal in the national envelope, to be sent with HTTP 200.

    `err_msg` is Chinese for the cashier and ends in ` [CODE|exchange id]`. `facts` are told in words: `field`, `state`,
    `differences`, `excess_amt`. `respond_time`: yyyyMMddHHmmssSSS, as the platform writes it. Raises KeyError for a
    code that is not in the dictionary.
    """
    text = "；".join(part for part in (detail_zh, *_in_words(facts or {})) if part)
    return _envelope(answers()[_OTHERS].code, cashier_text(code, exchange_id, text), None, respond_time)


def _envelope(infcode: int, err_msg: str, output: Mapping[str, Any] | None, respond_time: str) -> bytes:
    return _dump(
        {
            "infcode": infcode,
            "inf_refmsgid": "",
            "refmsg_time": respond_time,
            "respond_time": respond_time,
            "err_msg": err_msg,
            "warn_msg": "",
            "enctype": None,
            "signtype": None,
            "cainfo": None,
            "output": output,
        }
    )


def reply_unauthenticated(code: str = "UNAUTHENTICATED", exchange_id: str = "") -> bytes:
    """The body hospitals expect for a failed authentication, to be sent with HTTP 500: `{"code":400001,"msg":…}`.

    Raises KeyError for a code that is answered in the envelope.
    """
    row = describe(code)
    tail = f" [{code}|{exchange_id}]" if exchange_id else ""
    return _dump({"code": answers()[code].code, "msg": f"{row.zh}，{row.next_action_zh}{tail}"})


def reply_to(refusal: Refusal, exchange_id: str, *, respond_time: str = "") -> tuple[int, bytes]:
    """HTTP status and body for a refusal raised anywhere behind this door."""
    listed = answers().get(refusal.code)
    if listed is not None:
        return listed.http_status, reply_unauthenticated(refusal.code, exchange_id)
    # The detail usually names its field itself.
    facts = dict(refusal.facts) | ({"field": refusal.field} if refusal.field and not refusal.detail else {})
    body = reply_refusal(refusal.code, exchange_id, detail_zh=refusal.detail, facts=facts, respond_time=respond_time)
    return answers()[_OTHERS].http_status, body


def encode_answer(answer: NationalAnswer, *, respond_time: str = "") -> tuple[int, bytes]:
    """HTTP status and body of what a flow answers: the platform's own words, or ours.

    The same answer always gives the same bytes, so a repeated msgid is replayed byte for byte. Without raw and refusal
    it is a success from the journal: of a reversal (no output), or of a cancellation whose own answer was lost.
    """
    if answer.refusal:
        refusal = Refusal(answer.refusal, answer.detail, field=answer.field or None)
        return reply_to(refusal, answer.exchange_id, respond_time=respond_time)
    body = answer.raw.encode("utf-8")
    if not body:
        output = answer.output if answer.cancelled is None else cancelled_output(answer.cancelled)
        body = _envelope(0, "", output, respond_time)
    return 200, body if answer.creditpay is None else with_creditpay(body, answer.creditpay)


def cancelled_output(settlement: Settlement) -> dict[str, Any]:
    """`output` of a cancellation in the platform's words; amounts as numbers with two decimals (3.7)."""
    texts = ("mdtrt_id", "setl_id", "psn_no", "insutype", "med_type", "clr_optins", "clr_way", "clr_type")
    info: dict[str, Any] = {name: getattr(settlement, name) for name in texts}
    info["setl_time"] = settlement.setl_time.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    info["medins_setl_id"] = settlement.medins_setl_id
    info |= {name: Decimal(format_yuan(fen)) for name, fen in settlement.amounts.items()}
    return {"setlinfo": info, "setldetail": []}


def _in_words(facts: Mapping[str, Any]) -> list[str]:
    words = []
    if facts.get("field"):
        words.append(f"字段 {facts['field']}")
    if facts.get("differences"):
        words.append(f"差异字段 {'、'.join(map(str, facts['differences']))}")
    if facts.get("state"):
        words.append(f"当前状态 {facts['state']}")
    if facts.get("excess_amt"):
        words.append(f"超出 {facts['excess_amt']} 元")
    return words


def with_creditpay(raw_reply: bytes, creditpay: Mapping[str, Any]) -> bytes:
    """The platform's reply with `output.creditpay` added, every other byte untouched.

    A missing or null output becomes an object. An answer that is no object, or whose output is none, comes back as it
    was: the settlement's answer is worth more than our addition.
    """
    member = quote(CREDITPAY) + b":" + _dump(creditpay)
    try:
        return insert_into_object(raw_reply, ("output",), member)
    except RawJsonError:
        return raw_reply


def _dump(value: Any) -> bytes:
    return dumps(value).encode("utf-8")
