"""`xinyi mapping check`: a vendor's field map tried on one of the vendor's own messages, before a hospital connects.

Says which source went where by which rule, never a value: samples are often real messages. What is printed of a fault
is the line of the map file and the path that failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from gateway.model.exact_json import NotJson, dumps, loads
from gateway.model.fieldmap import FieldMap, Step, Translated, Untranslatable
from gateway.model.fieldmap_file import MapError, load_map_beside
from gateway.model.refusals import Refusal
from gateway.model.soap import SOAP12
from gateway.model.xml import Limits, Unreadable, parse_xml

OK, FAILED, UNUSABLE = 0, 1, 2
_STAND_IN: Final = {"fixmedins_code": "H00000000000", "msgid": "H00000000000202501010000000001"}
_LIMITS: Final = Limits(8 * 1024 * 1024, 400_000)
_PLACE: Final = re.compile(r"\.\d+(?=\.|$)")


class _Fault(Exception):
    """Something to print, and the exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.text, self.code = text, code


def check_mapping(file: Path, sample: Path, infno: str = "", answer: Path | None = None) -> tuple[list[str], int]:
    """Lines to print and the exit code: 0 carried over, 1 the sample failed, 2 the map or a file cannot be used.

    ``infno`` is the vendor's word for the transaction where the sample does not say it; ``answer`` a national answer
    (JSON) to be put in the vendor's words.
    """
    lines: list[str] = []
    try:
        made = load_map_beside(file)
        given, message = _message(made, sample.read_bytes(), infno)
        translated = made.read(message, given)
        lines.extend(_request(made, file, translated))
        if answer is not None:
            lines.extend(_answer(made, file, str(translated.content["infno"]), answer.read_bytes()))
    except MapError as error:
        return [*error.problems, "对照文件不可用 / the map cannot be used"], UNUSABLE
    except OSError as error:
        return [f"{error.filename}: {error.strerror}"], UNUSABLE
    except Untranslatable as failed:
        return [*lines, f"{file}:{failed.line}: {failed.target} ← {failed.source}: {failed.why}"], FAILED
    except Refusal as refusal:
        return [*lines, f"{sample}: {refusal}"], FAILED
    except _Fault as fault:
        return [*lines, fault.text], fault.code
    return [*lines, "通过 / passed"], OK


def _message(made: FieldMap, body: bytes, infno: str) -> tuple[dict[str, str], Any]:
    """What the door would know, and the message as the map reads it: a whole SOAP message, or the payload alone."""
    if made.format == "json":
        return {**_STAND_IN, "infno": infno}, made.parse_json(body)
    if b":Envelope" in body or b"<Envelope" in body:
        kind = "application/soap+xml" if SOAP12.encode() in body else "text/xml"
        call = _door("his_soap").read_call(body, kind, "", encoding=made.encoding)
        known = {"infno": infno or call.infno, "msgid": call.msgid}
        return {**_STAND_IN, **call.head, **known}, call.payload
    try:
        return {**_STAND_IN, "infno": infno}, parse_xml(body, _LIMITS, encoding=made.encoding, comments=False)
    except Unreadable as unreadable:
        raise Refusal("MALFORMED", unreadable.reason) from None


def _door(adapter: str) -> Any:
    (point,) = entry_points(group="xinyi.adapters", name=adapter)
    return point.load().door


def _request(made: FieldMap, file: Path, translated: Translated) -> Iterator[str]:
    """The rules that carried something over, and the national door's word on what came out."""
    yield f"{made.id} → {translated.content['infno']}"
    yield from map(_line, translated.steps)
    door = _door("his_json")
    try:
        door.check_input(door.read_envelope(dumps(translated.content).encode()))
    except Refusal as refusal:
        target = _PLACE.sub("[]", refusal.field or "")
        raise _Fault(f"{_where(file, translated.steps, target)}: {refusal}", FAILED) from None


def _where(file: Path, steps: tuple[Step, ...], target: str) -> str:
    line = next((step.line for step in steps if step.target == target), None)
    return f"{file}: 没有规则带来 {target} / no rule brought it" if line is None else f"{file}:{line}: {target}"


def _answer(made: FieldMap, file: Path, infno: str, body: bytes) -> Iterator[str]:
    try:
        content = loads(body)
    except NotJson:
        raise _Fault("应答样例须为国家接口的 JSON / the answer must be national JSON", UNUSABLE) from None
    if not made.words_answer(infno):
        yield f"{infno} 的应答按国家接口原样返回 / the answer stays national"
        return
    translated = made.write(infno, content)
    yield f"{infno} → {made.id}"
    yield from map(_line, translated.steps)
    if translated.left:
        step = translated.left[0]
        raise _Fault(f"{file}:{step.line}: {step.target} ← {step.source}: 未能换算，原样返回 / left as it is", FAILED)


def _line(step: Step) -> str:
    return f"{step.line:>5}  {step.source} → {step.target}  [{step.rule}]"
