"""Makes ``transactions.md`` from the manifests of the adapters: ``python -m docs.make_all``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from docs.sections import relative_link, table
from gateway.delivery.declare import DEFAULT_PLAN, AfterUnknown, Guarantee, Manifest, OperationDecl

PAGE: Final = "transactions.md"

Way = tuple[Guarantee, AfterUnknown]


@dataclass(frozen=True, slots=True)
class Leads:
    """What each verdict of an operation leads to."""

    name: str
    done: str
    not_sent: str
    refused: str
    unknown: str


_AGAIN: Final = (
    "tried again within the call, up to the attempts of the row; then the caller is told that it was not sent"
)
_FINAL: Final = "final; told to the caller"
_KNOWN: Final = "answered; a known key is answered from the journal"
_SOLE: Final = "answered; never sent again"

WAYS: Final[Mapping[Way, Leads]] = {
    (Guarantee.QUERY, AfterUnknown.RETRY): Leads(
        name="query",
        done="answered",
        not_sent=_AGAIN,
        refused=_FINAL,
        unknown="tried again within the call, then an error; a question that failed changes nothing",
    ),
    (Guarantee.IDEMPOTENT, AfterUnknown.RESEND): Leads(
        name="resend",
        done=_KNOWN,
        not_sent=_AGAIN,
        refused="final; “already …” after an unknown outcome counts as done",
        unknown="the same content again under the same key by the plan until it is certain; past the plan a task",
    ),
    (Guarantee.IDEMPOTENT, AfterUnknown.ASK): Leads(
        name="ask",
        done=_KNOWN,
        not_sent=_AGAIN,
        refused=_FINAL,
        unknown="asked after by the plan with the question of the row",
    ),
    (Guarantee.AT_MOST_ONCE, AfterUnknown.REVERSE): Leads(
        name="once, reversed",
        done=_SOLE,
        not_sent="tried again within the call, then `PLATFORM_UNAVAILABLE`; the same msgid may come again and is then "
        "sent for the first time",
        refused=_FINAL,
        unknown="never sent again: reversed by 2601 with the stored msgid, by the plan, until the reversal is certain; "
        "the HIS is answered `IN_PROGRESS`, from then on `SETTLEMENT_REVERSED`",
    ),
    (Guarantee.AT_MOST_ONCE, AfterUnknown.ASK): Leads(
        name="once, asked",
        done=_SOLE,
        not_sent="tried again within the call, then `BANK_UNAVAILABLE`: the operation is closed and never sent later; "
        "towards the payment centre `PLATFORM_UNAVAILABLE`, and the same msgid may come again",
        refused="final; another try is a new operation linked to this one",
        unknown="never sent again: the amount stays held, the HIS is told `PENDING` (`IN_PROGRESS` in the national "
        "envelope), the partner is asked by the plan under our own serial or the order's number; *not found* after "
        "the settling time is a final failure",
    ),
    (Guarantee.ONCE_EVER, AfterUnknown.ASK): Leads(
        name="once ever",
        done="never attempted again by anybody",
        not_sent="again every minute until the cut-off, then deferred to the next working day under the same number: "
        "still the first submission",
        refused="every order `STATUS_FAIL`, `FAILED` when the day closes without a receipt; the money follows with the "
        "month",
        unknown="never attempted again: `QueryPayoutBatch` by the plan; a final *not found* ends `FAILED` at the day's "
        "close",
    ),
}

PARTNERS: Final[tuple[tuple[str, str], ...]] = (
    ("adapters.bank_iso20022", "Bank in ISO 20022 报文标准的银行 · `bank_iso20022`"),
    ("adapters.bank_soap", "Bank 银行 · `bank_soap`"),
    ("adapters.bank_wsdl", "Bank with a WSDL of its own 自带 WSDL 的银行 · `bank_wsdl`"),
    ("adapters.credit_rest", "Credit platform 信用平台 · `credit_rest`"),
    ("adapters.his_callback", "Hospital callbacks 医院回调 · `his_callback`"),
    ("adapters.insurance", "Insurance platform 医保平台 · `insurance`"),
    ("adapters.mobile_pay", "Mobile payment centre 医保移动支付中心 · `mobile_pay`"),
)


def render() -> str:
    """The whole page. Raises KeyError for a way to treat verdicts that is not explained here."""
    manifests = [(package, title, Manifest.load(package)) for package, title in PARTNERS]
    parts = [_INTRODUCTION.format(plan=_plan(DEFAULT_PLAN)), _ways(manifest for _, _, manifest in manifests)]
    parts += [_chapter(package, title, manifest) for package, title, manifest in manifests]
    return "\n\n".join(parts) + "\n"


def _ways(manifests: Iterable[Manifest]) -> str:
    used = {_way(declared) for manifest in manifests for declared in manifest.operations.values()}
    rows = [
        (f"**{leads.name}**", f"`{way[0]}`, `{way[1]}`", leads.done, leads.not_sent, leads.refused, leads.unknown)
        for way, leads in WAYS.items()
        if way in used
    ]
    head = ("way", "declared as", "Done", "NotSent", "Refused", "Unknown")
    return f"## What each verdict leads to\n\n{table(head, rows)}"


def _chapter(package: str, title: str, manifest: Manifest) -> str:
    folder = package.replace(".", "/")
    rows = [_row(name, declared) for name, declared in manifest.operations.items()]
    head = ("operation", "what it is", "way", "guarantee", "question", "time-outs s", "attempts", "settling s")
    return f"## {title}\n\nDeclared in {relative_link(f'{folder}/manifest.toml')}.\n\n{table(head, rows)}"


def _row(name: str, declared: OperationDecl) -> tuple[str, ...]:
    limits = declared.timeouts
    return (
        f"`{name}`", declared.title, WAYS[_way(declared)].name, f"`{declared.guarantee}`",
        f"`{declared.question}`" if declared.question else "–",
        f"{limits.connect:g} / {limits.write:g} / {limits.read:g}", str(declared.retries),
        str(declared.settling_seconds) if declared.settling_seconds and declared.guarantee != Guarantee.QUERY else "–",
    )  # fmt: skip


def _way(declared: OperationDecl) -> Way:
    return declared.guarantee, declared.after_unknown


def _plan(seconds: tuple[int, ...]) -> str:
    short = ", ".join(str(one) for one in seconds if one < 60)
    long = ", ".join(str(one // 60) for one in seconds if one >= 60)
    return f"{short} s, then {long} min"


_INTRODUCTION: Final = """\
# Transactions 交易与保证

Made from the manifests of the adapters by `python -m docs.make_all`; a test fails when the two differ.

Every send ends in exactly one verdict: `Done`, `Accepted` (the partner works on it), `Refused` (reached, said no),
`NotSent` (certain that no byte of the request arrived) or `Unknown` (everything else: an unreadable, empty or cut-off
answer and an unseen code on a money operation included). The guarantee of an operation says what may follow; it is part
of the adapter, never of a locality's profile, and the store's unique index over sole attempts enforces `at_most_once`
and `once_ever`. Both go out on a connection of their own and follow no redirect.

The plan of questions after an unknown outcome: {plan} from one question to the next, in
business time; past the plan a task is raised for a person and it is asked once a day. `Accepted` is asked after by the
same plan. *Time-outs*: connect / write / read. *Attempts*: how often one call tries while
it is certain that nothing was sent (and, for `query` and `idempotent`, also after an unknown outcome). *Settling*:
before so many seconds have passed since the send, the partner's *not found* says nothing."""
