"""What stands in the way of a guest's devices, and since when: most of it passes before a user need hear of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import anyio

PATIENCE_S = 30.0
"""After this time the user is told what a device waits for."""


class Troubles:
    """One text for each device, by name; the empty name stands for all of them. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._clock = clock
        self._texts: dict[str, str] = {}
        self._due: dict[str, float] = {}

    @property
    def texts(self) -> Mapping[str, str]:
        """What stands in the way now."""
        return self._texts

    def note(self, name: str, text: str) -> bool:
        """Keep what stands in the way of a device, or by an empty text that nothing does. Tells whether that is new."""
        if self._texts.get(name, "") == text:
            return False
        if text:
            self._due.setdefault(name, self._clock() + PATIENCE_S)
            self._texts[name] = text
        else:
            del self._texts[name]
            del self._due[name]
        return True

    def lasting(self) -> tuple[str, ...]:
        """What has stood in the way for long and was not told before: each is told once until it has gone."""
        names = [name for name, due in self._due.items() if self._clock() >= due]
        self._due |= dict.fromkeys(names, math.inf)
        return tuple(self._texts[name] for name in names)
