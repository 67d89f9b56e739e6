"""The loop that takes keys from a queue and reconciles them, and the reconciler made of a `decide` function."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Generic, TypeVar

import anyio

from kubevirt_py.kube.errors import ApiError, Throttled
from kubevirt_py.plan import Action, Event, Failure, Key, Plan, Require
from kubevirt_py.reconcile.backoff import Backoff
from kubevirt_py.reconcile.floors import Floors
from kubevirt_py.reconcile.meta import meta_of
from kubevirt_py.reconcile.metrics import ControllerMetrics, Metrics
from kubevirt_py.reconcile.queue import Item, Queue
from kubevirt_py.reconcile.source import BACKGROUND, EVERYTHING, USER, Ticker
from kubevirt_py.reconcile.store import Store
from kubevirt_py.reconcile.storm import StormGuard
from kubevirt_py.reconcile.tracing import annotate, span
from kubevirt_py.reconcile.writer import Fenced, Refused, Stale, Writer, target_of

S = TypeVar("S")

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Brings the world closer to what `key` asks for. Returns after how many seconds to look again, None if only
a change matters. An exception means: again, later."""

RECONCILE_S = 60.0
RESYNC_S = 3600.0
STALE_OFTEN = 5

_log = logging.getLogger(__name__)


class Terminal(Exception):
    """Trying again is no use until something changes."""


class Controller:
    """One kind of root, its queue and its workers."""

    def __init__(
        self,
        name: str,
        root: Store[Any] | None,
        reconcile: Reconcile,
        *,
        workers: int,
        metrics: Metrics,
        random: Random,
        deadline_s: float = RECONCILE_S,
    ) -> None:
        self.name = name
        self.root = root
        self._reconcile = reconcile
        self._workers = workers
        self._random = random
        self._deadline_s = deadline_s
        self._guard = StormGuard()
        self._backoff = Backoff(0.05, 300.0, random)
        self._failures: dict[Key, int] = {}
        self._tickers: list[Ticker] = []
        self.queue: Queue[Key] = Queue(anyio.current_time, self._guard.not_before)
        self.metrics = metrics.controller(name, self.queue)

    def wake(self, key: Key, after_s: float = 0.0, priority: int = USER, why: str = "") -> None:
        """Look at `key` after so many seconds. May be called from anywhere on the event loop."""
        self.metrics.adds.inc()
        self.queue.add(key, after_s=after_s, priority=priority, why=why)

    def add_ticker(self, ticker: Ticker) -> None:
        """Wake all keys regularly, while the controller runs."""
        self._tickers.append(ticker)

    async def run(self) -> None:
        """Work until the queue is closed and all runs are over."""
        if self.root is None:
            self.wake(EVERYTHING, why="start")
        async with anyio.create_task_group() as tickers:
            for ticker in self._tickers:
                tickers.start_soon(self._tick, ticker)
            async with anyio.create_task_group() as workers:
                for _ in range(self._workers):
                    workers.start_soon(self._work)
            tickers.cancel_scope.cancel()

    async def _work(self) -> None:
        while (item := await self.queue.get()) is not None:
            try:
                await self._run(item)
            finally:
                self.queue.done(item.key)

    async def _tick(self, ticker: Ticker) -> None:
        while True:
            await anyio.sleep(ticker.seconds)
            for key in self.root.keys() if self.root is not None else (EVERYTHING,):
                self.wake(key, priority=BACKGROUND, why="ticker")

    async def _run(self, item: Item[Key]) -> None:
        key, started = item.key, anyio.current_time()
        self.metrics.queue_seconds.observe(item.waited_s)
        noisy = self._guard.ran(key, item.why, started)
        if noisy:
            self.metrics.storms.inc()
            _log.warning("held back", extra={"controller": self.name, "key": str(key), "noisiest": noisy})
        view = self.root.get(key) if self.root is not None else None
        uid = meta_of(view).uid if view is not None else ""
        with span(f"reconcile {self.name}", key=str(key), uid=uid, why=item.why):
            result = await self._attempt(key)
            annotate(result=result)
        self.metrics.results[result].inc()
        self.metrics.work_seconds.observe(anyio.current_time() - started)

    async def _attempt(self, key: Key) -> str:
        try:
            with anyio.fail_after(self._deadline_s):
                again_s = await self._reconcile(key)
        except Throttled as error:
            self.queue.add(key, after_s=error.after_s, why="throttled")
            return "throttled"
        except Stale as error:
            # Ordinary, unless it goes on: then the plan asks for something that can never fit.
            level = logging.DEBUG if self._failures.get(key, 0) < STALE_OFTEN else logging.WARNING
            self._retry(key, level, "state was stale", error)
            return "stale"
        except Refused as error:
            action = error.failure.action
            longest_s = action.longest_s if isinstance(action, Require) else math.inf
            self._retry(key, logging.WARNING, "refused", error, longest_s)
            return "refused"
        except TimeoutError as error:
            self._retry(key, logging.WARNING, "took too long", error)
            return "timeout"
        except Terminal as error:
            _log.warning("gave up", extra={"controller": self.name, "key": str(key), "error": str(error)})
            self._failures.pop(key, None)
            return "error"
        except (ApiError, Fenced) as error:
            self._retry(key, logging.WARNING, "failed", error)
            return "error"
        except Exception as error:
            # A bug in one reconciler must not stop the others: it is counted, logged with its trace, and tried again.
            self._retry(key, logging.ERROR, "reconciler crashed", error)
            return "error"
        self._failures.pop(key, None)
        return self._finish(key, again_s)

    def _finish(self, key: Key, again_s: float | None) -> str:
        if again_s is not None:
            self.queue.add(key, after_s=again_s, why="again")
        if self.root is None:
            return "success" if again_s is None else "again"
        if self.root.get(key) is not None:
            self.queue.add(key, after_s=RESYNC_S * self._random.uniform(0.9, 1.1), priority=BACKGROUND, why="resync")
        elif again_s is None:
            self._guard.forget(key)
        return "success" if again_s is None else "again"

    def _retry(self, key: Key, level: int, words: str, error: Exception, longest_s: float = math.inf) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self.metrics.retries.inc()
        delay_s = min(self._backoff.delay_s(failures), longest_s)
        _log.log(
            level,
            words,
            exc_info=error if level == logging.ERROR else None,
            extra={"controller": self.name, "key": str(key), "error": str(error), "retry_s": round(delay_s, 3)},
        )
        self.queue.add(key, after_s=delay_s, why="retry")


class Decider(Generic[S]):
    """A reconciler made of `snapshot` (reads stores) and `decide` (thinks): observe, decide, apply."""

    def __init__(
        self,
        root: Store[Any],
        snapshot: Callable[[Key, Failure | None], S],
        decide: Callable[[S], Plan],
        *,
        writer: Writer,
        floors: Floors,
        emit: Callable[[Event], None],
    ) -> None:
        self._root = root
        self._snapshot = snapshot
        self._decide = decide
        self._writer = writer
        self._floors = floors
        self._emit = emit
        self._failed: dict[Key, Failure] = {}
        self.metrics: ControllerMetrics | None = None

    async def __call__(self, key: Key) -> float | None:
        with span("settle"):
            if not await self._floors.settled(key) and self.metrics is not None:
                self.metrics.stale_reads.inc()
        if self._root.get(key) is None:
            self._failed.pop(key, None)
            self._writer.forget(key)
            return None
        failure = self._failed.pop(key, None)
        plan = self._think(key, failure)
        try:
            sent = await self._writer.run(key, plan)
        except Refused as refused:
            self._failed[key] = refused.failure
            raise
        if self.metrics is not None:
            self.metrics.writes.observe(sent)
        if sent or not plan.do:  # what changed nothing is not worth telling again
            for event in plan.events:
                self._emit(event)
        if failure is None:
            return plan.again_s
        if not any(_same_target(action, failure.action) for action in plan.do):
            raise Stale("the refusal was reported, the refused action is still to be tried")
        return 0.0  # it went well this time: look once more without the failure

    def _think(self, key: Key, failure: Failure | None) -> Plan:
        """One consistent instant: nothing else can run between the reads."""
        with span("decide"):
            try:
                return self._decide(self._snapshot(key, failure))
            except Exception:
                if self.metrics is not None:
                    self.metrics.decide_errors.inc()
                raise


def _same_target(one: Action, other: Action) -> bool:
    return type(one) is type(other) and one.kind == other.kind and target_of(one) == target_of(other)
