"""Personal data that cannot leak by accident: every text form of these types is the mask.

`str`, `repr`, f-strings, logging and pydantic's JSON give the mask; only `reveal()` and a pydantic dump with
`context={"reveal": True}` give the value. `json.dumps` of a bare instance fails rather than guess: pass `default=str`.
Masks: practice of the field (certno first 6 and last 4, phone 138****1234, account last 4, name 张*).
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, NoReturn, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Masked:
    """A frozen personal value; equality and hash are by kind and value."""

    __slots__ = ("_value",)
    _value: str
    upper: ClassVar[bool] = False

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"{type(self).__name__} is made from a str")
        text = value.strip()
        object.__setattr__(self, "_value", text.upper() if self.upper else text)

    @classmethod
    def mask(cls, value: str) -> str:
        """Return what may be shown of a value of this kind."""
        return "***" if value else ""

    def reveal(self) -> str:
        """Return the value itself: for the wire, the encrypted store and comparison only."""
        return self._value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __str__(self) -> str:
        return self.mask(self._value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.mask(self._value)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Masked):
            return type(self) is type(other) and self._value == other._value
        return NotImplemented

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("personal data is not pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate from str or an instance; serialise to the mask unless the context says `reveal`."""
        from_text = core_schema.no_info_after_validator_function(cls, core_schema.str_schema())
        return core_schema.json_or_python_schema(
            json_schema=from_text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), from_text]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _serialise, info_arg=True, return_schema=core_schema.str_schema()
            ),
        )


def _serialise(value: Masked, info: core_schema.SerializationInfo[Any]) -> str:
    reveal = isinstance(info.context, dict) and info.context.get("reveal") is True
    return value.reveal() if reveal else str(value)


def _edges(value: str, head: int, tail: int, stars: int | None = None) -> str:
    """Keep `head` and `tail` characters; a value too short to hide anything is starred in full."""
    hidden = len(value) - head - tail
    if hidden < 1:
        return "*" * len(value)
    return value[:head] + "*" * (hidden if stars is None else stars) + value[len(value) - tail :]


class PersonName(Masked):
    """A person's name, shown as 张*: the family name alone, never the length of the rest."""

    __slots__ = ()

    @classmethod
    def mask(cls, value: str) -> str:
        return _edges(value, 1, 0, stars=1)


class CertNo(Masked):
    """An ID document number, upper case; shown as 110101********1234, a short one (passport) by its first and last."""

    __slots__ = ()
    upper = True

    @classmethod
    def mask(cls, value: str) -> str:
        return _edges(value, 6, 4) if len(value) >= 15 else _edges(value, 1, 1)


class Phone(Masked):
    """A telephone number, shown as 138****1234."""

    __slots__ = ()

    @classmethod
    def mask(cls, value: str) -> str:
        return _edges(value, 3, 4) if len(value) >= 11 else "*" * len(value)


class AccountNo(Masked):
    """A bank account or card number, shown as ****1234."""

    __slots__ = ()

    @classmethod
    def mask(cls, value: str) -> str:
        return _edges(value, 0, 4, stars=4)


class Medical(Masked):
    """Medical content (diagnosis, fee item): nothing of it is shown."""

    __slots__ = ()


# Free text. A hospital code such as H13010000001 is no phone number, and a run of 20 or more digits is no account:
# message ids have 29 digits after their first letter.
_CERTNO = re.compile(r"(?<!\d)(?:\d{17}[\dXxＸｘ]|\d{15})(?!\d)")
_PHONE = re.compile(r"(?<![\dHhPp])1[3-9]\d([ -]?)\d{4}\1\d{4}(?!\d)")
_ACCOUNT = re.compile(r"(?<!\d)(?:\d{12,19}|\d{4}(?:[ -]\d{4}){2,4}(?:[ -]?\d{1,3})?)(?!\d)")


def mask_text(text: str) -> str:
    """Mask ID numbers, mobile numbers and account numbers found in free text (logs, foreign error texts)."""
    text = _CERTNO.sub(lambda found: CertNo.mask(found[0]), text)
    text = _PHONE.sub(lambda found: f"{found[0][:3]}****{found[0][-4:]}", text)
    return _ACCOUNT.sub(lambda found: AccountNo.mask(re.sub("[ -]", "", found[0])), text)
