"""The credit platform over a real socket: what it answers, refuses and remembers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulators.common.server import Options
from simulators.credit.app import TOKEN, CreditPlatform
from simulators.credit.contract import violation

CERTNO = "120101199001019990"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


def query(**change: Any) -> dict[str, Any]:
    return {
        "request_id": "Q-00000001", "auth_id": "A-1", "query_reason": "CREDIT_PAY", "scheme": "haihe",
        "psn_cert_type": "01", "certno": CERTNO, "psn_name": "测试甲", **change,
    }  # fmt: skip


def overdue(**change: Any) -> dict[str, Any]:
    return {
        "event_id": "EV-000001", "auth_id": "A-1", "scheme": "haihe", "certno": CERTNO, "event_type": "OVERDUE",
        "amount": "200.00", "overdue_days": 60, "status": "OPEN", **change,
    }  # fmt: skip


class Client:
    def __init__(self, sim: CreditPlatform, session: aiohttp.ClientSession) -> None:
        self._url, self._session = sim.url, session

    async def post(self, operation: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        url = f"{self._url}/credit/v1/{operation}"
        sent = AUTHORISED if headers is None else headers
        async with self._session.post(url, json=body, headers=sent) as answer:
            return answer.status, await answer.json()

    async def sim(self, path: str) -> Any:
        async with self._session.get(f"{self._url}/_sim/{path}") as answer:
            return await answer.json()

    async def put(self, path: str, body: Any) -> int:
        async with self._session.put(f"{self._url}/_sim/{path}", json=body) as answer:
            return answer.status


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncIterator[CreditPlatform]:
    made = CreditPlatform(Options(port=0, data=tmp_path))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(sim: CreditPlatform) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(sim, session)


async def test_a_posted_score_is_answered_with_the_callers_ids(client: Client) -> None:
    posted = {CERTNO: {"scheme": "haihe", "score": "610.5", "score_date": "2025-02-28"}}
    assert await client.put("scores", posted) == 200
    status, answer = await client.post("query", query())
    assert status == 200
    assert violation("query.response", answer) is None
    assert (answer["request_id"], answer["auth_id"], answer["score"]) == ("Q-00000001", "A-1", "610.5")
    assert (answer["found"], answer["mark"], answer["released"], answer["score_date"]) == (
        True,
        False,
        True,
        "2025-02-28",
    )


async def test_every_query_is_logged_with_authorisation_and_reason(client: Client) -> None:
    await client.post("query", query())
    await client.post("query", query(request_id="Q-00000002", query_reason="RENEWAL"))
    logged = (await client.sim("queries"))["queries"]
    assert [(row["auth_id"], row["query_reason"]) for row in logged] == [("A-1", "CREDIT_PAY"), ("A-1", "RENEWAL")]


@pytest.mark.parametrize("missing", ["auth_id", "query_reason"])
async def test_a_query_without_authorisation_or_reason_is_forbidden(client: Client, missing: str) -> None:
    status, answer = await client.post("query", {k: v for k, v in query().items() if k != missing})
    assert (status, answer["code"]) == (403, "NO_AUTHORISATION")
    assert (await client.post("query", query(**{missing: ""})))[0] == 403
    assert (await client.sim("queries"))["queries"] == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [({"scheme": "atlantis"}, 422, "UNKNOWN_SCHEME"), ({"certno": "120101199013019990"}, 422, "INVALID_CERTNO"),
     ({"diag_name": "肺炎"}, 422, "INVALID_FIELD")],
)  # fmt: skip
async def test_it_never_simply_agrees(client: Client, change: dict[str, Any], status: int, code: str) -> None:
    got = await client.post("query", query(**change))
    assert (got[0], got[1]["code"]) == (status, code)
    requests = (await client.sim("requests"))["requests"]
    assert [(row["operation"], row["verdict"]) for row in requests] == [("query", "refused")]


async def test_a_request_id_belongs_to_its_content(client: Client) -> None:
    first = await client.post("query", query())
    assert await client.post("query", query()) == first
    status, answer = await client.post("query", query(auth_id="A-2", query_reason="OTHER"))
    assert (status, answer["code"]) == (409, "REQUEST_ID_REUSED")
    assert answer["differences"] == ["auth_id", "query_reason"]


async def test_without_the_token_nothing_is_answered(client: Client) -> None:
    status, answer = await client.post("query", query(), headers={"Authorization": "Bearer guess"})
    assert (status, answer["code"]) == (401, "UNAUTHENTICATED")


async def test_a_person_may_be_unknown_or_unreleased(client: Client) -> None:
    other = "120101199001019991"
    posted = {
        CERTNO: {"scheme": "haihe", "found": False},
        other: {"scheme": "haihe", "score": "640", "released": False},
    }
    await client.put("scores", posted)
    assert (await client.post("query", query()))[1]["found"] is False
    status, answer = await client.post("query", query(request_id="Q-00000002", certno=other))
    assert (status, answer["released"], answer["score"]) == (200, False, "640")


async def test_feedback_counts_once_and_answers_the_same_receipt(client: Client) -> None:
    status, first = await client.post("feedback", overdue())
    assert (status, first["duplicate"]) == (200, False)
    _, again = await client.post("feedback", overdue())
    assert again == first | {"duplicate": True}
    assert (await client.post("feedback", overdue(amount="200.01")))[1]["code"] == "EVENT_ID_REUSED"
    effects = (await client.sim("ledger"))["effects"]
    assert [(row["operation"], row["key"], row["amount_fen"]) for row in effects] == [("feedback", "EV-000001", 20000)]
    assert effects[0]["party"] == "120101********9990"


async def test_an_update_needs_an_open_record(client: Client) -> None:
    resolved = overdue(event_id="EV-000002", status="RESOLVED")
    status, answer = await client.post("feedback", resolved)
    assert (status, answer["code"]) == (422, "NO_OPEN_RECORD")
    await client.post("feedback", overdue())
    assert (await client.post("feedback", resolved))[0] == 200


async def test_a_list_is_taken_once_per_batch(client: Client) -> None:
    batch = {"batch_no": "RED-2022", "list": "RED", "records": [
        {"subject_id": f"S{n}", "subject_name": f"机构{n}", "grade": "A"} for n in range(465)]}  # fmt: skip
    status, first = await client.post("list", batch)
    assert (status, first["duplicate"]) == (200, False)
    assert (await client.post("list", batch))[1] == first | {"duplicate": True}
    assert (await client.post("list", batch | {"list": "BLACK"}))[1]["code"] == "BATCH_NO_REUSED"
    twice = batch | {"batch_no": "RED-2023", "records": batch["records"][:1] * 2}
    assert (await client.post("list", twice))[1]["code"] == "DUPLICATE_SUBJECT"
    assert [row["detail"]["records"] for row in (await client.sim("ledger"))["effects"]] == [465]


async def test_a_lost_answer_was_still_an_effect(client: Client) -> None:
    await client.put("faults", [{"operation": "feedback", "nth": 1, "kind": "drop_after"}])
    with pytest.raises(aiohttp.ClientError):
        await client.post("feedback", overdue())
    status, answer = await client.post("feedback", overdue())
    assert (status, answer["duplicate"]) == (200, True)


async def test_a_restart_forgets_nothing(tmp_path: Path, client: Client, sim: CreditPlatform) -> None:
    _, first = await client.post("feedback", overdue())
    await client.post("query", query())
    await sim.stop()
    again = CreditPlatform(Options(port=0, data=tmp_path))
    await again.start()
    try:
        async with aiohttp.ClientSession() as session:
            second = Client(again, session)
            assert (await second.post("feedback", overdue()))[1]["ack_id"] == first["ack_id"]
            assert (await second.post("query", query(auth_id="A-9")))[0] == 409
            assert len((await second.sim("queries"))["queries"]) == 1
    finally:
        await again.stop()
