"""Liveness and readiness probes."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, at_least, between, exactly_one, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.network.linknames import is_primary
from kubevirt_py.render.start import starts_paused
from kubevirt_py.render.validate.interfaces import port_name

HANDLERS = ("exec", "guestAgentPing", "httpGet", "tcpSocket")
SCHEMES = ("HTTP", "HTTPS")
LEAST = {
    "initialDelaySeconds": 0,
    "timeoutSeconds": 0,
    "periodSeconds": 0,
    "successThreshold": 0,
    "failureThreshold": 0,
}


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    for name in ("livenessProbe", "readinessProbe"):
        if (probe := spec.get(name)) is not None:
            yield from _probe(probe, f"{path}.{name}", spec)
    liveness = spec.get("livenessProbe")
    if liveness is not None and "guestAgentPing" not in liveness and starts_paused(spec):
        text = "a guest that starts paused fails its livenessProbe; leave one of both out, or probe by guestAgentPing"
        yield Cause(f"{path}.startStrategy", INVALID, text)
    if (liveness or {}).get("successThreshold", 1) > 1:
        yield Cause(f"{path}.livenessProbe.successThreshold", INVALID, "must be 1 for a liveness probe")


def _probe(probe: Document, field: str, spec: Document) -> Iterator[Cause]:
    yield from exactly_one(field, probe, HANDLERS, "probe handler")
    for key, least in LEAST.items():
        yield from at_least(f"{field}.{key}", probe.get(key), least)
    for handler in ("httpGet", "tcpSocket"):
        if (action := probe.get(handler)) is None:
            continue
        yield from _port(action["port"], f"{field}.{handler}.port")
        if not any(is_primary(network) for network in spec.get("networks") or ()):
            yield Cause(f"{field}.{handler}", INVALID, "needs an interface on the pod network")
    if "exec" in probe and not (probe["exec"] or {}).get("command"):
        yield Cause(f"{field}.exec.command", REQUIRED, "must name the program to run inside the guest")
    yield from one_of(f"{field}.httpGet.scheme", (probe.get("httpGet") or {}).get("scheme"), SCHEMES)


def _port(port: int | str, field: str) -> Iterator[Cause]:
    if isinstance(port, int):
        yield from between(field, port, 1, 65535)
    elif not port:
        yield Cause(field, REQUIRED, "must be the number of a port, or the name of one")
    else:
        yield from port_name(port, field)
