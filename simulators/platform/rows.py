"""What the platform remembers. All amounts in fen; times as the interface writes them (``yyyy-MM-dd HH:mm:ss``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

OUTPATIENT = "outpatient"
INPATIENT = "inpatient"
PHARMACY = "pharmacy"


@dataclass(frozen=True, slots=True)
class Insurance:
    """One row of 1101 ``insuinfo``."""

    insutype: str
    insuplc_admdvs: str
    psn_type: str
    psn_insu_stas: str = "1"
    cvlserv_flag: str = "0"
    emp_name: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    psn_no: str
    psn_name: str
    psn_cert_type: str
    certno: str
    gend: str
    brdy: str
    insurances: tuple[Insurance, ...]
    naty: str = "01"
    psn_idet_type: str = ""
    """Set for people under medical assistance: part of the cash burden is then paid by ``maf_pay``."""


@dataclass(frozen=True, slots=True)
class Hospital:
    fixmedins_code: str
    hosp_lv: str
    pool_area: str
    fixmedins_name: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in of an institution's operator (9001)."""

    sign_no: str
    fixmedins_code: str
    opter_no: str
    sign_time: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A registration (2201) or an admission (2401). ``state``: open, discharged, cancelled."""

    mdtrt_id: str
    kind: str
    fixmedins_code: str
    psn_no: str
    insutype: str
    ipt_otp_no: str
    begntime: str
    med_type: str
    state: str = "open"
    endtime: str = ""
    dise_codg: str = ""
    dise_name: str = ""
    diagnosed: bool = False
    dept_code: str = ""
    dept_name: str = ""
    msgid: str = ""


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee row, split at upload. ``settlement`` is the number of the settlement that took it, 0 while it is open."""

    feedetl_sn: str
    mdtrt_id: str
    chrg_bchno: str
    amount: int
    ownpay: int
    overlmt: int
    preself: int
    inscp: int
    level: str
    ratio: int
    settlement: int = 0
    shown: dict[str, Any] = field(default_factory=dict)
    """What was uploaded and is given back as it came (quantity, price, codes)."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A settlement, or a cancelled one's refund row (negative, ``refd_setl_flag`` 1, ``cancels`` names it).

    ``state``: live, cancelled (a live refund row stands against it), reversed (as if it had never been).
    ``number`` is ours: a ``setl_id`` may repeat, between hospitals and, when so forced, within one.
    """

    number: int
    setl_id: str
    infno: str
    msgid: str
    kind: str
    fixmedins_code: str
    mdtrt_id: str
    psn_no: str
    chrg_bchno: str
    insutype: str
    psn_type: str
    cvlserv_flag: str
    med_type: str
    mdtrt_cert_type: str
    setl_time: str
    clr_optins: str
    clr_way: str
    clr_type: str
    amounts: dict[str, int]
    ratio: int
    balc: int
    details: list[list[Any]]
    state: str = "live"
    refd_setl_flag: str = "0"
    cancels: int = 0
    mid_setl: bool = False
    invono: str = ""
    fees: list[str] = field(default_factory=list)
    """On a refund row: the serials of the fee rows it set free."""
    verbatim: dict[str, str] = field(default_factory=dict)
    """Forced figures that no fen can hold (three decimals); shown as they were forced."""
    forced: dict[str, Any] | None = None
    """The forced figures it used up, so that a reversal can give them back."""


@dataclass(frozen=True, slots=True)
class SentMessage:
    """An executed reversible message (2601). ``reference``: a settlement number or an mdtrt_id. ``state``: live,
    reversed, barred (reversed before it came, where the province bars it then)."""

    infno: str
    psn_no: str
    reference: str
    state: str = "live"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of 9101 or a result file of 3202; ``content`` in Base64."""

    file_qury_no: str
    filename: str
    fixmedins_code: str
    content: str
    dld_endtime: str


@dataclass(frozen=True, slots=True)
class Application:
    """A clearing application (3203). ``withdrawn`` by 3204; its status follows from the time passed."""

    clr_appy_evt_id: str
    fixmedins_code: str
    clr_type: str
    clr_way: str
    setlym: str
    begndate: str
    enddate: str
    opt_time: str
    amounts: dict[str, int]
    clr_optins: str = ""
    withdrawn: bool = False
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class SettlementList:
    """A settlement list (4101) of one settlement; ``stas_type`` 1 once submitted (4102)."""

    setl_list_id: str
    settlement: int
    psn_no: str
    stas_type: str = "0"


def load_person(row: dict[str, Any]) -> Person:
    return Person(**{**row, "insurances": tuple(Insurance(**item) for item in row["insurances"])})
