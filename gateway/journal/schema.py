"""The one schema of both stores, in SQLAlchemy Core. Migrations are made from it; the hot path speaks to the driver.

Moments are integer microseconds since 1970 UTC, days are ISO text, money is integer fen, personal data stands only
in ``sealed`` and ``body`` (encrypted). Nothing here is particular to SQLite or PostgreSQL.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, **more: Any) -> Column[str]:
    more.setdefault("nullable", False)
    return Column(name, Text, **more)


def _int(name: str, **more: Any) -> Column[int]:
    more.setdefault("nullable", False)
    return Column(name, BigInteger, **more)


def _maybe(name: str) -> Column[str]:
    return Column(name, Text, nullable=True)


exchange = Table(
    "exchange",
    metadata,
    _text("exchange_id", primary_key=True),
    _text("scope"),  # whose keys: his:<hospital>, v1:<client>, bank:<id>, job:<name>
    _text("idem_key"),
    _text("door"),
    _text("operation"),
    _text("hospital", server_default=""),
    _text("client", server_default=""),
    _text("fingerprint"),
    _text("flow"),
    _text("state"),  # RUNNING, FINAL, RELEASED (answered as not sent: the same key may come again)
    _text("outcome", server_default=""),
    _maybe("request_body"),
    _maybe("reply_body"),
    _int("status", server_default="0"),
    _text("lease_owner", server_default=""),
    _int("lease_until", server_default="0"),  # real time
    _int("runs", server_default="0"),
    _int("opened_at"),
    _int("closed_at", nullable=True),
    _text("profile_version", server_default=""),
    UniqueConstraint("scope", "idem_key"),
    Index("ix_exchange_state_lease_until", "state", "lease_until"),
    Index("ix_exchange_hospital_opened_at", "hospital", "opened_at"),
)

operation = Table(
    "operation",
    metadata,
    _text("operation_id", primary_key=True),
    _text("counterpart"),
    _text("name"),
    _text("key"),
    _text("guarantee"),
    _text("exchange_id"),
    _text("subject"),
    _text("hospital", server_default=""),
    _int("amount_fen", nullable=True),
    _text("fingerprint"),
    _text("state"),  # OPEN, SENDING, DONE, ACCEPTED, REFUSED, NOT_SENT, UNKNOWN, CLOSED (told as not sent)
    _text("code", server_default=""),
    _text("reason", server_default=""),
    _maybe("request_body"),
    _maybe("reply_body"),
    _text("resolved_by", server_default=""),
    _text("linked_to", server_default=""),
    _text("owner", server_default=""),
    _text("continuation", server_default=""),  # which flow goes on, with what, when the outcome is known
    _int("opened_at"),
    _int("sent_at", nullable=True),
    _int("since", nullable=True),  # business time of the first unknown
    _int("settled_at", nullable=True),
    _int("questions", server_default="0"),
    _int("next_question_at", nullable=True),
    UniqueConstraint("counterpart", "name", "key"),
    Index("ix_operation_exchange_id", "exchange_id"),
    Index("ix_operation_subject", "subject"),
    Index(
        "ix_operation_open",
        "state",
        "since",
        sqlite_where=text("state IN ('UNKNOWN','ACCEPTED')"),
        postgresql_where=text("state IN ('UNKNOWN','ACCEPTED')"),
    ),
)

attempt = Table(
    "attempt",
    metadata,
    _text("operation_id", primary_key=True),
    Column("attempt_no", Integer, primary_key=True),
    Column("sole", Integer, nullable=True),  # 1 while it is the one attempt an at_most_once or once_ever may have
    _text("body_hash"),
    _text("endpoint"),
    _text("code_version"),
    _text("config_version"),
    _text("instance"),
    _int("started_at"),  # business time
    _int("real_at"),
    _text("verdict", server_default=""),
    _text("reason", server_default=""),
    _int("took_us", nullable=True),
)
Index(
    "uq_attempt_sole",
    attempt.c.operation_id,
    unique=True,
    sqlite_where=text("sole = 1"),
    postgresql_where=text("sole = 1"),
)

body = Table(
    "body",
    metadata,
    _text("body_id", primary_key=True),
    Column("content", LargeBinary, nullable=False),
    _int("created_at"),
)

trail = Table(
    "trail",
    metadata,
    _text("kind", primary_key=True),
    _text("entity_id", primary_key=True),
    Column("seq", Integer, primary_key=True),
    _text("event"),
    _text("from_state"),
    _text("to_state"),
    _text("actor"),
    _text("key"),
    _text("exchange_id"),
    _text("profile_version"),
    _int("at"),
    _int("real_at"),
    _text("changes"),
    _text("prev_hash"),
    _text("hash"),
    Index("ix_trail_at", "at"),
    Index("ix_trail_exchange_id", "exchange_id"),
)

reason = Table(
    "reason",
    metadata,
    _text("reason_id", primary_key=True),
    _text("exchange_id"),
    Column("seq", Integer, nullable=False),
    _text("subject"),
    _text("rule"),
    _text("decision"),
    _text("detail"),
    _text("requirement"),
    _int("at"),
    Index("ix_reason_subject", "subject"),
    Index("ix_reason_exchange_id", "exchange_id"),
)

business_key = Table(
    "business_key",
    metadata,
    _text("value", primary_key=True),
    _text("name", primary_key=True),
    _text("kind", primary_key=True),
    _text("entity_id", primary_key=True),
    Index("ix_business_key_kind_entity_id", "kind", "entity_id"),
)

due = Table(
    "due",
    metadata,
    _text("due_id", primary_key=True),
    _text("kind"),
    _text("subject"),
    _text("payload", server_default="{}"),
    _int("due_at"),  # business time
    _text("lease_owner", server_default=""),
    _int("lease_until", server_default="0"),  # real time
    _int("runs", server_default="0"),
    UniqueConstraint("kind", "subject"),
    Index("ix_due_due_at", "due_at"),
)

job_run = Table(
    "job_run",
    metadata,
    _text("job", primary_key=True),
    _text("scope", primary_key=True),
    _text("business_date", primary_key=True),
    _text("instance"),
    _int("at"),
    _text("result", server_default=""),
)

line_entry = Table(
    "line_entry",
    metadata,
    _text("entry_id", primary_key=True),
    _text("agreement_id"),
    _text("subject"),
    _int("held_fen"),
    _int("used_fen"),
    _text("why"),
    _text("exchange_id"),
    _int("at"),
    Index("ix_line_entry_agreement_id", "agreement_id"),
    Index("ix_line_entry_subject", "subject"),
)

repayment = Table(
    "repayment",
    metadata,
    _text("repayment_no", primary_key=True),
    _text("agreement_id"),
    _text("channel"),
    _text("channel_serial"),
    _int("amount_fen"),
    _int("applied_fen"),  # what it took off the line
    _int("paid_at"),
    _text("exchange_id"),
    UniqueConstraint("agreement_id", "channel_serial"),
)

payout_key = Table(  # P1: never partitioned, never purged
    "payout_key",
    metadata,
    _text("settlement_key", primary_key=True),
    _text("pay_order_no"),
    Column("ever_sent", Integer, nullable=False, server_default="0"),
    Index("ix_payout_key_pay_order_no", "pay_order_no"),
)

payout_ready = Table(  # hospital days with claims whose payout is not decided yet; the build takes them off
    "payout_ready",
    metadata,
    _text("pool_area", primary_key=True),
    _text("setl_date", primary_key=True),
    _text("hospital", primary_key=True),
    _int("marked_at"),
)

bank_event = Table(  # what a bank told, once per its transaction and status
    "bank_event",
    metadata,
    _text("bank", primary_key=True),
    _text("bank_txn_no", primary_key=True),
    _text("status", primary_key=True),
    _text("event_type"),
    _text("orig_serial", server_default=""),
    _text("exchange_id"),
    Column("known", Integer, nullable=False),  # 0: a serial that is not ours
    _int("at"),
)

bank_message = Table(  # which notice a bank's message brought: a MsgId never brings another one (never purged)
    "bank_message",
    metadata,
    _text("bank", primary_key=True),
    _text("msg_id", primary_key=True),
    _text("notice"),
    _text("fingerprint"),
    _int("at"),
)

month_closed = Table(  # months whose computation is done: what comes later belongs to the next one (D.8)
    "month_closed",
    metadata,
    _text("agency", primary_key=True),
    _text("month", primary_key=True),
    _text("hospital", primary_key=True),
    _text("insutype", primary_key=True),
    _int("at"),
)

sign_in = Table(
    "sign_in",
    metadata,
    _text("hospital", primary_key=True),
    _text("opter", primary_key=True),
    _text("sign_no"),
    _int("at"),
)

own_msgid = Table(  # which msgid the gateway gave to a message of its own: the same again when a flow runs again
    "own_msgid",
    metadata,
    _text("purpose", primary_key=True),
    _text("msgid", unique=True),
)

access_log = Table(
    "access_log",
    metadata,
    _text("access_id", primary_key=True),
    _text("psn_no"),
    _text("actor"),
    _text("purpose"),
    _text("authority"),  # auth_id, role or law
    _text("detail"),
    _int("at"),
    Index("ix_access_log_psn_no", "psn_no"),
)

store_epoch = Table(
    "store_epoch",
    metadata,
    Column("one", Integer, primary_key=True),
    _text("epoch"),
)


def _entity(kind: str, *more: Any) -> Table:
    """A table of things with a state machine: what all of them have, and the columns this kind is searched by."""
    return Table(
        kind,
        metadata,
        _text("id", primary_key=True),
        _text("state"),
        Column("version", Integer, nullable=False),
        _text("head"),  # hash of its last trail row
        _text("hospital", server_default=""),
        _text("data"),  # JSON without personal data
        Column("sealed", LargeBinary, nullable=True),  # JSON of personal data, encrypted
        _text("profile_version", server_default=""),
        _int("created_at"),
        _int("updated_at"),
        *more,
    )


authorisation = _entity(
    "authorisation", _text("psn_no"), _text("purpose"), _int("valid_to"), Index("ix_authorisation_psn_no", "psn_no")
)

agreement = _entity(
    "agreement",
    Column("agreement_no", Text, nullable=True),  # the bank's own: another bank may give the same
    _text("psn_no"),
    _text("bank"),
    _text("scheme"),
    _text("locality"),
    Column("live", Integer, nullable=True),  # I3: one live agreement per person, bank and scheme
    _int("limit_fen", server_default="0"),
    _int("used_fen", server_default="0"),
    _int("held_fen", server_default="0"),
    CheckConstraint("used_fen >= 0", name="used"),
    CheckConstraint("held_fen >= 0", name="held"),
    Index("ix_agreement_psn_no", "psn_no"),
    UniqueConstraint("agreement_no", "bank"),
)
Index(
    "uq_agreement_live",
    agreement.c.psn_no,
    agreement.c.bank,
    agreement.c.scheme,
    unique=True,
    sqlite_where=text("live = 1"),
    postgresql_where=text("live = 1"),
)

visit = _entity(
    "visit",
    _text("agreement_id"),
    _text("mdtrt_id"),
    _text("psn_no"),
    _text("scene"),
    Index("ix_visit_agreement_id", "agreement_id"),
    Index("ix_visit_psn_no_mdtrt_id", "psn_no", "mdtrt_id"),
    UniqueConstraint("hospital", "mdtrt_id"),
)

hold = _entity(
    "hold",
    _text("visit_id"),
    _text("agreement_id"),
    _text("hold_kind"),  # LEGS (our own reservation) or DEPOSIT (held at the bank)
    _int("amount_fen"),
    _int("captured_fen", server_default="0"),
    _int("released_fen", server_default="0"),
    CheckConstraint("captured_fen >= 0 AND released_fen >= 0", name="not_negative"),
    CheckConstraint("captured_fen + released_fen <= amount_fen", name="within"),
    Index("ix_hold_visit_id", "visit_id"),
)

charge = _entity(
    "charge",
    _text("visit_id"),
    _text("agreement_id"),
    _text("serial", unique=True),
    _text("charge_kind"),  # WITHHOLD, CAPTURE, EXTRA
    _maybe("counted_for"),  # V4: setl_id|kind while it may be the one successful charge of that settlement
    _int("amount_fen"),
    _int("refunded_fen", server_default="0"),
    CheckConstraint("refunded_fen >= 0 AND refunded_fen <= amount_fen", name="refunded"),
    UniqueConstraint("counted_for"),
    Index("ix_charge_visit_id", "visit_id"),
)

claim = _entity(
    "claim",
    _text("msgid"),
    _text("infno"),
    _text("pool_area"),
    Column("settlement_key", Text, nullable=True, unique=True),
    _text("setl_id", server_default=""),
    _text("mdtrt_id", server_default=""),
    _text("psn_no", server_default=""),
    _text("insutype", server_default=""),
    _text("med_type", server_default=""),
    _text("clr_type", server_default=""),
    _text("clr_optins", server_default=""),
    _text("setl_date", server_default=""),
    _int("setl_time", server_default="0"),
    _int("refund", server_default="0"),
    _text("refund_of", server_default=""),
    _int("medfee_fen", server_default="0"),
    _int("fund_fen", server_default="0"),
    _int("acct_fen", server_default="0"),
    _int("cash_fen", server_default="0"),
    _int("reconciled_at", nullable=True),
    _text("digest", server_default=""),
    _int("conflict", server_default="0"),
    _int("list_uploaded_at", nullable=True),  # 4101 or 4101A taken by the platform
    Index("ix_claim_setl_date_hospital", "setl_date", "hospital"),
    Index("ix_claim_hospital_mdtrt_id", "hospital", "mdtrt_id"),
    Index("ix_claim_setl_id", "setl_id"),
    Index(
        "ix_claim_unreconciled",
        "hospital",
        "setl_date",
        sqlite_where=text("state IN ('ACCEPTED','RECON_DIFF')"),
        postgresql_where=text("state IN ('ACCEPTED','RECON_DIFF')"),
    ),
    Index(
        "ix_claim_unknown",
        "hospital",
        sqlite_where=text("state IN ('UNKNOWN','RECON_PENDING')"),
        postgresql_where=text("state IN ('UNKNOWN','RECON_PENDING')"),
    ),
    UniqueConstraint("hospital", "msgid"),
)

recon_group = _entity(
    "recon_group",
    _text("setl_date"),
    _text("insutype"),
    _text("clr_type"),
    _text("clr_optins"),
    UniqueConstraint("hospital", "setl_date", "insutype", "clr_type", "clr_optins"),
    Index("ix_recon_group_setl_date", "setl_date", "hospital"),
    Index(
        "ix_recon_group_differs",
        "setl_date",
        sqlite_where=text("state = 'DIFFERS'"),
        postgresql_where=text("state = 'DIFFERS'"),
    ),
)

recon_break = _entity(
    "recon_break",
    _text("setl_date"),
    _text("clr_type"),
    _text("clr_optins"),
    _text("setl_id"),
    _text("msgid"),
    Index("ix_recon_break_setl_date", "setl_date", "hospital"),
    Index(
        "ix_recon_break_open",
        "hospital",
        sqlite_where=text("state IN ('OPEN','REPAIRING')"),
        postgresql_where=text("state IN ('OPEN','REPAIRING')"),
    ),
)

summary = _entity(
    "summary",
    _text("agency"),
    _text("biz_date"),
    _int("supplement"),
    _int("edition"),
    _text("pay_date"),
    _text("content_hash"),
    _int("item_count"),
    _int("sum_fen"),
    UniqueConstraint("agency", "biz_date", "supplement"),
    Index("ix_summary_state_pay_date", "state", "pay_date"),
)

_UNSETTLED = "state IN ('SUBMITTED','UNKNOWN','STATUS_OK','STATUS_FAIL','RECEIPT_PENDING')"
payout_order = _entity(
    "payout_order",
    _text("agency"),
    _text("summary_no"),
    _text("batch_no"),
    _text("biz_date"),
    _text("pay_date"),
    _int("item_count"),
    _int("sum_fen"),
    _text("receipt_no", server_default=""),
    Column("unreported", Integer, nullable=True),  # 1: paid or returned, and not yet in a month's feedback
    Index("ix_payout_order_summary_no", "summary_no"),
    Index("ix_payout_order_pay_date", "pay_date"),
    Index(
        "ix_payout_order_unsettled",
        "agency",
        "pay_date",
        sqlite_where=text(_UNSETTLED),
        postgresql_where=text(_UNSETTLED),
    ),
    Index(
        "ix_payout_order_unreported",
        "agency",
        "unreported",
        sqlite_where=text("unreported = 1"),
        postgresql_where=text("unreported = 1"),
    ),
)

payout_item = _entity(
    "payout_item",
    _text("settlement_key", unique=True),
    _text("setl_id"),
    _text("biz_date"),
    _text("summary_no", server_default=""),
    _text("pay_order_no", server_default=""),
    _text("insutype"),
    _int("base_fen"),
    _text("ratio"),
    _int("amount_fen"),
    Index("ix_payout_item_pay_order_no", "pay_order_no"),
    Index("ix_payout_item_biz_date_hospital", "biz_date", "hospital"),
)

receipt = _entity(
    "receipt",
    _text("bank"),
    _text("receipt_no"),
    _text("pay_order_no", server_default=""),
    _int("amount_fen"),
    _text("booking_date"),
    _text("sha256"),
    Column("proves", Text, nullable=True, unique=True),  # R1: the order it proves, while it does
    UniqueConstraint("bank", "receipt_no"),
    Index("ix_receipt_pay_order_no", "pay_order_no"),
    Index("ix_receipt_booking_date", "booking_date"),
)

feedback = _entity(
    "feedback",
    _text("agency"),
    _text("month"),
    _int("edition"),
    UniqueConstraint("agency", "month", "edition"),
)

feedback_line = Table(
    "feedback_line",
    metadata,
    _text("feedback_id", primary_key=True),
    _text("line_key", primary_key=True),
    _text("hospital"),
    _text("insutype"),
    _text("kind"),
    _text("pay_order_no"),
    _text("receipt_no"),
    _int("amount_fen"),
    UniqueConstraint("line_key"),  # M1: a line is sent once
)

mobile_order = _entity(
    "mobile_order",
    _text("med_org_ord", server_default=""),
    Column("pay_ord_id", Text, nullable=True, unique=True),  # the centre's number, once it is known
    _text("ord_stas", server_default=""),
)

task = _entity(
    "task",
    _text("task_kind"),
    _text("subject"),
    _text("owner", server_default=""),
    _text("due_date", server_default=""),
    Column("open_for", Text, nullable=True, unique=True),  # one open task per kind and subject
    Index("ix_task_state_due_date", "state", "due_date"),
)
