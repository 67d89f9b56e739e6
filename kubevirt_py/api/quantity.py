"""Kubernetes quantities ("64M", "1.5Gi", "100m", "2e3") as exact numbers."""

from __future__ import annotations

import re
from fractions import Fraction

_SHAPE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([KMGTPE]i|[numkMGTPE]))?", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(text: str | int | float) -> Fraction:
    """The exact value. Raises ValueError for text that Kubernetes would refuse."""
    match = _SHAPE.fullmatch(str(text))
    if not match or len(str(text)) > 64:
        raise ValueError(f"{text!r} is not a quantity; write a number with an optional suffix, as in 512Mi or 1.5")
    number, exponent, suffix = match.groups()
    value = Fraction(number)
    if exponent:
        power = int(exponent[1:])
        if abs(power) > 64:
            raise ValueError(f"{text!r} is not a quantity; its exponent is out of range")
        return _scaled(value, 10, power)
    if suffix in _BINARY:
        return _scaled(value, 2, _BINARY[suffix])
    return _scaled(value, 10, _DECIMAL.get(suffix, 0))


def _scaled(value: Fraction, base: int, power: int) -> Fraction:
    scale: int = base ** abs(power)
    return value * scale if power >= 0 else value / scale


def is_quantity(text: str | int | float) -> bool:
    """Whether Kubernetes would take `text` for a quantity."""
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True


def quantity_bytes(text: str | int | float) -> int:
    """A size in whole bytes, rounded up as Kubernetes does."""
    value = parse_quantity(text)
    return -(-value.numerator // value.denominator)


def format_bytes(size: int) -> str:
    """The shortest binary quantity for a whole number of bytes: 1073741824 -> 1Gi."""
    for suffix, power in reversed(_BINARY.items()):
        if size and size % (1 << power) == 0:
            return f"{size >> power}{suffix}"
    return str(size)
