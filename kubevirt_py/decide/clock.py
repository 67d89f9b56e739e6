"""Times as Kubernetes writes them. `now` always comes from the caller."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def rfc3339(moment: datetime) -> str:
    """Whole seconds, UTC: 2026-01-02T03:04:05Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """The moment a Kubernetes timestamp (with or without fractions) names. Raises ValueError for anything else."""
    return datetime.fromisoformat(text)


def age_s(since: str | None, now: datetime) -> float:
    """Seconds from `since` to `now`, never negative; a missing time is infinitely long ago."""
    if not since:
        return float("inf")
    return max(0.0, (now - parse(since)).total_seconds())


def after(now: datetime, seconds: float) -> str:
    """The moment `seconds` from now."""
    return rfc3339(now + timedelta(seconds=seconds))
