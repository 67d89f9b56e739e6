"""What spec.domain.resources names beside CPU and memory: disk space of the node, and extended resources.

Kubernetes would refuse the pod, long after the machine was made.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.resources import SCRATCH, named_beside
from kubevirt_py.render.selectors import label_key


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    domain, base = spec["domain"], f"{path}.domain.resources"
    requests, limits = (named_beside(domain, side) for side in ("requests", "limits"))
    for side, given in (("requests", requests), ("limits", limits)):
        for name, amount in given.items():
            field = f"{base}.{side}[{name}]"
            if "/" in name:
                yield from label_key(field, name)
            elif name != SCRATCH:
                text = f"pods have no resource {name!r}; name cpu, memory, {SCRATCH}, or one such as example.com/dongle"
                yield Cause(field, NOT_SUPPORTED, text)
            if parse_quantity(amount) < 0:
                yield Cause(field, INVALID, f"must not be negative: {amount}")
    for name, amount in requests.items():
        limit, field = limits.get(name), f"{base}.requests[{name}]"
        if "/" in name and (limit is None or parse_quantity(limit) != parse_quantity(amount)):
            yield Cause(field, INVALID, "must be the same amount in limits: such a resource cannot be overcommitted")
        elif limit is not None and parse_quantity(amount) > parse_quantity(limit):
            yield Cause(field, INVALID, f"{amount} is more than the limit of {limit}")
