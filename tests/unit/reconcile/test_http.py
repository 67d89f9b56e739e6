"""The web server of every process: one span for each request that is not a probe."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from kubevirt_py.reconcile import tracing
from kubevirt_py.reconcile.http import Listen, application, serving

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


async def _answer(request: web.Request) -> web.Response:
    return web.Response(text=request.match_info["name"], status=202)


async def test_a_request_is_a_span_of_its_callers_trace(spans: InMemorySpanExporter) -> None:
    app = application(CollectorRegistry(), {"/healthz": lambda: (True, {})})
    app.router.add_put("/machines/{name}/start", _answer)
    async with serving(app, Listen("127.0.0.1", 0)) as port, aiohttp.ClientSession() as client:
        for path in ("/healthz", "/metrics"):
            async with client.get(f"http://127.0.0.1:{port}{path}") as response:
                assert response.status == 200
        url = f"http://127.0.0.1:{port}/machines/a/start"
        async with client.put(url, headers={"Traceparent": CALLER}) as response:
            assert response.status == 202
    (span,) = spans.get_finished_spans()
    assert span.name == "PUT /machines/{name}/start"
    assert span.kind is trace.SpanKind.SERVER
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert dict(span.attributes or {})["http.response.status_code"] == 202
