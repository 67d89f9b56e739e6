"""Prometheus metrics under the names Go operators use, so that existing dashboards work.

Every label set of a controller exists from the start, at zero: no gaps in graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kubevirt_py.plan import Key
from kubevirt_py.reconcile.queue import Queue
from kubevirt_py.reconcile.store import Store

RESULTS = ("success", "again", "stale", "refused", "throttled", "error", "timeout")

_QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_SLOW = (*_QUICK, 300, 900)


@dataclass(frozen=True, slots=True)
class ControllerMetrics:
    """The series of one controller, bound to its label once."""

    adds: Counter
    retries: Counter
    queue_seconds: Histogram
    work_seconds: Histogram
    results: dict[str, Counter]
    decide_errors: Counter
    stale_reads: Counter
    storms: Counter
    writes: Histogram


class Metrics:
    """All metrics of one manager, in a registry of its own. Processes add theirs to `registry`."""

    def __init__(self, prefix: str, process: str) -> None:
        self.registry = CollectorRegistry()
        self._workqueues = _Workqueues(prefix)
        self._stores = _Stores(prefix)
        self.registry.register(self._workqueues)
        self.registry.register(self._stores)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(prefix + name, text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(prefix + name, text, labels, buckets=buckets, registry=self.registry)

        self._adds = counter("workqueue_adds", "Wake-ups handed to the queue", "name")
        self._retries = counter("workqueue_retries", "Runs put back after a failure", "name")
        self._queued = histogram("workqueue_queue_duration_seconds", "Time a ready key waits", _SLOW, "name")
        self._worked = histogram("workqueue_work_duration_seconds", "Time a run takes", _QUICK, "name")
        self._results = counter("reconcile", "Runs by result", "controller", "result")
        self._decide_errors = counter("decide_errors", "Exceptions in decide: bugs", "controller")
        self._stale_reads = counter("stale_reads", "Runs that did not wait for their own writes", "controller")
        self._storms = counter("storms", "Keys held back for running too often", "controller")
        self._writes = histogram("writes_per_reconcile", "Writes one run sent", (0, 1, 2, 3, 5, 8, 13), "controller")
        self._requests = counter("rest_client_requests", "API requests", "code", "method", "host", "resource")
        self._latency = histogram(
            "rest_client_request_latency_seconds", "Time an API request takes", _QUICK, "verb", "host"
        )
        self._limited = histogram(
            "rest_client_rate_limiter_duration_seconds", "Time a write waits for our own limit", _QUICK, "verb", "host"
        )
        self.relists = counter("store_relists", "Times a store was filled anew", "kind")
        self.undecodable = counter("store_undecodable", "Objects that could not be read", "kind")
        self.events_dropped = counter("events_dropped", "Events not sent for want of room or rate")
        self.loop_lag = Gauge(
            prefix + "event_loop_lag_seconds", "How late the event loop ran a timer", registry=self.registry
        )
        mine = prefix + process.replace("-", "_")
        self.leading = Gauge(f"{mine}_leading_status", "1 while the controllers run", registry=self.registry)
        self.ready = Gauge(f"{mine}_ready_status", "1 once the stores are filled", registry=self.registry)

    def controller(self, name: str, queue: Queue[Key]) -> ControllerMetrics:
        """The series of the controller `name`, which start to exist now."""
        self._workqueues.queues[name] = queue
        return ControllerMetrics(
            adds=self._adds.labels(name),
            retries=self._retries.labels(name),
            queue_seconds=self._queued.labels(name),
            work_seconds=self._worked.labels(name),
            results={result: self._results.labels(name, result) for result in RESULTS},
            decide_errors=self._decide_errors.labels(name),
            stale_reads=self._stale_reads.labels(name),
            storms=self._storms.labels(name),
            writes=self._writes.labels(name),
        )

    def store(self, store: Store[object]) -> tuple[Callable[[], None], Callable[[], None]]:
        """Show the store; returns what its watcher calls on a relist and on an undecodable object."""
        self._stores.stores.append(store)
        kind = str(store.kind)
        return self.relists.labels(kind).inc, self.undecodable.labels(kind).inc

    def request_observer(self, base_url: str) -> Callable[[str, str, int, float, float], None]:
        """An observer for `kube.client.Client.observe`."""
        host = urlsplit(base_url).netloc

        def observe(method: str, resource: str, status: int, seconds: float, held_s: float) -> None:
            self._requests.labels(str(status) if status else "<error>", method, host, resource).inc()
            self._latency.labels(method, host).observe(seconds)
            if method not in ("GET", "WATCH"):
                self._limited.labels(method, host).observe(held_s)

        return observe


class _Workqueues(Collector):
    """Reads the queues when scraped."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix + "workqueue_"
        self.queues: dict[str, Queue[Key]] = {}

    def collect(self) -> Iterator[Metric]:
        def gauge(name: str, text: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(self._prefix + name, text, labels=["name"])

        depth = gauge("depth", "Keys that wait for a worker")
        unfinished = gauge("unfinished_work_seconds", "Time spent in runs that are not over, summed")
        longest = gauge("longest_running_processor_seconds", "Age of the oldest run that is not over")
        for name, queue in self.queues.items():
            ages = queue.ages()
            depth.add_metric([name], queue.depth)
            unfinished.add_metric([name], sum(ages))
            longest.add_metric([name], max(ages, default=0.0))
        yield from (depth, unfinished, longest)


class _Stores(Collector):
    """Reads the stores when scraped."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix + "store_"
        self.stores: list[Store[object]] = []

    def collect(self) -> Iterator[Metric]:
        objects = GaugeMetricFamily(self._prefix + "objects", "Objects held", labels=["kind"])
        version = GaugeMetricFamily(self._prefix + "resource_version", "Version known", labels=["kind"])
        unreadable = GaugeMetricFamily(self._prefix + "unreadable", "Objects that do not decode", labels=["kind"])
        held: dict[str, tuple[int, int, int]] = {}
        for store in self.stores:
            count, rv, bad = held.get(str(store.kind), (0, 0, 0))
            held[str(store.kind)] = (count + len(store), max(rv, store.rv), bad + len(store.unreadable))
        for kind, (count, rv, bad) in held.items():
            objects.add_metric([kind], count)
            version.add_metric([kind], rv)
            unreadable.add_metric([kind], bad)
        yield from (objects, version, unreadable)
