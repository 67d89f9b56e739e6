"""Keeps a store equal to the API server: the loop around `follow.step`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing
from random import Random
from typing import Any, Generic, TypeVar

import anyio
import msgspec

from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, Forbidden, Gone, Invalid, Throttled, error_from_status
from kubevirt_py.plan import Key
from kubevirt_py.reconcile import follow
from kubevirt_py.reconcile.backoff import Backoff
from kubevirt_py.reconcile.meta import decode_head, meta_of, version_number
from kubevirt_py.reconcile.store import Store

V = TypeVar("V")

INACTIVITY_S = 90.0
GOOD_S = 120.0
"""A connection that lasted so long was good: failures before it no longer count."""
WARN_EVERY_S = 60.0
TOO_LARGE = "ResourceVersionTooLarge"
"""Cause of an error when etcd went back in time (restored from a backup): our version means nothing now."""
INITIAL_END = "k8s.io/initial-events-end"

_log = logging.getLogger(__name__)


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode


class Watcher(Generic[V]):
    """Follows the objects `store` selects. `relisted` and `undecodable` are told of what happens, for metrics."""

    def __init__(
        self,
        api: Api,
        store: Store[V],
        *,
        random: Random | None = None,
        relisted: Callable[[], None] = lambda: None,
        undecodable: Callable[[], None] = lambda: None,
    ) -> None:
        self._api = api
        self._store = store
        self._random = random or Random()
        self._backoff = Backoff(0.8, 30.0, self._random)
        self._decode = msgspec.json.Decoder(store.kind.view).decode
        self._relisted = relisted
        self._undecodable = undecodable
        self._state: follow.State = follow.Cold()
        self._ask: follow.Ask | None = None
        self._warned_at = -WARN_EVERY_S

    async def run(self) -> None:
        """Follow for ever. Errors of the API server are waited out; the store's `trouble` names the last one."""
        failures = 0
        self._hear(follow.Start())
        while True:
            ask, self._ask = self._ask, None
            started = anyio.current_time()
            wait_s = 0.0
            listed = False
            try:
                if isinstance(ask, follow.AskList):
                    await self._list(ask)
                    listed = True
                elif ask is not None:
                    await self._watch(ask)
            except ApiError as error:
                wait_s = self._failed(error)
            if anyio.current_time() - started >= GOOD_S:
                failures = 0
            elif not listed:
                wait_s = max(wait_s, self._backoff.delay_s(failures))
                failures += 1
            await anyio.sleep(wait_s)

    async def _list(self, ask: follow.AskList) -> None:
        selection = self._store.selection
        async with aclosing(
            self._api.list_pages(
                self._store.kind,
                namespace=selection.namespace,
                labels=selection.labels,
                fields=selection.fields,
                limit=500 if ask.paged else 0,
            )
        ) as pages:
            async for page in pages:
                objects = [self._read(item) for item in page.items]
                self._hear(follow.PageRead(tuple(thing for thing in objects if thing), page.rv, page.more))

    async def _watch(self, ask: follow.AskWatch) -> None:
        selection = self._store.selection
        lines = self._api.watch(
            self._store.kind,
            namespace=selection.namespace,
            labels=selection.labels,
            fields=selection.fields,
            since=ask.since,
            initial=ask.initial,
            timeout_s=self._random.randint(300, 600),
        )
        with anyio.CancelScope() as scope:
            scope.deadline = anyio.current_time() + INACTIVITY_S
            async with aclosing(lines) as open_lines:
                async for line in open_lines:
                    scope.deadline = anyio.current_time() + INACTIVITY_S
                    self._hear(self._parse(line))
                    if self._ask is not None:
                        return
        self._hear(follow.Ended())

    def _hear(self, heard: follow.Heard) -> None:
        self._state, outs, self._ask = follow.step(self._state, heard)
        for out in outs:
            self._tell(out)
        if isinstance(heard, (follow.Changed, follow.Bookmark, follow.PageRead)):
            self._store.trouble = ""

    def _tell(self, out: follow.Out) -> None:
        match out:
            case follow.Put(thing) if isinstance(thing.view, follow.Unreadable):
                self._store.spoil(thing.key, thing.view.reason, thing.rv)
            case follow.Put(thing):
                self._store.put(thing.key, thing.view, thing.rv)
            case follow.Drop(key, rv):
                self._store.drop(key, rv)
            case follow.Mark(rv):
                self._store.mark(version_number(rv))
            case follow.Replaced(objects, rv):
                bad = {k: o.view.reason for k, o in objects.items() if isinstance(o.view, follow.Unreadable)}
                good = {key: thing.view for key, thing in objects.items() if key not in bad}
                self._store.replace(good, bad, version_number(rv))
                self._relisted()

    def _parse(self, line: bytes) -> follow.Heard:
        try:
            event = _decode_line(line)
            if event.type == "ERROR":
                return self._error_event(bytes(event.object))
            if event.type == "BOOKMARK":
                meta = decode_head(event.object).metadata
                return follow.Bookmark(meta.resource_version, meta.annotations.get(INITIAL_END) == "true")
        except msgspec.MsgspecError:
            self._undecodable()
            return follow.Garbled()
        thing = self._read(event.object)
        return follow.Changed(thing, event.type == "DELETED") if thing else follow.Garbled()

    def _error_event(self, body: bytes) -> follow.Heard:
        error = error_from_status(0, body)
        if isinstance(error, Gone):
            return follow.Expired()
        raise error

    def _read(self, raw: msgspec.Raw) -> follow.Object | None:
        """The object in `raw`; None if not even its name can be read."""
        try:
            view: Any = self._decode(raw)
        except msgspec.MsgspecError as error:
            view = follow.Unreadable(str(error))
        try:
            meta = decode_head(raw).metadata if isinstance(view, follow.Unreadable) else meta_of(view)
        except msgspec.MsgspecError:
            self._undecodable()
            _log.error("object without readable metadata", extra={"kind": str(self._store.kind)})
            return None
        key = Key(meta.namespace, meta.name)
        if isinstance(view, follow.Unreadable):
            self._undecodable()
            _log.error("object cannot be read", extra={"kind": str(self._store.kind), "key": str(key)})
        return follow.Object(key, view, version_number(meta.resource_version))

    def _failed(self, error: ApiError) -> float:
        """Note the failure; how long the server asked us to wait."""
        initial = isinstance(self._state, follow.Streaming)
        if isinstance(error, Gone) or any(cause.reason == TOO_LARGE for cause in error.causes):
            self._hear(follow.Expired())
        elif isinstance(error, Invalid) and initial:
            self._hear(follow.Unsupported())
        else:
            self._hear(follow.Ended())
            self._store.trouble = str(error)
            self._warn(error)
        return error.after_s if isinstance(error, Throttled) else 0.0

    def _warn(self, error: ApiError) -> None:
        now = anyio.current_time()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            words = "not allowed to watch" if isinstance(error, Forbidden) else "cannot watch"
            _log.warning(words, extra={"kind": str(self._store.kind), "error": str(error)})
