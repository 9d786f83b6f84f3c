"""一家医院的 HIS 接入网关的最小示例：授权、签约、挂号、上传费用、结算，自付部分由银行代付。只用标准库。

A hospital's HIS in small, on the standard library alone: consent, agreement, registration, fees, settlement; the bank
pays the cash part. Start `make sandbox`, then ``python docs/examples/his_credit_visit.py var/sandbox.json``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

HOSPITAL = "H43050000001"
PERSON = {
    "psn_no": "43050000000000990000000004", "psn_name": "金伟", "psn_cert_type": "01", "certno": "43050219660425042X",
}  # fmt: skip
INSURED_IN, INSUTYPE = "430500", "310"
CALL_SERVICE = "/fsi/api/rsfComIfsService/callService"
_serial = itertools.count(1)


def say(text: str) -> None:
    """给人看的一行。"""
    sys.stdout.write(f"{text}\n")


def sign(timestamp: str, token: str, nonce: str) -> str:
    """x-tif-signature：时间戳、令牌、随机串、时间戳直接相连，取 SHA-256 的十六进制。报文体不参与签名。"""
    return hashlib.sha256(f"{timestamp}{token}{nonce}{timestamp}".encode()).hexdigest()


def tif_headers(paasid: str, token: str) -> dict[str, str]:
    """每次发送（重发也一样）都用新的时间戳和随机串；报文体保持原样。"""
    timestamp, nonce = str(int(time.time())), str(uuid.uuid4())
    return {
        "Content-Type": "application/json; charset=UTF-8", "x-tif-paasid": paasid, "x-tif-timestamp": timestamp,
        "x-tif-nonce": nonce, "x-tif-signature": sign(timestamp, token, nonce),
    }  # fmt: skip


class His:
    """一家医院：凭据来自 sandbox.json。"""

    def __init__(self, sandbox: Mapping[str, Any]) -> None:
        self.gateway = sandbox["gateway"]
        self.token = sandbox["hospitals"][HOSPITAL]["token"]
        self.now = datetime.fromisoformat(self._ask("GET", "/sandbox/clock", b"", {})[2]["now"])

    def call(self, infno: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """发一笔国家接口交易，直到有最终答复；答复没到就用同一报文重发，绝不换 msgid。"""
        message = {
            "infno": infno, "msgid": f"{HOSPITAL}{self.now:%Y%m%d%H%M%S}{next(_serial):04d}",
            "fixmedins_code": HOSPITAL, "insuplc_admdvs": INSURED_IN, "input": inputs,
        }  # fmt: skip
        body = json.dumps(message, ensure_ascii=False).encode()
        for pause in (0.5, 1, 2, 4, 8, 16):
            try:
                _, headers, answer = self._ask("POST", CALL_SERVICE, body, tif_headers(HOSPITAL, self.token))
            except OSError:  # 连接断了或超时：结果未知，同一报文再发一次
                time.sleep(pause)
                continue
            if str(answer.get("infcode")) == "0":
                replayed = " （重发，取回第一次的答复）" if headers.get("Idempotency-Replayed") == "true" else ""
                say(f"  {infno} 成功{replayed}")
                return dict(answer.get("output") or {})
            if "[IN_PROGRESS|" not in str(answer.get("err_msg")):
                raise SystemExit(f"{infno}: {answer}")
            time.sleep(pause)
        raise SystemExit(f"{infno}: 仍无最终答复，稍后用同一报文再问")

    def post(self, path: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """`/v1`：每个写操作一个幂等键，重发用同一个键。"""
        return self._v1("POST", path, json.dumps(body, ensure_ascii=False).encode(), {"Idempotency-Key": key})

    def get(self, path: str) -> dict[str, Any]:
        """`/v1` 的查询。"""
        return self._v1("GET", path, b"", {})

    def _v1(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        asked = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        status, _, answer = self._ask(method, path, body, asked)
        if status >= 400:
            raise SystemExit(f"{path}: {answer.get('code')} {answer.get('title')} → {answer.get('next_action')}")
        return answer

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any, dict[str, Any]]:
        request = urllib.request.Request(self.gateway + path, body or None, dict(headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, _read(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers, _read(refused.read())


def _read(raw: bytes) -> dict[str, Any]:
    """金额按十进制解析，绝不用浮点数。"""
    return dict(json.loads(raw, parse_float=Decimal))


def sign_up(his: His) -> str:
    """授权、申请、签约；返回协议号。"""
    consent = {
        **PERSON, "purpose": "CREDIT_PAY", "scope": ["CREDIT_QUERY", "BANK_SHARE"], "channel": "HOSPITAL_WINDOW",
        "valid_to": "2025-12-31", "evidence_digest": "sha256-of-the-signed-consent",
    }  # fmt: skip
    auth_id = his.post("/v1/authorisations", consent, "example-consent")["auth_id"]
    application = {
        "locality": "shaoyang", "psn_no": PERSON["psn_no"], "auth_id": auth_id, "bank": "bocom",
        "products": ["OUTPATIENT"], "funding": "CREDIT_LOAN", "commitment_id": "CN-1", "disclosure_id": "D-1",
        "payer": {"acct_no": "6222000000000000001", "acct_name": PERSON["psn_name"], "mobile": "13800001234"},
    }  # fmt: skip
    agreement = his.post("/v1/agreements", application, "example-application")
    while agreement["state"] in ("APPLIED", "GRADED", "SIGN_PENDING"):
        time.sleep(0.5)
        agreement = his.get(f"/v1/agreements/{agreement['application_id']}")
    say(f"协议 {agreement['agreement_no']} {agreement['state']}，可用额度 {agreement['avail_amt']} 元")
    return str(agreement["agreement_no"])


def register(his: His) -> str:
    """1101 识别身份，2201 挂号，2203 上传就诊信息；返回 mdtrt_id。"""
    identity = {"mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"], "card_sn": "", "begntime": ""}
    his.call("1101", {"data": {**identity, "psn_cert_type": "01", "certno": PERSON["certno"], "psn_name": "金伟"}})
    at = f"{his.now:%Y-%m-%d %H:%M:%S}"
    visit = {
        "psn_no": PERSON["psn_no"], "insutype": INSUTYPE, "begntime": at, "mdtrt_cert_type": "02",
        "mdtrt_cert_no": PERSON["certno"], "ipt_otp_no": f"OP{his.now:%H%M%S}", "atddr_no": "D430500000001",
        "dr_name": "医师甲", "dept_code": "A03", "dept_name": "内科", "caty": "A03",
    }  # fmt: skip
    mdtrt_id = str(his.call("2201", {"data": visit})["data"]["mdtrt_id"])
    info = {"mdtrt_id": mdtrt_id, "psn_no": PERSON["psn_no"], "med_type": "11", "begntime": at}
    diagnosis = {
        "diag_type": "1", "diag_srt_no": 1, "diag_code": "J06.900", "diag_name": "急性上呼吸道感染", "diag_dept": "A03",
        "dise_dor_no": "D430500000001", "dise_dor_name": "医师甲", "diag_time": at, "vali_flag": "1",
    }  # fmt: skip
    his.call("2203", {"mdtrtinfo": info, "diseinfo": [diagnosis]})
    return mdtrt_id


def settle(his: His, mdtrt_id: str) -> Mapping[str, Any]:
    """2204 上传费用，2206 预结算，2207 结算；返回 2207 的 output。"""
    batch, fee = f"MZ{his.now:%H%M%S}", "186.50"
    row = {
        "feedetl_sn": f"{his.now:%y%m%d%H%M%S}1", "mdtrt_id": mdtrt_id, "psn_no": PERSON["psn_no"],
        "chrg_bchno": batch, "rx_circ_flag": "0", "fee_ocur_time": f"{his.now:%Y-%m-%d %H:%M:%S}",
        "med_list_codg": "002503010010000-250301001", "medins_list_codg": "HY107", "det_item_fee_sumamt": fee,
        "cnt": 1, "pric": fee, "bilg_dept_codg": "A03", "bilg_dept_name": "内科", "bilg_dr_codg": "D430500000001",
        "bilg_dr_name": "医师甲", "hosp_appr_flag": "1",
    }  # fmt: skip
    his.call("2204", {"feedetail": [row]})
    data = {
        "psn_no": PERSON["psn_no"], "mdtrt_cert_type": "02", "mdtrt_cert_no": PERSON["certno"], "med_type": "11",
        "medfee_sumamt": fee, "psn_setlway": "01", "mdtrt_id": mdtrt_id, "chrg_bchno": batch, "insutype": INSUTYPE,
        "acct_used_flag": "0",
    }  # fmt: skip
    estimate = his.call("2206", {"data": data})["setlinfo"]
    echoed = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
    return his.call("2207", {"data": data | {name: str(estimate[name]) for name in echoed}})


def main(arguments: list[str]) -> int:
    """一次信用就医，从授权到扣款。"""
    his = His(json.loads(Path(arguments[0] if arguments else "var/sandbox.json").read_text("utf-8")))
    agreement_no = sign_up(his)
    mdtrt_id = register(his)
    visit = his.post(
        "/v1/visits",
        {
            "agreement_no": agreement_no, "fixmedins_code": HOSPITAL, "mdtrt_id": mdtrt_id, "psn_no": PERSON["psn_no"],
            "scene": "OUTPATIENT", "med_type": "11", "insutype": INSUTYPE,
        },
        f"example-visit-{mdtrt_id}",
    )  # fmt: skip
    say(f"就诊 {visit['visit_id']} {visit['state']}")
    output = settle(his, mdtrt_id)
    amounts, credit = output["setlinfo"], output["creditpay"]
    say(f"医保结算 {amounts['setl_id']}：基金 {amounts['fund_pay_sumamt']}，现金自付 {amounts['psn_cash_pay']}")
    say(f"信用支付 {credit['charge_status']}：{credit['charged_amt']} 元。{credit['message']}")
    return 0 if credit["charge_status"] == "CHARGED" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
