"""A pooling area in small: two hospitals, an agency, a bank that executes whatever comes, a platform that compares."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from pydantic import BaseModel, SecretStr

from gateway.delivery.declare import NOT_FOUND, AfterUnknown, Guarantee, OperationDecl
from gateway.flows import callbacks, payout, recon
from gateway.flows.api import ApiCall, ApiReply, Caller
from gateway.flows.house import House
from gateway.flows.scheduler import Scheduler
from gateway.journal.entities import Act, Entity
from gateway.journal.exchanges import Exchange
from gateway.journal.store import Store, Unit
from gateway.model import bank as words
from gateway.model.bank import Account, BankStatus
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import SHANGHAI, SandboxClock, to_micros
from gateway.model.ids import settlement_key
from gateway.model.insurance import NationalMessage, NationalReply
from gateway.model.masked import AccountNo, PersonName
from gateway.model.money import amount_in_words, parse_yuan
from gateway.model.profile import Profiles
from gateway.model.registry import Agency, Hospital, Role
from gateway.model.verdict import Accepted, Done, Refused, Verdict
from tests.support.house import Reply, Wire, build_house, counterpart, moment, scheduler_of, still_clock
from tests.support.journals import new_store

ONE, TWO = "H64000100001", "H64000100002"
AREA, AGENCY = "640100", "640100-01"
PAYER = "6222064010000001"


def account(number: str, name: str) -> Account:
    """An account."""
    return Account(acct_no=AccountNo(number), acct_name=PersonName(name), bank_code="301871000017")


HOSPITALS = {
    code: Hospital(
        code=code, name=name, pool_area=AREA, level=level, paasid=code, token=SecretStr(f"t-{code}"),
        account=account(f"62220{code[1:]}", name),
    )
    for code, name, level in ((ONE, "银川市沙盒第一医院", 3), (TWO, "银川市沙盒第二医院", 2))
}  # fmt: skip
AGENCIES = {AGENCY: Agency(id=AGENCY, pool_area=AREA, payer_account=account(PAYER, "基金支出户"), bank="bocom")}


@dataclass
class PayoutBank:
    """Books every batch it gets, without looking for repetitions: only the sender can prevent a second payment."""

    clock: SandboxClock
    name: str = "bocom"
    effects: list[tuple[str, int]] = field(default_factory=list)
    batches: dict[str, list[words.PayoutRecordState]] = field(default_factory=dict)
    orders: dict[str, words.PayoutRecord] = field(default_factory=dict)
    receipts: dict[str, words.Receipt] = field(default_factory=dict)
    reject: set[str] = field(default_factory=set)  # hospitals whose record is refused singly
    refuse: str = ""  # refuse whole batches with this code
    keep_open: bool = False  # records stay ACSP
    issue: bool = True  # make receipts at once
    types: Mapping[str, tuple[type[BaseModel], type[BaseModel]]] = field(
        default_factory=lambda: {
            "SubmitPayoutBatch": (words.SubmitPayoutBatch, words.PayoutBatchReply),
            "QueryPayoutBatch": (words.QueryPayoutBatch, words.PayoutStateReply),
            "GetReceipt": (words.GetReceipt, words.ReceiptReply),
        }
    )

    async def answer(self, operation: str, request: Any) -> Reply:
        """Execute."""
        match operation:
            case "SubmitPayoutBatch":
                return self._submit(request)
            case "QueryPayoutBatch":
                return self._query(request)
        return self._receipt(request)

    def _submit(self, batch: words.SubmitPayoutBatch) -> Reply:
        if self.refuse:
            return Reply("REFUSED", code=self.refuse, text="整批拒绝")
        states, rejected = [], []
        for record in batch.records:
            self.orders[record.rec_serial] = record
            if record.hospital_code in self.reject:
                rejected.append(words.RejectedRecord(rec_serial=record.rec_serial, reason_code="AC04"))
                status = BankStatus.RJCT
            else:
                self.effects.append((record.rec_serial, record.amount_fen))
                status = BankStatus.ACSP if self.keep_open else BankStatus.ACSC
                if self.issue:
                    self.receipts[record.rec_serial] = self.receipt_for(record.rec_serial, batch=batch)
            states.append(self._state(record, status))
        self.batches[batch.serial] = states
        reply = words.PayoutBatchReply(
            status=BankStatus.ACCP, accepted_count=len(states) - len(rejected), rejected=tuple(rejected)
        )
        return Reply("ACCEPTED", reply)

    def _state(self, record: words.PayoutRecord, status: BankStatus) -> words.PayoutRecordState:
        return words.PayoutRecordState(
            rec_serial=record.rec_serial, status=status, bank_txn_no=f"T{record.rec_serial[:20]}",
            reason_code="AC04" if status is BankStatus.RJCT else "", booking_date=self.clock.now().date(),
        )  # fmt: skip

    def _query(self, question: words.QueryPayoutBatch) -> Reply:
        states = self.batches.get(question.batch_no)
        if states is None:
            return Reply("DONE", words.PayoutStateReply(status=BankStatus.RCVD, found=False))
        reply = words.PayoutStateReply(
            status=BankStatus.ACSC, found=True, batch_status="PART", total_count=len(states), records=tuple(states)
        )
        return Reply("DONE", reply)

    def _receipt(self, question: words.GetReceipt) -> Reply:
        found = self.receipts.get(question.orig_serial)
        status = "NONE" if found is None else "READY"
        return Reply("DONE", words.ReceiptReply(status=BankStatus.ACSC, receipt_status=status, receipt=found))

    def set_status(self, order_no: str, status: BankStatus, returned_at: datetime | None = None) -> None:
        """Change how a record stands."""
        for states in self.batches.values():
            for place, state in enumerate(states):
                if state.rec_serial == order_no:
                    states[place] = state.model_copy(update={"status": status, "returned_at": returned_at})

    def receipt_for(
        self,
        order_no: str,
        *,
        batch: words.SubmitPayoutBatch | None = None,
        number: str = "",
        amount_fen: int | None = None,
        booking: date | None = None,
        payer: str = PAYER,
        content: bytes | None = None,
    ) -> words.Receipt:
        """The receipt of an order, or one that differs in what is named."""
        record = self.orders[order_no]
        fen = record.amount_fen if amount_fen is None else amount_fen
        content = content if content is not None else f"<Receipt><No>{order_no}</No><Fen>{fen}</Fen></Receipt>".encode()
        digest = hashes.Hash(hashes.SM3())
        digest.update(content)
        return words.Receipt(
            receipt_no=number or f"HD{order_no[:24]}", orig_serial=order_no, bank_txn_no=f"T{order_no[:20]}",
            payer=account(payer, "基金支出户"), payee=record.payee, amount_fen=fen,
            amount_in_words=amount_in_words(fen), txn_time=self.clock.now(),
            booking_date=booking or self.clock.now().date(), content=content,
            sha256=hashlib.sha256(content).hexdigest(), sm3=digest.finalize().hex(),
        )  # fmt: skip

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """QueryPayoutBatch for a batch."""
        if operation != "SubmitPayoutBatch":
            return None
        return "QueryPayoutBatch", words.QueryPayoutBatch(serial=f"Q{request.serial}", batch_no=request.serial)

    def resolve(self, operation: str, request: Any, answer: Verdict[Any]) -> Verdict[Any] | None:
        """Found: the bank has it. Not found: it never came."""
        if not isinstance(answer, Done):
            return None
        told: words.PayoutStateReply = answer.reply
        if not told.found:
            return Refused(NOT_FOUND)
        batch = words.PayoutBatchReply(status=BankStatus.ACCP)
        final = all(record.status in (BankStatus.ACSC, BankStatus.RJCT) for record in told.records)
        return Done(batch) if final else Accepted(batch)


@dataclass
class Platform:
    """Compares the totals it is asked about with ``holds`` (key: hospital, date, insutype); EQUAL where it has none."""

    name: str = "insurance"
    differs: set[tuple[str, str]] = field(default_factory=set)  # (hospital, date)
    levels: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    operations: Mapping[str, OperationDecl] = field(default_factory=lambda: PLATFORM_OPERATIONS)
    types: Mapping[str, tuple[type[BaseModel], type[BaseModel]]] = field(
        default_factory=lambda: dict.fromkeys(("3201", "1201", "9001", "2304"), (NationalMessage, NationalReply))
    )

    async def answer(self, operation: str, request: NationalMessage) -> Reply:
        """3201, 1201 and 9001."""
        if operation == "9001":
            return Reply("DONE", NationalReply(infcode="0", raw="{}", sign_no="S1"))
        if operation == "1201":
            level = self.levels.get(request.fixmedins_code, str(HOSPITALS[request.fixmedins_code].level))
            raw = f'{{"output":{{"medinsinfo":[{{"fixmedins_code":"{request.fixmedins_code}","hosp_lv":"{level}"}}]}}}}'
            return Reply("DONE", NationalReply(infcode="0", raw=raw))
        assert request.input is not None
        data = {**request.input["data"], "fixmedins_code": request.fixmedins_code}
        self.asked.append(data)
        unequal = (request.fixmedins_code, data["stmt_begndate"]) in self.differs
        word = "DIFFERS" if unequal else "EQUAL"
        return Reply(
            "DONE", NationalReply(infcode="0", raw="{}", stmt_rslt=word, stmt_text="中心多" if unequal else "平")
        )

    def question_for(self, operation: str, request: Any) -> tuple[str, Any] | None:
        """None: what is unknown is sent again."""
        return None

    def resolve(self, operation: str, request: Any, answer: Verdict[Any]) -> Verdict[Any] | None:
        """Nothing is asked."""
        return None


BANK_OPERATIONS = {
    "SubmitPayoutBatch": OperationDecl(
        guarantee=Guarantee.ONCE_EVER, after_unknown=AfterUnknown.ASK, settling_seconds=600, retries=1
    ),
    "QueryPayoutBatch": OperationDecl(guarantee=Guarantee.QUERY, retries=1),
    "GetReceipt": OperationDecl(guarantee=Guarantee.QUERY, retries=1),
}
PLATFORM_OPERATIONS: dict[str, OperationDecl] = {
    "3201": OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=1),
    "9001": OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=1),
    "1201": OperationDecl(guarantee=Guarantee.QUERY, retries=1),
    "2304": OperationDecl(guarantee=Guarantee.AT_MOST_ONCE, after_unknown=AfterUnknown.REVERSE),
}


@dataclass
class Area:
    """Everything of a test: the house, its partners and its clock."""

    house: House
    bank: PayoutBank
    platform: Platform
    wire: Wire
    clock: SandboxClock
    scheduler: Scheduler
    calls: int = 0

    async def at(self, when: str) -> None:
        """Move the clock; everything due on the way runs."""
        await self.scheduler.move_clock(self.clock, moment(when), 0)

    async def seed(self) -> None:
        """Put the recurring rows into the agenda."""
        await recon.seed(self.house)
        await payout.seed(self.house)

    async def settle(
        self,
        setl_id: str,
        base: str,
        day: str,
        *,
        hospital: str = ONE,
        insutype: str = "310",
        med_type: str = "21",
        insured: str = AREA,
        amounts: Mapping[str, str] | None = None,
        refund: bool = False,
        mdtrt_id: str = "",
    ) -> Entity:
        """A settlement the platform accepted, as the relay books it. ``base`` is hifp_pay."""
        return await settle(
            self.house, setl_id, base, day, hospital=hospital, insutype=insutype, med_type=med_type, insured=insured,
            amounts=amounts, refund=refund, mdtrt_id=mdtrt_id,
        )  # fmt: skip

    async def cancel(self, setl_id: str, hospital: str = ONE) -> None:
        """The claim is cancelled, as the relay does it."""
        key = settlement_key(AREA, hospital, setl_id)
        claim = await self.house.journal.entities.first("claim", "settlement_key = :key", key=key)
        assert claim is not None
        unit = Unit()
        act = Act("hospital:test")
        moved = self.house.journal.entities.move(unit, claim, "cancelled", act, data={"cancelled_by": "M"})
        await self.house.journal.commit(unit)
        await payout.on_claim_changed(self.house, moved, act)

    async def call(
        self, method: str, path: str, body: Any = None, *, role: Role = "preparer", who: str = "", **query: str
    ) -> ApiReply:
        """Call an endpoint as a person, each time under a new key; a refusal is raised."""
        for endpoint in (*payout.ENDPOINTS, *recon.ENDPOINTS):
            found = _matches(endpoint.path, path)
            if endpoint.method == method and found is not None:
                assert role in endpoint.roles, f"{role} may not {method} {path}"
                checked = None if endpoint.body is None else endpoint.body.model_validate(body or {})
                hospital = who if role == "hospital" else ""
                caller = Caller(id=who or f"sandbox-{role}", role=role, hospital=hospital)
                self.calls += 1
                exchange = an_exchange(f"X{self.calls}") if method != "GET" else None
                return await endpoint.handler(self.house, exchange, ApiCall(caller, found, query, checked))
        raise AssertionError(f"no endpoint {method} {path}")

    async def day(self, biz_date: str) -> dict[str, Any]:
        """GET /v1/payouts/{biz_date}."""
        return dict((await self.call("GET", f"/v1/payouts/{biz_date}")).resource)

    async def summary(self, biz_date: str) -> dict[str, Any]:
        """The one summary of a settlement date."""
        (found,) = (await self.day(biz_date))["summaries"]
        return dict(found)

    async def order(self, biz_date: str, hospital: str = ONE) -> dict[str, Any]:
        """The one order of a hospital's settlement date."""
        (found,) = [o for o in (await self.summary(biz_date))["orders"] if o["fixmedins_code"] == hospital]
        return dict(found)

    async def approve(self, biz_date: str, *roles: Role, number: int = 0) -> dict[str, Any]:
        """Preparer, then approver, on what GET shows."""
        shown: dict[str, Any] = {}
        for role in roles or ("preparer", "approver"):
            found = (await self.day(biz_date))["summaries"][number]
            body = {"summary_no": found["summary_no"], "content_hash": found["content_hash"]}
            shown = (await self.call("POST", f"/v1/payouts/{biz_date}/approve", body, role=role)).resource
        return shown

    async def submit(self, biz_date: str, number: int = 0) -> ApiReply:
        """POST submit by the approver."""
        found = (await self.day(biz_date))["summaries"][number]
        body = {"summary_no": found["summary_no"], "content_hash": found["content_hash"]}
        return await self.call("POST", f"/v1/payouts/{biz_date}/submit", body, role="approver")

    async def pay(self, biz_date: str, number: int = 0) -> dict[str, Any]:
        """Approve by two and submit."""
        await self.approve(biz_date, number=number)
        return dict((await self.submit(biz_date, number)).resource)

    async def tasks(self) -> list[str]:
        """Kinds of open tasks."""
        found = await self.house.journal.entities.find("task", "state = 'OPEN'")
        return sorted(task["task_kind"] for task in found)

    async def keys(self) -> dict[str, int]:
        """Settlement keys with whether they were ever sent."""
        rows = await self.house.journal.store.rows("SELECT settlement_key, ever_sent FROM payout_key")
        return {row["settlement_key"].split("|")[-1]: row["ever_sent"] for row in rows}


def _matches(pattern: str, path: str) -> dict[str, str] | None:
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    found = {}
    for part, value in zip(wanted, given, strict=True):
        if part.startswith("{"):
            found[part[1:-1]] = value
        elif part != value:
            return None
    return found


def an_exchange(exchange_id: str, client: str = "test") -> Exchange:
    """An exchange as a door would have opened it."""
    return Exchange(
        exchange_id, f"v1:{client}", exchange_id, "v1", "", "", "", "RUNNING", "", 0, "", client, "", None, 0, 0
    )


async def settle(
    house: House,
    setl_id: str,
    base: str,
    day: str,
    *,
    hospital: str = ONE,
    insutype: str = "310",
    med_type: str = "21",
    insured: str | None = AREA,
    amounts: Mapping[str, str] | None = None,
    refund: bool = False,
    mdtrt_id: str = "",
) -> Entity:
    """A claim ACCEPTED in the journal."""
    entities, act, unit = house.journal.entities, Act("hospital:test"), Unit()
    fen = {name: parse_yuan(value, allow_negative=True) for name, value in (amounts or {}).items()}
    fen = {"hifp_pay": parse_yuan(base, allow_negative=True), **fen}
    total = fen.get("fund_pay_sumamt", fen["hifp_pay"])
    msgid = f"M{hospital}{setl_id}{day}"
    claim = entities.create(
        unit, "claim", f"{hospital}|{msgid}", "relayed", act, hospital=hospital,
        columns={"msgid": msgid, "infno": "2304", "pool_area": AREA, "refund": int(refund)},
        data={} if insured is None else {"insuplc_admdvs": insured},
    )  # fmt: skip
    key = settlement_key(AREA, hospital, setl_id)
    at = datetime.fromisoformat(f"{day}T10:00:00").replace(tzinfo=SHANGHAI)
    entities.move(
        unit, claim, "accepted", act,
        columns={
            "settlement_key": None if refund else key, "setl_id": setl_id, "mdtrt_id": mdtrt_id or f"Z{setl_id}",
            "psn_no": "P123456789", "insutype": insutype, "med_type": med_type, "clr_type": "21",
            "clr_optins": AREA, "setl_date": day, "setl_time": to_micros(at), "medfee_fen": total, "fund_fen": total,
            "digest": setl_id,
        },
        data={"amounts": fen},
    )  # fmt: skip
    await house.journal.commit(unit)
    found = await entities.get("claim", claim.id)
    assert found is not None
    return found


def area_over(
    store: Store,
    clock: SandboxClock,
    *,
    bank: PayoutBank | None = None,
    platform: Platform | None = None,
    wire: Wire | None = None,
    instance: str = "I1",
    profiles: Profiles | None = None,
    calendar: WorkingCalendar | None = None,
    max_records: int = 2000,
) -> Area:
    """An area over an open store; partners may be those of another instance."""
    bank, platform = bank or PayoutBank(clock), platform or Platform()
    wire = wire or Wire({"bocom": bank, "insurance": platform})
    partners = {
        "bocom": counterpart(bank, "bank", BANK_OPERATIONS, capabilities={"max_records": max_records}),
        "insurance": counterpart(platform, "insurance", platform.operations),
    }
    house = build_house(
        store, clock, wire, partners, hospitals=HOSPITALS, agencies=AGENCIES, profiles=profiles, calendar=calendar,
        instance=instance,
    )  # fmt: skip
    handlers = {**payout.DUE, **recon.DUE, **callbacks.DUE}
    return Area(house, bank, platform, wire, clock, scheduler_of(house, handlers, payout.CONTINUATIONS))


@asynccontextmanager
async def open_area(
    place: Path | str, folder: Path, start: str = "2025-03-03 08:00", **more: Any
) -> AsyncIterator[Area]:
    """A fresh area whose clock stands still, its jobs in the agenda."""
    store = new_store(place)
    await store.open()
    try:
        area = area_over(store, still_clock(folder / "clock.json", moment(start)), **more)
        await area.seed()
        yield area
    finally:
        await store.close()


def later(day: str, days: int) -> str:
    """A date some days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
