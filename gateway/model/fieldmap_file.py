"""Field maps as files: `mappings/his/<vendor>.toml` with code tables from `mappings/codes/`, judged as a whole.

Every fault is told with the file's line, because a map is written by whoever connects a hospital, not by a programmer.
The format is explained in `mappings/his/README.md`.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.model.fieldmap import ALWAYS, FieldMap, Node
from gateway.model.fieldmap_rules import (
    CodeTable,
    JsonPaths,
    Language,
    Rule,
    Turn,
    XmlPaths,
    by_codes,
    by_fen,
    by_time,
    constant,
)

ENVELOPE: Final = frozenset(
    {
        "infno", "msgid", "fixmedins_code", "fixmedins_name", "insuplc_admdvs", "mdtrtarea_admvs", "recer_sys_code",
        "dev_no", "dev_safe_info", "cainfo", "signtype", "infver", "opter_type", "opter", "opter_name", "inf_time",
        "sign_no",
    }
)  # fmt: skip
_ROWS: Final = "[]"
_PART: Final = r"(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+)"
_KEY: Final = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_HEADER: Final = re.compile(r"\s*(\[[^\[].*\])\s*(?:#.*)?$")
_AT_LINE: Final = re.compile(r"at line (\d+)")
_INFNO: Final = re.compile(r"[0-9A-Z]{4,6}")
_TURNS: Final = ("codes", "fen", "date", "datetime")
_COLUMNS: Final = {"table", "theirs", "ours", "zh"}

Lines = Mapping[tuple[str, ...], int]
KeyPath = tuple[str, ...]


class MapError(ValueError):
    """A map that cannot be used; `problems` has one line per fault: file:line: key: reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Name(_Strict):
    zh: str
    en: str


class _Head(_Strict):
    """The table [map]."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    name: _Name
    format: Literal["json", "xml"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    codes: str = Field("", pattern=r"^([A-Za-z0-9_-]+\.csv)?$")
    namespaces: dict[str, str] = Field(default_factory=dict)


class _Line(_Strict):
    """A rule as it is written; a bare text means `from`."""

    from_: str = Field("", alias="from")
    value: str = ""
    codes: str = ""
    fen: bool = False
    date: str = ""
    datetime: str = ""
    default: str | None = None
    required: bool = False


# -- lines -----------------------------------------------------------------------------------------------------------


def lines_of(text: str) -> Lines:
    """Where each table and key of a TOML text stands, by path; the text must have been parsed before."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    pending = ""
    for number, line in enumerate(text.splitlines(), 1):
        if pending:
            pending = _unfinished(f"{pending}\n{line}")
        elif header := _HEADER.match(line):
            table = _path(f"{header[1]}\nx = 0")[:-1]
            found[table] = number
        elif key := _KEY.match(line):
            found[(*table, *_path(f"{key[1]} = 0"))] = number
            pending = _unfinished(f"x = {line[key.end() :]}")
    return found


def _unfinished(assignment: str) -> str:
    """The text of a value that goes on in the next line, "" once it is whole."""
    try:
        tomllib.loads(assignment)
    except tomllib.TOMLDecodeError:
        return assignment
    return ""


def _path(text: str) -> KeyPath:
    path: list[str] = []
    place: Any = tomllib.loads(text)
    while isinstance(place, dict):
        ((name, place),) = place.items()
        path.append(name)
    return tuple(path)


# -- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads one file and gathers its faults."""

    def __init__(self, name: str, lines: Lines) -> None:
        self.name, self.lines = name, lines
        self.problems: list[str] = []
        self.codes: Mapping[str, CodeTable] = {}

    def wrong(self, path: KeyPath, why: str) -> None:
        near = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), 1)
        self.problems.append(f"{self.name}:{near}: {'.'.join(path)}: {why}")

    def table(self, held: Any, path: KeyPath) -> dict[str, Any]:
        if isinstance(held, dict):
            return held
        self.wrong(path, "须为表 / a table is expected")
        return {}

    def invalid(self, path: KeyPath, error: ValidationError) -> None:
        for row in error.errors(include_input=False, include_url=False, include_context=False):
            self.wrong((*path, *map(str, row["loc"])), row["msg"])

    def rule(self, held: Any, path: KeyPath, language: Language, *, back: bool) -> Rule | None:
        try:
            line = _Line.model_validate({"from": held} if isinstance(held, str) else held)
            turns = [name for name in _TURNS if getattr(line, name)]
            if bool(line.from_) == bool(line.value) or len(turns) > 1:
                raise ValueError(
                    "须有 from 或 value 之一，且至多一种换算 / one of from and value, one conversion at most"
                )
            return self._made(line, turns, path, language, back)
        except ValidationError as error:
            self.invalid(path, error)
        except ValueError as error:
            self.wrong(path, str(error))
        return None

    def _made(self, line: _Line, turns: list[str], path: KeyPath, language: Language, back: bool) -> Rule:
        find = language.value(line.from_) if line.from_ else constant(line.value)
        said = f"{turns[0]} {getattr(line, turns[0])}".removesuffix(" True") if turns else "copy"
        return Rule(
            target=path[-1], line=self.lines.get(path, 0), source=line.from_ or "-",
            label=said if line.from_ else "value", find=find, turn=self._turn(line, back),
            default=line.default, required=line.required,
        )  # fmt: skip

    def _turn(self, line: _Line, back: bool) -> Turn | None:
        if line.codes:
            if line.codes not in self.codes:
                raise ValueError(f"没有码表 {line.codes} / no such code table")
            return by_codes(self.codes[line.codes], back=back)
        if line.fen:
            return by_fen(back=back)
        if line.date or line.datetime:
            return by_time(line.date or line.datetime, day=bool(line.date), back=back)
        return None

    def rules(self, held: dict[str, Any], path: KeyPath, language: Language, *, back: bool) -> tuple[Rule, ...]:
        made = (self.rule(value, (*path, key), language, back=back) for key, value in held.items())
        return tuple(rule for rule in made if rule is not None)

    def node(self, held: Any, path: KeyPath, language: Language, *, back: bool) -> Node:
        """A node; with the mark `[]` on its name it holds rows and says by `each` where they are."""
        content = dict(self.table(held, path))
        name = path[-1]
        if not name.endswith(_ROWS):
            return Node(name, self.rules(content, path, language, back=back))
        source = content.pop("each", "")
        line = self.lines.get((*path, "each"), self.lines.get(path, 0))
        try:
            if not isinstance(source, str) or not source:
                raise ValueError("缺少 each / each is missing")
            each = language.rows(source)
        except ValueError as error:
            self.wrong((*path, "each"), str(error))
            each = None
        rules = self.rules(content, path, language, back=back)
        return Node(name.removesuffix(_ROWS), rules, each, source, line)


def parse_map(text: str, name: str, read_codes: Callable[[str], str]) -> FieldMap:
    """Read a map from TOML text; ``read_codes`` gives the text of a code file by its name. Raises MapError."""
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as broken:
        at = _AT_LINE.search(str(broken))
        raise MapError([f"{name}:{at[1] if at else 1}: -: 不是合法的 TOML / not valid TOML: {broken}"]) from None
    reader = _Reader(name, lines_of(text))
    head = _head(reader, raw.pop("map", {}))
    if head is None:
        raise MapError(reader.problems)
    reader.codes = _codes(reader, head.codes, read_codes)
    made = _made(reader, head, raw)
    for key in raw:
        reader.wrong((key,), "没有这样的部分 / no such part")
    if reader.problems:
        raise MapError(reader.problems)
    return made


def _head(reader: _Reader, held: Any) -> _Head | None:
    try:
        head = _Head.model_validate(held)
    except ValidationError as error:
        reader.invalid(("map",), error)
        return None
    if head.id != reader.name.removesuffix(".toml"):
        reader.wrong(("map", "id"), "须与文件名相同 / must be the file's name")
    return head


def _made(reader: _Reader, head: _Head, raw: dict[str, Any]) -> FieldMap:
    theirs: Language = JsonPaths() if head.format == "json" else XmlPaths(head.namespaces)
    envelope = reader.table(raw.pop("envelope", {}), ("envelope",))
    for key in envelope.keys() - ENVELOPE:
        reader.wrong(("envelope", key), "不是报文头字段 / no field of the envelope")
    requests = {
        infno: tuple(reader.node(node, ("request", infno, name), theirs, back=False) for name, node in nodes.items())
        for infno, nodes in _by_infno(reader, raw.pop("request", {}), "request", ())
    }
    if not requests:
        reader.wrong(("map",), "没有 [request.<交易编号>.<节点>] / no request")
    answers = {
        infno: _answer(reader, infno, held)
        for infno, held in _by_infno(reader, raw.pop("answer", {}), "answer", (ALWAYS,))
    }
    if head.format == "json" and answers and ALWAYS not in answers:
        reader.wrong(("map",), "JSON 对照有 [answer] 就须有 [answer.always] / answers need [answer.always]")
    return FieldMap(
        id=head.id, zh=head.name.zh, en=head.name.en, format=head.format, encoding=head.encoding,
        envelope=reader.rules(envelope, ("envelope",), theirs, back=False),
        requests=MappingProxyType(requests), answers=MappingProxyType(answers),
    )  # fmt: skip


def _by_infno(reader: _Reader, held: Any, section: str, also: tuple[str, ...]) -> Iterable[tuple[str, dict[str, Any]]]:
    for infno, content in reader.table(held, (section,)).items():
        if not _INFNO.fullmatch(infno) and infno not in also:
            reader.wrong((section, infno), "不是交易编号 / no transaction number")
        yield infno, reader.table(content, (section, infno))


def _answer(reader: _Reader, infno: str, held: dict[str, Any]) -> tuple[Node, ...]:
    """An answer is read by JMESPath, whatever the vendor's format: it is the national JSON."""
    path = ("answer", infno)
    national = JsonPaths()
    rows = [key for key in held if key.endswith(_ROWS)]
    plain = {key: value for key, value in held.items() if key not in rows}
    single = Node("", reader.rules(plain, path, national, back=True))
    return (single, *(reader.node(held[key], (*path, key), national, back=True) for key in rows))


def _codes(reader: _Reader, name: str, read: Callable[[str], str]) -> Mapping[str, CodeTable]:
    if not name:
        return {}
    try:
        return parse_codes(read(name), name)
    except (OSError, UnicodeDecodeError) as error:
        reader.wrong(("map", "codes"), f"{name}: {type(error).__name__}")
    except MapError as error:
        reader.problems.extend(error.problems)
    return {}


def parse_codes(text: str, name: str) -> Mapping[str, CodeTable]:
    """Code tables from CSV text with the columns table, theirs, ours, zh. Raises MapError."""
    rows = csv.DictReader(io.StringIO(text))
    if set(rows.fieldnames or ()) != _COLUMNS:
        raise MapError([f"{name}:1: -: 列须为 table,theirs,ours,zh / columns"])
    ours: dict[str, dict[str, str]] = {}
    theirs: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    for row in rows:
        table = ours.setdefault(row["table"], {})
        if row["theirs"] in table or not all(row.values()):
            problems.append(f"{name}:{rows.line_num}: {row['table']}: 重复或不完整 / doubled or incomplete")
        table[row["theirs"]] = row["ours"]
        theirs.setdefault(row["table"], {}).setdefault(row["ours"], row["theirs"])
    if problems:
        raise MapError(problems)
    return {name: CodeTable(ours[name], theirs[name]) for name in ours}


# -- files -----------------------------------------------------------------------------------------------------------


def load_map(file: Path | Traversable, *, codes: Sequence[Path | Traversable] = ()) -> FieldMap:
    """Load one map; its code file is looked for in ``codes``, then in the product. Raises MapError and OSError."""
    places = (*codes, resources.files("mappings").joinpath("codes"))

    def read(name: str) -> str:
        found = next((place / name for place in places if (place / name).is_file()), places[-1] / name)
        return found.read_text(encoding="utf-8")

    return parse_map(file.read_text(encoding="utf-8"), file.name, read)


def load_map_beside(file: Path) -> FieldMap:
    """Load a map whose code file lies in its own folder, in `../codes`, or among the product's. Raises as load_map."""
    return load_map(file, codes=(file.parent, file.parent.parent / "codes"))


def load_maps(directory: Path | None = None) -> Mapping[str, FieldMap]:
    """The product's maps by id, and those of ``directory``, which win. Raises MapError with all faults."""
    own = resources.files("mappings").joinpath("his")
    shipped: list[Path | Traversable] = [entry for entry in own.iterdir() if entry.name.endswith(".toml")]
    added = sorted(directory.glob("*.toml")) if directory is not None else []
    found: dict[str, FieldMap] = {}
    problems: list[str] = []
    for file in (*sorted(shipped, key=lambda entry: entry.name), *added):
        try:
            made = load_map_beside(file) if isinstance(file, Path) else load_map(file)
            found[made.id] = made
        except MapError as error:
            problems.extend(error.problems)
    if problems:
        raise MapError(problems)
    return MappingProxyType(found)
