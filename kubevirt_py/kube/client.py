"""A thin client for the Kubernetes API over one aiohttp session: bytes in, bytes out.

Decoding happens where the bytes are used, so nothing is parsed twice and nothing is parsed
in full that is read in part.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Self

import aiohttp
import anyio
import msgspec
from multidict import CIMultiDict

from kubevirt_py.kube.api import Api, Page, collection_path, object_path
from kubevirt_py.kube.credentials import Credentials, Fixed
from kubevirt_py.kube.errors import Unauthorized, Unreachable, error_from_status
from kubevirt_py.kube.throttle import TokenBucket
from kubevirt_py.plan import Document, Key, Kind

REQUEST_S = 30.0
CONNECT_S = 10.0
INACTIVITY_S = 90.0
"""A watch that is silent for so long has lost its peer: bookmarks come every 60 to 75 s."""
READ_BUFFER_BYTES = 2 * 1024 * 1024
WRITES_PER_S = 200.0
WRITE_BURST = 400.0
UNLIMITED = "leases"
"""A process that cannot renew its lease in time would lose it to its own limit."""

Observer = Callable[[str, str, int, float, float], None]
"""Told of each request: method, resource, HTTP status (0: none), seconds taken, seconds held back by our own limit."""

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_APPLY = "application/apply-patch+yaml"


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


_log = logging.getLogger(__name__)
_LIST = msgspec.json.Decoder(_List)


class Client:
    """`kube.api.Api` over HTTP. Use as an async context manager, or call `close`."""

    def __init__(
        self,
        base_url: str,
        credentials: Credentials | None = None,
        *,
        server_name: str | None = None,
        timeout_s: float | None = REQUEST_S,
    ) -> None:
        """`base_url` like https://10.96.0.1:443; `server_name` overrides the name in the server's certificate.

        `timeout_s` is how long a request may take, of a stream how long its opening may; None: however long.
        """
        self.base_url = base_url.rstrip("/")
        self.observe: Observer | None = None
        self._credentials = credentials or Fixed()
        self._server_name = server_name
        self._bucket = TokenBucket(WRITES_PER_S, WRITE_BURST)
        self._limit_reads = False
        self._session = aiohttp.ClientSession(
            # Bounded by the workers and watches that use it; a limit here could starve the leader lease.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_S),
            read_bufsize=READ_BUFFER_BYTES,
            auto_decompress=True,
            skip_auto_headers=("User-Agent",),
            headers={"User-Agent": "kubevirt-py", "Accept": _JSON, "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def limit(self, given: tuple[float, float] | None) -> None:
        """Keep to so many requests per second and at once from now on; None: to our own limit on writes."""
        self._limit_reads = given is not None
        self._bucket = TokenBucket(*(given or (WRITES_PER_S, WRITE_BURST)))

    async def close(self) -> None:
        """Close all connections."""
        with anyio.move_on_after(5, shield=True):
            await self._session.close()

    async def get(self, kind: Kind[Any], key: Key) -> bytes:
        return await self._call("GET", object_path(kind, key), resource=kind.plural)

    async def list_pages(
        self, kind: Kind[Any], *, namespace: str = "", labels: str = "", fields: str = "", limit: int = 500
    ) -> AsyncGenerator[Page, None]:
        params = _selectors(labels, fields)
        if limit:
            params["limit"] = str(limit)
        path = collection_path(kind, namespace)
        while True:
            body = await self._call(
                "GET", path, params=params, resource=kind.plural, headers={"Accept-Encoding": "gzip"}
            )
            page = _LIST.decode(body)
            token = page.metadata.continue_
            yield Page(tuple(page.items or ()), page.metadata.resource_version, more=bool(token))
            if not token:
                return
            params["continue"] = token

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
        params = _selectors(labels, fields)
        params |= {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": str(timeout_s)}
        params["resourceVersion"] = since
        if initial:
            params |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        timeout = aiohttp.ClientTimeout(total=timeout_s + REQUEST_S, sock_connect=CONNECT_S, sock_read=INACTIVITY_S)
        started = time.monotonic()
        status = 0
        try:
            async with self._session.get(
                self.base_url + collection_path(kind, namespace),
                params=params,
                headers=await self._credentials.headers(),
                ssl=self._credentials.tls(),
                server_hostname=self._server_name,
                timeout=timeout,
            ) as response:
                status = response.status
                self._observed("WATCH", kind.plural, status, started)
                if status != 200:
                    error = error_from_status(status, await response.read(), retry_after=_retry_after(response))
                    if isinstance(error, Unauthorized):
                        await self._credentials.renew()
                    raise error
                try:
                    while line := await response.content.readline():
                        yield line
                finally:
                    _hang_up(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if not status:
                self._observed("WATCH", kind.plural, 0, started)
            raise Unreachable(f"watch of {kind}: {_words(error)}") from error

    async def create(self, kind: Kind[Any], namespace: str, body: Document | bytes, *, dry_run: bool = False) -> bytes:
        return await self._call(
            "POST", collection_path(kind, namespace), body, params=_dry(dry_run), resource=kind.plural
        )

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
        params = _dry(dry_run) | {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._patch(kind, key, subresource, _APPLY, body, params)

    async def json_patch(
        self, kind: Kind[Any], key: Key, ops: Sequence[Document], *, subresource: str = "", dry_run: bool = False
    ) -> bytes:
        return await self._patch(kind, key, subresource, _JSON_PATCH, msgspec.json.encode(ops), _dry(dry_run))

    async def merge_patch(
        self,
        kind: Kind[Any],
        key: Key,
        body: Document | bytes,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> bytes:
        return await self._patch(kind, key, subresource, _MERGE, body, _dry(dry_run))

    async def delete(
        self, kind: Kind[Any], key: Key, *, uid: str = "", grace_s: int | None = None, propagation: str = ""
    ) -> bytes:
        options: Document = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        if propagation:
            options["propagationPolicy"] = propagation
        return await self._call("DELETE", object_path(kind, key), options, resource=kind.plural)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Document | bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        return await self._call(method, path, body, params=params, headers=headers, resource="")

    async def _patch(
        self,
        kind: Kind[Any],
        key: Key,
        subresource: str,
        content_type: str,
        body: Document | bytes,
        params: Mapping[str, str],
    ) -> bytes:
        return await self._call(
            "PATCH",
            object_path(kind, key, subresource),
            body,
            params=params,
            headers={"Content-Type": content_type},
            resource=kind.plural,
        )

    async def _call(
        self,
        method: str,
        path: str,
        body: Document | bytes | None = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        resource: str,
    ) -> bytes:
        held_s = 0.0
        if (self._limit_reads or method not in ("GET", "HEAD")) and resource != UNLIMITED:
            held_s = self._bucket.reserve(time.monotonic())
            await anyio.sleep(held_s)
        try:
            return await self._send(method, path, body, params, headers, resource, held_s)
        except Unauthorized:
            if not await self._credentials.renew():
                raise
            return await self._send(method, path, body, params, headers, resource, held_s)

    async def _send(
        self,
        method: str,
        path: str,
        body: Document | bytes | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        resource: str,
        held_s: float,
    ) -> bytes:
        sent = CIMultiDict(await self._credentials.headers())
        if body is not None:
            sent["Content-Type"] = _JSON
            if not isinstance(body, bytes):
                body = msgspec.json.encode(body)
        sent.update(headers or {})
        started = time.monotonic()
        status = 0
        try:
            async with self._session.request(
                method,
                self.base_url + path,
                params=params,
                data=body,
                headers=sent,
                ssl=self._credentials.tls(),
                server_hostname=self._server_name,
            ) as response:
                answer = await response.read()
                status = response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{method} {self.base_url}{path}: {_words(error)}") from error
        finally:
            self._observed(method, resource, status, started, held_s)
        if status < 300:
            return answer
        raise error_from_status(
            status,
            answer,
            retry_after=_retry_after(response),
            json_patch=sent.get("Content-Type") == _JSON_PATCH,
        )

    def _observed(self, method: str, resource: str, status: int, started: float, held_s: float = 0.0) -> None:
        _log.debug("request", extra={"method": method, "resource": resource, "status": status, "held_s": held_s})
        if self.observe is not None:
            self.observe(method, resource, status, time.monotonic() - started, held_s)


async def list_all(pages: AsyncIterator[Page]) -> list[bytes]:
    """Every item of a paged list, for callers who want them at once. Raises Gone if it expires midway."""
    return [bytes(item) async for page in pages for item in page.items]


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Drop the connection of a watch left midway: a polite TLS goodbye would wait for a peer that may be dead."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _retry_after(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Retry-After", "")


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


__all__ = ["Api", "Client", "Page", "list_all"]
