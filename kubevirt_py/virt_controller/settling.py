"""When an object that is not seen may be taken for gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

SETTLE_S = 5.0


class Settling:
    """Stores are filled one after the other, so at first one may lack what another already tells of.

    Counts from the first question, that is from the moment this process leads.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._since: datetime | None = None

    def left_s(self) -> float:
        """Seconds until absence counts; 0 from then on."""
        now = self._now()
        self._since = self._since or now
        return max(0.0, SETTLE_S - (now - self._since).total_seconds())
