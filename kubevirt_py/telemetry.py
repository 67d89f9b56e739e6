"""The one place that configures logs and traces of a process."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace

_LEVELS = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "error", "INFO": "info", "DEBUG": "debug"}
_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: a constant message, and the `extra` fields of the call beside it."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "level": _LEVELS.get(record.levelname, "info"),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "component": self._role,
            "pos": f"{record.name}:{record.lineno}",
            "msg": record.getMessage(),
        }
        line.update((name, value) for name, value in vars(record).items() if name not in _PLAIN)
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def setup(role: str, verbosity: int = 2) -> None:
    """Log as JSON to standard error; trace if OTEL_EXPORTER_OTLP_ENDPOINT is set.

    `verbosity` as KubeVirt's -v: 3 and above adds debug lines of this project, 7 and above everyone's.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_verbosity(verbosity)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        _trace(role)


def set_verbosity(verbosity: int) -> None:
    """Change what is logged from now on."""
    logging.getLogger().setLevel(logging.DEBUG if verbosity >= 7 else logging.INFO)
    logging.getLogger("kubevirt_py").setLevel(logging.DEBUG if verbosity >= 3 else logging.INFO)


def set_guest_verbosity(verbosity: int) -> None:
    """As `set_verbosity`, for what passes between us and guests only."""
    logging.getLogger("kubevirt_py.virt_handler.qmp").setLevel(logging.DEBUG if verbosity >= 3 else logging.INFO)


def _trace(role: str) -> None:
    """Export spans in the background. Sampling is parent-based, 1 % unless OTEL_TRACES_SAMPLER says otherwise."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    sampler = None if os.environ.get("OTEL_TRACES_SAMPLER") else ParentBasedTraceIdRatio(0.01)
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": role}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
