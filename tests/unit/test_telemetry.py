"""Log lines are JSON, with the fields of the call beside a constant message."""

from __future__ import annotations

import json
import logging
import sys

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from kubevirt_py.telemetry import JsonFormatter


def line(**extra: object) -> dict[str, object]:
    logger = logging.getLogger("kubevirt_py.tests")
    record = logger.makeRecord(logger.name, logging.WARNING, "f.py", 7, "cannot watch", (), None, extra=extra)
    document: dict[str, object] = json.loads(JsonFormatter("virt-x").format(record))
    return document


def test_a_line() -> None:
    found = line(kind="pods", key=("a", 1))
    assert str(found.pop("timestamp")).endswith("Z")
    assert found == {
        "level": "warning",
        "component": "virt-x",
        "pos": "kubevirt_py.tests:7",
        "msg": "cannot watch",
        "kind": "pods",
        "key": ["a", 1],
    }


def test_what_json_cannot_say_is_said_as_text() -> None:
    assert line(error=ValueError("bad size"))["error"] == "bad size"


def test_an_exception_comes_with_its_trace() -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        record = logging.LogRecord("n", logging.ERROR, "f.py", 1, "m", (), sys.exc_info())
    assert "ZeroDivisionError" in json.loads(JsonFormatter("virt-x").format(record))["exception"]


def test_a_line_names_the_trace_it_belongs_to() -> None:
    with trace.use_span(TracerProvider().get_tracer("t").start_span("s")) as _:
        assert len(str(line()["trace_id"])) == 32
