"""What every status means: the transaction counts, the group must not contradict it, doubt is Unknown (W1, P8)."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.bank_iso20022.errors import DICTIONARY
from adapters.bank_iso20022.standard import STATUSES
from gateway.model.verdict import Accepted, Done, Refused, Unknown
from tests.unit.adapters.bank_iso_judge import assert_valid
from tests.unit.adapters.bank_iso_partner import (
    batch,
    codec,
    reasoned,
    refunding,
    report,
    transaction,
    verdict,
    withholding,
)

FINAL, OPEN = ("ACSC", "ACCC"), ("RCVD", "ACTC", "ACCP", "ACFC", "ACSP", "PDNG")
NO_STATUS = ("ACWC", "BLCK", "CANC", "PART", "ABCD", "0000")
ALL_GROUPS = (None, "RCVD", "ACTC", "ACCP", "ACSP", "ACWC", "PDNG", "ACSC", "ACCC", "RJCT", "PART", "ABCD")
CHARGE, REFUND = withholding(), refunding()


def charged(*transactions: str, **more: Any) -> Any:
    return verdict("Withhold", CHARGE, report(*transactions, **more))


@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize("group", [None, "PART", "ACSC", "ACCC", "ACSP", "PDNG"])
def test_a_settled_payment_of_the_right_amount_is_done(status: str, group: str | None) -> None:
    said = charged(transaction(status=status, txn="BT1", day="2025-03-03"), group=group)
    assert isinstance(said, Done)
    assert (said.reply.status, said.reply.amount_fen, said.reply.bank_txn_no) == (status, 250050, "BT1")
    assert str(said.reply.booking_date) == "2025-03-03"


@pytest.mark.parametrize("status", OPEN)
def test_a_payment_under_way_is_accepted(status: str) -> None:
    said = charged(transaction(status=status, amount=None), group=status)
    assert isinstance(said, Accepted)
    assert said.reply.status == STATUSES[status]


@pytest.mark.parametrize("status", NO_STATUS)
def test_a_status_that_says_nothing_certain_is_unknown(status: str) -> None:
    assert charged(transaction(status=status)) == Unknown(f"transaction status {status}")


def test_a_payment_without_a_status_is_unknown() -> None:
    assert charged(transaction(status=None), group="PART") == Unknown("transaction status (none)")
    assert charged() == Unknown("group status (none) without its transaction")


@pytest.mark.parametrize("amount", ["2500.49", "2500.51", "250050.00", "0.01"])
@pytest.mark.parametrize("status", ["ACSC", "PDNG"])
def test_another_amount_is_unknown(amount: str, status: str) -> None:
    assert charged(transaction(status=status, amount=amount)) == Unknown("amount differs")


def test_a_success_without_an_amount_is_unknown() -> None:
    assert charged(transaction(amount=None)) == Unknown("the answer names no amount")


@pytest.mark.parametrize(
    "amount", ["2500.5000", "2500.505", "+2500.50", " 2500.50", "2.5e3", "０", "", "-2500.50", "0.00"]
)
def test_an_amount_that_is_no_amount_of_this_channel_is_unknown(amount: str) -> None:
    assert isinstance(charged(transaction(amount=amount)), Unknown)


def test_another_currency_is_another_amount() -> None:
    assert charged(transaction(ccy="USD")).reason == "HTTP 200: the answer breaks the contract at Ccy"


# -- rejections -----------------------------------------------------------------------------------------------------


def codes(kind: str) -> list[str]:
    """Reason codes of the dictionary by what they lead to; our own codes are no reasons."""
    return sorted(
        {row.code for row in DICTIONARY.values() if row.verdict == kind and len(row.code) == 4 and row.operation == "*"}
    )


@pytest.mark.parametrize("code", codes("refused"))
def test_a_reason_that_says_nothing_was_booked_refuses(code: str) -> None:
    said = charged(transaction(status="RJCT", amount=None, reason=code, text="说明"), group="RJCT")
    assert isinstance(said, Refused)
    assert (said.code, said.text, said.reply.reason_code) == (code, "说明", code)
    assert isinstance(charged(group="RJCT", inside=reasoned(code)), Refused)


@pytest.mark.parametrize("code", codes("unknown"))
def test_a_duplicate_or_a_technical_failure_is_asked_first(code: str) -> None:
    assert charged(transaction(status="RJCT", reason=code)) == Unknown(f"rejected with {code}: to be asked first")
    assert charged(group="RJCT", inside=reasoned(code)) == Unknown(f"rejected with {code}: to be asked first")


@pytest.mark.parametrize(
    ("more", "name"), [({}, "(none)"), ({"reason": "ZZ99"}, "ZZ99"), ({"own": "余额不足"}, "余额不足")]
)
def test_an_unseen_reason_is_unknown(more: dict[str, str], name: str) -> None:
    assert charged(transaction(status="RJCT", **more)) == Unknown(f"rejected with the unseen reason {name}")


def test_the_external_code_counts_whatever_stands_beside_it() -> None:
    raw = report(transaction(status="RJCT", own="OUR-1").replace("</StsRsnInf>", "</StsRsnInf>" + reasoned("AM04")))
    assert verdict("Withhold", CHARGE, raw).code == "AM04"


def test_the_dictionary_tells_refunds_from_charges() -> None:
    assert codec.explain("Refund", "AM02").unified_code == "EXCEEDS_CAPTURED"
    assert codec.explain("Withhold", "AM02").unified_code == "OVER_LIMIT"
    assert codec.explain("Withhold", "ZZ99") is None


# -- group and transaction ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ALL_GROUPS)
@pytest.mark.parametrize("status", ["ACSC", "PDNG", "RJCT"])
def test_a_group_that_contradicts_its_only_transaction_makes_both_worthless(group: str | None, status: str) -> None:
    said = charged(
        transaction(status=status, reason="AM04") if status == "RJCT" else transaction(status=status), group=group
    )
    silent = group in (None, "PART")
    if status == "RJCT":
        assert isinstance(said, Refused if silent or group == "RJCT" else Unknown)
    elif group == "RJCT" or (group in FINAL and status == "PDNG"):
        assert isinstance(said, Unknown)
    else:
        assert isinstance(said, Done if status == "ACSC" else Accepted)


@pytest.mark.parametrize("group", ALL_GROUPS)
def test_a_group_without_its_transaction_never_is_a_success(group: str | None) -> None:
    said = charged(group=group)
    assert isinstance(said, Accepted if group in OPEN else Unknown)


def test_two_words_about_one_block_must_be_the_same() -> None:
    raw = report(transaction(), group="ACSC").replace(b"<TxInfAndSts>", b"<PmtInfSts>RJCT</PmtInfSts><TxInfAndSts>")
    assert verdict("Withhold", CHARGE, raw).reason == "HTTP 200: the answer breaks the contract at PmtInfSts"
    agreed = raw.replace(b"<PmtInfSts>RJCT", b"<PmtInfSts>ACSC")
    assert isinstance(verdict("Withhold", CHARGE, agreed), Done)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"original": "W0000002"}, "the answer is about another message"),
        ({"message": "pain.001.001.09"}, "the answer is about another message"),
        ({"block": "W0000002"}, "the answer is about another block"),
    ],
)
def test_an_answer_about_something_else_is_unknown(more: dict[str, str], reason: str) -> None:
    assert charged(transaction(), **more) == Unknown(reason)


def test_an_answer_about_another_transaction_is_unknown() -> None:
    assert charged(transaction("W0000002")) == Unknown("the answer is about another transaction")
    assert charged(transaction(instr="W0000002")) == Unknown("the answer is about another transaction")
    assert charged(transaction(), transaction()) == Unknown("more than one transaction")


# -- refunds --------------------------------------------------------------------------------------------------------


def refunded(**more: str) -> Any:
    undone = transaction(**{"instr": "R0000001", **more})  # type: ignore[arg-type]
    return verdict("Refund", REFUND, report(undone, original="R0000001", message="pain.007.001.10"))


def test_a_refund_is_done_and_a_reversal_of_the_day_says_so() -> None:
    assert refunded().reply.status == "ACSC"
    marked = refunded(own="RVSD", text="当日冲正")
    assert isinstance(marked, Done)
    assert (marked.reply.status, marked.reply.reason_code) == ("RVSD", "")


def test_the_report_of_a_refund_must_name_our_own_reversal() -> None:
    assert refunded(instr="W0000001") == Unknown("the answer is about another transaction")


# -- batches --------------------------------------------------------------------------------------------------------

BATCH = batch(3)
COUNTED = "<OrgnlNbOfTxs>3</OrgnlNbOfTxs><OrgnlCtrlSum>6.00</OrgnlCtrlSum>"


def tally(status: str, count: int, total: str) -> str:
    said = f"<DtldNbOfTxs>{count}</DtldNbOfTxs><DtldSts>{status}</DtldSts><DtldCtrlSum>{total}</DtldCtrlSum>"
    return f"<NbOfTxsPerSts>{said}</NbOfTxsPerSts>"


def paid(*transactions: str, **more: Any) -> Any:
    raw = report(*transactions, original="B0000001", message="pain.001.001.09", **more)
    assert_valid(raw)
    return verdict("SubmitPayoutBatch", BATCH, raw)


def refused_order(number: int, code: str = "AC04") -> str:
    return transaction(f"PO{number}", "RJCT", f"{number}.00", reason=code)


@pytest.mark.parametrize("group", ["RCVD", "ACTC", "ACCP", "ACSP", "PDNG", "ACSC"])
def test_a_batch_is_taken_whatever_became_of_it_since(group: str) -> None:
    said = paid(group=group, before=COUNTED)
    assert isinstance(said, Accepted)
    assert (said.reply.accepted_count, said.reply.rejected) == (3, ())


def test_a_batch_in_part_names_what_was_refused_singly() -> None:
    said = paid(
        refused_order(2), group="PART", before=COUNTED, inside=tally("ACCP", 2, "4.00") + tally("RJCT", 1, "2.00")
    )
    assert isinstance(said, Accepted)
    assert (said.reply.status, said.reply.accepted_count) == ("ACSP", 2)
    assert [(one.rec_serial, one.reason_code) for one in said.reply.rejected] == [("PO2", "AC04")]


@pytest.mark.parametrize(
    ("transactions", "more", "reason"),
    [
        ((), {"group": "PART"}, "group status PART without its transactions"),
        ((), {"group": "ACCP", "before": COUNTED.replace("3", "4")}, "count or amount differs"),
        ((), {"group": "ACCP", "before": COUNTED.replace("6.00", "6.01")}, "count or amount differs"),
        ((), {"group": "ACCP", "inside": tally("ACCP", 3, "6.01")}, "amount differs"),
        ((), {"group": "ACCP", "inside": tally("ACCP", 2, "6.00")}, "count differs"),
        ((), {"group": "ACCP", "inside": tally("ACCP", 2, "4.00") + tally("RJCT", 1, "2.00")}, "count differs"),
        ((refused_order(9),), {"group": "PART"}, "transactions that were not sent"),
        ((refused_order(2), refused_order(2)), {"group": "PART"}, "transactions that were not sent"),
        ((transaction("PO2", "RJCT", "2.01", reason="AC04"),), {"group": "PART"}, "amount differs"),
        ((refused_order(2),), {"group": "ACCP"}, "group status ACCP beside rejected records"),
        ((refused_order(2),), {"group": "RJCT"}, "a rejected group in part accepted"),
        ((transaction("PO1", "ACSC", "1.00"),), {"group": "RJCT"}, "a rejected group in part accepted"),
        ((), {"group": "ACWC"}, "group status ACWC"),
        ((), {}, "group status (none)"),
    ],
)
def test_an_answer_that_is_not_the_batch_that_was_sent_is_unknown(
    transactions: tuple[str, ...], more: dict[str, Any], reason: str
) -> None:
    assert paid(*transactions, **more) == Unknown(reason)


def test_a_batch_turned_away_as_a_whole() -> None:
    assert paid(group="RJCT", inside=reasoned("AM10", text="合计不符")).code == "AM10"
    assert paid(group="RJCT", inside=reasoned("DU01")) == Unknown("rejected with DU01: to be asked first")
    each = [refused_order(number) for number in (1, 2, 3)]
    assert paid(*each, group="RJCT").code == "AC04"
    doubtful = [refused_order(1), refused_order(2, "FF10"), refused_order(3)]
    assert paid(*doubtful, group="RJCT") == Unknown("rejected with FF10: to be asked first")
