"""Feature gates and their stages (KubeVirt 1.9).

GA gates are always on, Beta gates unless disabled, Alpha and deprecated gates only when named.
"""

from __future__ import annotations

from collections.abc import Collection

BETA = frozenset(
    {
        "DeclarativeHotplugVolumes",
        "ExternalNetResourceInjection",
        "GPUsWithDRA",
        "HostDevicesWithDRA",
        "ImageVolume",
        "KubevirtSeccompProfile",
        "NodeRestriction",
        "OptOutRoleAggregation",
        "PasstBinding",
        "PodSecondaryInterfaceNamingUpgrade",
        "RebootPolicy",
        "Snapshot",
        "Template",
        "WorkloadEncryptionSEV",
        "DecentralizedLiveMigration",
    }
)
ALPHA = frozenset(
    {
        "CPUManager",
        "ConfigurableHypervisor",
        "ContainerPathVolumes",
        "CrossArchitectureVirtualization",
        "DownwardMetrics",
        "EnableVirtioFsStorageVolumes",
        "ExperimentalIgnitionSupport",
        "FirmwareAutoSelection",
        "GraceIOVirtualization",
        "HostDevices",
        "HostDisk",
        "HypervStrictCheck",
        "IOMMUFD",
        "IncrementalBackup",
        "MigrationDowntimeTuning",
        "MigrationStallDetection",
        "NetworkDevicesWithDRA",
        "OCIExport",
        "ObjectGraph",
        "PCINUMAAwareTopology",
        "Plugins",
        "PortRangesSpec",
        "ReservedOverheadMemlock",
        "Root",
        "Sidecar",
        "UtilityVolumes",
        "VGPULiveMigration",
        "VMStatsCollector",
        "VSOCK",
        "WorkloadEncryptionTDX",
        "AlignCPUs",
    }
)
DEPRECATED = frozenset(
    {
        "DockerSELinuxMCSWorkaround",
        "HotplugVolumes",
        "MultiArchitecture",
        "DisableMDEVConfiguration",
    }
)


def enabled(gate: str, named: Collection[str], disabled: Collection[str]) -> bool:
    """Whether a gate is on. Precedence: GA, explicitly named, explicitly disabled, the stage's default."""
    if gate in BETA:
        return gate in named or gate not in disabled
    if gate in ALPHA or gate in DEPRECATED:
        return gate in named
    return True
