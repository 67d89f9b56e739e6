"""The API server as the rest of the project sees it: bytes in, bytes out, typed errors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from kubevirt_py.plan import Document, Key, Kind


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: each item as raw JSON, and the version the list shows.

    `more` tells that another page follows.
    """

    items: tuple[msgspec.Raw, ...]
    rv: str
    more: bool = False


class Api(Protocol):
    """What reconcilers may ask of an API server. All methods raise `kube.errors.ApiError`.

    Reads and writes return the answer's body: the object as stored, or a Status.
    """

    async def get(self, kind: Kind[Any], key: Key) -> bytes:
        """The object, or NotFound."""
        ...

    def list_pages(
        self, kind: Kind[Any], *, namespace: str = "", labels: str = "", fields: str = "", limit: int = 500
    ) -> AsyncGenerator[Page, None]:
        """All objects in pages of `limit` (0: one page), at the newest version. Gone when a page token expires."""
        ...

    def watch(
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
        """Watch events, one JSON line each, with bookmarks.

        From version `since` on; with `initial` the objects that exist come first, closed by a
        bookmark (watch-list). Ends after `timeout_s`; Unreachable when the peer falls silent.
        """
        ...

    async def create(
        self, kind: Kind[Any], namespace: str, body: Document | bytes, *, dry_run: bool = False
    ) -> bytes: ...

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
    ) -> bytes: ...

    async def json_patch(
        self, kind: Kind[Any], key: Key, ops: Sequence[Document], *, subresource: str = "", dry_run: bool = False
    ) -> bytes: ...

    async def merge_patch(
        self,
        kind: Kind[Any],
        key: Key,
        body: Document | bytes,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes: ...

    async def delete(
        self, kind: Kind[Any], key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = ""
    ) -> bytes:
        """Conflict when the object has another UID than `uid`. The answer is a Status, or the object if it lingers."""
        ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Document | bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Any other call, by path: a version, a review, a log."""
        ...


def collection_path(kind: Kind[Any], namespace: str = "") -> str:
    """Where objects of `kind` are listed and created; all namespaces where `namespace` is empty."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    scope = f"/namespaces/{quote(namespace, safe='')}" if kind.namespaced and namespace else ""
    return f"{root}{scope}/{kind.plural}"


def object_path(kind: Kind[Any], key: Key, subresource: str = "") -> str:
    """Where one object (or its subresource) lives. Raises ValueError for a key that cannot name one."""
    if not key.name or (kind.namespaced and not key.namespace):
        raise ValueError(f"{kind}: {key!r} names no object")
    path = f"{collection_path(kind, key.namespace)}/{quote(key.name, safe='')}"
    return f"{path}/{subresource}" if subresource else path
