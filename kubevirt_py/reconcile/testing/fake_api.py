"""An API server in the process: `kube.api.Api` over a `Server`, with a script of faults."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import msgspec

from kubevirt_py.kube.api import Page
from kubevirt_py.kube.errors import ApiError, Gone, Invalid, NotFound, Unreachable
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.store import Selection
from kubevirt_py.reconcile.testing.faults import WRITES, Crashed, Fault, Write
from kubevirt_py.reconcile.testing.server import Change, Server, Shelf, encode, matches

BOOKMARK_S = 60.0


class FakeApi:
    """One process's way to a `Server`. Several may share one server; faults and journal are each one's own.

    `watch_list`: whether initial events are supported. `watch_lag_s`: how late watch events arrive.
    """

    def __init__(self, server: Server | None = None, *, watch_list: bool = True, watch_lag_s: float = 0.0) -> None:
        self.server = server or Server()
        self.watch_list = watch_list
        self.watch_lag_s = watch_lag_s
        self.faults: list[Fault] = []
        self.writes: list[Write] = []
        """The writes that were sent, in order."""
        self.faulted = anyio.Event()
        """Set when the first fault of the script has happened."""
        self.lists = 0
        """How many list pages were read."""
        self._crash = (0, False)
        self._cut = anyio.Event()
        self._tokens: dict[str, list[Document]] = {}

    # Faults

    def fail(self, fault: Fault) -> None:
        """Add to the script."""
        self.faults.append(fault)

    def crash_at_write(self, number: int, *, after: bool) -> None:
        """Die before or after the write with that number, counted from 1 over all that follow."""
        self._crash = (len(self.writes) + number, after)

    def cut_watches(self) -> None:
        """All open watches lose their connection."""
        self._cut.set()
        self._cut = anyio.Event()

    def expire_pages(self) -> None:
        """Continue tokens given out so far are too old."""
        self._tokens.clear()

    # Api

    async def get(self, kind: Kind[Any], key: Key) -> bytes:
        return await self._call("get", kind, key, "", partial(self.server.get, kind, key))

    async def list_pages(
        self, kind: Kind[Any], *, namespace: str = "", labels: str = "", fields: str = "", limit: int = 500
    ) -> AsyncGenerator[Page, None]:
        await self._before("list", kind, None)
        rest = self.server.select(kind, Selection(namespace, labels, fields))
        rv = str(self.server.rv)
        while True:
            self.lists += 1
            page, rest = (rest[:limit], rest[limit:]) if limit else (rest, [])
            token = f"{rv}:{len(rest)}:{self.lists}"
            self._tokens[token] = rest
            yield Page(tuple(msgspec.Raw(encode(document)) for document in page), rv, more=bool(rest))
            if not rest:
                return
            await self._before("list", kind, None)
            if token not in self._tokens:
                raise Gone(410, "Expired", "the provided continue parameter is too old")
            rest = self._tokens.pop(token)

    async def watch(
        self,
        kind: Kind[Any],
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        since: str = "",
        initial: bool = False,
        timeout_s: int = 300,
    ) -> AsyncGenerator[bytes, None]:
        await self._before("watch", kind, None)
        if initial and not self.watch_list:
            raise Invalid(422, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature is on")
        selection, shelf = Selection(namespace, labels, fields), self.server.shelf(kind)
        ends_at = anyio.current_time() + timeout_s
        at = int(since or 0) or self.server.rv
        if initial:
            documents, at = self.server.select(kind, selection), self.server.rv
            for document in documents:
                yield _line("ADDED", document)
            yield _bookmark(kind, at, initial_end=True)
        elif at < shelf.forgotten_rv:
            yield _line("ERROR", _status(410, "Expired", f"too old resource version: {at}"))
            return
        async for line in self._follow(kind, shelf, selection, at, ends_at):
            yield line

    async def create(self, kind: Kind[Any], namespace: str, body: Document | bytes, *, dry_run: bool = False) -> bytes:
        sent = _decode(body)
        key = Key(namespace, sent.get("metadata", {}).get("name", ""))
        act = partial(self.server.create, kind, namespace, sent)
        return await self._call("create", kind, key, "", act, dry_run)

    async def apply(
        self,
        kind: Kind[Any],
        key: Key,
        body: Document | bytes,
        *,
        manager: str,
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        act = partial(
            self.server.apply, kind, key, _decode(body), manager=manager, force=force, subresource=subresource
        )
        return await self._call("apply", kind, key, subresource, act, dry_run)

    async def json_patch(
        self, kind: Kind[Any], key: Key, ops: Sequence[Document], *, subresource: str = "", dry_run: bool = False
    ) -> bytes:
        sent = msgspec.json.decode(msgspec.json.encode(ops))
        act = partial(self.server.json_patch, kind, key, sent, subresource=subresource)
        return await self._call("json_patch", kind, key, subresource, act, dry_run)

    async def merge_patch(
        self,
        kind: Kind[Any],
        key: Key,
        body: Document | bytes,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        act = partial(self.server.merge_patch, kind, key, _decode(body), subresource=subresource)
        return await self._call("merge_patch", kind, key, subresource, act, dry_run)

    async def delete(
        self, kind: Kind[Any], key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = ""
    ) -> bytes:
        act = partial(self.server.delete, kind, key, uid=uid, grace_s=grace_s)
        return await self._call("delete", kind, key, "", act)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Document | bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Only GET, PUT and DELETE of single objects, by path."""
        await self._before("request", None, None)
        kind, key, subresource = self._resolve(path)
        if method == "GET":
            return encode(self.server.get(kind, key))
        if method == "PUT" and body is not None:
            return encode(self.server.replace(kind, key, _decode(body), subresource=subresource))
        if method == "DELETE":
            return encode(self.server.delete(kind, key))
        raise ApiError(405, "MethodNotAllowed", f"the fake server does not answer {method} {path}")

    # Inner workings

    async def _call(
        self,
        verb: str,
        kind: Kind[Any],
        key: Key,
        subresource: str,
        act: Callable[[], Document],
        dry_run: bool = False,
    ) -> bytes:
        late = await self._before(verb, kind, key)
        if verb not in WRITES or dry_run:
            with self.server.undone(kind) if dry_run else nullcontext():
                return encode(act())
        number, after = self._crash
        last = len(self.writes) + 1 == number
        if last and not after:
            raise Crashed
        try:
            answer = encode(act())
        except ApiError as error:
            self.writes.append(Write(verb, kind, key, subresource, error))
            if last:
                raise Crashed from error
            raise
        self.writes.append(Write(verb, kind, key, subresource))
        if last:
            raise Crashed
        if late is not None:
            raise late
        return answer

    async def _before(self, verb: str, kind: Kind[Any] | None, key: Key | None) -> BaseException | None:
        """Let scripted faults happen; returns an error to raise after the call took effect."""
        await anyio.lowlevel.checkpoint()  # a real call gives others a turn
        if kind is not None:
            self.server.shelf(kind)
        fault = next((fault for fault in self.faults if fault.matches(verb, kind, key)), None)
        if fault is None:
            return None
        self.faulted.set()
        await anyio.sleep(fault.delay_s)
        if fault.error is not None and not fault.after_commit:
            raise fault.error
        return fault.error

    async def _follow(
        self, kind: Kind[Any], shelf: Shelf, selection: Selection, at: int, ends_at: float
    ) -> AsyncGenerator[bytes, None]:
        cut = self._cut
        bookmark_at = anyio.current_time() + BOOKMARK_S
        while True:
            if self.watch_lag_s:
                await anyio.sleep(self.watch_lag_s)
            if at < shelf.forgotten_rv:
                yield _line("ERROR", _status(410, "Expired", f"too old resource version: {at}"))
                return
            for change in [change for change in shelf.history if change.rv > at]:
                if cut.is_set():
                    raise Unreachable(f"watch of {kind}: connection reset")
                at = change.rv
                if line := _event(selection, change):
                    yield line
            changed = shelf.changed
            if shelf.history and shelf.history[-1].rv > at:
                continue
            now = anyio.current_time()
            if now >= ends_at:
                return
            if now >= bookmark_at:
                at = self.server.rv
                bookmark_at = now + BOOKMARK_S
                yield _bookmark(kind, at)
                continue
            with anyio.move_on_after(min(ends_at, bookmark_at) - now):
                await _either(changed, cut)
            if cut.is_set():
                raise Unreachable(f"watch of {kind}: connection reset")

    def _resolve(self, path: str) -> tuple[Kind[Any], Key, str]:
        parts = path.strip("/").split("/")
        group = parts[1] if parts[0] == "apis" and len(parts) > 2 else ""
        parts = parts[3:] if group else parts[2:]
        namespace = ""
        if len(parts) > 3 and parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        if len(parts) < 2:
            raise NotFound(404, "NotFound", f"the fake server does not serve {path}")
        return self.server.find_kind(group, parts[0]), Key(namespace, parts[1]), "/".join(parts[2:])


async def _either(*events: anyio.Event) -> None:
    """Wait for one of the events."""
    async with anyio.create_task_group() as group:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            group.cancel_scope.cancel()

        for event in events:
            group.start_soon(wait, event)


def _event(selection: Selection, change: Change) -> bytes:
    """The watch event a change means for those who watch `selection`; empty if none."""
    before, after = matches(selection, change.old), matches(selection, change.new)
    if change.new is not None and after:
        return _line("MODIFIED" if before else "ADDED", change.new)
    if before and change.old is not None:
        last = {**change.old, "metadata": {**change.old["metadata"], "resourceVersion": str(change.rv)}}
        return _line("DELETED", last)
    return b""


def _line(event: str, document: Document) -> bytes:
    return encode({"type": event, "object": document}) + b"\n"


def _bookmark(kind: Kind[Any], rv: int, *, initial_end: bool = False) -> bytes:
    metadata: Document = {"resourceVersion": str(rv)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    return _line("BOOKMARK", {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata})


def _status(code: int, reason: str, message: str) -> Document:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def _decode(body: Document | bytes) -> Document:
    """A copy that shares nothing with the caller's."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    document: Document = msgspec.json.decode(raw)
    return document
