"""The canonical words of the insurance side: the national envelope, what the platform answered, and a settlement.

The bytes a hospital sent are kept as they are; only what the gateway has to understand is lifted out of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from gateway.model.masked import CertNo, PersonName

# Settlements, their cancellations and the reversal (national interface, transactions marked $).
SETTLE = frozenset({"2207", "2304", "2207A", "2304A", "2102", "2102A"})
CANCEL = frozenset({"2208", "2305", "2103"})
CREDIT_SETTLE = frozenset({"2207", "2304", "2207A", "2304A"})


class InsuranceModel(BaseModel):
    """Frozen, and refuses fields nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StatementRow(InsuranceModel):
    """A line of a reconciliation file: ours on its way out, or the platform's word on one (national interface 3.13).

    Amounts in fen, a refund's negative. ``stmt_rslt`` is EQUAL, CENTRE_MORE, INSTITUTION_MORE or DIFFERS; amounts are
    None where an older platform answers with seven columns.
    """

    setl_id: str
    mdtrt_id: str = ""
    psn_no: str = ""
    refund: bool = False
    medfee_fen: int | None = None
    fund_fen: int | None = None
    acct_fen: int | None = None
    msgid: str = ""
    stmt_rslt: str = ""
    memo: str = ""


class NationalFile(InsuranceModel):
    """A file the platform keeps for an institution: what 9102 needs to fetch it."""

    file_qury_no: str
    filename: str


class NationalMessage(InsuranceModel):
    """One national request as the gateway sends it on.

    ``raw`` is the complete envelope in UTF-8 of a relayed message; the named fields repeat what is needed to route,
    find and reverse it. A message of the gateway's own has no ``raw``: its ``input`` is put into an envelope by the
    adapter, with a fresh msgid where ``msgid`` is empty.
    """

    infno: str
    msgid: str = ""
    fixmedins_code: str
    fixmedins_name: str = ""
    insuplc_admdvs: str = ""
    mdtrtarea_admvs: str = ""
    psn_no: str = ""
    mdtrt_id: str = ""
    setl_id: str = ""
    chrg_bchno: str = ""
    opter: str = "XINYI"
    opter_name: str = "信医网关"
    sign_no: str = ""
    input: Mapping[str, Any] | None = None
    statement: tuple[StatementRow, ...] = ()  # 9101: the lines of the file to upload
    raw: str = ""


class Settlement(InsuranceModel):
    """`setlinfo` of 2207, 2304, 2102 and of their cancellations. Amounts in fen, signed as the platform sent them."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    insutype: str = ""
    med_type: str = ""
    clr_type: str = ""
    clr_optins: str = ""
    clr_way: str = ""
    setl_time: datetime
    medins_setl_id: str = ""
    amounts: Mapping[str, int]
    details: tuple[Mapping[str, Any], ...] = ()

    @property
    def setl_date(self) -> date:
        """The reconciliation day: the platform's own (3.5)."""
        return self.setl_time.date()

    def fen(self, name: str) -> int:
        """An amount field in fen; 0 where the platform left it out."""
        return self.amounts.get(name, 0)


class PersonInsurance(InsuranceModel):
    """A row of 1101: where and how a person is insured."""

    psn_no: str
    insutype: str
    insuplc_admdvs: str
    psn_insu_stas: str = ""
    psn_name: PersonName | None = None
    certno: CertNo | None = None
    balc_fen: int = 0


class NationalReply(InsuranceModel):
    """What the platform answered; ``raw`` is its body untouched, the rest is lifted out of it where there is any."""

    infcode: str
    inf_refmsgid: str = ""
    err_msg: str = ""
    warn_msg: str = ""
    raw: str
    settlement: Settlement | None = None
    stmt_rslt: str = ""  # 3201: EQUAL or DIFFERS
    stmt_text: str = ""
    sign_no: str = ""  # 9001
    mdtrt_id: str = ""  # 2201, 2401
    persons: tuple[PersonInsurance, ...] = ()  # 1101
    file: NationalFile | None = None  # 9101, 3202
    statement: tuple[StatementRow, ...] = ()  # 9102 of a result file

    @property
    def ok(self) -> bool:
        """Success is infcode 0, however it is spelt (1.4)."""
        return self.infcode == "0"


class NationalAnswer(InsuranceModel):
    """What a door encodes for the HIS: the platform's own words, or a refusal of ours, never both."""

    raw: str = ""
    creditpay: Mapping[str, Any] | None = None
    refusal: str = ""
    detail: str = ""
    field: str = ""
    exchange_id: str = ""
    output: Mapping[str, Any] | None = None  # what a lost answer of the platform said, found by a query
    cancelled: Settlement | None = None  # a cancellation whose own answer was lost; the door words it
