"""A bank map on its way from text to a dialect: faults are gathered part by part, nothing is built on a faulty one."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from adapters.bank_soap.errors import ANY, DICTIONARY
from adapters.bank_soap.questions import MONEY
from adapters.bank_wsdl import canon, mapfile
from adapters.bank_wsdl.compiler import Compiler, InRules, KeyPath, Scope
from adapters.bank_wsdl.contract import ContractError
from adapters.bank_wsdl.dialect import Dialect, Exchange, Places, Push
from adapters.bank_wsdl.port import Detail, Place, Port
from gateway.model.fieldmap_file import MapError, parse_codes
from gateway.model.fieldmap_rules import CodeTable

_ISO: Final = frozenset(code for bank, _operation, code in DICTIONARY if bank == ANY)
_PARTS: Final = frozenset({"map", "contract", "channel", "fault", "result", "head", "operations", "notices"})
_ACKS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"NotifyTransaction": canon.ACKS - {"MISMATCH"}, "DeliverReceipt": canon.ACKS}
)


class Loading:
    """One map. Raises MapError with every fault."""

    def __init__(self, name: str, text: str, raw: dict[str, Any], places: Places) -> None:
        self._to = Compiler(name, text)
        self._text, self._raw, self._places = text, raw, places
        self._mapped = frozenset(self._table("operations"))

    def dialect(self) -> Dialect:
        """The whole. Raises MapError."""
        head, files = self._part(mapfile.Head, "map"), self._part(mapfile.Files, "contract")
        channel, fault = self._part(mapfile.Channel, "channel"), self._part(mapfile.FaultWords, "fault")
        result, shared = self._part(mapfile.Result, "result"), self._part(mapfile.Shared, "head")
        operations, notices = self._table("operations"), self._table("notices")
        for key in sorted(self._raw.keys() - _PARTS):
            self._to.wrong((key,), "没有这样的部分 / no such part")
        if not (head and files and channel and fault and result and shared):
            raise MapError(self._to.problems)
        if head.id != self._to.name.removesuffix(".toml"):
            self._to.wrong(("map", "id"), "须与文件名相同 / must be the file's name")
        codes = self._codes(head.codes)
        self._to.formats = channel.formats
        ours, theirs = self._port(files, "wsdl", files.binding), self._port(files, "notify", files.notify_binding)
        reasons = self._reasons(result)
        said, answered = self._detail(ours, fault), self._detail(theirs, fault)
        if ours is None or theirs is None or reasons is None or said is None or answered is None:
            raise MapError(self._to.problems)
        digest = sha256("|".join((self._text, codes, ours.contract.digest, theirs.contract.digest)).encode())
        made = Dialect(
            id=head.id, digest=digest.hexdigest(), channel=channel, result=result, soap=files.soap, fault=said,
            push_fault=answered, sender_refuses=fault.sender == "refused", contract=ours.contract,
            notify=theirs.contract, reasons=reasons,
            operations=MappingProxyType(self._operations(operations, ours, shared, result)),
            pushes=MappingProxyType(self._pushes(notices, theirs, shared)),
        )  # fmt: skip
        self._lacking(channel)
        if self._to.problems:
            raise MapError(self._to.problems)
        return made

    # -- parts ------------------------------------------------------------------------------------------------------

    def _part(self, kind: type[mapfile.S], name: str) -> mapfile.S | None:
        return self._to.part(kind, self._raw.get(name, {}), (name,))

    def _table(self, name: str) -> dict[str, Any]:
        held = self._raw.get(name, {})
        if isinstance(held, dict):
            return held
        self._to.wrong((name,), "须为表 / a table is expected")
        return {}

    def _codes(self, name: str) -> str:
        try:
            text = self._places.code_file(name)
            self._to.codes = parse_codes(text, name)
        except (OSError, UnicodeDecodeError) as error:
            self._to.wrong(("map", "codes"), str(error))
        except MapError as error:
            self._to.problems.extend(error.problems)
        else:
            return text
        return ""

    def _port(self, files: mapfile.Files, which: str, binding: str) -> Port | None:
        try:
            port = self._places.port(str(getattr(files, which)), binding)
        except (OSError, ContractError) as error:
            self._to.wrong(("contract", which), str(error))
            return None
        styles = {one.style for one in port.operations.values()}
        if port.soap != files.soap:
            self._to.wrong(("contract", "soap"), f"{binding}: SOAP {port.soap}")
        if styles != {files.style}:
            self._to.wrong(("contract", "style"), f"{binding}: {', '.join(sorted(styles))}")
        return port

    def _detail(self, port: Port | None, words: mapfile.FaultWords) -> Detail | None:
        try:
            return None if port is None else port.detail(words.element, words.code, words.text, words.fixed)
        except ContractError as error:
            self._to.wrong(("fault", "element"), str(error))
        return None

    def _reasons(self, result: mapfile.Result) -> CodeTable | None:
        """The bank's reasons, each an ISO code of the dictionary: what it means for a verdict is known there."""
        path = ("result", "reasons")
        table = self._to.codes.get(result.reasons)
        if table is None:
            self._to.wrong(path, f"没有码表 {result.reasons} / no such code table")
            return None
        if unknown := sorted(set(table.ours.values()) - _ISO):
            self._to.wrong(path, f"字典中没有原因码 {', '.join(unknown)} / not in the dictionary")
        listed = [*result.processed, *result.answered, *result.busy, *result.pending]
        if twice := sorted(code for code in set(listed) if listed.count(code) > 1 or code in table.ours):
            self._to.wrong(("result",), f"{', '.join(twice)} 有两种含义 / means two things")
        return table

    def _lacking(self, channel: mapfile.Channel) -> None:
        lacking = canon.REQUESTS.keys() - self._mapped
        if set(channel.lacks) != lacking:
            self._to.wrong(("channel", "lacks"), f"没有对照的操作：{', '.join(sorted(lacking)) or '-'} / without a map")

    # -- operations -------------------------------------------------------------------------------------------------

    def _operations(
        self, held: dict[str, Any], port: Port, shared: mapfile.Shared, result: mapfile.Result
    ) -> dict[str, Exchange]:
        made: dict[str, Exchange] = {}
        for name, content in held.items():
            path = ("operations", name)
            if name not in canon.REQUESTS:
                self._to.wrong(path, "没有这样的操作 / no such operation")
                continue
            part = self._to.part(mapfile.Operation, content, path)
            wire = None if part is None else port.operations.get(part.bank)
            if part is not None and wire is not None:
                self._question(name, part.ask, path)
                self._leaf(wire.answer.place, result.code)
                made[name] = Exchange(
                    wire, part.code, self._only(name, part, path),
                    self._to.outgoing(
                        {**shared.request, **part.request}, (*path, "request"), wire.request.place, self._asks(name)
                    ),
                    self._reply(name, {**shared.reply, **part.reply}, (*path, "reply"), wire.answer.place),
                )  # fmt: skip
            elif part is not None:
                self._to.wrong((*path, "bank"), f"WSDL 没有操作 {part.bank} / not in the WSDL")
        return made

    def _asks(self, name: str) -> Scope:
        return Scope(canon.REQUESTS[name], canon.SAID_OUT, {"orig_tx_code": MONEY & self._mapped})

    def _only(self, name: str, part: mapfile.Operation, path: KeyPath) -> Mapping[str, str | int | bool]:
        for word in part.only.keys() - canon.REQUESTS[name].model_fields.keys():
            self._to.wrong((*path, "only", word), "没有这样的字段 / no such field")
        return MappingProxyType(dict(part.only))

    def _reply(self, name: str, lines: dict[str, Any], path: KeyPath, place: Place) -> InRules:
        model = canon.REPLIES[name]
        for word in sorted(canon.FOLLOWS.get(model, frozenset()) & lines.keys()):
            self._to.wrong((*path, word), "由其他字段得出 / follows from other words")
        self._to.says(lines, path, canon.needed(model, lines) | canon.NEEDED_BACK.get(name, frozenset()))
        return self._to.incoming(lines, path, place, Scope(model, canon.SAID_BACK, canon.VOCABULARY))

    def _question(self, name: str, ask: str, path: KeyPath) -> None:
        """What is not certain must be asked after: an operation without its question would stay unknown for ever."""
        wanted = canon.ASKED_BY.get(name, "")
        if ask != wanted:
            self._to.wrong((*path, "ask"), f"应为 {wanted or '-'} / is expected")
        elif wanted and wanted not in self._mapped:
            self._to.wrong((*path, "ask"), f"{wanted} 没有对照 / has no map")

    def _leaf(self, place: Place, path: str) -> None:
        try:
            found = place.at(path)
        except LookupError as lost:
            self._to.wrong(("result", "code"), f"没有 {lost.args[0]} / no such place")
        else:
            if found.children or found.many:
                self._to.wrong(("result", "code"), f"{path} 不是单个值 / is no single value")

    # -- pushes -----------------------------------------------------------------------------------------------------

    def _pushes(self, held: dict[str, Any], port: Port, shared: mapfile.Shared) -> dict[str, Push]:
        """By the tag of the bank's message."""
        made: dict[str, Push] = {}
        for name, content in held.items():
            path = ("notices", name)
            if name not in canon.NOTICES:
                self._to.wrong(path, "没有这样的推送 / no such push")
                continue
            part = self._to.part(mapfile.Notice, content, path)
            wire = None if part is None else port.operations.get(part.bank)
            if part is not None and wire is None:
                self._to.wrong((*path, "bank"), f"WSDL 没有操作 {part.bank} / not in the WSDL")
            elif part is not None and wire is not None:
                lines = {**shared.notice, **part.request}
                model = canon.NOTICES[name]
                self._to.says(lines, (*path, "request"), canon.needed(model, lines))
                told = Scope(model, canon.SAID_IN, canon.NOTICE_VOCABULARY)
                read = self._to.incoming(lines, (*path, "request"), wire.request.place, told)
                acks = Scope(None, canon.SAID_ACK, {"@ack": _ACKS[name]})
                ack = self._to.outgoing({**shared.ack, **part.ack}, (*path, "ack"), wire.answer.place, acks)
                made[wire.request.tag] = Push(name, wire, part.code, read, ack)
        for name in sorted(canon.NOTICES.keys() - held.keys()):
            self._to.wrong(("notices",), f"缺少 {name} / is missing")
        return made
