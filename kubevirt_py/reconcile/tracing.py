"""Spans of the framework. Without an SDK configured they cost next to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace

_tracer = trace.get_tracer("kubevirt_py.reconcile")


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[None]:
    """A span around the block, a child of the one that is open."""
    with _tracer.start_as_current_span(name, attributes=attributes):
        yield


@contextmanager
def server_span(name: str, headers: Mapping[str, str], **attributes: str | int | float) -> Iterator[None]:
    """A span around the answer to a request, a child of the caller's if `headers` carry a W3C trace context."""
    carrier = {key.lower(): value for key, value in headers.items()}
    context = propagate.extract(carrier)
    with _tracer.start_as_current_span(name, context=context, kind=trace.SpanKind.SERVER, attributes=attributes):
        yield


def annotate(**attributes: str | int | float) -> None:
    """Add attributes to the open span."""
    trace.get_current_span().set_attributes(attributes)
