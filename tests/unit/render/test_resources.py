"""What a VMI asks of its node."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.resources import compute_resources, dedicated_cpus
from kubevirt_py.render.scheduling import node_selector

CONFIG = ClusterConfig(use_emulation=True)
GIB = 1 << 30


def spec(**domain: Any) -> dict[str, Any]:
    return {"domain": {"memory": {"guest": "1Gi"}, "cpu": {"cores": 2}, **domain}}


def test_shared_cpus_are_overcommitted_and_have_no_limit() -> None:
    found = compute_resources(spec(), CONFIG, 100)
    assert found["requests"]["cpu"] == "200m"
    assert "cpu" not in found["limits"]


@pytest.mark.parametrize(
    ("policy", "requested", "limit"), [("supplementalPool", "1200m", "12"), ("auto", "400m", "4"), ("", "400m", "4")]
)
def test_threads_of_a_supplemental_pool_ask_for_cpu_as_virtual_cpus_do(policy: str, requested: str, limit: str) -> None:
    pool = {"ioThreadsPolicy": policy, "ioThreads": {"supplementalPoolThreadCount": 8}}
    found = compute_resources(spec(cpu={"cores": 4}, **pool), CONFIG, 100, limit_cpus=True)
    assert (found["requests"]["cpu"], found["limits"]["cpu"]) == (requested, limit)


@pytest.mark.parametrize(
    ("resources", "limit"),
    [
        ({}, "2"),
        ({"limits": {"cpu": "500m"}}, "500m"),
        ({"requests": {"cpu": "1500m"}}, "2"),
        ({"requests": {"cpu": "2500m"}}, "3"),
    ],
)
def test_a_cpu_limit_of_the_namespace_is_one_for_each_vcpu_and_no_less_than_asked_for(
    resources: dict[str, Any], limit: str
) -> None:
    found = compute_resources(spec(resources=resources), CONFIG, 100, limit_cpus=True)
    assert found["limits"]["cpu"] == limit
    pinned = spec(cpu={"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True})
    assert compute_resources(pinned, CONFIG, 100, limit_cpus=True) == compute_resources(pinned, CONFIG, 100)


def test_a_pod_of_dedicated_cpus_is_guaranteed() -> None:
    pinned = spec(cpu={"cores": 2, "dedicatedCpuPlacement": True})
    found = compute_resources(pinned, CONFIG, 100)
    for name in ("cpu", "memory"):
        assert found["requests"][name] == found["limits"][name]
    assert found["requests"]["cpu"] == "2"
    assert found["requests"]["memory"] == str(GIB + 100)
    assert node_selector(pinned, CONFIG)["kubevirt.io/cpumanager"] == "true"


@pytest.mark.parametrize(
    ("isolated", "even", "threads", "cpus"), [(0, 0, 0, 2), (1, 0, 0, 3), (1, 1, 0, 4), (1, 1, 1, 4), (0, 0, 3, 5)]
)
def test_cpus_of_a_pinned_guest_are_counted(isolated: int, even: int, threads: int, cpus: int) -> None:
    domain: dict[str, Any] = {
        "cpu": {"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": bool(isolated)}
    }
    if threads:
        domain |= {"ioThreadsPolicy": "supplementalPool", "ioThreads": {"supplementalPoolThreadCount": threads}}
    assert dedicated_cpus(spec(**domain), even=bool(even)) == cpus


def test_guest_memory_of_huge_pages_is_asked_for_as_such() -> None:
    found = compute_resources(spec(memory={"guest": "1Gi", "hugepages": {"pageSize": "2Mi"}}), CONFIG, 100)
    assert found["requests"]["hugepages-2Mi"] == found["limits"]["hugepages-2Mi"] == str(GIB)
    assert found["requests"]["memory"] == "100"


def test_memory_beside_the_huge_pages_stays_memory() -> None:
    memory = {"guest": "1Gi", "hugepages": {"pageSize": "1Gi"}}
    found = compute_resources(spec(memory=memory, resources={"requests": {"memory": "1280Mi"}}), CONFIG, 100)
    assert found["requests"]["memory"] == str((256 << 20) + 100)


@pytest.mark.parametrize(
    "resources",
    [
        {},
        {"overcommitGuestOverhead": True},
        {"requests": {"memory": "512Mi"}},
        {"requests": {"memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    ],
)
def test_huge_pages_and_what_qemu_needs_beside_them_are_never_overcommitted(resources: dict[str, Any]) -> None:
    config = ClusterConfig(memory_overcommit=150)
    memory = {"guest": "1Gi", "hugepages": {"pageSize": "2Mi"}}
    found = compute_resources(spec(memory=memory, resources=resources), config, 100)
    assert found["requests"]["hugepages-2Mi"] == found["limits"]["hugepages-2Mi"] == str(GIB)
    assert found["requests"]["memory"] == "100"
    assert found["limits"].get("memory") == ("100" if "limits" in resources else None)


def test_other_resources_that_a_vmi_names_are_its_pods() -> None:
    amounts = {"ephemeral-storage": "1Gi", "example.com/dongle": 1, "devices.kubevirt.io/attachment": 1}
    for cpu in ({"cores": 2}, {"cores": 2, "dedicatedCpuPlacement": True}):
        found = compute_resources(spec(cpu=cpu, resources={"requests": amounts, "limits": amounts}), CONFIG, 100)
        for side in ("requests", "limits"):
            assert found[side]["ephemeral-storage"] == str(GIB + 50 * 10**6)
            assert found[side]["example.com/dongle"] == "1"
            assert "devices.kubevirt.io/attachment" not in found[side]
