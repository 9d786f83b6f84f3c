"""Wire types of the HIS door: what was read of a hospital's message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.insurance.rawjson import ObjectSpan


@dataclass(frozen=True, slots=True)
class NationalInbound:
    """A hospital's message as it came. What may identify a person stays out of the repr.

    `raw` is the body without a byte order mark, `spans` where its members stand, `header` its parsed top level without
    the payload, `input` the parsed payload (numbers with a point are Decimal); `input_is_text` says that the payload
    came as a string of JSON.
    """

    infno: str
    msgid: str
    fixmedins_code: str
    fixmedins_name: str
    insuplc_admdvs: str
    mdtrtarea_admvs: str
    opter: str
    opter_name: str
    sign_no: str
    psn_no: str = field(repr=False)
    mdtrt_id: str
    setl_id: str
    chrg_bchno: str
    header: Mapping[str, Any] = field(repr=False)
    input: Mapping[str, Any] = field(repr=False)
    input_is_text: bool
    raw: bytes = field(repr=False)
    spans: ObjectSpan = field(repr=False)
