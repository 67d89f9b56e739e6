"""Liveness and readiness probes of a guest."""

from __future__ import annotations

from kubevirt_py.api.base import AtomicList, Empty, Int32, IntOrString, Model


class ExecAction(Model):
    """A command."""

    command: AtomicList[str] | None = None
    """Program and arguments; no shell is used."""


class HTTPHeader(Model):
    """One header."""

    name: str
    """Name of the header."""
    value: str
    """Value of the header."""


class HTTPGetAction(Model):
    """An HTTP request; a status from 200 to 399 is good."""

    port: IntOrString
    """Number or name of the port."""
    host: str | None = None
    """Host to ask; the guest's address unless set."""
    http_headers: AtomicList[HTTPHeader] | None = None
    """Headers to send."""
    path: str | None = None
    """Path to ask for."""
    scheme: str | None = None
    """HTTP or HTTPS."""


class TCPSocketAction(Model):
    """A TCP connection; being accepted is good."""

    port: IntOrString
    """Number or name of the port."""
    host: str | None = None
    """Host to connect to; the guest's address unless set."""


class Probe(Model):
    """A check the kubelet makes; choose one handler."""

    exec: ExecAction | None = None
    """A command run inside the guest by its agent."""
    failure_threshold: Int32 | None = None
    """Failures in a row before it counts as failed."""
    guest_agent_ping: Empty | None = None
    """Whether the guest agent answers."""
    http_get: HTTPGetAction | None = None
    """An HTTP request to the guest."""
    initial_delay_seconds: Int32 | None = None
    """Seconds after the start before the first check."""
    period_seconds: Int32 | None = None
    """Seconds between checks."""
    success_threshold: Int32 | None = None
    """Successes in a row before it counts as good again."""
    tcp_socket: TCPSocketAction | None = None
    """A TCP connection to the guest."""
    timeout_seconds: Int32 | None = None
    """Seconds after which a check has failed."""
