"""The queue of keys to reconcile: de-duplicated, serial per key, delayed, by priority.

Rules: one entry per key, where the earliest time and the highest priority win; a key that
is being worked on is never handed out again before `done`, and a wake-up that comes
meanwhile is kept. So no key runs twice at once, no wake-up is lost, ten cost one run.
Everything is synchronous except `get`.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

K = TypeVar("K")

LONGEST_WAIT_S = 60.0
"""A worker looks again after so long even if nobody wakes it."""


@dataclass(slots=True)
class _Entry:
    due: float
    priority: int
    why: str
    added: float
    ticket: int


@dataclass(frozen=True, slots=True)
class Item(Generic[K]):
    """A key handed out: why it was woken first, and for how long it was ready before it was taken."""

    key: K
    why: str
    waited_s: float


class Queue(Generic[K]):
    """`now` is a monotonic clock in seconds; `not_before(key)` may hold a key back to a later time."""

    def __init__(self, now: Callable[[], float], not_before: Callable[[K], float] = lambda _key: 0.0) -> None:
        self._now = now
        self._not_before = not_before
        self._entries: dict[K, _Entry] = {}
        self._ready: list[tuple[int, int, K]] = []
        self._delayed: list[tuple[float, int, K]] = []
        self._active: dict[K, float] = {}
        self._dirty: dict[K, tuple[float, int, str]] = {}
        self._waiting: deque[anyio.Event] = deque()
        self._ticket = itertools.count()
        self._open = True

    def add(self, key: K, *, after_s: float = 0.0, priority: int = 0, why: str = "") -> None:
        """Ask for a run of `key` after so many seconds."""
        self._add_at(key, self._now() + after_s, priority, why)

    async def get(self) -> Item[K] | None:
        """The next key, which is then active until `done`; None once the queue is closed."""
        while self._open:
            item = self.get_nowait()
            if item is not None:
                self._wake_next()
                return item
            await self._wait()
        return None

    def get_nowait(self) -> Item[K] | None:
        """As `get`, but None where no key is due."""
        self._promote()
        while self._ready:
            _, ticket, key = heapq.heappop(self._ready)
            if not self._is_current(key, ticket):
                continue
            entry = self._entries.pop(key)
            now = self._now()
            self._active[key] = now
            return Item(key, entry.why, max(0.0, now - entry.added))
        return None

    def done(self, key: K) -> None:
        """The run is over; wake-ups that came meanwhile count now."""
        self._active.pop(key, None)
        dirty = self._dirty.pop(key, None)
        if dirty is not None:
            self._add_at(key, *dirty)

    def close(self) -> None:
        """Hand out nothing more."""
        self._open = False
        for event in self._waiting:
            event.set()

    @property
    def depth(self) -> int:
        """Keys that wait for a worker."""
        self._promote()
        return sum(1 for _, ticket, key in self._ready if self._is_current(key, ticket))

    @property
    def active(self) -> int:
        """Keys being worked on."""
        return len(self._active)

    def ages(self) -> list[float]:
        """For how many seconds each active key has been worked on."""
        now = self._now()
        return [now - since for since in self._active.values()]

    def next_due(self, min_priority: int = -(10**9)) -> float | None:
        """When the next key of at least that priority is due, None if there is none."""
        dues = [entry.due for entry in self._entries.values() if entry.priority >= min_priority]
        dues += [due for due, priority, _ in self._dirty.values() if priority >= min_priority]
        return min(dues, default=None)

    def _add_at(self, key: K, due: float, priority: int, why: str) -> None:
        if key in self._active:
            old_due, old_priority, old_why = self._dirty.get(key, (due, priority, why))
            first = why if due < old_due else old_why
            self._dirty[key] = (min(due, old_due), max(priority, old_priority), first)
            return
        due = max(due, self._not_before(key))
        now = self._now()
        old = self._entries.get(key)
        if old is not None:
            if old.due <= due and old.priority >= priority:
                return
            why = why if due < old.due else old.why
            added = min(old.added, now)
            due, priority = min(due, old.due), max(priority, old.priority)
        else:
            added = now
        ticket = next(self._ticket)
        self._entries[key] = _Entry(due, priority, why, max(added, due), ticket)
        if due <= now:
            heapq.heappush(self._ready, (-priority, ticket, key))
        else:
            heapq.heappush(self._delayed, (due, ticket, key))
        self._compact()
        self._wake_next()

    def _promote(self) -> None:
        """Move delayed keys that are due among the ready ones."""
        now = self._now()
        while self._delayed and self._delayed[0][0] <= now:
            _, ticket, key = heapq.heappop(self._delayed)
            if self._is_current(key, ticket):
                heapq.heappush(self._ready, (-self._entries[key].priority, ticket, key))

    def _is_current(self, key: K, ticket: int) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.ticket == ticket

    def _compact(self) -> None:
        """Entries that were overtaken stay in the heaps; sweep when they are the greater part."""
        if len(self._delayed) + len(self._ready) <= 2 * len(self._entries) + 64:
            return
        self._ready = [item for item in self._ready if self._is_current(item[2], item[1])]
        self._delayed = [item for item in self._delayed if self._is_current(item[2], item[1])]
        heapq.heapify(self._ready)
        heapq.heapify(self._delayed)

    async def _wait(self) -> None:
        pause = LONGEST_WAIT_S
        if self._delayed:
            pause = min(pause, max(0.0, self._delayed[0][0] - self._now()))
        event = anyio.Event()
        self._waiting.append(event)
        taken = False
        try:
            with anyio.move_on_after(pause):
                await event.wait()
            taken = True
        finally:
            if event in self._waiting:
                self._waiting.remove(event)
            elif not taken:
                self._wake_next()  # cancelled after being woken: pass it on

    def _wake_next(self) -> None:
        """Let one idle worker look: there may be a key for it, or an earlier time to wait for."""
        if self._waiting and (self._ready or self._delayed):
            self._waiting.popleft().set()
