"""spec.domain.clock: its offset and its timers."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause, one_of
from kubevirt_py.render.config import ClusterConfig

TICK_POLICIES = {
    "hpet": ("delay", "catchup", "merge", "discard"),
    "pit": ("delay", "catchup", "discard"),
    "rtc": ("delay", "catchup"),
}
TRACKS = ("guest", "wall")


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    clock, base = spec["domain"].get("clock") or {}, f"{path}.domain.clock"
    if "utc" in clock and clock.get("timezone"):
        yield Cause(f"{base}.timezone", INVALID, "set either utc or timezone, not both")
    yield from _timezone(clock.get("timezone"), f"{base}.timezone")
    timers = clock.get("timer") or {}
    for name, allowed in TICK_POLICIES.items():
        timer = timers.get(name) or {}
        yield from one_of(f"{base}.timer.{name}.tickPolicy", timer.get("tickPolicy"), allowed)
    yield from one_of(f"{base}.timer.rtc.track", (timers.get("rtc") or {}).get("track"), TRACKS)


def _timezone(name: str | None, field: str) -> Iterator[Cause]:
    if not name:
        return
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        yield Cause(field, INVALID, f"{name!r} is no time zone; name one such as Europe/Berlin")
