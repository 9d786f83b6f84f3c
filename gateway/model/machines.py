"""Every state machine of the product, as tables: the only place that says which event leads where.

State names are the values on the wire. Guards (limits, calendars, persons) are the flows' business; what is not
in a table cannot happen and is refused as ``ILLEGAL_STATE`` naming state and event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.refusals import Refusal

Start = None
Rows = Mapping[tuple[str | None, str], str]


@dataclass(frozen=True, slots=True)
class Machine:
    """States and events of one kind of thing. ``kind`` is also the name of its table in the journal."""

    kind: str
    rows: Rows
    final: frozenset[str] = field(default_factory=frozenset)

    def after(self, state: str | None, event: str) -> str:
        """The state that ``event`` leads to. Raises Refusal ILLEGAL_STATE when the table has no such row."""
        try:
            return self.rows[state, event]
        except KeyError:
            raise Refusal("ILLEGAL_STATE", f"{self.kind}: {state} / {event}", state=state, event=event) from None

    def allows(self, state: str | None, event: str) -> bool:
        """Whether the table has a row for the event in this state."""
        return (state, event) in self.rows

    @property
    def states(self) -> frozenset[str]:
        """All states the machine can be in."""
        return frozenset(self.rows.values())


def _rows(*lines: tuple[str | None, str, str]) -> Rows:
    """Rows from (states separated by blanks, event, to)."""
    table: dict[tuple[str | None, str], str] = {}
    for origin, event, target in lines:
        for state in origin.split() if origin else (None,):
            table[state, event] = target
    return table


def _stays(event: str, states: str) -> tuple[tuple[str, str, str], ...]:
    """Rows of an event that leaves each of the states as it is."""
    return tuple((state, event, state) for state in states.split())


_SETTLED_ORDER = "CREATED UPLOADED PAYING REVOKING FAILED ABNORMAL PAID PART_REFUNDED REFUNDING"

AUTHORISATION = Machine(
    "authorisation",
    _rows(
        (Start, "given", "ACTIVE"),
        ("ACTIVE", "revoked", "REVOKED"),
        ("ACTIVE", "expired", "EXPIRED"),
    ),
    frozenset({"REVOKED", "EXPIRED"}),
)

AGREEMENT = Machine(  # D.1
    "agreement",
    _rows(
        (Start, "applied", "APPLIED"),
        ("APPLIED", "graded", "GRADED"),
        ("APPLIED", "barred", "REJECTED"),
        ("APPLIED", "unanswered", "APPLIED"),
        ("GRADED", "sms_asked", "SIGNING"),
        ("GRADED SIGNING SIGN_PENDING", "signed", "ACTIVE"),
        ("GRADED SIGNING SIGN_PENDING", "declined", "REJECTED"),
        ("GRADED SIGNING", "sign_unknown", "SIGN_PENDING"),
        ("SIGN_PENDING", "sms_asked", "SIGNING"),
        ("GRADED SIGNING", "not_sent", "GRADED"),
        ("ACTIVE", "suspended", "SUSPENDED"),
        ("SUSPENDED", "resumed", "ACTIVE"),
        ("ACTIVE", "limit_changed", "ACTIVE"),
        ("SUSPENDED", "limit_changed", "SUSPENDED"),
        ("ACTIVE SUSPENDED", "revoked", "CLOSING"),
        ("ACTIVE SUSPENDED", "expired", "CLOSING"),
        ("CLOSING", "settled_up", "CLOSED"),
    ),
    frozenset({"REJECTED", "CLOSED"}),
)

VISIT = Machine(  # D.2 and D.3
    "visit",
    _rows(
        (Start, "opened", "OPEN"),
        *_stays("leg", "OPEN HELD LAPSED"),
        *_stays("over_limit", "OPEN HELD LAPSED"),
        *_stays("topup", "OPEN HELD LAPSED CHARGE_FAILED"),
        *_stays("deposit_asked", "OPEN HELD LAPSED"),
        ("OPEN HELD LAPSED", "hold_unknown", "HOLD_PENDING"),
        ("OPEN HELD LAPSED HOLD_PENDING", "held", "HELD"),
        *_stays("hold_refused", "OPEN HELD LAPSED"),
        ("HOLD_PENDING", "hold_refused", "OPEN"),
        ("HOLD_PENDING", "hold_refused_more", "HELD"),
        ("OPEN HELD HOLD_PENDING", "lapsed", "LAPSED"),
        *_stays("leaving", "OPEN HELD LAPSED HOLD_PENDING"),  # 2404, the holds are being given up
        ("OPEN HELD LAPSED", "admission_cancelled", "RELEASED"),
        ("OPEN HELD LAPSED HOLD_PENDING CHARGE_FAILED REVERSED", "settle", "SETTLING"),
        ("SETTLING", "insurance_refused", "OPEN"),
        ("SETTLING", "insurance_refused_held", "HELD"),
        ("SETTLING", "insurance_refused_lapsed", "LAPSED"),
        ("SETTLING", "insurance_refused_pending", "HOLD_PENDING"),
        *_stays("insured", "SETTLING"),  # the settlement is known
        *_stays("planned", "SETTLING CHARGE_PENDING"),  # what is to be charged is reserved
        ("SETTLING CHARGE_PENDING", "charged", "SETTLED"),
        ("SETTLING", "charge_unknown", "CHARGE_PENDING"),
        ("SETTLING CHARGE_PENDING", "charge_failed", "CHARGE_FAILED"),
        ("CHARGE_PENDING", "paid_noted", "CHARGE_PENDING"),
        *_stays("closing", "OPEN HELD LAPSED CHARGE_FAILED"),  # paid otherwise, the holds are being given up
        ("CHARGE_PENDING CHARGE_FAILED OPEN HELD LAPSED", "paid_otherwise", "CLOSED_OTHER"),
        ("CHARGE_FAILED", "left_unpaid", "ARREARS"),
        ("ARREARS", "paid", "SETTLED"),
        ("ARREARS", "overdue", "DISHONEST_CASE"),
        ("SETTLED CHARGE_FAILED CLOSED_OTHER ARREARS", "cancel", "REVERSING"),
        ("REVERSING", "cancel_refused_settled", "SETTLED"),
        ("REVERSING", "cancel_refused_failed", "CHARGE_FAILED"),
        ("REVERSING", "cancel_refused_closed", "CLOSED_OTHER"),
        ("REVERSING", "cancel_refused_arrears", "ARREARS"),
        *_stays("uninsured", "REVERSING"),  # the cancellation is known
        ("REVERSING", "reversed", "REVERSED"),
        ("REVERSING", "reopened", "OPEN"),
    ),
    frozenset({"RELEASED", "CLOSED_OTHER", "DISHONEST_CASE"}),
)

HOLD = Machine(
    "hold",
    _rows(
        (Start, "asked", "CREATED"),
        (Start, "reserved", "HELD"),
        ("CREATED", "sent", "SUBMITTED"),
        ("CREATED SUBMITTED UNKNOWN", "held", "HELD"),
        ("CREATED SUBMITTED UNKNOWN", "refused", "REFUSED"),
        ("CREATED SUBMITTED", "unknown", "UNKNOWN"),
        ("HELD", "resized", "HELD"),
        ("HELD", "capturing", "CAPTURING"),
        ("HELD CAPTURING", "captured", "CAPTURED"),
        ("CAPTURING", "capture_refused", "HELD"),
        ("HELD RELEASING", "released", "RELEASED"),
        ("HELD", "releasing", "RELEASING"),
        ("RELEASING", "release_refused", "HELD"),
        ("HELD", "lapsed", "LAPSED"),
    ),
    frozenset({"REFUSED", "CAPTURED", "RELEASED", "LAPSED"}),
)

CHARGE = Machine(  # D.4
    "charge",
    _rows(
        (Start, "journalled", "CREATED"),
        ("CREATED", "sent", "SUBMITTED"),
        ("CREATED SUBMITTED", "not_sent", "CREATED"),
        ("CREATED", "abandoned", "REJECTED"),
        ("CREATED SUBMITTED UNKNOWN", "ok", "SUCCEEDED"),
        ("CREATED SUBMITTED UNKNOWN", "refused", "REJECTED"),
        ("CREATED SUBMITTED", "accepted", "SUBMITTED"),
        ("CREATED SUBMITTED", "no_answer", "UNKNOWN"),
        ("UNKNOWN SUBMITTED", "not_found", "NOT_RECEIVED"),
        ("NOT_RECEIVED", "resent", "SUBMITTED"),
        ("SUCCEEDED", "voided", "VOIDED"),
        ("SUCCEEDED PART_REFUNDED", "part_refunded", "PART_REFUNDED"),
        ("SUCCEEDED PART_REFUNDED", "refunded", "REFUNDED"),
        ("SUCCEEDED", "corrected_refused", "REJECTED"),
        ("REJECTED NOT_RECEIVED", "corrected_ok", "SUCCEEDED"),
    ),
    frozenset({"SUCCEEDED", "REJECTED", "NOT_RECEIVED", "VOIDED", "REFUNDED"}),
)

CLAIM = Machine(  # D.5, the insurance record
    "claim",
    _rows(
        (Start, "relayed", "SENT"),
        ("SENT", "accepted", "ACCEPTED"),
        ("SENT", "refused", "REJECTED"),
        ("SENT", "not_sent", "REJECTED"),
        ("REJECTED", "relayed", "SENT"),  # the same msgid again after it was not sent
        ("SENT", "unknown", "UNKNOWN"),
        ("UNKNOWN", "reversed", "REVERSED"),
        ("UNKNOWN", "found", "ACCEPTED"),
        ("UNKNOWN", "plan_exhausted", "RECON_PENDING"),
        ("RECON_PENDING", "reversed", "REVERSED"),
        ("RECON_PENDING", "found", "ACCEPTED"),
        ("ACCEPTED", "matched", "RECONCILED"),
        ("ACCEPTED", "differs", "RECON_DIFF"),
        ("RECON_DIFF", "matched", "RECONCILED"),
        ("ACCEPTED RECONCILED RECON_DIFF", "cancelled", "CANCELLED"),
        ("CANCELLED", "cancel_reversed", "ACCEPTED"),
        ("ACCEPTED", "contradicted", "ACCEPTED"),  # U2: the key came again with another digest
        ("RECONCILED", "contradicted", "RECONCILED"),
        ("RECON_DIFF", "contradicted", "RECON_DIFF"),
        *_stays("list_uploaded", "ACCEPTED RECONCILED RECON_DIFF CANCELLED"),  # 4101, R-127
    ),
    frozenset({"REJECTED", "REVERSED", "CANCELLED"}),
)

SUMMARY = Machine(  # D.6, one per agency, settlement date and supplement
    "summary",
    _rows(
        (Start, "built", "BUILT"),
        ("BUILT", "prepared", "PREPARED"),
        ("PREPARED", "approved", "APPROVED"),
        ("BUILT PREPARED APPROVED DEFERRED", "claim_left", "BUILT"),
        ("APPROVED", "submitted", "SUBMITTED"),
        ("APPROVED", "cutoff_missed", "DEFERRED"),
        ("DEFERRED", "next_working_day", "APPROVED"),
        ("BUILT", "deferred", "BUILT"),  # not approved on its pay date; the content hash leaves the pay date out
        ("PREPARED", "deferred", "PREPARED"),
        ("SUBMITTED", "not_sent", "APPROVED"),  # certain that nothing of it reached the bank
        ("SUBMITTED", "order_left", "SUBMITTED"),  # an unsent order of a summary sent in part
        ("BUILT", "emptied", "CLOSED"),  # every claim has left
        ("SUBMITTED", "all_final", "CLOSED"),
    ),
    frozenset({"CLOSED"}),
)

PAYOUT_ORDER = Machine(
    "payout_order",
    _rows(
        (Start, "in_summary", "IN_SUMMARY"),
        ("IN_SUMMARY", "sent", "SUBMITTED"),
        ("SUBMITTED UNKNOWN", "not_sent", "IN_SUMMARY"),
        ("SUBMITTED UNKNOWN", "success", "STATUS_OK"),
        ("SUBMITTED UNKNOWN", "failure", "STATUS_FAIL"),
        ("SUBMITTED", "none", "UNKNOWN"),
        ("IN_SUMMARY", "claim_left", "CANCELLED"),
        ("IN_SUMMARY", "resized", "IN_SUMMARY"),  # some of its claims left
        ("IN_SUMMARY", "deferred", "IN_SUMMARY"),  # alone, its summary being sent already
        ("UNKNOWN", "not_found", "UNKNOWN"),  # final: FAILED when the day closes
        ("SUBMITTED STATUS_OK STATUS_FAIL UNKNOWN RECEIPT_PENDING FAILED", "receipt", "PAID"),
        ("STATUS_OK", "feedback_without_receipt", "RECEIPT_PENDING"),
        ("STATUS_FAIL UNKNOWN", "day_closed", "FAILED"),
        ("PAID", "money_back", "RETURNED"),
        *_stays("return_noted", "SUBMITTED STATUS_OK STATUS_FAIL UNKNOWN RECEIPT_PENDING FAILED"),
        *_stays("reported", "PAID RETURNED"),  # its line stands in a month's feedback
    ),
    frozenset({"PAID", "FAILED", "RETURNED", "CANCELLED"}),
)

PAYOUT_ITEM = Machine(
    "payout_item",
    _rows(
        *((origin, event, target) for (origin, event), target in PAYOUT_ORDER.rows.items() if event != "in_summary"),
        (Start, "in_summary", "IN_SUMMARY"),
        (Start, "zero", "ZERO_SKIPPED"),
        (Start, "negative", "NEGATIVE_EXCLUDED"),
        (Start, "out_of_scope", "OUT_OF_SCOPE"),
        (Start, "recon_diff", "RECON_DIFF"),
        (Start, "conflict", "CONFLICT"),
        (Start, "cancelled", "CANCELLED"),
        # What was held out is looked at again once its claim is reconciled.
        ("RECON_DIFF CANCELLED", "in_summary", "IN_SUMMARY"),
        ("RECON_DIFF CANCELLED", "zero", "ZERO_SKIPPED"),
        ("RECON_DIFF CANCELLED", "negative", "NEGATIVE_EXCLUDED"),
        ("RECON_DIFF CANCELLED", "out_of_scope", "OUT_OF_SCOPE"),
        ("RECON_DIFF CANCELLED", "conflict", "CONFLICT"),
        ("RECON_DIFF", "cancelled", "CANCELLED"),
        ("CANCELLED", "recon_diff", "RECON_DIFF"),
    ),
    frozenset({"PAID", "FAILED", "RETURNED", "ZERO_SKIPPED", "NEGATIVE_EXCLUDED", "OUT_OF_SCOPE"}),
)

RECEIPT = Machine(  # D.7
    "receipt",
    _rows(
        (Start, "received", "RECEIVED"),
        ("RECEIVED", "digest_right", "VERIFIED"),
        ("RECEIVED", "digest_wrong", "REFUSED"),
        ("VERIFIED", "matched", "MATCHED"),
        ("VERIFIED", "no_order", "ORPHAN"),
        ("VERIFIED", "differs", "MISMATCH"),
        ("VERIFIED", "already_proven", "DUPLICATE_SUSPECT"),
        ("MATCHED ACCEPTED_ACTUAL", "return_advice", "RETURN_MATCHED"),
        *_stays("decided", "ORPHAN MISMATCH DUPLICATE_SUSPECT"),  # by the first of two persons
        ("ORPHAN MISMATCH DUPLICATE_SUSPECT", "accepted_actual", "ACCEPTED_ACTUAL"),
        ("ORPHAN MISMATCH DUPLICATE_SUSPECT", "rejected", "REJECTED"),
        *_stays(
            "repeated", "REFUSED MATCHED ORPHAN MISMATCH DUPLICATE_SUSPECT RETURN_MATCHED ACCEPTED_ACTUAL REJECTED"
        ),
    ),
    frozenset({"REFUSED", "REJECTED"}),
)

RECON_GROUP = Machine(
    "recon_group",
    _rows(
        (Start, "opened", "OPEN"),
        # A settlement that turns up later makes its group be asked about again.
        ("OPEN DIFFERS EQUAL CLOSED", "equal", "EQUAL"),
        ("OPEN DIFFERS EQUAL CLOSED", "differs", "DIFFERS"),
        ("DIFFERS", "explained", "DIFFERS"),  # by the breaks that 3202 named
        ("DIFFERS", "decided", "DIFFERS"),  # by the first of two persons
        ("DIFFERS", "closed", "CLOSED"),
    ),
    frozenset({"EQUAL", "CLOSED"}),
)

RECON_BREAK = Machine(  # one settlement or refund row that the two sides do not hold alike, named by 3202
    "recon_break",
    _rows(
        (Start, "found", "OPEN"),
        ("REPAIRED", "found", "OPEN"),  # a later comparison shows it again
        ("OPEN REPAIRING CLOSED", "changed", "OPEN"),
        ("OPEN REPAIRING", "repairing", "REPAIRING"),
        ("OPEN REPAIRING", "repaired", "REPAIRED"),
        ("OPEN REPAIRING", "gone", "REPAIRED"),  # a later comparison does not show it any more
        ("OPEN REPAIRING", "decided", "OPEN"),  # by the first of two persons
        ("OPEN REPAIRING", "closed", "CLOSED"),
    ),
    frozenset({"REPAIRED", "CLOSED"}),
)

FEEDBACK = Machine(  # D.8
    "feedback",
    _rows(
        (Start, "collected", "COLLECTING"),
        ("COLLECTING", "sent", "SENT"),
    ),
    frozenset({"SENT"}),
)

MOBILE_ORDER = Machine(  # an order of the mobile payment centre; of two statuses the further one holds
    "mobile_order",
    _rows(
        (Start, "upload_sent", "CREATED"),
        ("REJECTED", "upload_sent", "CREATED"),
        ("CREATED", "upload_refused", "REJECTED"),
        ("CREATED", "upload_not_sent", "REJECTED"),
        # A token, or that the hospital was told, of an order that has come as far already.
        *_stays("noted", "UPLOADED PAYING REVOKING FAILED ABNORMAL PAID REFUNDING PART_REFUNDED REFUNDED REVOKED"),
        (Start, "taken_over", "UPLOADED"),  # uploaded by somebody else
        ("UPLOADED", "pay_sent", "PAYING"),
        ("PAYING", "pay_refused", "UPLOADED"),
        ("UPLOADED", "revoke_sent", "REVOKING"),
        ("REVOKING", "revoke_refused", "UPLOADED"),
        ("PAID PART_REFUNDED ABNORMAL", "refund_sent", "REFUNDING"),
        ("REFUNDING", "refund_refused_paid", "PAID"),
        ("REFUNDING", "refund_refused_part", "PART_REFUNDED"),
        ("REFUNDING", "refund_refused_abnormal", "ABNORMAL"),
        # What the centre says, in an answer or by 6302, in whatever order it comes.
        ("CREATED", "saved", "UPLOADED"),
        *_stays("saved", "UPLOADED REVOKING PAYING"),
        ("CREATED UPLOADED PAYING REVOKING", "settling", "PAYING"),
        ("CREATED UPLOADED PAYING REVOKING", "failed", "FAILED"),
        ("CREATED UPLOADED PAYING REVOKING FAILED ABNORMAL", "abnormal", "ABNORMAL"),
        ("CREATED UPLOADED PAYING REVOKING FAILED ABNORMAL", "paid", "PAID"),
        (_SETTLED_ORDER, "part_refunded", "PART_REFUNDED"),
        (_SETTLED_ORDER, "refunded", "REFUNDED"),
        (_SETTLED_ORDER, "revoked", "REVOKED"),
        *_stays("revoked", "REVOKED"),
        *_stays("contradicted", "REJECTED REFUNDED REVOKED"),  # a status that cannot follow: a person looks
    ),
    frozenset({"REJECTED", "FAILED", "PAID", "PART_REFUNDED", "REFUNDED", "REVOKED"}),
)

TASK = Machine(
    "task",
    _rows(
        (Start, "raised", "OPEN"),
        ("OPEN TAKEN", "taken", "TAKEN"),
        ("OPEN TAKEN", "closed", "CLOSED"),
    ),
    frozenset({"CLOSED"}),
)

MACHINES: Mapping[str, Machine] = {
    machine.kind: machine
    for machine in (
        AUTHORISATION,
        AGREEMENT,
        VISIT,
        HOLD,
        CHARGE,
        CLAIM,
        SUMMARY,
        PAYOUT_ORDER,
        PAYOUT_ITEM,
        RECEIPT,
        RECON_GROUP,
        RECON_BREAK,
        FEEDBACK,
        MOBILE_ORDER,
        TASK,
    )
}
