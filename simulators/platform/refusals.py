"""What the platform says when it does not do as asked. The wordings are this simulator's own; provinces differ."""

from __future__ import annotations


class Refused(Exception):
    """The transaction is not executed; the text becomes ``err_msg``. ``duplicate``: it had been done before already.
    ``system``: a fault of the platform, not of the request (provinces with two failure codes tell them apart)."""

    def __init__(self, text: str, *, duplicate: bool = False, system: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.duplicate = duplicate
        self.system = system


ALREADY_SETTLED = "该就诊已结算，不能重复结算"
ALREADY_CANCELLED = "该结算已撤销，不能重复撤销"
ALREADY_REGISTERED = "该门诊号/住院号已登记，不能重复登记"
ALREADY_DISCHARGED = "患者已办理出院，不能重复办理"
NO_FEES = "未查询到费用明细"
NO_OPEN_FEES = "没有未结算的费用"
TOTAL_MISMATCH = "医疗费总额与上传明细合计不一致"
PARTS_MISMATCH = "全自费、超限价、先行自付与符合政策范围金额之和不等于医疗费总额"
DUPLICATE_FEE = "费用明细流水号重复"
TOO_MANY_ROWS = "单次上传费用明细不能超过100条"
NOT_REGISTERED = "未找到有效的就诊/住院登记信息"
DISCHARGED = "患者已出院，不能上传费用"
NOT_DISCHARGED = "患者尚未办理出院，不能结算"
NOT_SETTLED_YET = "患者尚未结算，不能办理出院"
SETTLEMENT_UNKNOWN = "未找到结算信息"
CANCEL_FORBIDDEN = "结算信息已清算/已对账，不允许撤销"
HAS_SETTLEMENT = "已存在结算信息，请先撤销结算"
HAS_FEES = "已存在费用明细，不能撤销登记"
REVERSAL_TARGET_UNKNOWN = "未找到原交易信息，无需冲正"
REVERSAL_DONE = "原交易已冲正，请勿重复冲正"
REVERSAL_FORBIDDEN = "该交易不支持冲正"
SIGN_NO_INVALID = "签到编号无效或已过期，请重新签到"
PERSON_UNKNOWN = "未找到参保人信息"
PERSON_MISMATCH = "人员与证件信息不一致"
INSURANCE_STOPPED = "参保人待遇封锁/欠费停保"
TOKEN_INVALID = "电子凭证令牌失效"
CATALOGUE_INVALID = "医保目录编码无效/未对照"
