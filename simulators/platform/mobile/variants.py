"""The payment centre's variants (national-interface 9, behaviour 20)."""

from __future__ import annotations

SWITCHES = {
    "mobile_wrong_sign": "20: 应答签名错误；值为 true 或交易编号 answers carry a wrong signData (true, or an infno)",
    "mobile_timestamp_ms": "20: 时间戳为毫秒 timestamps are epoch milliseconds",
    "mobile_timestamp_s": "20: 时间戳为秒 timestamps are epoch seconds",
    "mobile_pay_unknown": "20: 6202 已执行但返回系统异常，6301 查得成功 6202 executes and answers a system error",
    "mobile_pay_settling": "20: 6202 返回 2 结算中，第二次 6301 起为 6 6202 answers 2; from the second 6301 on it is 6",
    "mobile_notice_twice": "20: 6302 发送两次 every 6302 is delivered twice",
    "mobile_notice_disordered": "20: 6302 乱序，先 6 后 2 the notice of 2 comes after the one of 6",
    "mobile_notice_none": "20: 不发送 6302 no 6302 is sent",
}
