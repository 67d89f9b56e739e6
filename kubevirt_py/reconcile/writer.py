"""Runs the actions of a plan: in order, each completely or not at all, none for nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import msgspec

from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, PatchTestFailed
from kubevirt_py.plan import (
    Action,
    Apply,
    Create,
    Delete,
    Document,
    Failure,
    JsonPatch,
    Key,
    Kind,
    MergePatch,
    Plan,
    Require,
)
from kubevirt_py.reconcile.floors import Floors, Stores
from kubevirt_py.reconcile.meta import controller_of, decode_head, meta_of
from kubevirt_py.reconcile.tracing import span

WRITE_S = 35.0
"""Deadline of one write; a little more than the client's own, so that its error arrives."""


class Stale(Exception):
    """The plan was made from a state that is no longer true: look again."""


class Fenced(Exception):
    """We are not, or no longer, the one who may write."""


@dataclass
class Refused(Exception):
    """The API server refused an action: `failure` for the next plan, `error` as it came."""

    failure: Failure
    error: ApiError

    def __str__(self) -> str:
        return f"{type(self.failure.action).__name__} {target_of(self.failure.action)}: {self.error}"


@dataclass(frozen=True, slots=True)
class _Written:
    digest: bytes
    uid: str
    rv: str


class Writer:
    """Writes for one controller. `fence()` says whether we may write at this instant."""

    def __init__(
        self,
        api: Api,
        *,
        manager: str,
        stores: Stores,
        floors: Floors,
        fence: Callable[[], bool] = lambda: True,
        wrote: Callable[[Action], None] = lambda _action: None,
    ) -> None:
        self._api = api
        self._manager = manager
        self._stores = stores
        self._floors = floors
        self._fence = fence
        self._wrote = wrote
        self._last: dict[Key, dict[tuple[str, Kind[Any], Key, str], _Written]] = {}

    async def run(self, root: Key, plan: Plan) -> int:
        """Run the actions of `plan` for `root`; how many writes were sent.

        Raises Stale, Fenced, Refused, or ApiError where no answer came (Unreachable, Throttled).
        """
        sent = 0
        for action in plan.do:
            await anyio.lowlevel.checkpoint_if_cancelled()
            if await self._one(root, action):
                sent += 1
        return sent

    def forget(self, root: Key) -> None:
        """Drop what is remembered for `root`."""
        self._last.pop(root, None)

    async def _one(self, root: Key, action: Action) -> bool:
        if self._is_noop(root, action):
            return False
        if not self._fence():
            raise Fenced("another process may hold the lease")
        try:
            # Shutdown must not leave a write half done: it would neither be known nor remembered.
            with span(f"write {type(action).__name__}", target=str(target_of(action))):
                with anyio.fail_after(WRITE_S, shield=True):
                    await self._send(root, action)
        except (PatchTestFailed, Conflict, NotFound) as error:
            if isinstance(action, Apply | Create | Require):
                raise _refused(action, error) from error
            raise Stale(str(error)) from error
        except ApiError as error:
            if error.status in (0, 401, 429):
                raise
            raise _refused(action, error) from error
        if isinstance(action, Require):
            return False
        self._wrote(action)
        return True

    async def _send(self, root: Key, action: Action) -> None:
        match action:
            case Create():
                answer = await self._create(action)
            case Apply(kind, body, subresource):
                answer = await self._api.apply(
                    kind, target_of(action), body, manager=self._manager, subresource=subresource
                )
            case JsonPatch(kind, key, ops, subresource):
                answer = await self._api.json_patch(kind, key, ops, subresource=subresource)
            case MergePatch(kind, key, body, subresource):
                answer = await self._api.merge_patch(kind, key, body, subresource=subresource)
            case Delete():
                return await self._delete(root, action)
            case Require(kind, key):
                await self._api.get(kind, key)
                return None
        self._floors.wrote(root, action.kind, answer)
        self._remember(root, action, answer)

    async def _create(self, action: Create) -> bytes:
        key = target_of(action)
        try:
            return await self._api.create(action.kind, key.namespace, action.body)
        except AlreadyExists:
            if not action.owner_uid:
                raise
            answer = await self._api.get(action.kind, key)
            owner = controller_of(decode_head(answer))
            if owner is None or owner.uid != action.owner_uid:
                raise
            return answer

    async def _delete(self, root: Key, action: Delete) -> None:
        self._floors.leaving(root, action.kind, action.key, action.uid)
        lingers = True
        try:
            answer = await self._api.delete(action.kind, action.key, uid=action.uid, grace_s=action.grace_s)
            lingers = decode_head(answer).kind != "Status"
            self._floors.wrote(root, action.kind, answer)
        except (NotFound, Conflict):
            lingers = False  # gone, or another object has its name now
        finally:
            if lingers:
                self._floors.stays(root, action.uid)

    def _is_noop(self, root: Key, action: Action) -> bool:
        """Nothing to send, or the very thing we sent last, and the object has not changed since."""
        match action:
            case JsonPatch(ops=ops):
                return not ops
            case MergePatch(body=body) if not body:
                return True
            case Apply() | MergePatch():
                last = self._last.get(root, {}).get(_slot(action))
                return last is not None and last.digest == _digest(action.body) and self._unmoved(action, last)
            case _:
                return False

    def _unmoved(self, action: Apply | MergePatch, last: _Written) -> bool:
        for store in self._stores(action.kind):
            view = store.get(target_of(action))
            if view is not None:
                meta = meta_of(view)
                return meta.uid == last.uid and meta.resource_version == last.rv
        return False

    def _remember(self, root: Key, action: Action, answer: bytes) -> None:
        if isinstance(action, Apply | MergePatch):
            meta = decode_head(answer).metadata
            written = _Written(_digest(action.body), meta.uid, meta.resource_version)
            self._last.setdefault(root, {})[_slot(action)] = written


def target_of(action: Action) -> Key:
    """The key of the object an action is about."""
    if isinstance(action, Create | Apply):
        metadata = action.body["metadata"]
        return Key(metadata.get("namespace", ""), metadata["name"])
    return action.key


def _slot(action: Apply | MergePatch) -> tuple[str, Kind[Any], Key, str]:
    return type(action).__name__, action.kind, target_of(action), action.subresource


def _digest(body: Document) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(body, order="sorted"), digest_size=16).digest()


def _refused(action: Action, error: ApiError) -> Refused:
    return Refused(Failure(action, error.reason, error.message, error.status), error)
