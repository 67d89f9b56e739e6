"""Runs managers against a `FakeApi`, on virtual time: settle, crash, restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import anyio

from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.lease import LeaseSpec
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.reconcile.source import USER
from kubevirt_py.reconcile.testing.fake_api import FakeApi
from kubevirt_py.reconcile.testing.faults import Crashed
from kubevirt_py.reconcile.testing.merge import copied
from kubevirt_py.reconcile.testing.server import Server, matches

T = TypeVar("T")

STEP_S = 0.05
Settle = Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(manager: Manager, *, lease: LeaseSpec | None = None) -> AsyncIterator[Manager]:
    """The manager runs for as long as the block; then it drains."""
    async with anyio.create_task_group() as group:
        group.start_soon(partial(manager.serve, lease=lease))
        yield manager
        manager.stop()


async def settle(manager: Manager, *, within_s: float = 1.0, limit_s: float = 600.0) -> None:
    """Wait until the manager has nothing to do: all seen, nothing queued, nothing due `within_s`.

    Raises AssertionError after `limit_s`: something keeps it busy.
    """
    await _settle(lambda: manager, within_s, limit_s)


async def _settle(current: Callable[[], Manager | None], within_s: float, limit_s: float) -> None:
    ends_at = anyio.current_time() + limit_s
    quiet = 0
    while quiet < 3:
        if anyio.current_time() > ends_at:
            raise AssertionError(f"still busy after {limit_s} s: {_why(current(), within_s)}")
        await anyio.sleep(STEP_S)
        quiet = quiet + 1 if not _why(current(), within_s) else 0


def _why(manager: Manager | None, within_s: float) -> str:
    """What the manager is still busy with; empty if nothing."""
    if manager is None or not manager.leading:
        return "not running"
    if not manager.idle:
        return "work is queued"
    soon = anyio.current_time() + within_s
    for name, controller in manager.controllers.items():
        due = controller.queue.next_due(USER)
        if due is not None and due <= soon:
            return f"{name} has a key due"
    if isinstance(manager.api, FakeApi):
        for store in manager.stores:
            unseen = (change for change in manager.api.server.shelf(store.kind).history if change.rv > store.rv)
            if any(matches(store.selection, change.old) or matches(store.selection, change.new) for change in unseen):
                return f"store of {store.kind} lags"
    return ""


class Process:
    """A process of a Deployment: started again when it crashes."""

    def __init__(self, server: Server, build: Callable[[FakeApi], Manager]) -> None:
        self._server = server
        self._build = build
        self.manager: Manager | None = None
        self.apis: list[FakeApi] = []
        """One for each start."""

    async def run(self, *, crash_at: int = 0, after: bool = False) -> None:
        """Run until stopped; the first start dies before or after its write number `crash_at` (0: never)."""
        stopped = False
        while not stopped:
            api = FakeApi(self._server)
            if crash_at and not self.apis:
                api.crash_at_write(crash_at, after=after)
            self.apis.append(api)
            self.manager = self._build(api)
            try:
                await self.manager.serve()
                stopped = True
            except* Crashed:
                self.manager = None

    async def settle(self, *, within_s: float = 1.0, limit_s: float = 600.0) -> None:
        """As `settle`, of whichever start is running."""
        await _settle(lambda: self.manager, within_s, limit_s)

    def stop(self) -> None:
        """End it in order."""
        if self.manager is not None:
            self.manager.stop()


async def crash_sweep(
    make_server: Callable[[], Server],
    build: Callable[[FakeApi], Manager],
    scenario: Callable[[FakeApi, Settle], Awaitable[None]],
    outcome: Callable[[Server], T],
    *,
    moments: Sequence[bool] = (False, True),
) -> int:
    """Kill the process before and after each of its writes; the end must always be that of the undisturbed run.

    `scenario(user, settle)` acts as the user, with an API of its own. `moments`: before (False) or after
    each write; for a process that starts anew from what is there, one of them does. Returns the number of writes.
    """
    server, process = await _play(make_server, build, scenario, 0, False)
    expected, writes = outcome(server), len(process.apis[0].writes)
    for number in range(1, writes + 1):
        for after in moments:
            server, process = await _play(make_server, build, scenario, number, after)
            where = f"crash {'after' if after else 'before'} write {number} of {writes}"
            assert len(process.apis) == 2, f"{where}: the process started {len(process.apis)} times"
            found = outcome(server)
            assert found == expected, f"{where}:\n{found}\ninstead of\n{expected}"
    return writes


async def _play(
    make_server: Callable[[], Server],
    build: Callable[[FakeApi], Manager],
    scenario: Callable[[FakeApi, Settle], Awaitable[None]],
    crash_at: int,
    after: bool,
) -> tuple[Server, Process]:
    server = make_server()
    process = Process(server, build)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(process.run, crash_at=crash_at, after=after))
        await scenario(FakeApi(server), process.settle)
        process.stop()
    return server, process


def contents(server: Server, *kinds: Kind[Any]) -> dict[str, dict[Key, Document]]:
    """What the server holds of `kinds`, without what differs from run to run: UIDs, versions, times."""
    return {
        str(kind): {key: _stable(document) for key, document in sorted(server.shelf(kind).objects.items())}
        for kind in kinds
    }


def _stable(document: Document) -> Document:
    result = copied(document)
    metadata = result["metadata"]
    for name in ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation"):
        metadata.pop(name, None)
    for owner in metadata.get("ownerReferences", ()):
        owner.pop("uid", None)
    return result
