"""Kubernetes quantities as exact numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from kubevirt_py.api.quantity import format_bytes, is_quantity, parse_quantity, quantity_bytes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        (3, 3),
        ("+2", 2),
        ("-1Ki", -1024),
        (".5", Fraction(1, 2)),
        ("1.5Gi", 3 << 29),
        ("64M", 64_000_000),
        ("500m", Fraction(1, 2)),
        ("1n", Fraction(1, 10**9)),
        ("1e3", 1000),
        ("12E-2", Fraction(12, 100)),
        ("1E", 10**18),
        ("1Ei", 1 << 60),
    ],
)
def test_value(text: str | int, value: int | Fraction) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1GB", "1K", "0x1", "1e", "1e99", "--1", "1.2.3", "9" * 65, "١"])
def test_what_is_no_quantity_says_how_to_write_one(text: str) -> None:
    assert not is_quantity(text)
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


def test_bytes_are_rounded_up() -> None:
    assert quantity_bytes("1500m") == 2
    assert quantity_bytes("64M") == 64_000_000


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (1 << 30, "1Gi"), (3 << 29, "1536Mi"), (1000, "1000")])
def test_the_shortest_binary_form(size: int, text: str) -> None:
    assert format_bytes(size) == text
    assert quantity_bytes(text) == size
