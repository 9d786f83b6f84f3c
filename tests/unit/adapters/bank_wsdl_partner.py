"""The bank of the tests: zeep fed with nothing but the bank's WSDL, in GB18030; and canonical requests."""

from __future__ import annotations

from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import Any

import zeep
import zeep.wsdl
from lxml import etree

from adapters.bank_wsdl import mapped
from gateway.delivery.declare import Adapter, Answer, SendContext
from gateway.model import bank
from gateway.model.clock import SHANGHAI

SERVICE = "urn:cib:yxf:service:2.0"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
CONTRACT = resources.files("adapters.bank_wsdl").joinpath("contract/cib")
NOW = datetime(2025, 3, 3, 9, 0, 0, 123000, tzinfo=SHANGHAI)
CONTEXT = SendContext(
    1740963600.0, NOW, "nonce", "01JNDVJ7C0BANKMESSAGE00001", {"sender_id": "XINYI", "receiver_id": "CIB"}
)
NAME = "阿依古丽·䶮"  # 䶮 is in GB18030 and not in GBK
ACCOUNT = {
    "acct_no": "6222035050000001",
    "acct_name": "泉州市沙盒医院",
    "bank_code": "301397000014",
    "bank_name": "泉州",
}
BANK_ACCOUNT = {"acctNo": "6222035050000001", "acctNm": "泉州市沙盒医院", "bankNo": "301397000014", "bankNm": "泉州"}
THEIRS = {
    "SignAgreement": "openCredit", "CancelAgreement": "closeCredit", "QueryAgreement": "queryCredit",
    "Withhold": "payBill", "Refund": "refundBill", "QueryTransaction": "queryTrade", "PreAuthorise": "freezeQuota",
    "CompletePreAuthorisation": "freezePay", "VoidPreAuthorisation": "unfreezeQuota", "SubmitPayoutBatch": "batchPay",
    "QueryPayoutBatch": "queryBatch", "GetReceipt": "fetchReceipt",
}  # fmt: skip
MONEY = ("Withhold", "Refund", "PreAuthorise", "CompletePreAuthorisation", "VoidPreAuthorisation")
AMOUNT = {
    "Withhold": {"payAmt": "2500.05"},
    "Refund": {"refundAmt": "2500.05", "totalRefundAmt": "2500.05"},
    "PreAuthorise": {"frzAmt": "2500.05", "frzNo": "PA1"},
    "CompletePreAuthorisation": {"payAmt": "2500.05", "backAmt": "0.00"},
    "VoidPreAuthorisation": {"backAmt": "2500.05"},
}
FEN = 250005


@cache
def adapter() -> Adapter:
    """The adapter of the shipped map."""
    return mapped("cib")


@cache
def document(which: str = "YxfService") -> Any:
    """The bank's WSDL as any zeep user reads it."""
    return zeep.wsdl.Document(str(CONTRACT.joinpath(f"{which}.wsdl")), zeep.Transport())


def request(operation: str, **change: Any) -> Any:
    """A canonical request."""
    return REQUESTS[operation].model_validate({**CONTENT[operation], **change})


def head(**change: Any) -> dict[str, Any]:
    """The answer's head."""
    return {
        "retCode": "YX000000", "retMsg": "处理成功", "orderNo": "W20250303000000000001", "bankSeq": "BT1",
        "bankDate": "20250303", "bankTime": "090001", **change,
    }  # fmt: skip


def envelope(operation: str, retHead: dict[str, Any], body: dict[str, Any]) -> etree._Element:  # noqa: N803
    """The answer's envelope, made by zeep."""
    binding = next(iter(document().bindings.values()))
    return binding.get(THEIRS[operation]).output.serialize(retHead=retHead, body=body).content


def to_bytes(root: etree._Element, encoding: str = "gb18030") -> bytes:
    """The document as the bank writes it."""
    text = etree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="{encoding.upper()}"?>{text}'.encode(encoding)


def answer(raw: bytes, status: int = 200) -> Answer:
    """Bytes as they came, on a channel that is not signed."""
    return Answer(status, {"content-type": "application/soap+xml; charset=GB18030"}, raw, CONTEXT, 1740963601.0)


def told(operation: str, body: dict[str, Any], asked: Any = None, **change: Any) -> Any:
    """The verdict of an answer."""
    asked = asked or request(operation)
    made = envelope(operation, head(**{"orderNo": asked.serial, **change}), body)
    return adapter().codec.decode(operation, asked, answer(to_bytes(made)))  # type: ignore[union-attr]


def fault(code: str, text: str, *, kind: str = "e:Sender", version: str = SOAP12) -> bytes:
    """A fault of the bank."""
    detail = (
        f'<t:YxfFault xmlns:t="urn:cib:yxf:types:2.0"><errCode>{code}</errCode><errMsg>{text}</errMsg></t:YxfFault>'
    )
    said = f"<e:Code><e:Value>{kind}</e:Value></e:Code><e:Reason><e:Text xml:lang='zh'>{text}</e:Text></e:Reason>"
    body = f"<e:Body><e:Fault>{said}<e:Detail>{detail}</e:Detail></e:Fault></e:Body>"
    text = f'<?xml version="1.0" encoding="GB18030"?><e:Envelope xmlns:e="{version}">{body}</e:Envelope>'
    return text.encode("gb18030")


REQUESTS: dict[str, type[bank.BankRequest]] = {name: getattr(bank, name) for name in THEIRS}
_SERIAL = {"serial": "W20250303000000000001"}
_HOLD = {**_SERIAL, "pre_auth_no": "PA1", "orig_serial": "P0000001", "amount_fen": FEN}
CONTENT: dict[str, dict[str, Any]] = {
    "SignAgreement": {
        **_SERIAL, "payer": {"acct_no": "6222000011112222", "acct_name": NAME}, "id_type": "01",
        "id_no": "350502199001019990", "mobile": "13800001234", "payee_id": "H35050000001", "funding": "CREDIT_LOAN",
        "valid_from": date(2025, 3, 3), "limit_cap_fen": 2_000_000, "commitment_digest": "sm3-1",
    },
    "CancelAgreement": {**_SERIAL, "agreement_no": "AG1"},
    "QueryAgreement": {**_SERIAL, "agreement_no": "AG1"},
    "Withhold": {
        **_SERIAL, "agreement_no": "AG1", "amount_fen": FEN, "payer_name": NAME, "payee": ACCOUNT, "visit_no": "V1",
        "bill_no": "B1", "purpose": "HSPC", "requested_date": date(2025, 3, 3),
    },
    "Refund": {**_SERIAL, "orig_serial": "W0000001", "refund_fen": FEN, "orig_amount_fen": FEN},
    "QueryTransaction": {**_SERIAL, "orig_serial": "W0000001", "orig_tx_code": "Withhold"},
    "PreAuthorise": {**_SERIAL, "agreement_no": "AG1", "amount_fen": FEN, "admission_no": "A1", "valid_days": 30},
    "CompletePreAuthorisation": {**_HOLD, "payee": ACCOUNT},
    "VoidPreAuthorisation": _HOLD,
    "SubmitPayoutBatch": {
        **_SERIAL, "payer": ACCOUNT, "biz_date": date(2025, 3, 3),
        "records": [
            {"record_no": n, "rec_serial": f"PO00000{n}", "payee": ACCOUNT, "amount_fen": n * 100,
             "hospital_code": "H35050000001", "purpose": "HLTI"}
            for n in (1, 2, 3)
        ],
    },
    "QueryPayoutBatch": {**_SERIAL, "batch_no": "BATCH0001"},
    "GetReceipt": {**_SERIAL, "orig_serial": "PO000001"},
}  # fmt: skip
