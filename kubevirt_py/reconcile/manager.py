"""Puts stores, controllers, lease and web server together, and runs them from start to orderly end."""

from __future__ import annotations

import gc
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar

import anyio

from kubevirt_py.kube.api import Api
from kubevirt_py.kube.client import Client
from kubevirt_py.plan import Event, Failure, Key, Kind, Plan
from kubevirt_py.reconcile.controller import RECONCILE_S, Controller, Decider, Reconcile
from kubevirt_py.reconcile.events import Aggregator, Recorder
from kubevirt_py.reconcile.floors import Floors
from kubevirt_py.reconcile.http import Listen, application, serving
from kubevirt_py.reconcile.lease import Election, LeaseSpec
from kubevirt_py.reconcile.metrics import Metrics
from kubevirt_py.reconcile.source import Source, Ticker, connect_root
from kubevirt_py.reconcile.store import Selection, Store
from kubevirt_py.reconcile.watcher import Watcher
from kubevirt_py.reconcile.writer import Writer

V = TypeVar("V")
S = TypeVar("S")

SYNC_S = 120.0
DRAIN_S = 25.0
EVENTS_S = 3.0

_log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """The time of day, aware."""
    return datetime.now(UTC)


class Manager:
    """One process: its stores, its controllers, its life.

    `name` is the field manager of its applies and the reporter of its events. `health` adds to what `/healthz` says.
    """

    def __init__(
        self,
        api: Api,
        *,
        name: str,
        metrics_prefix: str = "kubevirt_",
        clock: Callable[[], datetime] = utc_now,
        random: Random | None = None,
        health: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.api = api
        self.name = name
        self.metrics = Metrics(metrics_prefix, name)
        self.now = clock
        self.leading = False
        """Whether the controllers run."""
        self.port = 0
        """Where the web server listens, once `listening` is set."""
        self.listening = anyio.Event()
        self._random = random or Random()
        self._health = health
        self._stores: dict[tuple[Kind[Any], Selection], Store[Any]] = {}
        self._controllers: dict[str, Controller] = {}
        self._election: Election | None = None
        self._stop = anyio.Event()
        self._recorder = Recorder(
            api,
            Aggregator(name, f"{name}-{socket.gethostname()}"),
            wall=clock,
            dropped=self.metrics.events_dropped.inc,
        )
        if isinstance(api, Client):
            api.observe = self.metrics.request_observer(api.base_url)

    # Wiring

    def store(
        self,
        kind: Kind[V],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        indexes: Mapping[str, Callable[[V], Iterable[str]]] | None = None,
    ) -> Store[V]:
        """The store of `kind` with that selection; asking again gives the same one, with the indexes of both."""
        selection = Selection(namespace, labels, fields)
        store = self._stores.get((kind, selection))
        if store is None:
            store = self._stores[kind, selection] = Store(kind, selection)
        for name, function in (indexes or {}).items():
            store.add_index(name, function)
        return store

    def add(
        self,
        name: str,
        *,
        root: Store[Any],
        decide: Callable[[S], Plan],
        snapshot: Callable[[Key, Failure | None], S],
        wake: Sequence[Source | Ticker] = (),
        workers: int = 16,
    ) -> Controller:
        """A controller that runs `decide(snapshot(key, failure))` and what it plans, for every object of `root`."""
        floors = Floors(self._stores_of)
        writer = Writer(self.api, manager=self.name, stores=self._stores_of, floors=floors, fence=self._may_write)
        decider = Decider(root, snapshot, decide, writer=writer, floors=floors, emit=self.emit)
        controller = self.add_reconciler(name, root=root, reconcile=decider, wake=wake, workers=workers)
        decider.metrics = controller.metrics
        return controller

    def add_reconciler(
        self,
        name: str,
        *,
        root: Store[Any] | None,
        reconcile: Reconcile,
        wake: Sequence[Source | Ticker] = (),
        workers: int = 4,
        deadline_s: float = RECONCILE_S,
    ) -> Controller:
        """A controller that awaits `reconcile(key)`, also once for a key whose object is gone.

        Without a root the only key is `source.EVERYTHING`, woken at the start, unless sources wake others.
        """
        if name in self._controllers:
            raise ValueError(f"there is already a controller named {name}")
        controller = Controller(
            name, root, reconcile, workers=workers, metrics=self.metrics, random=self._random, deadline_s=deadline_s
        )
        if root is not None:
            connect_root(root, controller.wake)
        for source in wake:
            if isinstance(source, Ticker):
                controller.add_ticker(source)
            else:
                source.connect(root.kind if root is not None else None, controller.wake)
        self._controllers[name] = controller
        return controller

    def queue(self, name: str) -> Controller:
        """The controller of that name, to wake keys from outside."""
        return self._controllers[name]

    def emit(self, event: Event) -> None:
        """Send a Kubernetes Event in the background."""
        self._recorder.emit(event)

    # Running

    async def run(
        self,
        *,
        lease: LeaseSpec | None = None,
        http: tuple[str, int, Any] | None = None,
    ) -> None:
        """Run until SIGTERM or SIGINT, then drain. Raises LeaseLost (in an exception group) if the lease is lost."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._stop_on_signal)
            group.start_soon(self._calm_the_collector)
            await self.serve(lease=lease, http=http)
            group.cancel_scope.cancel()

    async def serve(
        self,
        *,
        lease: LeaseSpec | None = None,
        http: tuple[str, int, Any] | None = None,
    ) -> None:
        """As `run`, until `stop` is called: for tests and for processes that handle signals themselves."""
        async with AsyncExitStack() as stack, anyio.create_task_group() as process:
            if http is not None:
                app = application(self.metrics.registry, self._answers())
                self.port = await stack.enter_async_context(serving(app, Listen(*http)))
                self.listening.set()
            process.start_soon(self._measure_lag)
            for store in self._stores.values():
                relisted, undecodable = self.metrics.store(store)
                watcher = Watcher(self.api, store, random=self._random, relisted=relisted, undecodable=undecodable)
                process.start_soon(watcher.run)
            async with anyio.create_task_group() as events:
                events.start_soon(self._recorder.run)
                if await self._unless_stopped(self._sync):
                    await (self._lead(lease) if lease is not None else self._work())
                self._recorder.close()
                events.cancel_scope.deadline = anyio.current_time() + EVENTS_S
            process.cancel_scope.cancel()

    def stop(self) -> None:
        """Begin the orderly end: take no more keys, let runs finish, give the lease back."""
        self._stop.set()

    @property
    def controllers(self) -> Mapping[str, Controller]:
        """The controllers by name."""
        return self._controllers

    @property
    def stores(self) -> tuple[Store[Any], ...]:
        """All stores."""
        return tuple(self._stores.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is queued for now, running, or waiting to be sent."""
        quiet = all(not c.queue.depth and not c.queue.active for c in self._controllers.values())
        return quiet and not self._recorder.pending

    async def _sync(self) -> None:
        with anyio.fail_after(SYNC_S):
            for store in self._stores.values():
                await store.wait_synced()
        self.metrics.ready.set(1)
        _log.info("stores are filled", extra={"objects": sum(len(store) for store in self._stores.values())})

    async def _lead(self, spec: LeaseSpec) -> None:
        election = self._election = Election(self.api, spec, self.now, self._random)
        if not await self._unless_stopped(election.acquire):
            return
        async with anyio.create_task_group() as group:
            group.start_soon(election.keep)
            await self._work()
            group.cancel_scope.cancel()
        await election.release()

    async def _work(self) -> None:
        self._set_leading(True)
        try:
            async with anyio.create_task_group() as running:
                for controller in self._controllers.values():
                    running.start_soon(controller.run)
                await self._stop.wait()
                for controller in self._controllers.values():
                    controller.queue.close()
                running.cancel_scope.deadline = anyio.current_time() + DRAIN_S
        finally:
            self._set_leading(False)

    async def _unless_stopped(self, wait: Callable[[], Awaitable[None]]) -> bool:
        """Await `wait()`; False if `stop` was called first."""
        done = False

        async def attempt() -> None:
            nonlocal done
            await wait()
            done = True
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(attempt)
            await self._stop.wait()
            group.cancel_scope.cancel()
        return done

    async def _stop_on_signal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                _log.info("stopping", extra={"signal": number.name})
                self.stop()

    async def _calm_the_collector(self) -> None:
        """The views of the first fill live on: full collections would only stall the loop looking at them."""
        gc.set_threshold(50_000, 20, 50)
        for store in self._stores.values():
            await store.wait_synced()
        gc.collect()
        gc.freeze()

    async def _measure_lag(self) -> None:
        while True:
            due = anyio.current_time() + 1.0
            await anyio.sleep(1.0)
            self.metrics.loop_lag.set(max(0.0, anyio.current_time() - due))

    # Answers

    def _answers(self) -> Mapping[str, Callable[[], tuple[bool, Mapping[str, Any]]]]:
        return {"/healthz": self._healthz, "/readyz": self._readyz, "/leader": self._leader}

    def _healthz(self) -> tuple[bool, Mapping[str, Any]]:
        return True, {"apiserver": {"connectivity": "ok"}, **self._troubles(), **self._health()}

    def _readyz(self) -> tuple[bool, Mapping[str, Any]]:
        missing = [str(store.kind) for store in self._stores.values() if not store.synced]
        return not missing, {"ready": not missing, "waitingFor": missing, **self._troubles()}

    def _leader(self) -> tuple[bool, Mapping[str, Any]]:
        return True, {"apiserver": {"leader": "true" if self.leading else "false"}}

    def _troubles(self) -> Mapping[str, Any]:
        troubles = {str(store.kind): store.trouble for store in self._stores.values() if store.trouble}
        return {"troubles": troubles} if troubles else {}

    # Inner workings

    def _set_leading(self, leading: bool) -> None:
        self.leading = leading
        self.metrics.leading.set(leading)

    def _may_write(self) -> bool:
        return self._election is None or self._election.held()

    def _stores_of(self, kind: Kind[Any]) -> list[Store[Any]]:
        return [store for (held, _), store in self._stores.items() if held == kind]
