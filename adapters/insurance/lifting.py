"""What the gateway lifts out of the platform's answers: settlements, persons, the verdict of a reconciliation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

from adapters.insurance.fields import fields_of
from adapters.insurance.wire import output_in, rows_of, scalar
from gateway.model.clock import SHANGHAI
from gateway.model.insurance import CANCEL, SETTLE, NationalFile, NationalReply, PersonInsurance, Settlement
from gateway.model.masked import CertNo, PersonName
from gateway.model.money import MAX_FEN

# 5203 names two amounts otherwise (3.17); a vendor's drifted spellings are read too.
_ALIASES: Final = {
    "psn_pay": "psn_part_amt",
    "cash_payamt": "psn_cash_pay",
    "med_fee_sumamt": "medfee_sumamt",
    "prese_ifpay_amt": "preselfpay_amt",
    "psnCash_pay": "psn_cash_pay",
}
_DETAIL_AMOUNTS: Final = ("inscp_scp_amt", "crt_payb_lmt_amt", "fund_payamt")
_DETAIL_TEXTS: Final = ("fund_pay_type", "fund_pay_type_name", "setl_proc_info")
_TIMES: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y%m%d%H%M%S")


ESTIMATES: Final = frozenset({"2206", "2206A", "2303", "2101"})
"""Pre-settlements: `setlinfo` without a settlement."""


class SettlementUnreadable(ValueError):
    """The answer says success and holds no settlement one could book; the text names the field, never its value."""


@cache
def amount_fields() -> tuple[str, ...]:
    """Names of the amounts (n16,2) of `setlinfo`."""
    rows = fields_of("2207", "out")["setlinfo"]
    return tuple(row.field for row in rows if row.scale == 2)


def tolerant_fen(value: Any, name: str) -> int | None:
    """Fen of an amount as platforms write it: `90.5`, `"90.50"`, `90.500`, `9.05E+1`; None for null and "".

    Raises SettlementUnreadable for anything that is not a whole number of fen within n16,2.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise SettlementUnreadable(name)
    try:
        yuan = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise SettlementUnreadable(name) from None
    # 28 digits are exact in the default context; a longer number is no amount anyway.
    if not yuan.is_finite() or len(yuan.as_tuple().digits) > 28 or yuan.adjusted() > 16:
        raise SettlementUnreadable(name)
    fen = yuan.scaleb(2)
    if abs(fen) > MAX_FEN or fen != fen.to_integral_value():
        raise SettlementUnreadable(name)
    return int(fen)


def settlement(envelope: Mapping[str, Any], infno: str) -> Settlement:
    """The settlement in an answer to 2207, 2304, 2102 (and their A variants), 2208, 2305, 2103 or 5203.

    Amounts in fen, signed as sent. An estimate (2206, 2303, 2101) has no setl_id and carries the time of the answer.
    Raises SettlementUnreadable where setl_id, the time or an amount is missing or makes no sense.
    """
    info, output = _setlinfo(envelope), output_in(envelope)
    setl_id = scalar(info.get("setl_id"))
    if not setl_id and infno not in ESTIMATES:
        raise SettlementUnreadable("output.setlinfo.setl_id")
    texts = ("mdtrt_id", "psn_no", "insutype", "med_type", "clr_type", "clr_optins", "clr_way", "medins_setl_id")
    return Settlement(
        setl_id=setl_id,
        setl_time=_setl_time(info, envelope),
        amounts=_amounts(info),
        details=tuple(_detail(row) for row in rows_of(output.get("setldetail"))),
        **{name: scalar(info.get(name)) for name in texts},
    )


def _setlinfo(envelope: Any) -> Mapping[str, Any]:
    rows = rows_of(output_in(envelope).get("setlinfo"))
    if not rows:
        raise SettlementUnreadable("output.setlinfo")
    return rows[0]


def _amounts(info: Mapping[str, Any]) -> dict[str, int]:
    named = {_ALIASES[name]: value for name, value in info.items() if name in _ALIASES} | dict(info)
    found = ((name, tolerant_fen(named.get(name), name)) for name in amount_fields())
    return {name: fen for name, fen in found if fen is not None}


def _detail(row: Mapping[str, Any]) -> dict[str, Any]:
    texts: dict[str, Any] = {name: scalar(row.get(name)) for name in _DETAIL_TEXTS}
    return texts | {name: tolerant_fen(row.get(name), name) for name in _DETAIL_AMOUNTS}


def _setl_time(info: Mapping[str, Any], envelope: Mapping[str, Any]) -> datetime:
    """The platform's settlement time; where it left that out, the time its envelope says it answered (1.2)."""
    candidates = (info.get("setl_time"), envelope.get("respond_time"), envelope.get("refmsg_time"))
    for text in map(scalar, candidates):
        if text and (moment := _parse_time(text)) is not None:
            return moment
    raise SettlementUnreadable("output.setlinfo.setl_time")


def _parse_time(text: str) -> datetime | None:
    # yyyyMMddHHmmssSSS of the envelope; a fraction of a second in other notations.
    plain = text[:14] if text.isdigit() and len(text) == 17 else text.partition(".")[0]
    for form in _TIMES:
        try:
            return datetime.strptime(plain, form).replace(tzinfo=SHANGHAI)
        except ValueError:
            continue
    return None


def person_rows(output: Mapping[str, Any]) -> tuple[PersonInsurance, ...]:
    """The insurance rows of an answer to 1101, in its order; a person usually has several (3.1)."""
    base = next(iter(rows_of(output.get("baseinfo"))), {})
    psn_name, certno = scalar(base.get("psn_name")), scalar(base.get("certno"))
    return tuple(
        PersonInsurance(
            psn_no=scalar(base.get("psn_no")),
            insutype=scalar(row.get("insutype")),
            insuplc_admdvs=scalar(row.get("insuplc_admdvs")),
            psn_insu_stas=scalar(row.get("psn_insu_stas")),
            psn_name=PersonName(psn_name) if psn_name else None,
            certno=CertNo(certno) if certno else None,
            balc_fen=_balance(row),
        )
        for row in rows_of(output.get("insuinfo"))
    )


def _balance(row: Mapping[str, Any]) -> int:
    """The account's balance in fen; it is only shown, so an unreadable one does not spoil the answer."""
    try:
        return tolerant_fen(row.get("balc"), "balc") or 0
    except SettlementUnreadable:
        return 0


def first_of(output: Mapping[str, Any], name: str, *nodes: str) -> str:
    """A field of the first of the nodes that is there, or of `output` itself; provinces nest answers differently."""
    places = (*(row for node in nodes for row in rows_of(output.get(node))[:1]), output)
    return next((text for place in places if (text := scalar(place.get(name)))), "")


def stmt_class(code: str) -> str:
    """EQUAL, CENTRE_MORE, INSTITUTION_MORE or DIFFERS, for one-, three- and six-digit families (4.11).

    All zeros and 100 are equal, otherwise the last digit decides; an unknown code differs, since taking it for equal
    would let an unreconciled settlement be paid out.
    """
    if code == "100" or (code and not code.strip("0")):
        return "EQUAL"
    return {"1": "CENTRE_MORE", "2": "INSTITUTION_MORE"}.get(code[-1:], "DIFFERS")


def stmt_result(output: Mapping[str, Any]) -> tuple[str, str]:
    """("EQUAL" or "DIFFERS", the platform's words) of a 3201: its infcode is 0 in both cases (3.11)."""
    equal = stmt_class(first_of(output, "stmt_rslt", "stmtinfo")) == "EQUAL"
    return ("EQUAL" if equal else "DIFFERS"), first_of(output, "stmt_rslt_dscr", "stmtinfo")


def file_of(output: Mapping[str, Any]) -> NationalFile | None:
    """The file an answer to 9101 or 3202 names, whatever node it stands in; None where it names none."""
    number = first_of(output, "file_qury_no", "fileinfo", "fsUploadOut", "data", "result")
    name = first_of(output, "filename", "fileinfo", "fsUploadOut", "data", "result")
    return NationalFile(file_qury_no=number, filename=name) if number else None


def lift(infno: str, reply: NationalReply, envelope: Mapping[str, Any]) -> NationalReply:
    """The successful reply with what flows need of it. Raises SettlementUnreadable for a settlement one cannot book.

    An estimate or a cancellation without a readable settlement is still a success: the first holds nothing, the second
    is booked from its original.
    """
    output = output_in(envelope)
    found: dict[str, Any] = {}
    if infno in SETTLE:
        found["settlement"] = settlement(envelope, infno)
    elif infno in CANCEL | ESTIMATES | {"5203"}:
        found["settlement"] = _optional_settlement(envelope, infno)
    elif infno == "3201":
        found["stmt_rslt"], found["stmt_text"] = stmt_result(output)
    elif infno in ("9101", "3202"):
        found["file"] = file_of(output)
    elif infno == "9001":
        found["sign_no"] = first_of(output, "sign_no", "signinoutb")
    elif infno in ("2201", "2401"):
        found["mdtrt_id"] = first_of(output, "mdtrt_id", "data", "result")
    elif infno == "1101":
        found["persons"] = person_rows(output)
    return reply.model_copy(update=found)


def _optional_settlement(envelope: Mapping[str, Any], infno: str) -> Settlement | None:
    try:
        return settlement(envelope, infno)
    except SettlementUnreadable:
        return None
