"""D.1: from consent to an active agreement and to its end."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from gateway.flows.api import Caller
from gateway.model.bank import AgreementReply, BankStatus
from gateway.model.profile import Profiles, load_all
from gateway.model.refusals import Refusal
from tests.support.credit import GUANGZHOU, QUANZHOU, SHAOYANG_TWO, TIANJIN, Window, World
from tests.support.parties import UNREADABLE, Insured, Line, accepted, done, refused

BANK = Caller(id="bank", role="bank", bank="bocom")


async def test_an_application_goes_from_applied_to_active_in_one_call(world: World, window: Window) -> None:
    person = world.person(score="72.00")
    world.bank.lines[person.certno] = Line(800_000, 50, date(2025, 12, 31))
    said = await window.apply(person)
    assert said.status == 200
    assert said["state"] == "ACTIVE"
    assert (said["credit_limit"], said["avail_amt"], said["valid_to"]) == ("8000.00", "8000.00", "2025-12-31")
    assert (said["grade"], said["score"], said["scheme"]) == ("B", "72.00", "shaoyang")
    trail = await window.site.house.journal.entities.trail("agreement", said["application_id"])
    assert [(row["event"], row["to_state"]) for row in trail] == [
        ("applied", "APPLIED"), ("graded", "GRADED"), ("signed", "ACTIVE"),
    ]  # fmt: skip


async def test_the_same_key_answers_the_same_and_signs_once(world: World, window: Window) -> None:
    person = world.person()
    auth = await window.authorise(person)
    body = window.application(person, auth["auth_id"])
    first = await window.post("/v1/agreements", body, "one")
    again = await window.post("/v1/agreements", body, "one")
    assert first.body == again.body
    assert len(world.bank.did("SignAgreement")) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"auth_id": ""}, "NO_AUTHORISATION"),
        ({"auth_id": "AUNOBODY"}, "NO_AUTHORISATION"),
        ({"commitment_id": ""}, "COMMITMENT_MISSING"),
        ({"disclosure_id": ""}, "COMMITMENT_MISSING"),
        ({"products": []}, "INVALID_FIELD"),
        ({"bank": "cib"}, "INVALID_FIELD"),
        ({"bank": "nobody"}, "INVALID_FIELD"),
        ({"funding": "BANK_ADVANCE"}, "INVALID_FIELD"),
        ({"beneficiaries": [{"psn_no": "X", "relation": "CHILD", "proof_id": "P"}]}, "RELATIVE_NOT_SUPPORTED"),
    ],
)
async def test_a_rule_that_needs_nobody_outside_refuses_before_anything_is_sent(
    world: World, window: Window, change: dict[str, object], code: str
) -> None:
    person = world.person()
    auth = await window.authorise(person)
    said = await window.post("/v1/agreements", {**window.application(person, auth["auth_id"]), **change})
    assert (said.status, said.code) == (422, code)
    assert world.platform.party.requests == []
    assert world.platform_credit.party.requests == []
    assert world.bank.party.requests == []


async def test_a_refused_application_is_kept_as_rejected_with_its_reasons(world: World, window: Window) -> None:
    person = world.person()
    said = await window.post("/v1/agreements", window.application(person, ""))
    shown = await window.get(f"/v1/agreements/{said['application_id']}")
    assert (shown["state"], shown["code"]) == ("REJECTED", "NO_AUTHORISATION")
    reasons = await window.site.house.journal.reasons(said["application_id"])
    assert reasons[-1]["rule"] == "eligibility.authorisation"


async def test_consent_to_something_narrower_is_no_consent_to_the_bank(world: World, window: Window) -> None:
    person = world.person()
    auth = await window.authorise(person, scope=["CREDIT_QUERY"])
    said = await window.post("/v1/agreements", window.application(person, auth["auth_id"]))
    assert said.code == "PURPOSE_DENIED"
    assert world.platform_credit.party.requests == []


async def test_a_revoked_consent_carries_no_query_and_an_ended_one_neither(world: World, window: Window) -> None:
    person = world.person()
    auth = await window.authorise(person)
    said = await window.post(f"/v1/authorisations/{auth['auth_id']}/revoke", {"reason": "不需要了"})
    assert said["state"] == "REVOKED"
    refused_ = await window.post("/v1/agreements", window.application(person, auth["auth_id"]))
    assert refused_.code == "NO_AUTHORISATION"
    short = await window.authorise(person, valid_to="2025-03-04")
    await window.site.pass_time(days=2)
    late = await window.post("/v1/agreements", window.application(person, short["auth_id"]))
    assert late.code == "NO_AUTHORISATION"
    found = await window.site.house.journal.entities.get("authorisation", short["auth_id"])
    assert found is not None
    assert found.state == "EXPIRED"
    assert world.platform_credit.party.requests == []


async def test_somebody_elses_document_is_an_identity_mismatch(world: World, window: Window) -> None:
    person = world.person()
    world.platform.know(Insured("430500000000999999", "李四", person.certno))
    said = await window.apply(person)
    assert (said.status, said.code) == (422, "IDENTITY_MISMATCH")
    assert world.bank.party.requests == []


async def test_an_unreachable_platform_is_told_and_nothing_is_kept(world: World, window: Window) -> None:
    person = world.person()
    world.wire.fault("9001", "nothing_left")
    said = await window.apply(person)
    assert (said.status, said.code) == (503, "PLATFORM_UNAVAILABLE")
    assert await window.entities("agreement") == []


# -- the credit platform --------------------------------------------------------------------------------------------


async def test_a_credit_platform_that_does_not_answer_leaves_the_application_pending(
    world: World, window: Window
) -> None:
    person = world.person()
    world.wire.fault("query", "lost_before", "nothing_left")
    said = await window.apply(person)
    assert (said.status, said["state"], said["credit_limit"]) == (202, "APPLIED", "0.00")
    assert world.bank.party.requests == []
    await window.site.pass_time(seconds=31)
    assert (await window.get(f"/v1/agreements/{said['application_id']}"))["state"] == "APPLIED"
    await window.site.pass_time(seconds=61)
    assert (await window.get(f"/v1/agreements/{said['application_id']}"))["state"] == "ACTIVE"
    assert "agreement.changed" in window.events(said["application_id"])


async def test_the_same_call_shows_how_a_pending_application_has_gone_on(world: World, window: Window) -> None:
    person = world.person()
    world.wire.fault("query", "lost_before")
    auth = await window.authorise(person)
    body = window.application(person, auth["auth_id"])
    first = await window.post("/v1/agreements", body, "one")
    await window.site.pass_time(minutes=1)
    again = await window.post("/v1/agreements", body, "one")
    assert (first.status, first["state"]) == (202, "APPLIED")
    assert (again.status, again["state"]) == (200, "ACTIVE")
    assert again["application_id"] == first["application_id"]


async def test_a_pending_question_is_not_asked_after_the_consent_was_revoked(world: World, window: Window) -> None:
    person = world.person()
    world.wire.fault("query", "lost_before")
    auth = await window.authorise(person)
    said = await window.post("/v1/agreements", window.application(person, auth["auth_id"]))
    await window.post(f"/v1/authorisations/{auth['auth_id']}/revoke", {"reason": ""})
    await window.site.pass_time(hours=3)
    shown = await window.get(f"/v1/agreements/{said['application_id']}")
    assert (shown["state"], shown["code"]) == ("REJECTED", "NO_AUTHORISATION")
    assert world.platform_credit.party.requests == []
    assert "agreement.changed" in window.events(said["application_id"])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"score": None}, "NO_GRADE"),
        ({"score": "72.00", "dishonest": True}, "BARRED_DISHONEST"),
        ({"score": "72.00", "released": False}, "NO_GRADE"),
        ({"score": "100.01"}, "INVALID_SCORE"),
    ],
)
async def test_what_the_credit_platform_says_may_bar(
    world: World, window: Window, answer: dict[str, object], code: str
) -> None:
    person = world.person(score=None)
    world.platform_credit.say(person.certno, "shaoyang", **answer)
    said = await window.apply(person)
    assert (said.status, said.code) == (422, code)
    assert world.bank.party.requests == []


async def test_every_credit_query_is_logged_with_reason_and_consent(world: World, window: Window) -> None:
    person = world.person()
    said = await window.apply(person)
    query = world.platform_credit.party.asked("query")[0]
    rows = await window.site.house.journal.store.rows("SELECT * FROM access_log ORDER BY at, access_id", {})
    logged = {row["purpose"]: row for row in rows}
    assert query.query_reason == "CREDIT_PAY_APPLICATION"
    assert logged["CREDIT_PAY_APPLICATION"]["authority"] == query.auth_id
    assert logged["BANK_SHARE"]["authority"] == query.auth_id
    assert {row["psn_no"] for row in rows} == {person.psn_no}
    assert said["state"] == "ACTIVE"


# -- the bank -------------------------------------------------------------------------------------------------------


async def test_a_bank_that_declines_rejects_the_application(world: World, window: Window) -> None:
    person = world.person()
    world.bank.lines[person.certno] = Line(decision="decline")
    said = await window.apply(person)
    assert said.status in (409, 422)
    shown = await window.get(f"/v1/agreements/{said['application_id']}")
    assert shown["state"] == "REJECTED"
    world.bank.lines[person.certno] = Line(500_000)
    assert (await window.apply(person))["state"] == "ACTIVE"


async def test_an_unreachable_bank_is_told_and_a_new_application_may_follow(world: World, window: Window) -> None:
    person = world.person()
    world.wire.fault("SignAgreement", "nothing_left")
    auth = await window.authorise(person)
    body = window.application(person, auth["auth_id"])
    said = await window.post("/v1/agreements", body, "one")
    assert (said.status, said.code) == (503, "BANK_UNAVAILABLE")
    again = await window.post("/v1/agreements", body, "one")
    assert again.code == "BANK_UNAVAILABLE"
    await window.site.pass_time(days=1)
    assert world.bank.party.requests == []
    fresh = await window.post("/v1/agreements", body, "two")
    assert fresh["state"] == "ACTIVE"


@pytest.mark.parametrize("fault", ["lost_after", "lost_before"])
async def test_a_signing_of_unknown_outcome_is_asked_after_not_signed_again(
    world: World, window: Window, fault: str
) -> None:
    person = world.person()
    world.wire.fault("SignAgreement", fault)
    said = await window.apply(person)
    assert (said.status, said["state"]) == (202, "SIGN_PENDING")
    await window.site.pass_time(minutes=30)
    shown = await window.get(f"/v1/agreements/{said['application_id']}")
    signed = fault == "lost_after"
    assert shown["state"] == ("ACTIVE" if signed else "REJECTED")
    assert len(world.bank.did("SignAgreement")) == int(signed)
    assert world.bank.party.asked("QueryAgreement")


async def test_a_bank_that_asks_for_a_code_gets_it(world: World, window: Window) -> None:
    world.bank.needs_sms = True
    person = world.person()
    said = await window.apply(person)
    assert (said.status, said["state"], said["agreement_no"]) == (200, "SIGNING", None)
    path = f"/v1/agreements/{said['application_id']}/confirm"
    assert world.bank.party.asked("SignAgreement")[0].pending_agreement_no == ""
    wrong = await window.post(path, {"sms_token": "111111"})
    assert (wrong.status, wrong.code) == (422, "INVALID_FIELD")
    right = await window.post(path, {"sms_token": "000000"}, "right")
    assert (right.status, right["state"]) == (200, "ACTIVE")
    assert (await window.post(path, {"sms_token": "000000"}, "right")).body == right.body
    assert world.bank.party.asked("SignAgreement")[-1].pending_agreement_no == "AG000001"
    late = await window.post(path, {"sms_token": "000000"})
    assert (late.status, late.code) == (409, "ILLEGAL_STATE")


async def test_a_code_of_unknown_outcome_is_pending_too(world: World, window: Window) -> None:
    world.bank.needs_sms = True
    person = world.person()
    said = await window.apply(person)
    world.wire.fault("SignAgreement", "lost_after")
    path = f"/v1/agreements/{said['application_id']}/confirm"
    pending = await window.post(path, {"sms_token": "000000"})
    assert (pending.status, pending["state"]) == (202, "SIGN_PENDING")
    await window.site.pass_time(minutes=1)
    assert (await window.get(f"/v1/agreements/{said['application_id']}"))["state"] == "ACTIVE"


async def test_a_code_that_could_not_be_sent_may_be_sent_again(world: World, window: Window) -> None:
    world.bank.needs_sms = True
    person = world.person()
    said = await window.apply(person)
    world.wire.fault("SignAgreement", "nothing_left")
    path = f"/v1/agreements/{said['application_id']}/confirm"
    assert (await window.post(path, {"sms_token": "000000"})).code == "BANK_UNAVAILABLE"
    assert (await window.post(path, {"sms_token": "000000"}))["state"] == "ACTIVE"


async def test_an_answer_nobody_can_read_is_no_answer(world: World, window: Window) -> None:
    person = world.person()
    world.bank.party.say("SignAgreement", UNREADABLE)
    said = await window.apply(person)
    assert (said.status, said["state"]) == (202, "SIGN_PENDING")


async def test_one_live_agreement_per_person_bank_and_scheme(world: World, window: Window) -> None:
    person = world.person()
    await window.agreement(person)
    said = await window.apply(person)
    assert (said.status, said.code) == (409, "ILLEGAL_STATE")
    assert len(world.bank.did("SignAgreement")) == 1


async def test_an_offer_outside_the_localitys_range_is_given_back_to_the_bank(world: World, window: Window) -> None:
    quanzhou = window.at(QUANZHOU)
    person = world.person(city="quanzhou", qualification=True)
    world.bank.line(person.certno).limit_fen = 499_999
    said = await quanzhou.apply(person)
    assert (said.status, said.code) == (422, "INVALID_AMOUNT")
    assert len(world.bank.did("CancelAgreement")) == 1


async def test_an_offer_above_the_cap_is_cut_and_alarmed(world: World, window: Window) -> None:
    tianjin = window.at(TIANJIN)
    person = world.person(city="tianjin", score="680")
    world.bank.line(person.certno).limit_fen = 1_200_000
    said = await tianjin.apply(person)
    assert (said["credit_limit"], said["limit_cap"], said["bank_offer"]) == ("10000.00", "10000.00", "12000.00")
    assert "LIMIT_MISMATCH" in await window.tasks()


async def test_the_cap_bounds_the_sum_of_a_persons_lines_over_all_banks(tmp_path: Path) -> None:
    """I5, AMB-34: a cap of 10,000.00 over two banks that sign at the same moment."""
    world = World(tmp_path)
    profiles = Profiles(
        profile.model_copy(update={"credit": profile.credit.model_copy(update={"banks": ("bocom", "cib")})})
        if profile.credit is not None and profile.id == "tianjin"
        else profile
        for profile in load_all()
    )
    async with world.gateway(profiles=profiles) as window:
        tianjin = window.at(TIANJIN)
        person = world.person(city="tianjin", score="680")
        world.bank.line(person.certno).limit_fen = 700_000
        world.second_bank.line(person.certno).limit_fen = 500_000
        auth = await tianjin.authorise(person)
        body = tianjin.application(person, auth["auth_id"])
        said = await asyncio.gather(
            *(tianjin.post("/v1/agreements", {**body, "bank": bank}, bank) for bank in ("bocom", "cib"))
        )
        limits = sorted(answer["credit_limit"] for answer in said)
        assert limits in (["3000.00", "7000.00"], ["5000.00", "5000.00"])


async def test_the_banks_terms_are_stored_unchanged_where_the_bank_decides(world: World, window: Window) -> None:
    guangzhou = window.at(GUANGZHOU)
    person = world.person(city="guangzhou", score=None)
    world.bank.lines[person.certno] = Line(1_200_000, 56, date(2026, 6, 30))
    said = await guangzhou.apply(person)
    assert (said["credit_limit"], said["free_days"], said["valid_to"]) == ("12000.00", 56, "2026-06-30")
    assert world.platform_credit.party.requests == []


async def test_the_bank_gets_identity_account_and_cap_and_nothing_else(world: World, window: Window) -> None:
    person = world.person()
    await window.apply(person)
    request = world.bank.party.asked("SignAgreement")[0]
    assert request.id_no.reveal() == person.certno
    assert len(request.commitment_digest) == 64
    assert set(type(request).model_fields) == {
        "serial", "agreement_type", "payer", "id_type", "id_no", "mobile", "payee_id", "sms_token", "funding",
        "valid_from", "valid_to", "limit_cap_fen", "pending_agreement_no", "commitment_digest",
    }  # fmt: skip


# -- the end --------------------------------------------------------------------------------------------------------


async def test_revoking_closes_at_once_where_nothing_is_owed(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    said = await window.post(f"/v1/agreements/{number}/revoke", {"reason": "不用了"})
    assert (said.status, said["state"]) == (200, "CLOSED")
    assert len(world.bank.did("CancelAgreement")) == 1
    visit = await window.try_open(number, person)
    assert visit.code == "AGREEMENT_NOT_ACTIVE"
    assert (await window.apply(person))["state"] == "ACTIVE"


async def test_revoking_waits_for_the_debt_and_closes_with_the_last_repayment(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    visit = await window.open(number, person)
    world.platform.will_settle(person.psn_no, "100.00", "0.00", "0.00", "100.00")
    assert (await window.settle(visit, "100.00"))["state"] == "SETTLED"
    said = await window.post(f"/v1/agreements/{number}/revoke", {"reason": ""})
    assert (said["state"], said["used_amt"]) == ("CLOSING", "100.00")
    assert world.bank.party.asked("CancelAgreement") == []
    world.bank.line(person.certno).used_fen = 0
    body = {
        "agreement_no": number, "channel": "WECHAT", "channel_serial": "WX1", "amount": "100.00",
        "paid_at": "2025-03-05T10:00:00+08:00",
    }  # fmt: skip
    assert (await window.post("/v1/repayments", body, caller=BANK))["state"] == "CLOSED"


async def test_a_cancellation_at_the_bank_of_unknown_outcome_is_found_out(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    world.wire.fault("CancelAgreement", "lost_after")
    said = await window.post(f"/v1/agreements/{number}/revoke", {"reason": ""})
    assert (said.status, said["state"]) == (202, "CLOSING")
    await window.site.pass_time(minutes=2)
    assert (await window.get(f"/v1/agreements/{number}"))["state"] == "CLOSED"


async def test_a_bank_that_will_not_end_it_is_a_task_and_asked_again(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    world.bank.party.say("CancelAgreement", refused("NARR", "尚有占用"))
    said = await window.post(f"/v1/agreements/{number}/revoke", {"reason": ""})
    assert said["state"] == "CLOSING"
    assert "AGREEMENT_NOT_CANCELLED" in await window.tasks()
    await window.site.pass_time(days=2)
    assert (await window.get(f"/v1/agreements/{number}"))["state"] == "CLOSED"


async def test_an_agreement_ends_the_day_after_its_last(world: World, window: Window) -> None:
    person = world.person()
    world.bank.lines[person.certno] = Line(500_000, 50, date(2025, 3, 10))
    number = str((await window.apply(person))["agreement_no"])
    await window.site.until(window.site.clock.now().replace(day=10, hour=23))
    assert (await window.get(f"/v1/agreements/{number}"))["state"] == "ACTIVE"
    await window.site.pass_time(hours=2)
    assert (await window.get(f"/v1/agreements/{number}"))["state"] == "CLOSED"
    assert (await window.try_open(number, person)).code == "AGREEMENT_EXPIRED"


# -- who may see it -------------------------------------------------------------------------------------------------


async def test_another_hospital_reads_an_agreement_only_once_a_visit_of_its_own_uses_it(
    world: World, window: Window
) -> None:
    person = world.person()
    number = await window.agreement(person)
    other = window.at(SHAOYANG_TWO)
    with pytest.raises(Refusal, match="FORBIDDEN"):
        await other.get(f"/v1/agreements/{number}")
    await other.open(number, person)
    assert (await other.get(f"/v1/agreements/{number}"))["state"] == "ACTIVE"
    assert (await other.post(f"/v1/agreements/{number}/revoke", {"reason": ""})).code == "FORBIDDEN"


async def test_the_list_of_a_person_is_the_hospitals_own_and_masked_for_others(world: World, window: Window) -> None:
    person = world.person()
    number = await window.agreement(person)
    page = await window.get("/v1/agreements", psn_no=person.psn_no)
    assert [row["agreement_no"] for row in page["items"]] == [number]
    assert page["next_cursor"] is None
    assert (await window.at(SHAOYANG_TWO).get("/v1/agreements", psn_no=person.psn_no))["items"] == []
    auditor = Caller(id="auditor", role="auditor")
    masked = (await window.get("/v1/agreements", caller=auditor, psn_no=person.psn_no))["items"][0]["psn_no"]
    assert masked.endswith(person.psn_no[-4:])
    assert person.psn_no not in masked


async def test_no_personal_data_stands_outside_the_sealed_part(world: World, window: Window) -> None:
    person = world.person(name="欧阳示例")
    await window.apply(person)
    for table in ("authorisation", "agreement", "trail", "operation", "access_log", "due", "reason"):
        rows = await window.site.house.journal.store.rows(f"SELECT * FROM {table}", {})
        text = repr([{k: v for k, v in row.items() if not isinstance(v, bytes)} for row in rows])
        for secret in (person.certno, person.psn_name, "13800001234", "622202000011112222"):
            assert secret not in text, table


# -- what the bank tells by itself ----------------------------------------------------------------------------------


async def test_a_pending_answer_without_a_code_is_sign_pending(world: World, window: Window) -> None:
    person = world.person()
    world.bank.party.say(
        "SignAgreement", accepted(AgreementReply(status=BankStatus.PDNG, agreement_no="AGX", agreement_status="PDNG"))
    )
    said = await window.apply(person)
    assert (said.status, said["state"]) == (202, "SIGN_PENDING")
    told = AgreementReply(
        status=BankStatus.ACSC, agreement_no="AGX", agreement_status="ACTV", credit_limit_fen=300_000, free_days=30,
        valid_to=date(2025, 12, 31),
    )  # fmt: skip
    world.bank.party.say("QueryAgreement", done(told))
    await window.site.pass_time(seconds=5)
    shown = await window.get(f"/v1/agreements/{said['application_id']}")
    assert (shown["state"], shown["credit_limit"], shown["free_days"]) == ("ACTIVE", "3000.00", 30)
