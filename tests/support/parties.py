"""The parties of credit pay in small: bank, insurance platform, credit platform, a hospital's callback address.

They speak the canonical words (see `tests.support.house`), execute what they are told and keep what they did. None of
them prevents a repeated serial from being executed twice: only the gateway does (W1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from adapters.bank_soap import questions
from adapters.bank_soap.outcome import asked_fen
from gateway.delivery.declare import NOT_FOUND, AfterUnknown, Guarantee, OperationDecl
from gateway.model import bank as words
from gateway.model.bank import BankStatus
from gateway.model.callback import CallbackAck, CallbackEvent
from gateway.model.clock import Clock
from gateway.model.credit import CreditAnswer, CreditQuery
from gateway.model.insurance import CANCEL, SETTLE, NationalMessage, NationalReply, PersonInsurance, Settlement
from gateway.model.masked import CertNo, PersonName
from gateway.model.money import parse_yuan
from gateway.model.verdict import Done, Refused, Verdict
from tests.support.house import Reply
from tests.support.site import Party, Types

ASK = {"guarantee": Guarantee.AT_MOST_ONCE, "after_unknown": AfterUnknown.ASK, "settling_seconds": 600, "retries": 1}
LOOK = OperationDecl(guarantee=Guarantee.QUERY, retries=1)
BANK: Types = {
    "SignAgreement": (words.SignAgreement, words.AgreementReply),
    "CancelAgreement": (words.CancelAgreement, words.AgreementReply),
    "QueryAgreement": (words.QueryAgreement, words.AgreementReply),
    "Withhold": (words.Withhold, words.MoneyReply),
    "Refund": (words.Refund, words.MoneyReply),
    "PreAuthorise": (words.PreAuthorise, words.MoneyReply),
    "CompletePreAuthorisation": (words.CompletePreAuthorisation, words.MoneyReply),
    "VoidPreAuthorisation": (words.VoidPreAuthorisation, words.MoneyReply),
    "QueryTransaction": (words.QueryTransaction, words.TransactionReply),
}
MONEY = ("Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation")


def done(reply: BaseModel) -> Reply:
    """It was executed."""
    return Reply("DONE", reply)


def refused(code: str, text: str = "", reply: BaseModel | None = None) -> Reply:
    """It was not."""
    return Reply("REFUSED", reply, code, text)


def accepted(reply: BaseModel | None = None) -> Reply:
    """It is being worked on."""
    return Reply("ACCEPTED", reply)


UNREADABLE = Reply("UNKNOWN", text="unreadable answer")


@dataclass(frozen=True)
class Effect:
    """One thing a party really did."""

    operation: str
    key: str
    amount_fen: int = 0
    party: str = ""


@dataclass
class Line:
    """A person's line at the bank."""

    limit_fen: int = 1_000_000
    free_days: int | None = 50
    valid_to: date = date(2025, 12, 31)
    decision: str = "offer"
    used_fen: int = 0
    held_fen: int = 0


@dataclass
class Deal:
    """One operation at the bank."""

    request: Any
    status: BankStatus
    amount_fen: int = 0
    refunded_fen: int = 0
    booked: date | None = None
    hold: Deal | None = None
    captured_fen: int = 0
    released_fen: int = 0
    pre_auth_no: str = ""
    certno: str = ""
    txn_no: str = ""
    ends: datetime | None = None


class SmallBank:
    """Lines, agreements, withholdings, deposits. ``needs_sms``: signing takes a code."""

    def __init__(self, clock: Clock | None = None, name: str = "bocom") -> None:
        self.clock = clock
        self.lines: dict[str, Line] = {}
        self.agreements: dict[str, dict[str, Any]] = {}
        self.deals: dict[str, Deal] = {}
        self.holds: dict[str, Deal] = {}
        self.effects: list[Effect] = []
        self.needs_sms = False
        self.number = 0
        operations = {
            "SignAgreement": OperationDecl(
                guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.ASK, settling_seconds=600, retries=1
            ),
            "CancelAgreement": OperationDecl(
                guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.ASK, settling_seconds=600, retries=1
            ),
            "QueryAgreement": LOOK,
            "QueryTransaction": LOOK,
            **{name: OperationDecl.model_validate(ASK) for name in MONEY},
        }
        self.party = Party(
            name, "bank", BANK, operations, self.serve, questions.question_for, questions.resolve,
            capabilities={"day_switch": "23:00"},
        )  # fmt: skip

    def line(self, certno: str) -> Line:
        """The line of a person, made with the usual terms at first sight."""
        return self.lines.setdefault(certno, Line())

    def expire(self) -> None:
        """Holds that have reached their end fall away by themselves."""
        for hold in self.holds.values():
            over = hold.ends is not None and self.clock is not None and hold.ends <= self.clock.now()
            if over and not hold.captured_fen and not hold.released_fen:
                hold.released_fen = hold.amount_fen
                self.line(hold.certno).held_fen -= hold.amount_fen

    def repay(self, certno: str, amount_fen: int) -> None:
        """The person pays back."""
        self.line(certno).used_fen -= amount_fen

    def serve(self, operation: str, request: Any) -> Reply:
        """Execute."""
        self.expire()
        serves: dict[str, Callable[[Any], Reply]] = {
            "SignAgreement": self._sign,
            "CancelAgreement": self._cancel,
            "QueryAgreement": self._query_agreement,
            "Withhold": self._withhold,
            "Refund": self._refund,
            "PreAuthorise": self._hold,
            "CompletePreAuthorisation": self._capture,
            "VoidPreAuthorisation": self._void,
            "QueryTransaction": self._query,
        }
        return serves[operation](request)

    def did(self, operation: str) -> list[Effect]:
        """Effects of one operation, in order."""
        return [effect for effect in self.effects if effect.operation == operation]

    def _no(self, prefix: str) -> str:
        self.number += 1
        return f"{prefix}{self.number:06d}"

    def _today(self) -> date:
        return date(2025, 3, 3) if self.clock is None else self.clock.now().date()

    # -- agreements -------------------------------------------------------------------------------------------------

    def _sign(self, request: words.SignAgreement) -> Reply:
        certno = request.id_no.reveal()
        line = self.line(certno)
        if line.decision == "decline":
            self.agreements[request.serial] = {"status": "RJCT", "no": "", "certno": certno}
            return refused("NARR", "银行审批未通过")
        if self.needs_sms and not request.sms_token:
            no = self._no("AG")
            self.agreements[request.serial] = {"status": "PDNG", "no": no, "certno": certno}
            status = BankStatus.PDNG
            return accepted(
                words.AgreementReply(status=status, agreement_no=no, agreement_status="PDNG", need_sms=True)
            )
        if self.needs_sms and request.sms_token != "000000":
            reply = words.AgreementReply(status=BankStatus.RJCT, agreement_status="RJCT", need_sms=True)
            self.agreements[request.serial] = {"status": "RJCT", "no": "", "certno": certno}
            return refused("NARR", "短信验证码不符", reply)
        no = self._no("AG")
        self.agreements[request.serial] = {"status": "ACTV", "no": no, "certno": certno}
        self.effects.append(Effect("SignAgreement", request.serial, 0, no))
        return done(self._agreement(self.agreements[request.serial]))

    def _agreement(self, kept: Mapping[str, Any]) -> words.AgreementReply:
        line = self.line(kept["certno"])
        status = {"ACTV": BankStatus.ACSC, "PDNG": BankStatus.PDNG, "CANC": BankStatus.CANC}
        return words.AgreementReply(
            status=status.get(kept["status"], BankStatus.RJCT), agreement_no=kept["no"],
            agreement_status=kept["status"], credit_limit_fen=line.limit_fen, used_fen=line.used_fen,
            held_fen=line.held_fen, free_days=line.free_days, valid_to=line.valid_to,
            need_sms=kept["status"] == "PDNG",
        )  # fmt: skip

    def _query_agreement(self, request: words.QueryAgreement) -> Reply:
        kept = self.agreements.get(request.sign_serial)
        if request.agreement_no:
            kept = next((row for row in self.agreements.values() if row["no"] == request.agreement_no), None)
        if kept is None:
            return done(words.AgreementReply(status=BankStatus.UNKN, found=False))
        return done(self._agreement(kept))

    def _cancel(self, request: words.CancelAgreement) -> Reply:
        kept = next(row for row in self.agreements.values() if row["no"] == request.agreement_no)
        line = self.line(kept["certno"])
        if line.used_fen or line.held_fen:
            return refused("NARR", "尚有未结清欠款或占用")
        kept["status"] = "CANC"
        self.effects.append(Effect("CancelAgreement", request.serial, 0, request.agreement_no))
        return done(self._agreement(kept))

    def _owner(self, agreement_no: str) -> str:
        return next(str(row["certno"]) for row in self.agreements.values() if row["no"] == agreement_no)

    # -- money ------------------------------------------------------------------------------------------------------

    def _withhold(self, request: words.Withhold) -> Reply:
        certno = self._owner(request.agreement_no)
        line = self.line(certno)
        if line.used_fen + line.held_fen + request.amount_fen > line.limit_fen:
            return self._reject(request, "AM14", request.amount_fen)
        line.used_fen += request.amount_fen
        return self._book(request, "Withhold", Deal(request, BankStatus.ACSC, request.amount_fen, certno=certno))

    def _book(self, request: Any, operation: str, deal: Deal) -> Reply:
        deal.booked, deal.txn_no = self._today(), self._no("BT")
        self.deals[request.serial] = deal
        self.effects.append(Effect(operation, request.serial, deal.amount_fen, deal.txn_no))
        return done(self._reply(deal))

    def _reply(self, deal: Deal) -> words.MoneyReply:
        return words.MoneyReply(
            status=deal.status, bank_txn_no=deal.txn_no, amount_fen=deal.amount_fen, booking_date=deal.booked,
            pre_auth_no=deal.pre_auth_no, captured_fen=deal.captured_fen, released_fen=deal.released_fen,
        )  # fmt: skip

    def _reject(self, request: Any, code: str, amount_fen: int) -> Reply:
        self.deals[request.serial] = Deal(request, BankStatus.RJCT, amount_fen)
        return refused(code, "拒绝")

    def reject(self, request: Any, code: str = "AM04") -> None:
        """The bank has turned a request away; a question about it says so."""
        self._reject(request, code, asked_fen(type(request).__name__, request))

    def _refund(self, request: words.Refund) -> Reply:
        original = self.deals[request.orig_serial]
        if original.refunded_fen + request.refund_fen > original.amount_fen:
            return self._reject(request, "AM02", request.refund_fen)
        original.refunded_fen += request.refund_fen
        line = self.line(original.certno)
        line.used_fen = max(0, line.used_fen - request.refund_fen)  # what was repaid already is paid out
        whole = request.refund_fen == original.amount_fen and original.booked == self._today()
        status = BankStatus.RVSD if whole else BankStatus.ACSC
        return self._book(request, "Refund", Deal(request, status, request.refund_fen, certno=original.certno))

    # -- deposits ---------------------------------------------------------------------------------------------------

    def _hold(self, request: words.PreAuthorise) -> Reply:
        certno = self._owner(request.agreement_no)
        line = self.line(certno)
        if line.used_fen + line.held_fen + request.amount_fen > line.limit_fen:
            return self._reject(request, "AM14", request.amount_fen)
        line.held_fen += request.amount_fen
        deal = Deal(request, BankStatus.ACCP, request.amount_fen, pre_auth_no=self._no("PA"), certno=certno)
        self.holds[deal.pre_auth_no] = deal
        said = self._book(request, "PreAuthorise", deal)
        ends = None if self.clock is None else self.clock.now() + timedelta(days=request.valid_days)
        deal.ends = ends
        assert isinstance(said.reply, words.MoneyReply)
        return done(said.reply.model_copy(update={"held_fen": request.amount_fen, "expires_at": ends}))

    def _capture(self, request: words.CompletePreAuthorisation) -> Reply:
        hold = self.holds[request.pre_auth_no]
        if request.amount_fen > hold.amount_fen or hold.captured_fen or hold.released_fen:
            return self._reject(request, "AM02", request.amount_fen)
        hold.captured_fen, hold.released_fen = request.amount_fen, hold.amount_fen - request.amount_fen
        line = self.line(hold.certno)
        line.held_fen -= hold.amount_fen
        line.used_fen += request.amount_fen
        deal = Deal(request, BankStatus.ACSC, request.amount_fen, pre_auth_no=request.pre_auth_no, certno=hold.certno)
        deal.captured_fen, deal.released_fen = request.amount_fen, hold.released_fen
        return self._book(request, "CompletePreAuthorisation", deal)

    def _void(self, request: words.VoidPreAuthorisation) -> Reply:
        hold = self.holds[request.pre_auth_no]
        if hold.captured_fen or hold.released_fen:
            return self._reject(request, "PTNA", request.amount_fen)
        hold.released_fen = hold.amount_fen
        self.line(hold.certno).held_fen -= hold.amount_fen
        deal = Deal(request, BankStatus.CANC, request.amount_fen, pre_auth_no=request.pre_auth_no, certno=hold.certno)
        deal.released_fen = request.amount_fen
        return self._book(request, "VoidPreAuthorisation", deal)

    def _query(self, request: words.QueryTransaction) -> Reply:
        deal = self.deals.get(request.orig_serial)
        if deal is None:
            return done(words.TransactionReply(status=BankStatus.UNKN, found=False))
        return done(
            words.TransactionReply(
                status=deal.status, found=True, orig_status=deal.status, orig_amount_fen=deal.amount_fen,
                refunded_fen=deal.refunded_fen, bank_txn_no=deal.txn_no, booking_date=deal.booked,
                pre_auth_no=deal.pre_auth_no, captured_fen=deal.captured_fen, released_fen=deal.released_fen,
                orig_reason="AM04" if deal.status is BankStatus.RJCT else "",
            )
        )  # fmt: skip


@dataclass
class Insured:
    """A person as the platform knows him."""

    psn_no: str
    psn_name: str
    certno: str
    insuplc_admdvs: str = "430500"
    insutype: str = "310"


class SmallPlatform:
    """1101, 9001, estimates, settlements with the amounts a test sets, cancellations, reversals."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock
        self.people: dict[str, Insured] = {}
        self.amounts: dict[str, dict[str, str]] = {}
        self.settled: dict[str, Settlement] = {}
        self.effects: list[Effect] = []
        names = ("1101", "9001", "2206", "2303", "2404", "2601", *SETTLE, *CANCEL)
        settle = OperationDecl(
            guarantee=Guarantee.AT_MOST_ONCE, after_unknown=AfterUnknown.REVERSE, question="2601", retries=1
        )
        again = OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=1)
        operations = {name: settle if name in SETTLE else again if name in CANCEL else LOOK for name in names}
        operations["2601"] = OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=1)
        self.party = Party(
            "insurance", "insurance_platform", dict.fromkeys(names, (NationalMessage, NationalReply)), operations,
            self.serve, self._question, self._resolve,
        )  # fmt: skip

    def know(self, person: Insured) -> Insured:
        """Insure a person."""
        self.people[person.certno] = person
        return person

    def will_settle(self, psn_no: str, medfee: str, fund: str, acct: str, cash: str) -> None:
        """The next settlements and estimates of a person show these amounts."""
        self.amounts[psn_no] = {
            "medfee_sumamt": medfee, "fund_pay_sumamt": fund, "acct_pay": acct, "psn_cash_pay": cash,
        }  # fmt: skip

    def serve(self, infno: str, message: NationalMessage) -> Reply:
        """Execute."""
        if infno == "9001":
            return done(self._reply(sign_no="SIGN1"))
        if infno == "1101":
            return self._identify(message)
        if infno == "2601":
            return self._reverse(message)
        if infno in SETTLE:
            return self._settle(infno, message)
        if infno in CANCEL:
            return self._cancel(infno, message)
        if infno == "2404":
            return done(self._reply())
        return done(self._reply(settlement=self._settlement(message, "")))

    def _reply(self, **more: Any) -> NationalReply:
        return NationalReply(infcode="0", raw='{"infcode": "0"}', **more)

    def _identify(self, message: NationalMessage) -> Reply:
        data = (message.input or {})["data"]
        person = self.people.get(data["certno"])
        if person is None:
            return refused("PERSON_NOT_FOUND", "未找到参保人")
        row = PersonInsurance(
            psn_no=person.psn_no, insutype=person.insutype, insuplc_admdvs=person.insuplc_admdvs, psn_insu_stas="1",
            psn_name=PersonName(person.psn_name), certno=CertNo(person.certno),
        )  # fmt: skip
        return done(self._reply(persons=(row,)))

    def _settlement(self, message: NationalMessage, setl_id: str) -> Settlement:
        assert self.clock is not None
        amounts = {name: parse_yuan(value) for name, value in self.amounts[message.psn_no].items()}
        return Settlement(
            setl_id=setl_id, mdtrt_id=message.mdtrt_id, psn_no=message.psn_no, insutype="310", med_type="11",
            setl_time=self.clock.now(), medins_setl_id=message.msgid, amounts=amounts,
        )  # fmt: skip

    def _settle(self, infno: str, message: NationalMessage) -> Reply:
        settlement = self._settlement(message, f"S{len(self.effects) + 1:04d}")
        self.settled[message.msgid] = settlement
        self.effects.append(Effect(infno, message.msgid, settlement.fen("psn_cash_pay"), settlement.setl_id))
        return done(self._reply(settlement=settlement))

    def _cancel(self, infno: str, message: NationalMessage) -> Reply:
        original = next((s for s in self.settled.values() if s.setl_id == message.setl_id), None)
        if original is None:
            return refused("ALREADY_CANCELLED", "该结算已撤销")
        self.settled = {msgid: s for msgid, s in self.settled.items() if s is not original}
        self.effects.append(Effect(infno, message.msgid, 0, message.setl_id))
        negative = {name: -fen for name, fen in original.amounts.items()}
        refund = original.model_copy(
            update={"setl_id": f"R{original.setl_id}", "amounts": negative, "medins_setl_id": message.msgid}
        )
        return done(self._reply(settlement=refund))

    def _reverse(self, message: NationalMessage) -> Reply:
        omsgid = (message.input or {})["data"]["omsgid"]
        if self.settled.pop(omsgid, None) is None:
            return refused(NOT_FOUND, "未找到原交易")
        self.effects.append(Effect("2601", omsgid))
        return done(self._reply())

    @staticmethod
    def _question(infno: str, message: NationalMessage) -> tuple[str, NationalMessage] | None:
        if infno not in SETTLE:
            return None
        data = {"psn_no": message.psn_no, "omsgid": message.msgid, "oinfno": infno}
        ask = message.model_copy(update={"infno": "2601", "msgid": "", "input": {"data": data}})
        return "2601", ask

    @staticmethod
    def _resolve(infno: str, message: NationalMessage, answer: Verdict[Any]) -> Verdict[Any] | None:
        del infno, message
        if isinstance(answer, Done):
            return Refused("SETTLEMENT_REVERSED", "已冲正")
        return answer if isinstance(answer, Refused) else None


class SmallCredit:
    """Answers with what a test says about a certno; a person nobody told about is not found."""

    def __init__(self) -> None:
        self.known: dict[str, CreditAnswer] = {}
        self.party = Party(
            "credit", "credit_platform", {"query": (CreditQuery, CreditAnswer)}, {"query": LOOK}, self.serve
        )

    def say(self, certno: str, scheme: str, **answer: Any) -> None:
        """What is known about a person in a scheme."""
        self.known[certno] = CreditAnswer(request_id="-", found=True, scheme=scheme, **answer)

    def serve(self, operation: str, request: CreditQuery) -> Reply:
        """Answer a question."""
        del operation
        known = self.known.get(request.certno.reveal())
        if known is None:
            return done(CreditAnswer(request_id=request.request_id, found=False, scheme=request.scheme))
        return done(known.model_copy(update={"request_id": request.request_id}))


@dataclass
class Receiver:
    """A hospital's callback address."""

    code: str
    events: list[CallbackEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        again = OperationDecl(guarantee=Guarantee.IDEMPOTENT, after_unknown=AfterUnknown.RESEND, retries=1)
        self.party = Party(
            f"his_callback:{self.code}", "his_callback", {"callback": (CallbackEvent, CallbackAck)},
            {"callback": again}, self.serve,
        )  # fmt: skip

    def serve(self, operation: str, event: CallbackEvent) -> Reply:
        """Take an event, once by its id."""
        del operation
        if all(known.event_id != event.event_id for known in self.events):
            self.events.append(event)
        return done(CallbackAck(event_id=event.event_id, status=200))

    def types(self, resource: str = "") -> list[str]:
        """Types of the events about a resource, in the order they came."""
        return [event.type.value for event in self.events if resource in ("", event.resource)]
