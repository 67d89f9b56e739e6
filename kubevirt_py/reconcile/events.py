"""Kubernetes Events: sent in the background, repeated ones as a series, never so many that they hurt.

Source: events.k8s.io/v1; an event that repeats is one object whose series counts.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

import anyio

from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import AlreadyExists, ApiError, NotFound
from kubevirt_py.kube.throttle import TokenBucket
from kubevirt_py.plan import Document, Event, Key, Kind

EVENT: Kind[Document] = Kind("events.k8s.io", "v1", "Event", "events", dict)

ROOM = 1000
FORGET_S = 360.0
PATCH_EVERY_S = 30.0
BURST = 25.0
PER_S = 1 / 300
NOTE_BYTES = 1024

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Series:
    key: Key
    count: int
    seen_at: float
    sent_at: float
    last: datetime


@dataclass(frozen=True, slots=True)
class Send:
    """Create `body` as `key`; or, where it is only a series, patch that event with it."""

    key: Key
    body: Document


@dataclass(slots=True)
class Aggregator:
    """Decides what an event becomes: a new object, a new count, or nothing. Time comes in as an argument."""

    controller: str
    instance: str
    _series: dict[tuple[str, ...], _Series] = field(default_factory=dict)
    _buckets: dict[str, TokenBucket] = field(default_factory=dict)
    _sweep_above: int = ROOM

    def add(self, event: Event, now: float, wall: datetime) -> Send | None:
        """What to send for `event`; None if it is only counted, or one too many."""
        self._forget(now)
        subject = event.regarding.get("uid") or event.regarding.get("name", "")
        identity = (subject, event.type, event.reason, event.note)
        series = self._series.pop(identity, None)
        if series is not None:
            self._series[identity] = series  # last again, so that the first is always the one unseen for longest
            series.count += 1
            series.seen_at = now
            series.last = wall
            if now - series.sent_at < PATCH_EVERY_S:
                return None
            series.sent_at = now
            return Send(series.key, {"series": {"count": series.count, "lastObservedTime": _micro(wall)}})
        if not self._buckets.setdefault(subject, TokenBucket(PER_S, BURST)).take(now):
            return None
        key = self._key(event, identity, wall)
        self._series[identity] = _Series(key, 1, now, now, wall)
        return Send(key, self._body(event, key, wall))

    def _key(self, event: Event, identity: tuple[str, ...], wall: datetime) -> Key:
        digest = blake2b("\0".join((*identity, wall.isoformat())).encode(), digest_size=8).hexdigest()
        # Events about cluster-scoped objects live in namespace default, by convention.
        return Key(event.regarding.get("namespace") or "default", f"{event.regarding['name'][:230]}.{digest}")

    def _body(self, event: Event, key: Key, wall: datetime) -> Document:
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "eventTime": _micro(wall),
            "reportingController": self.controller,
            "reportingInstance": self.instance[:128],
            "action": event.reason,
            "reason": event.reason,
            "regarding": dict(event.regarding),
            "note": event.note.encode()[:NOTE_BYTES].decode(errors="ignore"),
            "type": event.type,
        }

    def _forget(self, now: float) -> None:
        """Drop series and buckets that nobody would miss."""
        for identity, series in list(self._series.items()):
            if now - series.seen_at < FORGET_S:
                break
            del self._series[identity]
        if len(self._buckets) > self._sweep_above:
            self._buckets = {subject: bucket for subject, bucket in self._buckets.items() if not bucket.full(now)}
            self._sweep_above = max(ROOM, 2 * len(self._buckets))


class Recorder:
    """Takes events from anywhere, sends them from one task."""

    def __init__(
        self, api: Api, aggregator: Aggregator, *, wall: Callable[[], datetime], dropped: Callable[[], None]
    ) -> None:
        self._api = api
        self._aggregator = aggregator
        self._wall = wall
        self._dropped = dropped
        self._pending: deque[Event] = deque()
        self._wakeup = anyio.Event()
        self._open = True

    def emit(self, event: Event) -> None:
        """Queue an event; drop it (and count that) where there is no room. Never waits."""
        if not self._open or len(self._pending) >= ROOM:
            self._dropped()
            return
        self._pending.append(event)
        self._wakeup.set()

    @property
    def pending(self) -> int:
        """Events not yet sent."""
        return len(self._pending)

    async def run(self) -> None:
        """Send until `close`, then what is left."""
        while self._open or self._pending:
            if not self._pending:
                self._wakeup = anyio.Event()
                await self._wakeup.wait()
                continue
            send = self._aggregator.add(self._pending[0], anyio.current_time(), self._wall())
            if send is not None:
                await self._send(send)
            self._pending.popleft()

    def close(self) -> None:
        """Take no more events."""
        self._open = False
        self._wakeup.set()

    async def _send(self, send: Send) -> None:
        try:
            if "metadata" in send.body:
                await self._api.create(EVENT, send.key.namespace, send.body)
            else:
                await self._api.merge_patch(EVENT, send.key, send.body)
        except (NotFound, AlreadyExists):
            self._dropped()  # its namespace is going, the event has expired, or an answer was lost after the write
        except ApiError as error:
            self._dropped()
            _log.warning("event not sent", extra={"event": str(send.key), "error": str(error)})


def _micro(wall: datetime) -> str:
    return wall.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
