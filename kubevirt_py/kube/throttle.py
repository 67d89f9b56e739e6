"""A token bucket: the client's own limit on writes, a safety net for the API server."""

from __future__ import annotations


class TokenBucket:
    """`burst` tokens, refilled at `rate` per second. Time comes in as an argument.

    `reserve` never refuses: it takes the token on credit and says how long to wait for it,
    so callers are served in order.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = 0.0

    def reserve(self, now: float) -> float:
        """Take one token; the seconds to wait before using it."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def full(self, now: float) -> bool:
        """Whether nothing is owed: the bucket is as good as new."""
        self._refill(now)
        return self._tokens >= self._burst

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
