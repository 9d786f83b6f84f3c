"""The canonical side of a map: which words there are, of which kind each is, and what follows from what was read.

Nothing here knows a bank. A map says where a bank keeps a word; the word's kind says how it is written: amounts are
fen, days are days, whatever the map's author remembers. Words with ``@`` belong to the message, not to its content.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from adapters.bank_soap.notices import NOTICE_STATUS
from adapters.bank_soap.replies import BATCH_STATUS, MANDATE_STATUS, RECEIPT_STATUS
from gateway.model import bank
from gateway.model.bank import BankStatus
from gateway.model.masked import Masked

Values = dict[str, Any]


class Kind(Enum):
    """How a value is written and read."""

    TEXT = auto()
    PERSONAL = auto()
    FEN = auto()
    COUNT = auto()
    FLAG = auto()
    DAY = auto()
    MOMENT = auto()
    BYTES = auto()
    CODE = auto()  # one of a fixed vocabulary


class Unspeakable(ValueError):
    """What was read makes no canonical answer; the text names a field and no value."""


REQUESTS: Final[Mapping[str, type[bank.BankRequest]]] = MappingProxyType(
    {
        "SignAgreement": bank.SignAgreement,
        "CancelAgreement": bank.CancelAgreement,
        "QueryAgreement": bank.QueryAgreement,
        "Withhold": bank.Withhold,
        "Refund": bank.Refund,
        "QueryTransaction": bank.QueryTransaction,
        "PreAuthorise": bank.PreAuthorise,
        "CompletePreAuthorisation": bank.CompletePreAuthorisation,
        "VoidPreAuthorisation": bank.VoidPreAuthorisation,
        "SubmitPayoutBatch": bank.SubmitPayoutBatch,
        "QueryPayoutBatch": bank.QueryPayoutBatch,
        "GetReceipt": bank.GetReceipt,
    }
)
REPLIES: Final[Mapping[str, type[bank.BankReply]]] = MappingProxyType(
    {
        **dict.fromkeys(("SignAgreement", "CancelAgreement", "QueryAgreement"), bank.AgreementReply),
        **dict.fromkeys(("Withhold", "Refund", "PreAuthorise"), bank.MoneyReply),
        **dict.fromkeys(("CompletePreAuthorisation", "VoidPreAuthorisation"), bank.MoneyReply),
        "QueryTransaction": bank.TransactionReply,
        "SubmitPayoutBatch": bank.PayoutBatchReply,
        "QueryPayoutBatch": bank.PayoutStateReply,
        "GetReceipt": bank.ReceiptReply,
    }
)
NOTICES: Final[Mapping[str, type[bank.BankModel]]] = MappingProxyType(
    {"NotifyTransaction": bank.NotifyTransaction, "DeliverReceipt": bank.DeliverReceipt}
)
# Our own questions, by what they ask after: the same for every bank (state-machines G).
ASKED_BY: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("Withhold", "Refund", "PreAuthorise"), "QueryTransaction"),
        **dict.fromkeys(("CompletePreAuthorisation", "VoidPreAuthorisation"), "QueryTransaction"),
        **dict.fromkeys(("SignAgreement", "CancelAgreement"), "QueryAgreement"),
        "SubmitPayoutBatch": "QueryPayoutBatch",
    }
)

# -- words that belong to the message -----------------------------------------------------------------------------

SAID_OUT: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        **dict.fromkeys(("@msg_id", "@sender_id", "@receiver_id", "@tx_code", "@code"), Kind.TEXT),
        "@created_at": Kind.MOMENT,
        "@total_count": Kind.COUNT,
        "@total_fen": Kind.FEN,
    }
)
SAID_BACK: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        **dict.fromkeys(("@serial", "@orig_serial", "@orig_tx_code", "@batch_no"), Kind.TEXT),
        **dict.fromkeys(("@accepted_fen", "@total_fen"), Kind.FEN),
        "@size": Kind.COUNT,
    }
)
SAID_IN: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        **dict.fromkeys(("@code", "@sender_id", "@receiver_id"), Kind.TEXT),
        "@created_at": Kind.MOMENT,
        "@size": Kind.COUNT,
    }
)
SAID_ACK: Final[Mapping[str, Kind]] = MappingProxyType(dict.fromkeys(("@ack", "@notify_no", "@code"), Kind.TEXT))
ACKS: Final = frozenset({"OK", "RETRY", "MISMATCH"})

# -- vocabularies, and what is never read because it follows ------------------------------------------------------

_MONEY: Final = frozenset(BankStatus)
VOCABULARY: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "status": _MONEY,
        "orig_status": _MONEY,
        "agreement_status": frozenset(MANDATE_STATUS),
        "batch_status": frozenset(BATCH_STATUS),
        "receipt_status": frozenset(RECEIPT_STATUS),
        "records[].status": _MONEY | {"RETURNED"},
        "@orig_tx_code": frozenset(ASKED_BY),
        "@ack": ACKS,
    }
)
NOTICE_VOCABULARY: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"status": _MONEY | frozenset(NOTICE_STATUS) | frozenset(MANDATE_STATUS)}
)
# Where an answer has no status of its own it follows from what it tells.
FOLLOWS: Final[Mapping[type[BaseModel], frozenset[str]]] = MappingProxyType(
    {
        bank.AgreementReply: frozenset({"status"}),
        bank.TransactionReply: frozenset({"status"}),
        bank.PayoutStateReply: frozenset({"status"}),
        bank.ReceiptReply: frozenset({"status"}),
    }
)
# What an answer must say besides what its model needs: without it no answer could ever be believed.
NEEDED_BACK: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        **{name: frozenset({"@serial"}) for name in REQUESTS if name not in ("QueryAgreement", "GetReceipt")},
        "SignAgreement": frozenset({"@serial", "agreement_status", "agreement_no"}),
        "CancelAgreement": frozenset({"@serial", "agreement_status"}),
        "QueryAgreement": frozenset({"agreement_status", "agreement_no", "found"}),
        "QueryTransaction": frozenset({"orig_status", "orig_amount_fen"}),
        "QueryPayoutBatch": frozenset({"@batch_no", "@total_fen", "batch_status", "total_count"}),
    }
    | {
        name: frozenset({"@serial", "amount_fen"})
        for name in ("Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation")
    }
)
# What an event cannot do without (channel contract, chapter 5).
EVENT_NEEDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(("WITHHOLD", "REFUND", "PREAUTH", "COMPLETION", "VOID"), ("orig_serial",)),
        **dict.fromkeys(("PAYOUT_RECORD", "PAYOUT_RETURN"), ("orig_serial", "batch_no")),
        "AGREEMENT": ("agreement_no",),
        "REPAYMENT": ("agreement_no", "channel", "channel_serial", "amount_fen"),
        "DEFAULT": ("agreement_no", "amount_fen", "days_overdue", "cb_ref"),
    }
)

# -- kinds --------------------------------------------------------------------------------------------------------


def kind_of(model: type[BaseModel], path: str) -> Kind:
    """The kind of a field, nested models by dots. Raises LookupError for a path that leads to no value."""
    *steps, last = path.split(".")
    for step in steps:
        inner = _plain(model, step)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise LookupError(step)
        model = inner
    return _kind(last, _plain(model, last))


def rows_of(model: type[BaseModel], name: str) -> type[BaseModel]:
    """The model of a list's items. Raises LookupError for what is no list of models."""
    found = _plain(model, name)
    inner = get_args(found)[0] if get_origin(found) is tuple else None
    if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
        raise LookupError(name)
    return inner


def required(model: type[BaseModel]) -> Iterator[str]:
    """Fields a model cannot be made without, those of nested models by dots, lists as ``name[]``."""
    for name, field in model.model_fields.items():
        if field.is_required():
            inner = _plain(model, name)
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from (f"{name}.{path}" for path in required(inner))
            else:
                yield f"{name}[]" if get_origin(inner) is tuple else name


def needed(model: type[BaseModel], words: Collection[str]) -> frozenset[str]:
    """What has to be read to make the model; of an optional part and of a list only where something of it is read."""
    found = set(required(model))
    for name in model.model_fields:
        inner = _plain(model, name)
        if get_origin(inner) is tuple and f"{name}[]" in words:
            found |= {f"{name}[].{path}" for path in required(rows_of(model, name))}
        elif isinstance(inner, type) and issubclass(inner, BaseModel) and _starts(words, f"{name}."):
            found |= {f"{name}.{path}" for path in required(inner)}
    return frozenset(found) - FOLLOWS.get(model, frozenset())


def _starts(words: Collection[str], prefix: str) -> bool:
    return any(word.startswith(prefix) for word in words)


def _plain(model: type[BaseModel], name: str) -> Any:
    """The annotation without ``| None``."""
    if name not in model.model_fields:
        raise LookupError(name)
    found = model.model_fields[name].annotation
    if get_origin(found) in (Union, types.UnionType):
        return next(one for one in get_args(found) if one is not type(None))
    return found


_KINDS: Final[tuple[tuple[type, Kind], ...]] = (
    (Masked, Kind.PERSONAL),
    (BankStatus, Kind.CODE),
    (bool, Kind.FLAG),
    (datetime, Kind.MOMENT),
    (date, Kind.DAY),
    (int, Kind.COUNT),
    (bytes, Kind.BYTES),
    (str, Kind.TEXT),
)


def _kind(name: str, annotation: Any) -> Kind:
    if isinstance(annotation, type):
        for base, kind in _KINDS:
            if issubclass(annotation, base):
                return Kind.FEN if kind is Kind.COUNT and name.endswith("_fen") else kind
    raise LookupError(name)


# -- what follows -------------------------------------------------------------------------------------------------


def _of_agreement(values: Values) -> None:
    values["status"] = MANDATE_STATUS.get(values.get("agreement_status", ""), BankStatus.UNKN)


def _of_transaction(values: Values) -> None:
    values["status"] = values.get("orig_status", BankStatus.UNKN)


def _of_batch(values: Values) -> None:
    values["status"] = BATCH_STATUS.get(values.get("batch_status", ""), BankStatus.UNKN)
    records = values.get("records", ())
    values["@Records"] = sum(int(record.get("amount_fen", 0)) for record in records)
    for record in records:
        _of_record(record)


def _of_record(record: Values) -> None:
    """RETURNED is a settled record whose money came back: settled, with the moment of the return."""
    if record.get("status") == "RETURNED":
        if "returned_at" not in record:
            raise Unspeakable("returned_at")
        record["status"] = BankStatus.ACSC


def _of_receipt(values: Values) -> None:
    values["status"] = RECEIPT_STATUS.get(values.get("receipt_status", ""), BankStatus.UNKN)
    _sized(values)


def _sized(values: Values) -> None:
    """The file is as long as the bank says. Its digests are judged by a rule, not here (D.7)."""
    content = values.get("receipt", {}).get("content", b"")
    if "@size" in values and values["@size"] != len(content):
        raise Unspeakable("@size")


_FINISH: Final[Mapping[str, Callable[[Values], None]]] = MappingProxyType(
    {
        **dict.fromkeys(("SignAgreement", "CancelAgreement", "QueryAgreement"), _of_agreement),
        "QueryTransaction": _of_transaction,
        "QueryPayoutBatch": _of_batch,
        "GetReceipt": _of_receipt,
    }
)


def finish(operation: str, values: Values) -> None:
    """Complete what was read of an answer. Raises Unspeakable."""
    complete = _FINISH.get(operation)
    if complete is not None:
        complete(values)


def finish_notice(name: str, values: Values) -> None:
    """A notice's status as the flows know it: money that came back, a suspended agreement. Raises Unspeakable."""
    if name == "DeliverReceipt":
        _sized(values)
        return
    told = values.get("status", "")
    values["status"] = NOTICE_STATUS.get(told, told)
    if values.get("event_type") == "AGREEMENT":
        values["agreement_status"] = told
    needed = EVENT_NEEDS.get(values.get("event_type", ""))
    if needed is None:
        raise Unspeakable("event_type")
    lacking = [name for name in needed if values.get(name) in (None, "")]
    if lacking:
        raise Unspeakable(lacking[0])
