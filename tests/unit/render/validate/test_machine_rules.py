"""Rules of dedicated CPUs, threads, fixed addresses, ACPI tables and gates: one edit, the field, words for the user."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import validate_vmi_create
from kubevirt_py.render.validate.gates import GATES
from tests.unit.render.validate.machines import NOW, UUID, vmi

DISK = "domain.devices.disks[0]"
NIC = "domain.devices.interfaces[0]"
OPEN = ClusterConfig(feature_gates=frozenset(GATES.values()))

ACCEPTED: dict[str, Document] = {
    "dedicated CPUs": {"domain.cpu": {"cores": 2, "dedicatedCpuPlacement": True, "isolateEmulatorThread": True}},
    "real time": {"domain.cpu": {"cores": 2, "dedicatedCpuPlacement": True, "realtime": {"mask": "0-1,^0"}}},
    "huge pages": {
        "domain.memory": {"guest": "64Mi", "hugepages": {"pageSize": "2Mi"}},
        "domain.resources.requests": {"memory": "64Mi"},
    },
    "reserved overhead": {"domain.memory.reservedOverhead": {"addedOverhead": "10Mi", "memLock": "Required"}},
    "one thread for all": {"domain.ioThreadsPolicy": "shared"},
    "a pool": {"domain.ioThreadsPolicy": "supplementalPool", "domain.ioThreads": {"supplementalPoolThreadCount": 2}},
    "fixed addresses": {f"{DISK}.disk": {"bus": "virtio", "pciAddress": "0000:81:01.0"}},
    "a card of a fixed address": {f"{NIC}.pciAddress": "0000:00:1e.0"},
    "panic devices": {"domain.devices.panicDevices": [{"model": "isa"}, {"model": "hyperv"}]},
    "a licence": {
        "domain.firmware.acpi": {"slicNameRef": "licence"},
        "volumes[2]": {"name": "licence", "secret": {"secretName": "s"}},
    },
    "an end at reboot": {"domain.rebootPolicy": "Terminate"},
    "a clock of the guest's own": {"domain.clock": {"utc": {}, "timer": {"rtc": {"track": "guest"}}}},
    "vsock": {"domain.devices.autoattachVSOCK": True},
}

REFUSED: dict[str, tuple[Document, str, str]] = {
    "other CPUs than virtual ones": (
        {"domain.cpu": {"cores": 2, "dedicatedCpuPlacement": True}, "domain.resources.limits": {"cpu": "1500m"}},
        "domain.resources.limits.cpu",
        "must be 2, the number of virtual CPUs",
    ),
    "a mask that is none": (
        {"domain.cpu": {"dedicatedCpuPlacement": True, "realtime": {"mask": "all"}}},
        "domain.cpu.realtime.mask",
        "0-3,^1",
    ),
    "a mask without end": (
        {"domain.cpu": {"dedicatedCpuPlacement": True, "realtime": {"mask": "0-99999999999"}}},
        "domain.cpu.realtime.mask",
        "0-3,^1",
    ),
    "NUMA without huge pages": (
        {"domain.cpu": {"dedicatedCpuPlacement": True, "numa": {"guestMappingPassthrough": {}}}},
        "domain",
        "needs cpu.dedicatedCpuPlacement and memory.hugepages",
    ),
    "an unknown thread policy": ({"domain.ioThreadsPolicy": "many"}, "domain.ioThreadsPolicy", "shared, auto"),
    "a pool of no size": (
        {"domain.ioThreadsPolicy": "supplementalPool"},
        "domain.ioThreads.supplementalPoolThreadCount",
        "say how many",
    ),
    "a pool without end": (
        {"domain.ioThreadsPolicy": "supplementalPool", "domain.ioThreads": {"supplementalPoolThreadCount": 1 << 30}},
        "domain.ioThreads.supplementalPoolThreadCount",
        "255",
    ),
    "a size of no pool": (
        {"domain.ioThreads": {"supplementalPoolThreadCount": 2}},
        "domain.ioThreads",
        "needs ioThreadsPolicy",
    ),
    "no address": ({f"{NIC}.pciAddress": "81:01"}, f"{NIC}.pciAddress", "81:01"),
    "an address for SATA": (
        {f"{DISK}.disk": {"bus": "sata", "pciAddress": "0000:81:01.0"}},
        f"{DISK}.disk.pciAddress",
        "only a disk on bus virtio",
    ),
    "an address twice": (
        {f"{DISK}.disk": {"bus": "virtio", "pciAddress": "0000:81:01.0"}, f"{NIC}.pciAddress": "0000:81:01.0"},
        "domain",
        "bus 81 has a device already",
    ),
    "a place that is the machine's": ({f"{NIC}.pciAddress": "0000:00:1f.0"}, "domain", "free ones on bus 00 are"),
    "a bus behind root ports": ({f"{NIC}.pciAddress": "0000:05:00.0"}, "domain", "use 00 or a bus from 81 on"),
    "an unknown panic device": (
        {"domain.devices.panicDevices": [{"model": "s390"}]},
        "domain.devices.panicDevices[0].model",
        "hyperv, isa, pvpanic",
    ),
    "a licence from nowhere": (
        {"domain.firmware.acpi": {"msdmNameRef": "licence"}},
        "domain.firmware.acpi.msdmNameRef",
        "no volume 'licence' of a Secret",
    ),
}


def causes(edits: Document, config: ClusterConfig) -> dict[str, str]:
    found = validate_vmi_create(default_vmi(vmi(edits), config, NOW, lambda: UUID), config)
    return {cause.field.removeprefix("spec."): cause.message for cause in reversed(found)}


@pytest.mark.parametrize("edits", ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(edits: Document) -> None:
    assert causes(edits, OPEN) == {}


@pytest.mark.parametrize(("edits", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses(edits: Document, field: str, words: str) -> None:
    found = causes(edits, OPEN)
    assert words in found[field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("domain.devices.autoattachVSOCK", True),
        ("domain.devices.downwardMetrics", {}),
        ("domain.memory.reservedOverhead", {}),
        ("domain.rebootPolicy", "Terminate"),
    ],
)
def test_a_gate_that_is_shut_is_named(field: str, value: Any) -> None:
    shut = ClusterConfig(disabled_feature_gates=frozenset(GATES.values()))
    assert GATES[field] in causes({field: value}, shut)[field]
