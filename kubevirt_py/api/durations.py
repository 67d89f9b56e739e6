"""Go-style durations ("168h", "1h30m", "500ms") as users write them in the KubeVirt CR."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str) -> timedelta:
    """Parse a positive Go duration. Raises ValueError that repeats the text and says what is allowed."""
    if not re.fullmatch(f"(?:{_PART.pattern})+", text):
        raise ValueError(f"{text!r} is not a duration: use numbers with units h, m, s or ms, such as 24h or 1h30m")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS_S[unit] for number, unit in _PART.findall(text)))
    except OverflowError as error:
        raise ValueError(f"{text[:64]!r} is too long a duration: use less, such as 24h") from error
