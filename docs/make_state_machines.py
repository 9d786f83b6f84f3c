"""Makes ``state-machines.md`` from the tables of `gateway/model/machines.py`: ``python -m docs.make_all``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from docs.sections import relative_link, table
from gateway.model.machines import MACHINES, Machine
from gateway.model.texts import state_name

PAGE: Final = "state-machines.md"

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "authorisation": (
        "Authorisation 授权",
        "A person's consent to one purpose. Nothing about the person leaves the gateway without one that is `ACTIVE`.",
    ),
    "agreement": (
        "Credit-pay agreement 信用支付协议",
        "From the application to the signed line and its end. `SIGN_PENDING`: the bank's answer to the signing is not "
        "known and is asked for with `QueryAgreement`. `used + held ≤ limit` is a guarded `UPDATE`, not part of the "
        "machine.",
    ),
    "visit": (
        "Credit visit 信用就医",
        "One machine for outpatient visits and inpatient stays. `CHARGE_PENDING` is told to the HIS as `PENDING`: the "
        "amount stays held and nobody collects it a second time.",
    ),
    "hold": (
        "Hold 占用",
        "An amount taken off the line's available part: `LEGS` reserved by the gateway alone, `DEPOSIT` pre-authorised "
        "at the bank. A hold of unknown outcome counts against the line.",
    ),
    "charge": (
        "Withholding, capture, refund 扣款与退款",
        "One bank serial, at most one debit. `UNKNOWN` leaves only by a question, a notification or the day-end file, "
        "never by another send.",
    ),
    "claim": (
        "Insurance record 医保结算记录",
        "What a relayed 2207, 2304, 2102 or their cancellation is to the gateway. A cancellation has a record of its "
        "own; the original stays, `CANCELLED`.",
    ),
    "summary": (
        "Payout summary 支付汇总单",
        "One per agency, settlement date and supplement. A claim that leaves voids the approvals: back to `BUILT`, "
        "next version.",
    ),
    "payout_order": (
        "Payment order 付款指令",
        "One per summary, hospital and account. Only a receipt makes `PAID`; a status never does. `FAILED` is for "
        "good: the money follows with the monthly settlement.",
    ),
    "payout_item": (
        "Payout item 拨付明细",
        "One per settlement key. It shares its order's fate; the labels `ZERO_SKIPPED`, `NEGATIVE_EXCLUDED`, "
        "`OUT_OF_SCOPE`, `RECON_DIFF`, `CONFLICT` and `CANCELLED` never enter an order.",
    ),
    "receipt": (
        "E-receipt 电子回单",
        "The sole proof of a payment. What does not match waits for two persons; quarantined receipts are in no "
        "feedback.",
    ),
    "recon_group": (
        "Reconciliation group 对总账分组",
        "One 3201 group: hospital, settlement date, insurance type, clearing type, clearing agency.",
    ),
    "recon_break": (
        "Reconciliation break 对账差异",
        "One settlement or refund row that the two sides do not hold alike, named by 3202. What a rule may repair is "
        "repaired by itself; two persons close the rest.",
    ),
    "feedback": (
        "Monthly feedback 数据回传",
        "The proven daily payouts of a month, sent as the deduction basis of its monthly settlement.",
    ),
    "mobile_order": (
        "Mobile payment order 移动支付订单",
        "One per `medOrgOrd` of a hospital. The centre's `ordStas` moves it, from an answer, a question or a 6302; of "
        "two statuses the one further on holds whichever came last, so notices may come in any order and twice. Only "
        "`PAID` (6) is paid. `ABNORMAL` (14, 16) is a person's. `REJECTED`, `REFUNDED` and `REVOKED` are never left by "
        "a notice.",
    ),
    "task": (
        "Task 待办",
        "What waits for a person. One open task per kind and subject.",
    ),
}


def render() -> str:
    """The whole page. Raises KeyError for a machine nobody has described in `TITLES`."""
    parts = [_INTRODUCTION.format(source=relative_link("gateway/model/machines.py"))]
    parts += [_chapter(machine) for machine in MACHINES.values()]
    return "\n\n".join(parts) + "\n"


def _chapter(machine: Machine) -> str:
    title, text = TITLES[machine.kind]
    final = ", ".join(f"`{state}`" for state in sorted(machine.final))
    end = f"At rest: {final}." if final else ""
    parts = [f"## {title}", f"`{machine.kind}`. {text}", _diagram(machine), _states(machine), end, _table(machine)]
    return "\n\n".join(part for part in parts if part)


def _states(machine: Machine) -> str:
    """What people are shown for each state, in the order in which the table reaches them."""
    names = dict.fromkeys(machine.rows.values())
    rows = [(f"`{state}`", state_name(machine.kind, state), state_name(machine.kind, state, "en")) for state in names]
    return table(("state", "中文", "English"), rows)


def _table(machine: Machine) -> str:
    """Rows with the same event and target as one, in the order of the machine's table."""
    origins: dict[tuple[str, str], list[str]] = {}
    for (origin, event), to in machine.rows.items():
        target = "*unchanged*" if origin == to else f"`{to}`"
        origins.setdefault((event, target), []).append(f"`{origin}`" if origin else "–")
    rows = [(", ".join(states), f"`{event}`", to) for (event, to), states in origins.items()]
    return table(("from", "event", "to"), rows)


def _diagram(machine: Machine) -> str:
    """Every change of state as an arrow; events that change nothing stand in the table alone."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (origin, event), to in machine.rows.items():
        if origin != to:
            arrows.setdefault((origin or "[*]", to), []).append(event)
    lines = [f"    {origin} --> {to}: {' / '.join(events)}" for (origin, to), events in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


_INTRODUCTION: Final = """\
# State machines 状态机

Made from {source} by `python -m docs.make_all`; a test fails when the two differ.

A state stands on the wire under the name it has here. An event that is not in a table cannot happen: it is refused as
`ILLEGAL_STATE` naming state and event. A change is guarded by the state and version it leaves, and writes one immutable
row of the trail in the same transaction. Guards that look at amounts, calendars or persons are the flows' and the
handlers' business; what the store itself refuses is in [architecture.md](architecture.md). In the tables `–` is the
beginning and *unchanged* says that the event leaves the state as it is. *At rest* are the states in which nothing is
under way; some of them can still be left by a later event, such as a refund or money that comes back."""
