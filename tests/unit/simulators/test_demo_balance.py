"""The balance names every record on which two parties differ, and stays silent when they agree to the fen."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from simulators.demo import balance as subject
from simulators.demo.balance import Balance, Line, Said, expected_payout, item, money
from simulators.demo.ledgers import BankBooks, GatewayOrder, GatewayVisit, bank_books, figures, platform_settlements
from simulators.demo.report import totals
from simulators.demo.world import HOSPITALS, Facts, World
from simulators.hospital.books import Books

CODE = "H64000100001"
DETAIL = {
    "setl_id": "S1", "mdtrt_id": "M1", "insutype": "310", "med_type": "21", "setl_time": "2025-03-03 09:00:00",
    "medfee_sumamt": "100.00", "fund_pay_sumamt": "60.00", "hifp_pay": "60.00", "acct_pay": "10.00",
    "psn_cash_pay": "30.00",
}  # fmt: skip


def effect(operation: str, key: str, amount: int, party: str = CODE, **detail: Any) -> dict[str, Any]:
    return {"operation": operation, "key": key, "amount_fen": amount, "party": party, "detail": detail}


def settled(setl_id: str) -> dict[str, Any]:
    return effect("2304", f"MSG{setl_id}", 10_000, **DETAIL | {"setl_id": setl_id})


def test_the_platforms_ledger_forgets_what_was_cancelled_or_reversed() -> None:
    effects = [
        settled("S1"), settled("S2"), settled("S3"),
        effect("2305", "MSGC", -10_000, setl_id="R1", cancels="S1"),
        effect("2601", "MSGR", -10_000, omsgid="MSGS2", oinfno="2304", setl_id="S2"),
    ]  # fmt: skip
    assert set(platform_settlements(effects)[CODE]) == {"S3"}


def test_a_reversed_cancellation_restores_the_settlement() -> None:
    effects = [
        settled("S1"),
        effect("2305", "MSGC", -10_000, setl_id="R1", cancels="S1"),
        effect("2601", "MSGR", 10_000, omsgid="MSGC", oinfno="2305", setl_id="R1"),
    ]
    assert platform_settlements(effects)[CODE] == {"S1": figures(DETAIL)}


def test_the_banks_books_are_net_of_refunds_and_returns() -> None:
    books = bank_books([
        effect("Withhold", "W1", 3_000, "AG1", payee=CODE),
        effect("CompletePreAuthorisation", "C1", 2_000, "AG1", payee=CODE),
        effect("Refund", "R1", 500, "AG1", orig_serial="W1"),
        effect("PreAuthorise", "P1", 9_999, "AG1"),
        effect("SubmitPayoutBatch", "O1", 7_000),
        effect("SubmitPayoutBatch", "O2", 1_000),
        effect("PayoutReturn", "O2", 1_000),
    ])  # fmt: skip
    assert (books.credit(CODE), books.paid(CODE)) == (4_500, 7_000)


@pytest.mark.parametrize(
    ("base", "payable"),
    [(1, 1), (2, 1), (3, 2), (1_234, 740), (10_001, 6_001), (123_456, 74_074), (777_777, 466_666), (876_543, 525_926)],
)  # fmt: skip
def test_an_item_is_sixty_per_cent_half_up(base: int, payable: int) -> None:
    books = Books(CODE)
    text = money(base)
    booked = books.book("2304", "MSG", DETAIL | {"hifp_pay": text}, "640100")
    assert item(booked) == payable


def test_only_inpatients_of_the_area_are_paid_out() -> None:
    books = Books(CODE)
    books.book("2304", "M1", DETAIL, "640100")
    books.book("2304", "M2", DETAIL | {"setl_id": "S2"}, "640200")
    books.book("2207", "M3", DETAIL | {"setl_id": "S3", "med_type": "11"}, "640100")
    books.book("2304", "M4", DETAIL | {"setl_id": "S4", "setl_time": "2025-03-04 09:00:00"}, "640100")
    assert expected_payout(books, "2025-03-03", "640100") == 3_600


class Agreed:
    """A small world in which everybody says the same."""

    def __init__(self) -> None:
        self.books = {code: Books(code) for code in HOSPITALS}
        self.books[CODE].book("2304", "MSG", DETAIL, "640100")
        self.books[CODE].charge("V1", "S1", 3_000, charged=3_000)
        self.facts = Facts(counts=Counter(), feedback={"hospitals": [{"fixmedins_code": CODE, "basis_amt": "36.00"}]})
        rows = {CODE: {"S1": figures(DETAIL)}}
        bank = BankBooks({"W1": 3_000}, {"W1": CODE}, {"O1": 3_600}, {"O1": CODE})
        self.said = Said(
            platform=rows,
            gateway=rows,
            bank=bank,
            visits=[GatewayVisit(CODE, "V1", "SETTLED", 3_000, ("W1",))],
            orders=[GatewayOrder(CODE, "2025-03-03", "O1", 3_600, "PAID")],
            accounts=dict.fromkeys(HOSPITALS, 0) | {CODE: 6_600},
        )

    async def balance(self, monkeypatch: pytest.MonkeyPatch) -> Balance:
        async def ask(_: World) -> Said:
            return self.said

        monkeypatch.setattr(subject, "ask_everybody", ask)
        area = SimpleNamespace(hospital=lambda _: SimpleNamespace(pool_area="640100"))
        world = SimpleNamespace(
            his={code: SimpleNamespace(books=books) for code, books in self.books.items()},
            facts=self.facts, sandbox=SimpleNamespace(cast=area),
        )  # fmt: skip
        return await subject.balance(cast(World, world))


async def test_agreement_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await Agreed().balance(monkeypatch)
    assert found.differences == []
    assert found.balanced
    assert {line.zh for line in totals(found.lines)} >= {"医疗费总额", "信用支付净额", "日拨付（凭回单）"}


async def test_one_fen_at_the_platform_names_the_settlement(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Agreed()
    lied = figures(DETAIL | {"fund_pay_sumamt": "60.01"})
    world.said = replace(world.said, platform={CODE: {"S1": lied}})
    found = await world.balance(monkeypatch)
    assert not found.balanced
    assert any("setl_id S1" in text and "60.01" in text for text in found.differences)


async def test_a_settlement_somebody_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Agreed()
    world.said = replace(world.said, gateway={})
    found = await world.balance(monkeypatch)
    assert any("setl_id S1" in text and "gateway" in text for text in found.differences)


async def test_a_charge_for_no_visit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Agreed()
    world.said.bank.by_serial["W2"] = 3_000
    world.said.bank.hospital_of["W2"] = CODE
    found = await world.balance(monkeypatch)
    assert any("W2" in text for text in found.differences)


async def test_a_second_payout_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Agreed()
    world.said.bank.orders["O1"] = 7_200
    found = await world.balance(monkeypatch)
    assert any("O1" in text and "72.00" in text for text in found.differences)


async def test_a_failed_order_waits_for_the_month(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Agreed()
    world.facts.failed_orders["O1"] = 3_600
    world.facts.feedback = {"hospitals": []}
    orders = [GatewayOrder(CODE, "2025-03-03", "O1", 3_600, "FAILED")]
    accounts = dict.fromkeys(HOSPITALS, 0) | {CODE: 3_000}
    world.said = replace(world.said, orders=orders, bank=replace(world.said.bank, orders={}), accounts=accounts)
    found = await world.balance(monkeypatch)
    assert found.differences == []
    assert found.waiting == 3_600


def test_a_total_adds_what_each_party_says() -> None:
    lines = [Line("A", "现金自付", "cash", his=1, platform=1), Line("B", "现金自付", "cash", his=2, platform=3)]
    (total,) = totals(lines)
    assert (total.his, total.platform, total.bank, total.balanced) == (3, 4, None, False)
