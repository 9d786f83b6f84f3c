"""Credit pay as a HIS uses it over ``/v1``: consent, agreement, visit, legs, top-ups, deposits, settlement."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.hospital.books import fen
from simulators.hospital.people import Person
from simulators.hospital.v1 import V1Client

_AGREEMENT_MOVING = frozenset({"APPLIED", "GRADED", "SIGN_PENDING"})
_VISIT_MOVING = frozenset({"SETTLING", "CHARGE_PENDING", "HOLD_PENDING", "REVERSING"})
_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = 90.0
_DEPOSIT_PATIENCE_SECONDS = 30.0


class StillMoving(Exception):
    """A resource did not come to rest within the HIS's patience; the text names it and its state."""


def yuan(amount_fen: int) -> str:
    """Fen as money on the wire of ``/v1``."""
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person applies for at a hospital."""

    locality: str
    bank: str
    funding: str
    products: tuple[str, ...]


class CreditDesk:
    """The hospital's desk for credit pay: authorisations and agreements."""

    def __init__(self, v1: V1Client) -> None:
        self._v1 = v1

    async def authorise(self, person: Person, valid_to: str) -> str:
        """Stores the person's consent to a credit query and to sharing with the bank; returns its auth_id."""
        body = {
            "psn_no": person.psn_no, "psn_name": person.psn_name, "psn_cert_type": person.psn_cert_type,
            "certno": person.certno, "purpose": "CREDIT_PAY", "scope": ["CREDIT_QUERY", "BANK_SHARE"],
            "channel": "HOSPITAL_WINDOW", "valid_to": valid_to, "evidence_digest": f"sha256-{person.psn_no}",
        }  # fmt: skip
        return str((await self._v1.post("/v1/authorisations", body, f"auth-{person.psn_no}"))["auth_id"])

    async def apply(self, person: Person, auth_id: str, terms: Terms, sms_token: str = "000000") -> dict[str, Any]:
        """Applies and signs; returns the agreement at rest (ACTIVE, REJECTED). Raises V1Refused for a rule's no."""
        body = {
            "locality": terms.locality, "psn_no": person.psn_no, "auth_id": auth_id, "bank": terms.bank,
            "products": list(terms.products), "funding": terms.funding, "commitment_id": f"CN-{person.psn_no}",
            "disclosure_id": "DISCLOSURE-2025-1",
            "payer": {"acct_no": f"62220{person.psn_no[-12:]}", "acct_name": person.psn_name, "mobile": "13800001234"},
        }  # fmt: skip
        agreement = await self._v1.post("/v1/agreements", body, f"apply-{person.psn_no}")
        if agreement["state"] == "SIGNING":
            path = f"/v1/agreements/{agreement['application_id']}/confirm"
            agreement = await self._v1.post(path, {"sms_token": sms_token}, f"confirm-{person.psn_no}")
        return await self._at_rest(agreement)

    async def _at_rest(self, agreement: dict[str, Any]) -> dict[str, Any]:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while agreement["state"] in _AGREEMENT_MOVING:
            if asyncio.get_running_loop().time() > deadline:
                raise StillMoving(f"agreement {agreement['application_id']} {agreement['state']}")
            await asyncio.sleep(_POLL_SECONDS)
            agreement = await self._v1.get(f"/v1/agreements/{agreement['application_id']}")
        return agreement


@dataclass(frozen=True, slots=True)
class LegAnswer:
    """The gateway's word on a leg: go, or over the limit by ``excess`` fen."""

    go: bool
    excess: int
    avail: int


class CreditVisit:
    """One visit paid by credit; every call carries a key of its own, so a repeat never acts twice."""

    def __init__(self, v1: V1Client, visit: Mapping[str, Any]) -> None:
        self._v1 = v1
        self.visit_id = str(visit["visit_id"])

    @classmethod
    async def open(cls, v1: V1Client, fixmedins_code: str, agreement_no: str, visit: Mapping[str, str]) -> CreditVisit:
        """Opens a visit; ``visit``: mdtrt_id, psn_no, scene, med_type, insutype."""
        body = {"agreement_no": agreement_no, "fixmedins_code": fixmedins_code, **visit}
        return cls(v1, await v1.post("/v1/visits", body, f"visit-{fixmedins_code}-{visit['mdtrt_id']}"))

    async def leg(self, leg_no: str, kind: str, medfee: int, self_pay: int) -> LegAnswer:
        """Asks whether the patient may go on to a leg of ``medfee`` fen with an estimated ``self_pay`` fen."""
        body = {
            "leg_no": leg_no, "kind": kind, "medfee_sumamt": yuan(medfee), "self_pay_estimate": yuan(self_pay),
        }  # fmt: skip
        answer = await self._post("legs", body, f"leg-{leg_no}")
        return LegAnswer(answer["decision"] == "go", fen(answer.get("excess_amt")), fen(answer["avail_amt"]))

    async def top_up(self, topup_no: str, leg_no: str, amount: int) -> dict[str, Any]:
        body = {
            "topup_no": topup_no, "leg_no": leg_no, "amount": yuan(amount), "channel": "WECHAT",
            "channel_serial": f"WX{topup_no}",
        }  # fmt: skip
        return await self._post("topups", body, f"topup-{topup_no}")

    async def deposit(self, deposit_no: str, amount: int) -> dict[str, Any]:
        """Takes a deposit from the line; returns the visit once the hold's outcome is known. Raises StillMoving."""
        await self._post("deposits", {"deposit_no": deposit_no, "amount": yuan(amount)}, f"deposit-{deposit_no}")
        return await self.at_rest(_DEPOSIT_PATIENCE_SECONDS)

    async def settle(
        self, infno: str, inputs: Mapping[str, Any], bill: tuple[str, int], attempt: str
    ) -> dict[str, Any]:
        """Settles insurance and charge in one call; ``bill``: the HIS's bill number and its total in fen.

        Returns when the insurance's outcome is known; OPEN means it had to be reversed.
        """
        body = {"infno": infno, "input": inputs, "his_bill_no": bill[0], "his_total_amt": yuan(bill[1])}
        await self._post("settle", body, f"settle-{attempt}")
        return await self._insured()

    async def _insured(self) -> dict[str, Any]:
        """The visit once the insurance's outcome is known; the charge may still be pending."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while (visit := await self.get())["state"] == "SETTLING":
            if asyncio.get_running_loop().time() > deadline:
                raise StillMoving(f"visit {self.visit_id} SETTLING")
            await asyncio.sleep(_POLL_SECONDS)
        return visit

    async def close(self, amount: int, channel: str = "CASH") -> dict[str, Any]:
        """The patient pays ``amount`` fen at the window instead."""
        body = {"paid_otherwise": {"amount": yuan(amount), "channel": channel}}
        await self._post("close", body, "close")
        return await self.get()

    async def get(self) -> dict[str, Any]:
        return dict(await self._v1.get(f"/v1/visits/{self.visit_id}"))

    async def at_rest(self, patience: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """The visit once nothing about it is under way. Raises StillMoving after ``patience`` real seconds."""
        deadline = asyncio.get_running_loop().time() + patience
        while (visit := await self.get())["state"] in _VISIT_MOVING:
            if asyncio.get_running_loop().time() > deadline:
                raise StillMoving(f"visit {self.visit_id} {visit['state']}")
            await asyncio.sleep(_POLL_SECONDS)
        return visit

    async def _post(self, action: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        return await self._v1.post(f"/v1/visits/{self.visit_id}/{action}", body, f"{self.visit_id}-{key}")
