"""The memory reserved beside guest RAM."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.overhead import MIB, overhead_addends, overhead_bytes

KVM = ClusterConfig()
TCG = ClusterConfig(use_emulation=True)
MEASURED_BESIDE_BUFFER = 42 * MIB
"""Cgroup memory beside guest RAM, 1 vCPU, no display, as measured under emulation."""


def spec(guest: str = "1Gi", sockets: int = 1, display: bool = False) -> dict[str, Any]:
    domain = {"cpu": {"sockets": sockets}, "memory": {"guest": guest}}
    return {"domain": domain | {"devices": {"autoattachGraphicsDevice": display}}}


def upstream(guest_mib: int, vcpus: int, display: bool) -> int:
    """KubeVirt's formula for the same guest."""
    parts = 25 + 100 + 25 + 40 + 50 + 8 * vcpus + 8 + (32 if display else 0)
    return parts * MIB + guest_mib * MIB // 512


@pytest.mark.parametrize("config", [KVM, TCG], ids=["kvm", "tcg"])
@pytest.mark.parametrize("display", [False, True], ids=["headless", "display"])
@pytest.mark.parametrize(("guest_mib", "vcpus"), [(1, 1), (64, 1), (1024, 1), (4096, 2), (16384, 8), (262144, 64)])
def test_never_more_than_upstream(config: ClusterConfig, display: bool, guest_mib: int, vcpus: int) -> None:
    ours = overhead_bytes(spec(f"{guest_mib}Mi", vcpus, display), config)
    assert ours < upstream(guest_mib, vcpus, display)


def test_covers_what_was_measured() -> None:
    assert overhead_bytes(spec(), KVM) >= MEASURED_BESIDE_BUFFER
    addends = overhead_addends(spec(), TCG)
    assert overhead_bytes(spec(), TCG) - addends["translation buffer"] >= MEASURED_BESIDE_BUFFER


def test_ratio_of_the_cluster_stretches_all_of_it() -> None:
    stretched = ClusterConfig(additional_guest_memory_overhead_ratio="1.5")
    assert overhead_bytes(spec(), stretched) == overhead_bytes(spec(), KVM) * 3 // 2


def test_addends_are_named_and_sum_up() -> None:
    addends = overhead_addends(spec("4Gi", 2, True), KVM)
    assert addends["page tables"] == 8 * MIB
    assert addends["video"] == 32 * MIB
    assert sum(addends.values()) == overhead_bytes(spec("4Gi", 2, True), KVM)
