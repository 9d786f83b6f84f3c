"""The golden examples of the ISO channel, and answers made of them by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from importlib import resources
from typing import Any

from adapters.bank_iso20022 import ADAPTER, signature
from gateway.delivery.declare import Answer, SendContext
from gateway.model import bank
from gateway.model.clock import SHANGHAI
from gateway.model.verdict import name_of

FOLDER = resources.files("adapters.bank_iso20022")
GOLDEN = FOLDER.joinpath("golden")
OPERATIONS = tuple(ADAPTER.manifest.operations)
QUERIES = ("QueryAgreement", "QueryTransaction", "QueryPayoutBatch", "GetReceipt")
NAMES = sorted(folder.name for folder in GOLDEN.iterdir())
CASES = [name for name in NAMES if name.split(".")[0] in OPERATIONS]
PUSHES = [name for name in NAMES if name not in CASES]
NOW = datetime(2025, 3, 3, 9, 0, 0, 123000, tzinfo=SHANGHAI)
SAID = {"sender_id": "XINYI", "agent": "301731000016"}
CONTEXT = SendContext(1740963600.0, NOW, "nonce", "01JNDVJ7C0BANKMESSAGE00001", SAID)
KINDS = {"xml": "application/xml; charset=utf-8", "json": "application/json; charset=utf-8"}
codec = ADAPTER.codec
SPACE = "urn:iso:std:iso:20022:tech:xsd:"


def file_of(case: str, stem: str) -> tuple[bytes, str]:
    """A golden file whatever its kind: bytes and ``xml`` or ``json``."""
    for kind in ("xml", "json"):
        file = GOLDEN.joinpath(case, f"{stem}.{kind}")
        if file.is_file():
            return file.read_bytes(), kind
    raise FileNotFoundError(f"{case}/{stem}")


def request_of(case: str) -> Any:
    """The canonical request of a case."""
    operation = case.split(".", maxsplit=1)[0]
    return codec.request_type(operation).model_validate_json(GOLDEN.joinpath(case, "request.json").read_bytes())


def answered(body: bytes, kind: str = "xml", status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer on a channel without keys."""
    said = {"content-type": KINDS[kind], "content-digest": signature.digest_of(body), **(headers or {})}
    return Answer(status, said, body)


def answer_of(case: str) -> Answer:
    """The golden answer of a case."""
    return answered(*file_of(case, "answer"))


def told(verdict: Any, operation: str) -> dict[str, Any]:
    """A verdict as the golden files have it."""
    said: dict[str, Any] = {"verdict": name_of(verdict)}
    said |= {name: getattr(verdict, name) for name in ("code", "text", "reason") if getattr(verdict, name, "")}
    reply = getattr(verdict, "reply", None)
    if reply is not None:
        assert isinstance(reply, codec.reply_type(operation))
        said["reply"] = json.loads(reply.model_dump_json(context={"reveal": True}, exclude_defaults=True))
    return said


def edited(case: str, *changes: tuple[str, str]) -> bytes:
    """The golden answer with texts replaced; every text must be there."""
    raw = file_of(case, "answer")[0].decode()
    for old, new in changes:
        assert old in raw, old
        raw = raw.replace(old, new)
    return raw.encode()


def decode(case: str, raw: bytes, kind: str = "xml", status: int = 200) -> Any:
    """The verdict of these bytes as the answer to a case's request."""
    return codec.decode(case.split(".", maxsplit=1)[0], request_of(case), answered(raw, kind, status))


# -- pain.002 by hand -----------------------------------------------------------------------------------------------


def transaction(
    end_to_end: str = "W0000001", status: str | None = "ACSC", amount: str | None = "2500.50", **more: str
) -> str:
    """One TxInfAndSts. ``more``: instr, reason, own, text, day, txn."""
    reason = ""
    if "reason" in more or "own" in more or "text" in more:
        code = f"<Rsn><Cd>{more['reason']}</Cd></Rsn>" if "reason" in more else ""
        code = f"<Rsn><Prtry>{more['own']}</Prtry></Rsn>" if "own" in more else code
        said = f"<AddtlInf>{more['text']}</AddtlInf>" if "text" in more else ""
        reason = f"<StsRsnInf>{code}{said}</StsRsnInf>"
    terms = f'<Amt><InstdAmt Ccy="{more.get("ccy", "CNY")}">{amount}</InstdAmt></Amt>' if amount is not None else ""
    day = f"<IntrBkSttlmDt>{more['day']}</IntrBkSttlmDt>" if "day" in more else ""
    return (
        "<TxInfAndSts>"
        + (f"<OrgnlInstrId>{more['instr']}</OrgnlInstrId>" if "instr" in more else "")
        + f"<OrgnlEndToEndId>{end_to_end}</OrgnlEndToEndId>"
        + (f"<TxSts>{status}</TxSts>" if status is not None else "")
        + reason
        + (f"<AcctSvcrRef>{more['txn']}</AcctSvcrRef>" if "txn" in more else "")
        + (f"<OrgnlTxRef>{terms}{day}</OrgnlTxRef>" if terms or day else "")
        + "</TxInfAndSts>"
    )


def report(
    *transactions: str,
    original: str = "W0000001",
    message: str = "pain.008.001.09",
    group: str | None = None,
    inside: str = "",
    before: str = "",
    block: str | None = None,
) -> bytes:
    """A pain.002. ``before`` stands before GrpSts, ``inside`` after it."""
    status = f"<GrpSts>{group}</GrpSts>" if group is not None else ""
    listed = "".join(transactions)
    holder = block if block is not None else original
    part = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{holder}</OrgnlPmtInfId>{listed}</OrgnlPmtInfAndSts>" if listed else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="{SPACE}pain.002.001.10"><CstmrPmtStsRpt>'
        "<GrpHdr><MsgId>MR1</MsgId><CreDtTm>2025-03-03T09:00:00+08:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{original}</OrgnlMsgId><OrgnlMsgNmId>{message}</OrgnlMsgNmId>"
        f"{before}{status}{inside}</OrgnlGrpInfAndSts>{part}</CstmrPmtStsRpt></Document>"
    ).encode()


def reasoned(code: str = "", own: str = "", text: str = "") -> str:
    """One StsRsnInf of the group."""
    kind = f"<Rsn><Cd>{code}</Cd></Rsn>" if code else f"<Rsn><Prtry>{own}</Prtry></Rsn>" if own else ""
    return f"<StsRsnInf>{kind}{f'<AddtlInf>{text}</AddtlInf>' if text else ''}</StsRsnInf>"


def withholding(**change: Any) -> bank.Withhold:
    """The request most reports here are about: 2,500.50 under W0000001."""
    content = {
        "serial": "W0000001", "agreement_no": "AG1", "amount_fen": 250050, "payer_name": "阿依古丽·䶮",
        "payee": account("6222053010000001", "昆明市沙盒医院"), "visit_no": "V-1", "bill_no": "B-1", "purpose": "HSPC",
        "requested_date": date(2025, 3, 3),
    }  # fmt: skip
    return bank.Withhold.model_validate({**content, **change})


def refunding(**change: Any) -> bank.Refund:
    content = {"serial": "R0000001", "orig_serial": "W0000001", "refund_fen": 250050, "orig_amount_fen": 250050}
    return bank.Refund.model_validate({**content, **change})


def account(number: str, name: str, code: str = "301731000016") -> bank.Account:
    return bank.Account.model_validate({"acct_no": number, "acct_name": name, "bank_code": code, "bank_name": "某行"})


def batch(count: int = 3, **change: Any) -> bank.SubmitPayoutBatch:
    """Orders PO1… of 1.00, 2.00, …"""
    rows = tuple(
        bank.PayoutRecord(
            record_no=n, rec_serial=f"PO{n}", amount_fen=100 * n, hospital_code="H64000100001", purpose="GOVI",
            payee=account(f"622200000000{n:04d}", f"沙盒第{n}医院"),
        )
        for n in range(1, count + 1)
    )  # fmt: skip
    content = {
        "serial": "B0000001",
        "payer": account("6222000064000001", "支出户"),
        "biz_date": date(2025, 3, 3),
        "records": rows,
    }
    return bank.SubmitPayoutBatch.model_validate({**content, **change})


def verdict(operation: str, request: Any, raw: bytes) -> Any:
    """What these bytes mean as the answer to a request, on a channel without keys."""
    return codec.decode(operation, request, answered(raw))
