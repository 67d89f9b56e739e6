"""How long to wait before trying again."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, with full jitter so that many who failed together do not return together.

    The n-th failure (from 0) waits between nothing and base_s x 2^n, at most cap_s.
    """

    base_s: float
    cap_s: float
    random: Random = field(default_factory=Random)

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after `failures` earlier failures in a row."""
        return self.random.uniform(0.0, min(self.cap_s, self.base_s * 2.0 ** min(failures, 64)))
