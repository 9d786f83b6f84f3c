"""Whatever is asked of the bank in whatever order: money is moved, never made (hypothesis, no sockets)."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.bank.payouts import digest
from simulators.bank.rows import Answer, Fields, Line, Refusal
from simulators.bank.service import Bank
from simulators.common.clock import SHANGHAI, BusinessClock
from simulators.common.journal import Journal
from simulators.common.ledger import Ledger
from simulators.common.server import Call
from simulators.common.timers import Timers

CERTNO = "430502199001019990"
HOSPITALS = ("H43050000001", "H64000100001")
LIMIT = 100_000


class Clock(BusinessClock):
    """Business time of the test."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = datetime(2025, 3, 3, 8, tzinfo=SHANGHAI)

    def now(self) -> datetime:
        return self.moment


@dataclass
class World:
    """A bank without a door; every request is one step, as behind the door."""

    bank: Bank
    journal: Journal
    ledger: Ledger
    clock: Clock
    agreement: str = ""
    asked: int = 0
    done: dict[str, tuple[str, Answer]] = field(default_factory=dict)

    def ask(self, operation: str, fields: Fields) -> Answer:
        self.asked += 1
        header = {"SenderId": "XINYI", "MsgId": f"M{self.asked}"}
        call = Call(operation, fields.get("Serial", ""), self.clock.now(), 0, {}, self.ledger)
        answer, _, _ = self.bank.handle(call, header, fields)
        self.journal.commit()
        return answer


def account(owner: str, bank: Bank) -> dict[str, str]:
    found = next(account for account in bank.books.accounts.values() if account.owner == owner)
    return {name: str(value) for name, value in found.pairs}


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        journal = Journal(Path(folder) / "bank.jsonl")
        ledger = Ledger(journal, Path(folder) / "requests.jsonl", clock)
        bank = Bank(journal, clock, ledger, Timers(journal, clock), lambda *_, **__: None, None)
        journal.open()
        bank.books.seed()
        bank.books.put_line(Line("", CERTNO, LIMIT, "2025-12-31", 50, "offer"))
        made = World(bank, journal, ledger, clock)
        made.agreement = sign(made)
        yield made
        journal.close()


def sign(world_: World) -> str:
    payer = {"Name": "测试甲", "IdType": "01", "IdNo": CERTNO}
    fields = {"Serial": "SIGN00000001", "AgreementType": "BOTH", "Payer": payer, "PayeeId": "XINYI"}
    answer = world_.ask("SignAgreement", {**fields, "ValidFrom": "2025-03-03"})
    return str(dict(answer.pairs)["AgreementNo"])


def earlier(world_: World, pick: int, *kinds: str) -> tuple[str, dict[str, Any]]:
    """The serial and the answer of one of the operations done before, or of none."""
    fitting = [(serial, dict(answer.pairs)) for serial, (kind, answer) in world_.done.items() if kind in kinds]
    return fitting[pick % len(fitting)] if fitting else ("S000000404", {})


def request(world_: World, kind: str, pick: int, fen: int) -> tuple[str, Fields]:
    """The next request; ``pick`` chooses what it refers to."""
    number = f"S{world_.asked:09d}"
    payee = account(HOSPITALS[pick % 2], world_.bank)
    if kind == "Withhold":
        fields = {"AgreementNo": world_.agreement, "PayerName": "测试甲", "RequestedDate": "2025-03-03"}
        return kind, {"Serial": number, "AmountFen": str(fen), "PayeeAccount": payee, **fields}
    if kind == "PreAuthorise":
        fields = {"AgreementNo": world_.agreement, "ValidDays": "2"}
        return kind, {"Serial": number, "AmountFen": str(fen), "PayeeAccount": payee, **fields}
    if kind == "SubmitPayoutBatch":
        return kind, payout(world_.bank, number, HOSPITALS[pick % 2], fen)
    if kind == "Refund":
        serial, told = earlier(world_, pick, "Withhold", "CompletePreAuthorisation")
        whole = told.get("AmountFen") or told.get("CapturedFen") or fen
        amount = whole if pick % 3 == 0 else fen
        return kind, {"Serial": number, "OrigSerial": serial, "RefundFen": str(amount), "OrigAmountFen": str(whole)}
    serial, told = earlier(world_, pick, "PreAuthorise")
    numbers = {"PreAuthNo": str(told.get("PreAuthNo", "PA404")), "OrigSerial": serial}
    amount = told.get("HeldFen", fen) if kind == "VoidPreAuthorisation" else fen
    return kind, {"Serial": number, "AmountFen": str(amount), "Final": "true" if fen % 2 else "false", **numbers}


def payout(bank: Bank, number: str, hospital: str, fen: int) -> Fields:
    record = {
        "RecordNo": "1",
        "RecSerial": f"PO{number}",
        "PayeeAccount": account(hospital, bank),
        "AmountFen": str(fen),
        "HospitalCode": hospital,
        "Purpose": "GOVI",
    }
    fields: Fields = {
        "Serial": number,
        "PayerAccount": account("640000-01", bank),
        "BizDate": "2025-03-03",
        "TotalCount": "1",
        "TotalFen": str(fen),
        "Records": {"Record": [record]},
    }
    return {**fields, "DigestSm3": digest(fields)}


KINDS = (
    "Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation", "SubmitPayoutBatch",
)  # fmt: skip
steps = st.lists(
    st.tuples(
        st.sampled_from((*KINDS, *KINDS, "bounce", "repay", "expire", "day")),
        st.integers(0, 12),
        st.one_of(st.integers(1, 9_000), st.integers(1, 9), st.sampled_from([LIMIT, LIMIT + 1])),
    ),
    min_size=20,
    max_size=60,
)


def ask(world_: World, kind: str, pick: int, fen: int) -> Fields:
    operation, fields = request(world_, kind, pick, fen)
    answer = world_.ask(operation, fields)
    if not answer.refused:
        world_.done[fields["Serial"]] = (kind, answer)
    return fields


def act(world_: World, kind: str, pick: int, fen: int) -> None:
    bank = world_.bank
    if kind in KINDS:
        ask(world_, kind, pick, fen)
        return
    try:
        if kind == "bounce":
            bank.payouts.bounce(f"PO{earlier(world_, pick, 'SubmitPayoutBatch')[0]}", "AC04")
        elif kind == "repay":
            bank.charges.repay(world_.agreement, fen, "WECHAT", f"CH{world_.asked}")
        elif kind == "day":
            world_.clock.moment += timedelta(hours=13)
        else:
            lapse(world_)
    except Refusal:
        world_.journal.rollback()
    world_.journal.commit()


def lapse(world_: World) -> None:
    for hold in list(world_.bank.holds.table.values()):
        if datetime.fromisoformat(hold.expires_at) <= world_.clock.now():
            world_.bank.holds.expire(hold.no)


def check(world_: World, total: int) -> None:
    bank = world_.bank
    line = bank.books.lines[CERTNO]
    balances = {account.acct_no: account.balance_fen for account in bank.books.accounts.values()}
    assert sum(balances.values()) == total
    assert line.held_fen == sum(hold.left_fen for hold in bank.holds.table.values())
    assert bank.books.available_fen(line) >= 0
    for hold in bank.holds.table.values():
        assert 0 <= hold.captured_fen <= hold.amount_fen
        assert hold.left_fen >= 0
    for txn in bank.txns.table.values():
        assert 0 <= txn.refunded_fen <= txn.amount_fen


def check_ledger(world_: World) -> None:
    """The ledger of effects and the statement tell the same story as the accounts."""
    bank = world_.bank
    effects = list(world_.ledger.effects())
    counted = Counter((e["operation"], e["key"]) for e in effects if e["operation"] != "Repayment")
    assert not [key for key, times in counted.items() if times > 1]
    by_kind: Counter[str] = Counter()
    for effect in effects:
        by_kind[effect["operation"]] += effect["amount_fen"]
    debt = by_kind["Withhold"] + by_kind["CompletePreAuthorisation"] - by_kind["Refund"] - by_kind["Repayment"]
    assert bank.books.accounts[bank.books.lines[CERTNO].line_no].balance_fen == -debt
    paid = by_kind["SubmitPayoutBatch"] - by_kind["PayoutReturn"]
    seed = 1_000_000_000_000
    assert bank.books.accounts[account("640000-01", bank)["AcctNo"]].balance_fen == seed - paid
    moved = sum(movement.amount_fen for movement in bank.books.movements.values())
    assert moved == sum(effect["amount_fen"] for effect in effects)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_money_is_moved_and_never_made(actions: list[tuple[str, int, int]]) -> None:
    with world() as made:
        total = sum(account.balance_fen for account in made.bank.books.accounts.values())
        for kind, pick, fen in actions:
            act(made, kind, pick, fen)
            check(made, total)
        check_ledger(made)


@settings(max_examples=20, deadline=None)
@given(steps)
def test_every_request_twice_changes_nothing_more(actions: list[tuple[str, int, int]]) -> None:
    with world() as made:
        for kind, pick, fen in (step for step in actions if step[0] in KINDS):
            fields = ask(made, kind, pick, fen)
            effects = len(list(made.ledger.effects()))
            balances = [account.balance_fen for account in made.bank.books.accounts.values()]
            answers = [made.ask(kind, fields) for _ in range(2)]
            assert list(map(list, answers[0].pairs)) == list(map(list, answers[1].pairs))
            assert len(list(made.ledger.effects())) == effects
            assert [account.balance_fen for account in made.bank.books.accounts.values()] == balances
