"""Holds back a key that runs far too often: two writers that undo each other, or a hot loop of our own."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kubevirt_py.plan import Key

LIMIT = 1000
WINDOW_S = 60.0
HOLD_S = 10.0


@dataclass(slots=True)
class _Runs:
    since: float
    last: float
    count: int = 0
    held: bool = False
    why: Counter[str] = field(default_factory=Counter)


class StormGuard:
    """More than 1,000 runs of a key in a minute: it then runs once in ten seconds, until a minute is quiet."""

    def __init__(self) -> None:
        self._runs: dict[Key, _Runs] = {}

    def ran(self, key: Key, why: str, now: float) -> str:
        """Note a run; the noisiest source if this run starts a storm, else empty."""
        runs = self._runs.get(key)
        if runs is None or now - runs.since >= WINDOW_S:
            still = runs is not None and runs.held and runs.count >= WINDOW_S / HOLD_S - 1
            runs = self._runs[key] = _Runs(since=now, last=now, held=still)
        runs.count += 1
        runs.last = now
        runs.why[why] += 1
        if runs.count <= LIMIT or runs.held:
            return ""
        runs.held = True
        return runs.why.most_common(1)[0][0]

    def not_before(self, key: Key) -> float:
        """The earliest time the key may run again."""
        runs = self._runs.get(key)
        return runs.last + HOLD_S if runs is not None and runs.held else 0.0

    def forget(self, key: Key) -> None:
        """Drop what is known about `key`."""
        self._runs.pop(key, None)
