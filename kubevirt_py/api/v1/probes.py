"""Liveness and readiness probes of a guest."""

from __future__ import annotations

from kubevirt_py.api.base import AtomicList, Empty, Int32, IntOrString, Model


class ExecAction(Model):
    """"""

    command: AtomicList[str] | None = None


class HTTPHeader(Model):
    """"""

    name: str
    value: str


class HTTPGetAction(Model):
    """"""

    port: IntOrString
    host: str | None = None
    http_headers: AtomicList[HTTPHeader] | None = None
    path: str | None = None
    scheme: str | None = None


class TCPSocketAction(Model):
    """"""

    port: IntOrString
    host: str | None = None


class Probe(Model):
    """"""

    exec: ExecAction | None = None
    failure_threshold: Int32 | None = None
    guest_agent_ping: Empty | None = None
    http_get: HTTPGetAction | None = None
    initial_delay_seconds: Int32 | None = None
    period_seconds: Int32 | None = None
    success_threshold: Int32 | None = None
    tcp_socket: TCPSocketAction | None = None
    timeout_seconds: Int32 | None = None
