"""Who is insured, where, and for what (1101, 1201, 2001; national-interface 3.1)."""

from __future__ import annotations

from typing import Any

from simulators.platform import refusals
from simulators.platform.dates import age_on
from simulators.platform.lookups import insurance_of, person_of
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.money import Fen
from simulators.platform.refusals import Refused
from simulators.platform.rows import Insurance, Person

TOKEN_PREFIX = "EC"
CARD_PREFIX = "SC"


@transaction("1101", query=True)
def identify(m: Message) -> Output:
    """Finds the person by certificate: 01 token ``EC<psn_no>``, 02 ID number, 03 card ``SC<psn_no>``."""
    person = _identified(m, m.node())
    return {
        "baseinfo": base_info(m, person),
        "insuinfo": [_insurance_row(m, person, row) for row in person.insurances],
        "idetinfo": _labels(person),
    }


def _identified(m: Message, node: dict[str, Any]) -> Person:
    cert_type, number = text(node, "mdtrt_cert_type"), text(node, "mdtrt_cert_no", "")
    certno = text(node, "certno", "")
    if cert_type == "01" and number:
        person = _by_prefix(m, number, TOKEN_PREFIX, certno, refusals.TOKEN_INVALID)
    elif cert_type == "03" and number:
        person = _by_prefix(m, number, CARD_PREFIX, certno, refusals.PERSON_UNKNOWN)
    else:
        person = _by_certno(m, number or certno)
    name = text(node, "psn_name", "")
    if (name and name != person.psn_name) or (certno and certno != person.certno):
        raise Refused(refusals.PERSON_MISMATCH)
    return person


def _by_prefix(m: Message, number: str, prefix: str, certno: str, refusal: str) -> Person:
    person = m.state.persons.get(number.removeprefix(prefix)) if number.startswith(prefix) else None
    if person is not None:
        return person
    if certno and refusal != refusals.TOKEN_INVALID:
        return _by_certno(m, certno)
    raise Refused(refusal)


def _by_certno(m: Message, certno: str) -> Person:
    if not certno:
        raise Refused("mdtrt_cert_no不能为空")
    found = m.state.by_certno(certno)
    if not found:
        raise Refused(refusals.PERSON_UNKNOWN)
    area = m.insuplc_admdvs
    return next((p for p in found if any(row.insuplc_admdvs == area for row in p.insurances)), found[0])


def base_info(m: Message, person: Person) -> dict[str, Any]:
    """``baseinfo``: the person without the insurances."""
    return {
        "psn_no": person.psn_no,
        "psn_cert_type": person.psn_cert_type,
        "certno": person.certno,
        "psn_name": person.psn_name,
        "gend": person.gend,
        "naty": person.naty,
        "brdy": m.date(person.brdy),
        "age": age_on(m.now, person.brdy),
    }


def _insurance_row(m: Message, person: Person, row: Insurance) -> dict[str, Any]:
    balance = m.state.balance(person.psn_no) if row.insutype == "310" else 0
    return {
        "balc": Fen(balance),
        "insutype": row.insutype,
        "psn_type": row.psn_type,
        "psn_insu_stas": row.psn_insu_stas,
        "psn_insu_date": m.date("2015-01-01"),
        "paus_insu_date": None if row.psn_insu_stas == "1" else m.date("2024-12-31"),
        "cvlserv_flag": row.cvlserv_flag,
        "insuplc_admdvs": row.insuplc_admdvs,
        "emp_name": row.emp_name,
    }


def _labels(person: Person) -> list[dict[str, Any]]:
    if not person.psn_idet_type:
        return []
    return [
        {
            "psn_idet_type": person.psn_idet_type,
            "psn_type_lv": "1",
            "memo": "",
            "begntime": "2020-01-01 00:00:00",
            "endtime": None,
        }
    ]


@transaction("1201", query=True)
def institution(m: Message) -> Output:
    """Looks up an institution; ``hosp_lv`` here wins over anybody's own list."""
    node = m.node("medinsinfo", "data")
    code = text(node, "fixmedins_code", "") or m.fixmedins_code
    found = m.state.hospital(code)
    return {
        "medinsinfo": [
            {
                "fixmedins_code": code,
                "fixmedins_name": found.fixmedins_name,
                "uscc": "",
                "fixmedins_type": "2" if code.startswith("P") else "1",
                "hosp_lv": found.hosp_lv,
                "fixmedins_poolarea": found.pool_area,
            }
        ]
    }


@transaction("2001", query=True)
def entitlement(m: Message) -> Output:
    """Whether the person enjoys the insurance's benefits for this visit class."""
    node = m.node()
    person = person_of(m, node)
    insutype = text(node, "insutype")
    insurance_of(m, person, insutype)
    return {
        "trtinfo": [
            {
                "psn_no": person.psn_no,
                "trt_chk_type": "99",
                "fund_pay_type": "390100" if insutype == "390" else "310100",
                "trt_enjymnt_flag": "1",
                "begndate": f"{m.now.year}-01-01",
                "enddate": f"{m.now.year}-12-31",
                "trt_chk_rslt": "",
            }
        ]
    }
