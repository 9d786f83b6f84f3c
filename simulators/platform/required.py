"""Required fields of the interface's tables, demanded under the variant ``strict_fields`` (national-interface 3)."""

from __future__ import annotations

from typing import Any

from simulators.platform.refusals import Refused

ENVELOPE = (
    "infno", "msgid", "mdtrtarea_admvs", "recer_sys_code", "infver", "opter_type", "opter", "opter_name", "inf_time",
    "fixmedins_code", "fixmedins_name",
)  # fmt: skip
_FEE = (
    "feedetl_sn", "mdtrt_id", "psn_no", "fee_ocur_time", "med_list_codg", "medins_list_codg", "det_item_fee_sumamt",
    "cnt", "pric", "bilg_dept_codg", "bilg_dept_name", "bilg_dr_codg", "bilg_dr_name",
)  # fmt: skip
_SETTLE = (
    "psn_no", "mdtrt_cert_type", "medfee_sumamt", "psn_setlway", "mdtrt_id", "acct_used_flag", "insutype",
)  # fmt: skip
_CANCEL = ("setl_id", "mdtrt_id", "psn_no")
_VISIT = ("psn_no", "mdtrt_id")

FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "9001": {"signIn": ("opter_no", "mac", "ip")},
    "9002": {"signOut": ("sign_no", "opter_no")},
    "1101": {"data": ("mdtrt_cert_type", "mdtrt_cert_no")},
    "2201": {
        "data": (
            "psn_no", "insutype", "begntime", "mdtrt_cert_type", "ipt_otp_no", "atddr_no", "dr_name", "dept_code",
            "dept_name", "caty",
        )
    },
    "2202": {"data": ("psn_no", "mdtrt_id", "ipt_otp_no")},
    "2203": {
        "mdtrtinfo": ("mdtrt_id", "psn_no", "med_type", "begntime"),
        "diseinfo": (
            "diag_type", "diag_srt_no", "diag_code", "diag_name", "diag_dept", "dise_dor_no", "dise_dor_name",
            "diag_time", "vali_flag",
        ),
    },
    "2204": {"feedetail": (*_FEE, "chrg_bchno", "rx_circ_flag", "hosp_appr_flag")},
    "2205": {"data": ("mdtrt_id", "chrg_bchno", "psn_no")},
    "2206": {"data": (*_SETTLE, "med_type", "chrg_bchno")},
    "2207": {"data": (*_SETTLE, "med_type", "chrg_bchno")},
    "2208": {"data": _CANCEL},
    "2301": {"feedetail": (*_FEE, "med_type")},
    "2302": {"data": ("feedetl_sn", "mdtrt_id", "psn_no")},
    "2303": {"data": _SETTLE},
    "2304": {"data": _SETTLE},
    "2305": {"data": _CANCEL},
    "2401": {
        "mdtrtinfo": (
            "psn_no", "insutype", "begntime", "mdtrt_cert_type", "med_type", "ipt_no", "atddr_no", "chfpdr_name",
            "adm_diag_dscr", "adm_dept_codg", "adm_dept_name", "adm_bed", "dscg_maindiag_code", "dscg_maindiag_name",
        ),
        "diseinfo": (
            "psn_no", "diag_type", "maindiag_flag", "diag_srt_no", "diag_code", "diag_name", "diag_dept", "dise_dor_no",
            "dise_dor_name", "diag_time",
        ),
    },
    "2402": {
        "dscginfo": ("mdtrt_id", "psn_no", "insutype", "endtime", "dscg_dept_codg", "dscg_dept_name", "dscg_way")
    },
    "2404": {"data": _VISIT},
    "2405": {"data": _VISIT},
    "2601": {"data": ("psn_no", "omsgid", "oinfno")},
    "3201": {
        "data": (
            "insutype", "clr_type", "setl_optins", "stmt_begndate", "stmt_enddate", "medfee_sumamt", "fund_pay_sumamt",
            "acct_pay", "fixmedins_setl_cnt",
        )
    },
    "3202": {
        "data": (
            "setl_optins", "file_qury_no", "stmt_begndate", "stmt_enddate", "medfee_sumamt", "fund_pay_sumamt",
            "cash_payamt", "fixmedins_setl_cnt",
        )
    },
    "5201": {"data": ("psn_no", "begntime", "endtime", "med_type")},
    "5203": {"data": _CANCEL},
    "5204": {"data": ("psn_no", "mdtrt_id")},
}  # fmt: skip
_FREE_OF_PERSON = ("1101", "1201")


def check_required(infno: str, envelope: dict[str, Any], payload: dict[str, Any], insuplc: str) -> None:
    """Raises Refused for the first required field that is missing or empty."""
    _check(envelope, ENVELOPE)
    for node, names in FIELDS.get(infno[:4], {}).items():
        found = payload.get(node)
        rows = found if isinstance(found, list) else [found]
        for row in rows:
            if not isinstance(row, dict):
                raise Refused(f"交易输入节点{node}不能为空")
            _check(row, names)
            if "psn_no" in row and not insuplc and infno not in _FREE_OF_PERSON:
                raise Refused("insuplc_admdvs不能为空")


def _check(row: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if row.get(name) in (None, ""):
            raise Refused(f"{name}不能为空")
