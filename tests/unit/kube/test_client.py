"""The client's wire format and its manners, against a small HTTP server."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kubevirt_py.kube import client as client_module
from kubevirt_py.kube.api import collection_path, object_path
from kubevirt_py.kube.client import Client, list_all
from kubevirt_py.kube.errors import Forbidden, PatchTestFailed, Throttled, Unauthorized, Unreachable
from kubevirt_py.plan import Key, Kind
from tests.behaviour.kinds import CONFIG_MAP, NAMESPACE, POD, WIDGET

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
A = Key("ns", "a")


@asynccontextmanager
async def served(handler: Handler, credentials: Any = None, **options: Any) -> AsyncIterator[Client]:
    app = web.Application()

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server, Client(str(server.make_url("")), credentials, **options) as client:
        yield client


class Recorder:
    """Remembers requests; answers with `answer`."""

    def __init__(self, answer: str = "{}", status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.seen: list[tuple[str, str, dict[str, str], str, bytes]] = []
        self._answer, self._status, self._headers = answer, status, headers

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        content_type = request.headers.get("Content-Type", "")
        self.seen.append((request.method, request.path, dict(request.query), content_type, await request.read()))
        return web.Response(text=self._answer, status=self._status, headers=self._headers)


def test_paths() -> None:
    assert collection_path(POD) == "/api/v1/pods"
    assert collection_path(POD, "ns") == "/api/v1/namespaces/ns/pods"
    assert collection_path(NAMESPACE, "ns") == "/api/v1/namespaces"
    assert object_path(WIDGET, A, "status") == "/apis/example.com/v1/namespaces/ns/widgets/a/status"
    assert object_path(POD, Key("ns", "../x")) == "/api/v1/namespaces/ns/pods/..%2Fx"
    for key in (Key("", "a"), Key("ns", "")):
        with pytest.raises(ValueError, match="names no object"):
            object_path(POD, key)


async def test_what_goes_over_the_wire() -> None:
    record = Recorder()
    async with served(record) as client:
        await client.get(WIDGET, A)
        await client.create(CONFIG_MAP, "ns", {"a": 1}, dry_run=True)
        await client.apply(WIDGET, A, {"a": 1}, manager="us", subresource="status")
        await client.json_patch(WIDGET, A, [{"op": "remove", "path": "/x"}])
        await client.merge_patch(WIDGET, A, b'{"a":1}')
        await client.delete(WIDGET, A, uid="u", grace_s=0, propagation="Foreground")
        await client.request("POST", "/version", body={"b": 2}, params={"q": "1"})
    widget = "/apis/example.com/v1/namespaces/ns/widgets/a"
    options = (
        b'{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"u"},'
        b'"gracePeriodSeconds":0,"propagationPolicy":"Foreground"}'
    )
    json, apply, merge = "application/json", "application/apply-patch+yaml", "application/merge-patch+json"
    ours = {"fieldManager": "us", "force": "true"}
    assert record.seen == [
        ("GET", widget, {}, "", b""),
        ("POST", "/api/v1/namespaces/ns/configmaps", {"dryRun": "All"}, json, b'{"a":1}'),
        ("PATCH", f"{widget}/status", ours, apply, b'{"a":1}'),
        ("PATCH", widget, {}, "application/json-patch+json", b'[{"op":"remove","path":"/x"}]'),
        ("PATCH", widget, {}, merge, b'{"a":1}'),
        ("DELETE", widget, {}, json, options),
        ("POST", "/version", {"q": "1"}, json, b'{"b":2}'),
    ]


async def test_lists_are_compressed_and_paged() -> None:
    pages = {
        None: b'{"metadata":{"resourceVersion":"9","continue":"t"},"items":[{"a":1}]}',
        "t": b'{"metadata":{"resourceVersion":"9"},"items":[{"a":2}]}',
    }
    queries: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.Response:
        queries.append(dict(request.query))
        assert "gzip" in request.headers["Accept-Encoding"]
        body = gzip.compress(pages[request.query.get("continue")])
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with served(handler) as client:
        assert await list_all(client.list_pages(WIDGET, labels="a=b", limit=1)) == [b'{"a":1}', b'{"a":2}']
    first = {"labelSelector": "a=b", "limit": "1"}
    assert queries == [first, first | {"continue": "t"}]


async def test_watch_reads_lines_of_any_length_and_ends() -> None:
    long = b'{"x":"' + b"y" * 3_000_000 + b'"}\n'

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.query["sendInitialEvents"] == "true" and request.query["allowWatchBookmarks"] == "true"
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in (b'{"a"', b":1}\n", long):
            await response.write(chunk)
        return response

    async with served(handler) as client:
        lines = [line async for line in client.watch(WIDGET, initial=True)]
    assert lines == [b'{"a":1}\n', long]


async def test_a_watch_that_breaks_off_says_so() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{}\n")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with served(handler) as client:
        with pytest.raises(Unreachable, match=r"watch of widgets\.example\.com"):
            _ = [line async for line in client.watch(WIDGET)]


async def test_a_refused_watch() -> None:
    async with served(Recorder('{"reason":"Forbidden"}', 403)) as client:
        with pytest.raises(Forbidden):
            _ = [line async for line in client.watch(WIDGET)]


async def test_retry_after_and_failed_tests_are_understood() -> None:
    async with served(Recorder("slow down", 429, {"Retry-After": "9"})) as client:
        with pytest.raises(Throttled) as throttled:
            await client.get(WIDGET, A)
        assert throttled.value.after_s == 9
    async with served(Recorder('{"kind":"Status","reason":"Invalid"}', 422)) as client:
        with pytest.raises(PatchTestFailed):
            await client.json_patch(WIDGET, A, [])


async def test_nobody_there() -> None:
    async with Client("http://127.0.0.1:1") as client:
        with pytest.raises(Unreachable, match=r"GET http://127\.0\.0\.1:1/version"):
            await client.request("GET", "/version")


async def test_a_server_that_does_not_answer() -> None:
    hang = anyio.Event()

    async def handler(_request: web.Request) -> web.Response:
        await hang.wait()
        return web.Response()

    async with served(handler, timeout_s=0.2) as client:
        with pytest.raises(Unreachable, match="Timeout"):
            await client.get(WIDGET, A)
        hang.set()


class Token:
    """Credentials whose first token is no longer good."""

    def __init__(self) -> None:
        self.tokens = ["old"]

    async def headers(self) -> Mapping[str, str]:
        return {"Authorization": self.tokens[-1]}

    def tls(self) -> bool:
        return True

    async def renew(self) -> bool:
        self.tokens.append("new")
        return len(self.tokens) == 2


async def test_a_401_is_answered_with_new_credentials_once() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers["Authorization"] == "new" else 401, text="{}")

    token = Token()
    async with served(handler, token) as client:
        assert await client.create(WIDGET, "ns", {}) == b"{}"
        assert token.tokens == ["old", "new"]
    async with served(Recorder("{}", 401), token) as client:
        with pytest.raises(Unauthorized):
            await client.get(WIDGET, A)
    assert len(token.tokens) == 3


async def test_requests_are_observed() -> None:
    seen: list[tuple[str, str, int]] = []
    async with served(Recorder()) as client:
        client.observe = lambda method, resource, status, seconds, held_s: seen.append((method, resource, status))
        await client.get(WIDGET, A)
        _ = [line async for line in client.watch(WIDGET)]
    assert seen == [("GET", "widgets", 200), ("WATCH", "widgets", 200)]


async def test_a_flood_of_writes_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "WRITE_BURST", 1.0)
    monkeypatch.setattr(client_module, "WRITES_PER_S", 20.0)
    held: list[float] = []
    async with served(Recorder()) as client:
        client.observe = lambda method, resource, status, seconds, held_s: held.append(held_s)
        for _ in range(3):
            await client.merge_patch(WIDGET, A, {})
        await client.get(WIDGET, A)
    assert held[0] == 0 and held[1] > 0 and held[2] > 0 and held[3] == 0


async def test_a_limit_from_outside_holds_for_reads_too_but_never_for_leases() -> None:
    held: list[float] = []
    lease: Kind[Any] = Kind("coordination.k8s.io", "v1", "Lease", "leases", dict)
    async with served(Recorder()) as client:
        client.observe = lambda method, resource, status, seconds, held_s: held.append(held_s)
        client.limit((20.0, 1))
        for _ in range(2):
            await client.get(WIDGET, A)
        await client.merge_patch(lease, A, {})
        client.limit(None)
        await client.get(WIDGET, A)
    assert held[0] == 0 and held[1] > 0 and held[2] == 0 and held[3] == 0
