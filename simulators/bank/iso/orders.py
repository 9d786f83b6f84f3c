"""pain.001, pain.007 and pain.008 as the fields of the bank's products; what the usage guideline forbids is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.bank.house import TurnedAway
from simulators.bank.iso.documents import CREDIT_TRANSFER, DIRECT_DEBIT, REVERSAL, Tree, fen
from simulators.bank.payouts import digest
from simulators.bank.rows import Fields


@dataclass(frozen=True, slots=True)
class Order:
    """One request as the products take it. ``message`` is the ISO message asked with, or asked about; ``about`` its
    MsgId."""

    operation: str
    sender: str
    msg_id: str
    key: str
    fields: Fields
    message: str = ""
    about: str = ""
    end_to_end: str = ""


def read(message: str, root: Tree) -> Order:
    """The order in a payment message. Raises TurnedAway."""
    return _READERS[message](root)


def _header(root: Tree) -> tuple[str, str, int, int]:
    head = root.one("GrpHdr")
    count = head.text("NbOfTxs")
    if not count.isdigit():
        raise TurnedAway("INVALID_FIELD", "NbOfTxs")
    sender = head.text("InitgPty/Id/OrgId/Othr/Id")
    return sender, head.text("MsgId"), int(count), fen(head.text("CtrlSum"), "CtrlSum")


def _account(party: Tree, account: Tree, agent: Tree) -> Fields:
    member = agent.one("FinInstnId/ClrSysMmbId")
    if member.text("ClrSysId/Cd") != "CNAPS":
        raise TurnedAway("INVALID_FIELD", "ClrSysId 须为 CNAPS")
    return {
        "AcctNo": account.text("Id/Othr/Id"),
        "AcctName": party.text("Nm"),
        "BankCode": member.text("MmbId"),
        "BankName": "",
    }


def _agree(name: str, *values: Any) -> None:
    if len(set(values)) != 1:
        raise TurnedAway("INVALID_FIELD", f"{name} 前后不一致")


def _direct_debit(root: Tree) -> Order:
    sender, msg_id, count, total = _header(root)
    block = root.one("PmtInf")
    debit = block.one("DrctDbtTxInf")
    amount = debit.fen("InstdAmt")
    _agree("NbOfTxs", count, 1, int(block.text("NbOfTxs", "1")))
    _agree("CtrlSum", total, amount)
    _agree("EndToEndId", msg_id, block.text("PmtInfId"), debit.text("PmtId/InstrId"), debit.text("PmtId/EndToEndId"))
    bill = "RmtInf/Strd/RfrdDocInf/Nb"
    fields: Fields = {
        "Serial": msg_id,
        "AgreementNo": debit.text("DrctDbtTx/MndtRltdInf/MndtId"),
        "AmountFen": str(amount),
        "PayerName": debit.text("Dbtr/Nm"),
        "PayeeAccount": _account(block.one("Cdtr"), block.one("CdtrAcct"), block.one("CdtrAgt")),
        "VisitNo": debit.text("RmtInf/Strd/CdtrRefInf/Ref", ""),
        "BillNo": debit.text(bill, ""),
        "Purpose": debit.text("Purp/Cd"),
        "RequestedDate": block.text("ReqdColltnDt"),
    }
    return Order("Withhold", sender, msg_id, msg_id, fields, DIRECT_DEBIT, msg_id, msg_id)


def _credit_transfer(root: Tree) -> Order:
    sender, msg_id, count, total = _header(root)
    block = root.one("PmtInf")
    _agree("PmtInfId", msg_id, block.text("PmtInfId"))
    _agree("NbOfTxs", count, int(block.text("NbOfTxs", str(count))))
    _agree("CtrlSum", total, fen(block.text("CtrlSum", root.text("GrpHdr/CtrlSum")), "CtrlSum"))
    records = [_record(number, one) for number, one in enumerate(block.all("CdtTrfTxInf"), 1)]
    if len(records) > 2000:
        raise TurnedAway("TOO_LARGE", "每批至多 2000 笔")
    fields: Fields = {
        "Serial": msg_id,
        "PayerAccount": _account(block.one("Dbtr"), block.one("DbtrAcct"), block.one("DbtrAgt")),
        "BizDate": block.text("ReqdExctnDt/Dt"),
        "TotalCount": str(count),
        "TotalFen": str(total),
        "Records": {"Record": records},
    }
    fields["DigestSm3"] = digest(fields)  # integrity is the HTTP message's own here
    return Order("SubmitPayoutBatch", sender, msg_id, msg_id, fields, CREDIT_TRANSFER, msg_id)


def _record(number: int, one: Tree) -> Fields:
    serial = one.text("PmtId/EndToEndId")
    _agree("InstrId", serial, one.text("PmtId/InstrId", serial))
    return {
        "RecordNo": str(number),
        "RecSerial": serial,
        "PayeeAccount": _account(one.one("Cdtr"), one.one("CdtrAcct"), one.one("CdtrAgt")),
        "AmountFen": str(one.fen("Amt/InstdAmt")),
        "HospitalCode": one.text("Cdtr/Id/OrgId/Othr/Id"),
        "Purpose": one.text("Purp/Cd"),
    }


def _reversal(root: Tree) -> Order:
    sender, msg_id, count, total = _header(root)
    undone = root.one("OrgnlPmtInfAndRvsl/TxInf")
    amount = undone.fen("RvsdInstdAmt")
    original = undone.text("OrgnlEndToEndId")
    _agree("NbOfTxs", count, 1)
    _agree("CtrlSum", total, amount)
    _agree("RvslId", msg_id, undone.text("RvslId"))
    _agree("OrgnlMsgId", original, root.text("OrgnlGrpInf/OrgnlMsgId"))
    _agree("OrgnlMsgNmId", DIRECT_DEBIT, root.text("OrgnlGrpInf/OrgnlMsgNmId"))
    fields: Fields = {
        "Serial": msg_id,
        "OrigSerial": original,
        "RefundFen": str(amount),
        "OrigAmountFen": str(undone.fen("OrgnlInstdAmt")),
        "Reason": undone.text("RvslRsnInf/Rsn/Cd", "") or undone.text("RvslRsnInf/Rsn/Prtry", "CUST"),
    }
    return Order("Refund", sender, msg_id, msg_id, fields, REVERSAL, msg_id, original)


_READERS: dict[str, Callable[[Tree], Order]] = {
    DIRECT_DEBIT: _direct_debit,
    CREDIT_TRANSFER: _credit_transfer,
    REVERSAL: _reversal,
}
