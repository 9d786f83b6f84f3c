"""Amounts in capital words (大写金额) as banks print them; rules of the annex to 支付结算办法."""

from __future__ import annotations

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_SECTIONS = ("", "万", "亿", "万亿")


def _section(value: int) -> str:
    """One group of four digits without its unit; zeros inside become one 零."""
    words, zero = "", False
    for place in (3, 2, 1, 0):
        digit = value // 10**place % 10
        if digit:
            words += ("零" if zero and words else "") + _DIGITS[digit] + _PLACES[place]
            zero = False
        else:
            zero = True
    return words


def _whole(yuan: int) -> str:
    words, gap = "", False
    for index in (3, 2, 1, 0):
        value = yuan // 10 ** (4 * index) % 10_000
        if value:
            joined = words and (gap or value < 1000)
            words += ("零" if joined else "") + _section(value) + _SECTIONS[index]
        gap = gap or (bool(words) and value == 0)
        if value:
            gap = False
    return words


def amount_in_words(fen: int) -> str:
    """``940950`` → ``人民币玖仟肆佰零玖元伍角``. Raises ValueError below 1 fen or from 10**16 yuan on."""
    if not 0 < fen < 10**18:
        raise ValueError("amount out of range")
    yuan, rest = divmod(fen, 100)
    jiao, cents = divmod(rest, 10)
    words = f"{_whole(yuan)}元" if yuan else ""
    if not rest:
        return f"人民币{words}整"
    if jiao:
        words += f"{_DIGITS[jiao]}角"
    elif yuan:
        words += "零"
    return f"人民币{words}{_DIGITS[cents]}分" if cents else f"人民币{words}"
