"""2601 and the faults around it: what was executed, what undoing it leaves (national-interface 3.10, 6.2)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.common.server import Options
from simulators.platform import refusals
from simulators.platform.app import PlatformSim
from tests.integration.simulators.platform_his import PERSON, His, hospital

PSN = PERSON["psn_no"]


@pytest.fixture
async def his(tmp_path: Path) -> AsyncIterator[His]:
    async with hospital(tmp_path) as made:
        yield made


def reversal(omsgid: str, oinfno: str = "2207", psn_no: str = PSN) -> dict[str, Any]:
    return {"data": {"psn_no": psn_no, "omsgid": omsgid, "oinfno": oinfno}}


async def lost(his: His, infno: str, payload: Any) -> str:
    """Sends a message whose answer never comes; returns its msgid."""
    with pytest.raises((aiohttp.ServerDisconnectedError, ConnectionResetError)):
        await his.ask(infno, payload)
    return his.last_msgid


async def balance_of_the_day(his: His) -> int:
    """Net of everything the ledger says about settlements, in fen."""
    return sum(e["amount_fen"] for e in await his.effects("2207", "2208", "2304", "2305", "2601"))


async def test_a_settlement_whose_answer_was_lost_is_undone_exactly_once(his: His) -> None:
    mdtrt_id = await his.outpatient("100.00")
    await his.faults({"operation": "2207", "nth": 1, "kind": "drop_after"})
    omsgid = await lost(his, "2207", his.settle_data(mdtrt_id, "100.00"))
    assert len(await his.effects("2207")) == 1
    assert await his.balance() == "1260.00"
    for _ in range(3):
        assert (await his.ask("2601", reversal(omsgid)))["infcode"] == 0
    assert [e["amount_fen"] for e in await his.effects("2601")] == [-10_000]
    assert await his.balance() == "1300.00"
    assert await balance_of_the_day(his) == 0
    # as if it had never been: the batch can be settled again
    again = (await his.done("2207", his.settle_data(mdtrt_id, "100.00")))["setlinfo"]
    assert again["medfee_sumamt"] == 100
    _, content = await his.control("GET", "requests?operation=2601")
    assert [row["verdict"] for row in content["requests"]] == ["executed", "duplicate", "duplicate"]


async def test_a_settlement_that_never_arrived_is_not_found(his: His) -> None:
    mdtrt_id = await his.outpatient("100.00")
    await his.faults({"operation": "2207", "nth": 1, "kind": "drop_before"})
    omsgid = await lost(his, "2207", his.settle_data(mdtrt_id, "100.00"))
    assert await his.refused("2601", reversal(omsgid)) == refusals.REVERSAL_TARGET_UNKNOWN
    await his.variants(reversal_not_found_as_success=True)
    assert (await his.ask("2601", reversal(omsgid)))["infcode"] == 0
    assert await his.effects("2207", "2601") == []


async def test_a_refused_settlement_leaves_nothing_to_reverse(his: His) -> None:
    mdtrt_id = await his.outpatient("100.00")
    await his.refused("2207", his.settle_data(mdtrt_id, "99.00"))
    assert await his.refused("2601", reversal(his.last_msgid)) == refusals.REVERSAL_TARGET_UNKNOWN


async def test_reversing_a_cancellation_restores_the_settlement(his: His) -> None:
    info = await his.settled("100.00")
    keys = {"psn_no": PSN, "setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}
    await his.done("2208", {"data": keys})
    await his.done("2601", reversal(his.last_msgid, "2208"))
    assert await his.balance() == "1260.00"
    assert await balance_of_the_day(his) == 10_000
    found = (await his.done("5203", {"data": keys}))["setlinfo"]
    assert (found["vali_flag"], found["refd_setl_flag"]) == ("1", "0")
    # and it can be cancelled again
    await his.done("2208", {"data": keys})
    assert await balance_of_the_day(his) == 0


async def test_a_cancellation_settled_again_cannot_be_reversed(his: His) -> None:
    info = await his.settled("100.00")
    keys = {"psn_no": PSN, "setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}
    await his.done("2208", {"data": keys})
    cancellation = his.last_msgid
    await his.done("2207", his.settle_data(info["mdtrt_id"], "100.00"))
    assert "重新结算" in await his.refused("2601", reversal(cancellation, "2208"))
    assert await balance_of_the_day(his) == 10_000


async def test_reversing_an_admission_removes_it(his: His) -> None:
    mdtrt_id = await his.admit()
    await his.done("2601", reversal(his.last_msgid, "2401"))
    assert await his.refused("2301", {"feedetail": [his.fee(mdtrt_id, "1.00")]}) == refusals.NOT_REGISTERED
    stays = await his.done("5303", {"data": {"psn_no": PSN}})
    assert stays["data"] == []


async def test_only_the_listed_transactions_of_the_same_person_and_hospital(his: His) -> None:
    await his.settled("10.00")
    omsgid = his.last_msgid
    assert refusals.REVERSAL_FORBIDDEN in await his.refused("2601", reversal(omsgid, "2204"))
    assert "不一致" in await his.refused("2601", reversal(omsgid, psn_no="43050000000000990000900002"))
    other = His(his.sim, his.session, "H43050000002")
    await other.sign_in()
    assert await other.refused("2601", reversal(omsgid)) == refusals.REVERSAL_TARGET_UNKNOWN
    assert await his.effects("2601") == []


async def test_the_reversal_itself_may_be_lost_and_repeated(his: His) -> None:
    await his.settled("10.00")
    omsgid = his.last_msgid
    await his.faults({"operation": "2601", "nth": 1, "kind": "drop_after"})
    await lost(his, "2601", reversal(omsgid))
    assert (await his.ask("2601", reversal(omsgid)))["infcode"] == 0
    assert [e["amount_fen"] for e in await his.effects("2601")] == [-1000]
    await his.variants(reversal_duplicate_refused=True)
    assert await his.refused("2601", reversal(omsgid)) == refusals.REVERSAL_DONE


async def test_an_original_that_comes_after_its_reversal(his: His) -> None:
    """By default it is executed (a trap for the caller); a province may bar it."""
    for bars, settled in ((False, 1), (True, 1)):
        await his.variants(reversal_bars_late_original=bars)
        mdtrt_id = await his.outpatient("10.00")
        msgid = his.msgid()
        await his.refused("2601", reversal(msgid))
        await his.ask("2207", his.settle_data(mdtrt_id, "10.00"), msgid=msgid)
        assert len(await his.effects("2207")) == settled


async def test_forced_figures_are_those_of_the_next_settlement_again_after_a_reversal(his: His) -> None:
    await his.control("PUT", "amounts", {PSN: {"medfee_sumamt": "100.00", "hifp_pay": "12.34"}})
    mdtrt_id = await his.outpatient("100.00")
    for _ in range(2):
        info = (await his.done("2207", his.settle_data(mdtrt_id, "100.00")))["setlinfo"]
        assert info["hifp_pay"] == Decimal("12.34")
        await his.done("2601", reversal(his.last_msgid))


async def test_a_lie_is_told_and_not_booked(his: His) -> None:
    mdtrt_id = await his.outpatient("100.00")
    await his.faults({"operation": "2207", "kind": "lie", "fen": 1})
    info = (await his.done("2207", his.settle_data(mdtrt_id, "100.00")))["setlinfo"]
    assert (info["hifp_pay"], info["psn_cash_pay"]) == (Decimal("59.99"), Decimal("0.01"))
    assert (await his.effects("2207"))[0]["detail"]["fund_pay_sumamt"] == "60.00"
    keys = {"psn_no": PSN, "setl_id": info["setl_id"], "mdtrt_id": info["mdtrt_id"]}
    assert (await his.done("5203", {"data": keys}))["setlinfo"]["hifp_pay"] == Decimal("60")


async def test_a_rejection_on_order_speaks_the_platforms_language(his: His) -> None:
    mdtrt_id = await his.outpatient("100.00")
    await his.faults({"operation": "2207", "nth": 1, "kind": "reject", "code": "-2", "message": "待遇封锁"})
    answer = await his.ask("2207", his.settle_data(mdtrt_id, "100.00"))
    assert (answer["infcode"], answer["err_msg"]) == (-2, "待遇封锁")
    assert await his.effects("2207") == []


async def test_everything_answered_survives_kill_9_of_the_simulator(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "simulators", "platform", "--port", str(port), "--data", str(tmp_path)]

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        assert b"ready" in await process.stdout.readline()
        return process

    stand_in = PlatformSim(Options(port=port, data=tmp_path / "unused"))
    async with aiohttp.ClientSession() as session:
        his = His(stand_in, session)
        process = await start()
        await his.sign_in()
        await his.control("POST", "people", [PERSON])
        info = await his.settled("100.00")
        omsgid = his.last_msgid
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        process = await start()
        try:
            assert [e["detail"]["setl_id"] for e in await his.effects("2207")] == [info["setl_id"]]
            assert await his.balance() == "1260.00"
            await his.done("2601", reversal(omsgid))
            assert await his.balance() == "1300.00"
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
