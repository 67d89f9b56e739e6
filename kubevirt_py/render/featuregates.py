"""Feature gates and their stages (KubeVirt 1.9).

GA gates are always on, Beta gates unless disabled, Alpha and deprecated gates only when named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

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
GA = frozenset(
    {
        "AutoResourceLimitsGate",
        "BochsDisplayForEFIGuests",
        "CPUNodeDiscovery",
        "ClusterProfiler",
        "CommonInstancetypesDeploymentGate",
        "DisableCustomSELinuxPolicy",
        "DynamicPodInterfaceNaming",
        "EnableVirtioFsConfigVolumes",
        "ExpandDisks",
        "GPU",
        "HotplugNICs",
        "InstancetypeReferencePolicy",
        "LibvirtHooksServerAndClient",
        "LiveMigration",
        "LiveUpdateNADRef",
        "MigrationPriorityQueue",
        "NUMA",
        "NetworkBindingPlugins",
        "NonRoot",
        "PSA",
        "PanicDevices",
        "PersistentReservation",
        "SRIOVLiveMigration",
        "SecureExecution",
        "VMExport",
        "VMLiveUpdateFeatures",
        "VMPersistentState",
        "VideoConfig",
        "VmiMemoryOverheadReport",
        "VolumeMigration",
        "VolumesUpdateStrategy",
    }
)
DISCONTINUED = frozenset({"ExperimentalVirtiofsSupport", "Macvtap", "Passt", "PasstIPStackMigration"})
IDLE = frozenset(
    {
        "CPUManager",
        "ConfigurableHypervisor",
        "CrossArchitectureVirtualization",
        "DisableMDEVConfiguration",
        "DockerSELinuxMCSWorkaround",
        "ExternalNetResourceInjection",
        "FirmwareAutoSelection",
        "GPUsWithDRA",
        "GraceIOVirtualization",
        "HostDevicesWithDRA",
        "HypervStrictCheck",
        "IOMMUFD",
        "ImageVolume",
        "KubevirtSeccompProfile",
        "MigrationDowntimeTuning",
        "MigrationStallDetection",
        "MultiArchitecture",
        "NodeRestriction",
        "OCIExport",
        "OptOutRoleAggregation",
        "PCINUMAAwareTopology",
        "PodSecondaryInterfaceNamingUpgrade",
        "Root",
        "Template",
        "VGPULiveMigration",
        "VMStatsCollector",
    }
)
"""Alpha, Beta and deprecated gates that nothing here asks for: what they switch is always so, or not there yet."""


def remarks(named: Sequence[str], disabled: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Entries of `featureGates` and `disabledFeatureGates` that switch nothing: where, and why. None is an error."""
    for field, gates in (("featureGates", named), ("disabledFeatureGates", disabled)):
        for index, gate in enumerate(gates):
            if text := _idle(gate):
                yield f"{field}[{index}]", text


def _idle(gate: str) -> str:
    if gate in GA:
        return f"{gate} is always on"
    if gate in DISCONTINUED:
        return f"{gate} was discontinued and switches nothing"
    if gate in IDLE:
        return f"{gate} switches nothing in this release"
    return "" if gate in BETA | ALPHA | DEPRECATED else f"{gate} is not a feature gate of KubeVirt 1.9"


def enabled(gate: str, named: Collection[str], disabled: Collection[str]) -> bool:
    """Whether a gate is on. Precedence: GA, explicitly named, explicitly disabled, the stage's default."""
    if gate in BETA:
        return gate in named or gate not in disabled
    if gate in ALPHA or gate in DEPRECATED:
        return gate in named
    return True
