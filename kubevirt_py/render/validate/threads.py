"""spec.domain.ioThreadsPolicy and spec.domain.ioThreads."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, between, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine.iothreads import MOST_THREADS, POLICIES


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    domain, base = spec["domain"], f"{path}.domain"
    policy = domain.get("ioThreadsPolicy")
    yield from one_of(f"{base}.ioThreadsPolicy", policy, POLICIES)
    count, field = (domain.get("ioThreads") or {}).get("supplementalPoolThreadCount"), f"{base}.ioThreads"
    if policy == "supplementalPool":
        if count is None:
            yield Cause(f"{field}.supplementalPoolThreadCount", REQUIRED, "say how many threads the pool has")
        yield from between(f"{field}.supplementalPoolThreadCount", count, 1, MOST_THREADS)
    elif domain.get("ioThreads") is not None:
        yield Cause(field, INVALID, "a pool of given size needs ioThreadsPolicy to be supplementalPool")
