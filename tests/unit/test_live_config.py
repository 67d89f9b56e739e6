"""What a process makes of a changed configuration without a restart."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
import pytest

from kubevirt_py.api.kinds import KUBEVIRT
from kubevirt_py.api.views import KubeVirt, ObjectMeta
from kubevirt_py.kube.client import Client
from kubevirt_py.live_config import LiveConfig, log_as_told, throttle_as_told
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile import Store

OURS, MONITOR = logging.getLogger("kubevirt_py"), logging.getLogger("kubevirt_py.virt_handler.qmp")


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    loggers = (logging.getLogger(), OURS, MONITOR)
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


class Cluster:
    """A store whose KubeVirt resource is changed."""

    def __init__(self) -> None:
        self.store, self.version = Store(KUBEVIRT), 0
        self.config = LiveConfig(self.store)

    def put(self, configuration: Document, name: str = "kubevirt", born: str = "2026") -> None:
        self.version += 1
        meta = ObjectMeta(name=name, namespace="kubevirt", resource_version=str(self.version), creation_timestamp=born)
        spec = msgspec.Raw(msgspec.json.encode({"configuration": configuration}))
        self.store.put(Key("kubevirt", name), KubeVirt(meta, spec=spec), self.version)


def verbose(**levels: object) -> Document:
    return {"developerConfiguration": {"logVerbosity": levels}}


def test_verbosity_follows_the_resource_and_the_node() -> None:
    cluster = Cluster()
    cluster.config.follow(log_as_told("virtHandler", 2, "node1"))
    assert OURS.level == logging.INFO
    cluster.put(verbose(virtHandler=3))
    assert (OURS.level, logging.getLogger().level) == (logging.DEBUG, logging.INFO)
    cluster.put(verbose(virtHandler=3, nodeVerbosity={"node1": 7}))
    assert logging.getLogger().level == logging.DEBUG
    cluster.put(verbose(virtLauncher=3))
    assert (OURS.level, MONITOR.level) == (logging.INFO, logging.DEBUG)
    cluster.put({})
    assert (OURS.level, MONITOR.level) == (logging.INFO, logging.INFO)


async def test_request_rates_follow_the_resource() -> None:
    cluster = Cluster()
    async with Client("http://localhost") as client:
        given: list[object] = []
        client.limit = given.append  # type: ignore[method-assign]
        cluster.config.follow(throttle_as_told("api", client))
        limiter = {"restClient": {"rateLimiter": {"tokenBucketRateLimiter": {"qps": 5, "burst": 10}}}}
        cluster.put({"apiConfiguration": limiter})
        cluster.put({})
        assert given == [None, (5.0, 10), None]


def test_the_oldest_resource_rules() -> None:
    cluster = Cluster()
    cluster.put({"cpuModel": "Nehalem"}, born="2026-01-01")
    cluster.put({"cpuModel": "EPYC"}, name="another", born="2026-01-02")
    assert cluster.config().cpu_model == "Nehalem"
