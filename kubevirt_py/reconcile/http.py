"""The small web server of every process: metrics, health, readiness, leadership."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kubevirt_py.reconcile.tracing import annotate, server_span

Answer = Callable[[], tuple[bool, Mapping[str, Any]]]
"""Whether all is well, and the JSON to say so."""


class Listen(NamedTuple):
    """Where to listen; plain HTTP where `tls` is None. Port 0 takes a free one."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


def application(registry: CollectorRegistry, answers: Mapping[str, Answer]) -> web.Application:
    """`/metrics` from `registry`, and one JSON path for each of `answers` (503 where all is not well)."""
    app = web.Application(middlewares=[_traced(frozenset({"/metrics", *answers}))])

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def handler(answer: Answer) -> Callable[[web.Request], Any]:
        async def handle(_request: web.Request) -> web.Response:
            well, document = answer()
            body = msgspec.json.encode(document)
            return web.Response(body=body, status=200 if well else 503, content_type="application/json")

        return handle

    app.router.add_get("/metrics", metrics)
    for path, answer in answers.items():
        app.router.add_get(path, handler(answer))
    return app


def _traced(quiet: frozenset[str]) -> Middleware:
    """A span for each request, named by its route; probes and scrapes would drown the rest."""

    @web.middleware
    async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in quiet:
            return await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        named = {"http.request.method": request.method, "http.route": route, "url.path": request.path[:200]}
        with server_span(f"{request.method} {route}", request.headers, **named):
            response = await handler(request)
            annotate(**{"http.response.status_code": response.status})
            return response

    return traced


@asynccontextmanager
async def serving(app: web.Application, listen: Listen) -> AsyncIterator[int]:
    """Serve `app` while the block runs; gives the port. Raises OSError if it cannot listen."""
    runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, listen.host, listen.port, ssl_context=listen.tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        with anyio.move_on_after(5, shield=True):
            await runner.cleanup()
