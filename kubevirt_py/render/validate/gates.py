"""Fields of a VMI's spec that only a feature gate of the cluster opens, as upstream's."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import Cause, needs_gate
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.validate.unsupported import places

GATES = {
    "domain.devices.autoattachVSOCK": "VSOCK",
    "domain.devices.downwardMetrics": "DownwardMetrics",
    "domain.devices.hostDevices[].deviceName": "HostDevices",
    "domain.devices.interfaces[].passtBinding": "PasstBinding",
    "domain.launchSecurity.sev": "WorkloadEncryptionSEV",
    "domain.launchSecurity.snp": "WorkloadEncryptionSEV",
    "domain.launchSecurity.tdx": "WorkloadEncryptionTDX",
    "domain.memory.reservedOverhead": "ReservedOverheadMemlock",
    "domain.rebootPolicy": "RebootPolicy",
    "networks[].resourceClaim": "NetworkDevicesWithDRA",
    "utilityVolumes": "UtilityVolumes",
    "volumes[].containerPath": "ContainerPathVolumes",
    "volumes[].downwardMetrics": "DownwardMetrics",
}


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    for field, gate in GATES.items():
        if not config.gate(gate):
            yield from (
                needs_gate(place, gate)
                for place, value in places(spec, field.split("."), path)
                if value not in (False, [], "")
            )
