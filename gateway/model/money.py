"""Money: an integer number of fen inside, a decimal string on the wire, never a binary float.

`parse_yuan` and `format_yuan` are the only doors between the two. Rounding is half-up on the magnitude, computed with
integers so that no precision setting can change a fen (R-116, AMB-13).
"""

from __future__ import annotations

import re
from decimal import Decimal

from gateway.model.refusals import Refusal

Fen = int
"""An amount in fen (分), CNY 0.01."""

MAX_FEN = 10**16 - 1
"""Largest amount of a national field n16,2: sixteen digits, two of them decimals."""

_YUAN = re.compile(r"(-?)([0-9]{1,14})(?:\.([0-9]{1,2}))?")


class InvalidAmount(Refusal):
    """An amount that is not a plain decimal number of yuan with at most two decimals."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__("INVALID_AMOUNT", detail, field=field)


def parse_yuan(value: str | int | Decimal, *, field: str = "amount", allow_negative: bool = False) -> int:
    """Return the fen of an amount in yuan as it stands on the wire.

    Accepts `"12.34"`, `"12.3"`, `12` and Decimal. Raises InvalidAmount for a float, an exponent, NaN, more than two
    decimals, blanks, a value outside n16,2 and, unless `allow_negative`, a negative value. The value itself is never
    repeated in the error: it comes from outside and may be anything.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise InvalidAmount(f"{field}: 金额须为十进制数字或字符串", field=field)
    # A Decimal keeps the exponent it was read with, so its text shows three decimals or an exponent where there were.
    if isinstance(value, int) and abs(value) > MAX_FEN:
        raise InvalidAmount(f"{field}: 金额超出范围", field=field)
    found = _YUAN.fullmatch(str(value))
    if found is None:
        raise InvalidAmount(f"{field}: 金额格式不合法，最多 14 位整数、2 位小数", field=field)
    sign, whole, cents = found.groups()
    fen = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    if sign and fen and not allow_negative:
        raise InvalidAmount(f"{field}: 金额不得为负", field=field)
    return -fen if sign else fen


def format_yuan(fen: int) -> str:
    """Return fen as a wire amount with two decimals: 1234 → "12.34", -1 → "-0.01"."""
    whole, cents = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{cents:02d}"


def _round_half_up(fen: int, ratio: Decimal, unit: int) -> int:
    """Round |fen × ratio| half-up to whole units of `unit` fen and give back the sign."""
    if not isinstance(ratio, Decimal):
        raise TypeError("a ratio is a Decimal, never a float")
    numerator, denominator = ratio.as_integer_ratio()
    product = fen * numerator
    step = denominator * unit
    rounded = (2 * abs(product) + step) // (2 * step) * unit
    return -rounded if product < 0 else rounded


def half_up(base_fen: int, ratio: Decimal) -> int:
    """Return base × ratio in fen, half a fen rounded away from zero (AMB-13)."""
    return _round_half_up(base_fen, ratio, 1)


def half_even(base_fen: int, ratio: Decimal) -> int:
    """Return base × ratio in fen, half a fen rounded to the even one: for a profile that says so (AMB-13)."""
    rounded = _round_half_up(base_fen, ratio, 1)
    numerator, denominator = ratio.as_integer_ratio()
    half = 2 * base_fen * numerator % (2 * denominator) == denominator
    return rounded - (1 if rounded > 0 else -1) if half and rounded % 2 else rounded


def round_down(base_fen: int, ratio: Decimal) -> int:
    """Return base × ratio in fen, rest cut off: for an upper bound that must not be exceeded by half a fen (R-026)."""
    numerator, denominator = ratio.as_integer_ratio()
    cut = abs(base_fen * numerator) // denominator
    return -cut if base_fen * numerator < 0 else cut


def half_up_yuan(fen: int, ratio: Decimal = Decimal(1)) -> int:
    """Return fen × ratio rounded half-up to whole yuan, still in fen: 682327 → 682300 (R-062, AMB-08).

    The product is rounded once: rounding to fen first would lift 0.4995 yuan to a whole yuan.
    """
    return _round_half_up(fen, ratio, 100)


# Amounts in words (大写金额): zeros and 整 are partly optional, so two texts are compared by parsing them.

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ((1000, "仟"), (100, "佰"), (10, "拾"), (1, ""))
_VARIANTS = str.maketrans("圓圆貳弍參叄陸萬億正〇", "元元贰贰叁叁陆万亿整零")
_D = "([壹贰叁肆伍陆柒捌玖])"
_GROUP = re.compile(f"(?:{_D}仟)?零?(?:{_D}佰)?零?(?:{_D}拾)?零?{_D}?零?")
_WORDS = re.compile(f"(?:([^元]+)元)?零?(?:{_D}角|零角)?零?(?:{_D}分)?整?")


def _group_words(number: int) -> str:
    """Words of 1…9999 without leading zero: 1007 → 壹仟零柒."""
    text = ""
    for place, unit in _PLACES:
        digit = number // place % 10
        if digit:
            text += _DIGITS[digit] + unit
        elif text and not text.endswith("零"):
            text += "零"
    return text.rstrip("零")


def _integer_words(number: int) -> str:
    """Words of a positive number; a gap between two groups of four is one 零."""
    for size, unit in ((10**8, "亿"), (10**4, "万")):
        if number >= size:
            high, low = divmod(number, size)
            gap = "零" if 0 < low < size // 10 else ""
            return _integer_words(high) + unit + gap + (_integer_words(low) if low else "")
    return _group_words(number)


def amount_in_words(fen: int) -> str:
    """Return the amount in Chinese words: 140950 → 人民币壹仟肆佰零玖元伍角. Raises InvalidAmount if negative."""
    if not 0 <= fen <= MAX_FEN:
        raise InvalidAmount("大写金额只用于非负金额")
    yuan, cents = divmod(fen, 100)
    jiao, rest = divmod(cents, 10)
    text = _integer_words(yuan) + "元" if yuan else ""
    if not cents:
        return f"人民币{text or '零元'}整"
    if jiao:
        text += _DIGITS[jiao] + "角"
    elif text:
        text += "零"
    return f"人民币{text}{_DIGITS[rest] + '分' if rest else ''}"


def _parse_group(text: str) -> int:
    found = _GROUP.fullmatch(text.lstrip("零"))
    if found is None:
        raise InvalidAmount("大写金额无法识别")
    digits = [_DIGITS.index(group) if group else 0 for group in found.groups()]
    return sum(digit * place for digit, (place, _) in zip(digits, _PLACES, strict=True))


def _parse_integer(text: str) -> int:
    for size, unit in ((10**8, "亿"), (10**4, "万")):
        high, found, low = text.rpartition(unit)
        if found:
            high_value, low_value = _parse_integer(high), _parse_integer(low)
            if not 0 < high_value < size or low_value >= size:
                raise InvalidAmount("大写金额无法识别")
            return high_value * size + low_value
    return _parse_group(text)


def parse_words(text: str) -> int:
    """Return the fen of an amount in words; 圆, 正 and traditional digits are understood. Raises InvalidAmount."""
    plain = text.strip().removeprefix("人民币").translate(_VARIANTS)
    found = _WORDS.fullmatch(plain)
    if found is None or not any(found.groups()):
        raise InvalidAmount("大写金额无法识别")
    yuan, jiao, cents = found.groups()
    whole = _parse_integer(yuan) if yuan else 0
    fen = whole * 100 + _DIGITS.index(jiao or "零") * 10 + _DIGITS.index(cents or "零")
    if fen > MAX_FEN:
        raise InvalidAmount("大写金额超出范围")
    return fen
