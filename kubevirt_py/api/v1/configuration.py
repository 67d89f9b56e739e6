"""Cluster-wide settings, `spec.configuration` of the KubeVirt resource."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Empty, Ge, Int32, Int64, MaxLen, Model, NullOr, Quantity, SetList, map_keys
from kubevirt_py.api.k8s import ResourceRequirements
from kubevirt_py.api.meta import LabelSelector
from kubevirt_py.api.v1.host_devices import MediatedDevicesConfiguration, PermittedHostDevices
from kubevirt_py.api.v1.migration_configuration import MigrationConfiguration


class TokenBucketRateLimiter(Model):
    """"""

    burst: int
    qps: float


class RateLimiter(Model):
    """"""

    token_bucket_rate_limiter: TokenBucketRateLimiter | None = None


class RESTClientConfiguration(Model):
    """"""

    rate_limiter: RateLimiter | None = None


class ReloadableComponentConfiguration(Model):
    """"""

    rest_client: RESTClientConfiguration | None = None


class ArchitectureDefaults(Model):
    """"""

    emulated_machines: AtomicList[str] | None = None
    machine_type: str | None = None
    ovmf_path: str | None = None


class ArchitectureConfiguration(Model):
    """"""

    amd64: ArchitectureDefaults | None = None
    arm64: ArchitectureDefaults | None = None
    default_architecture: str | None = None
    ppc64le: ArchitectureDefaults | None = Field(None, alias="ppc64le")
    s390x: ArchitectureDefaults | None = Field(None, alias="s390x")


class ChangedBlockTrackingSelectors(Model):
    """"""

    namespace_label_selector: LabelSelector | None = None
    virtual_machine_label_selector: LabelSelector | None = None


class EnableSwitch(Model):
    """"""

    enabled: NullOr[bool] = None


class TDXAttestationConfiguration(Model):
    """"""

    enforced: bool = False
    qgs_socket_path: str = "/var/run/tdx-qgs/qgs.socket"


class TDXConfiguration(Model):
    """"""

    attestation: TDXAttestationConfiguration | None = None


class ConfidentialComputeConfiguration(Model):
    """"""

    tdx: NullOr[TDXConfiguration] = None


class DiskVerification(Model):
    """"""

    memory_limit: Quantity


class LogVerbosity(Model):
    """"""

    node_verbosity: dict[str, int] | None = None
    virt_api: int | None = Field(None, alias="virtAPI")
    virt_controller: int | None = None
    virt_handler: int | None = None
    virt_launcher: int | None = None
    virt_operator: int | None = None
    virt_synchronization_controller: int | None = None


class DeveloperConfiguration(Model):
    """"""

    cluster_profiler: bool | None = None
    cpu_allocation_ratio: int | None = None
    disabled_feature_gates: AtomicList[str] | None = None
    disk_verification: DiskVerification | None = None
    feature_gates: AtomicList[str] | None = None
    log_verbosity: LogVerbosity | None = None
    memory_overcommit: Annotated[int, Ge(10)] | None = None
    minimum_cluster_tsc_frequency: Int64 | None = Field(None, alias="minimumClusterTSCFrequency")
    minimum_reserve_pvc_bytes: Int64 | None = Field(None, alias="minimumReservePVCBytes")
    node_selectors: dict[str, str] | None = None
    pvc_tolerate_less_space_up_to_percent: int | None = None
    use_emulation: bool | None = None


class HypervisorConfiguration(Model):
    """"""

    name: Literal["kvm", "hyperv-direct"] | None = None


class InstancetypeConfiguration(Model):
    """"""

    reference_policy: NullOr[Literal["reference", "expand", "expandAll"]] = None


class KSMConfiguration(Model):
    """"""

    node_label_selector: LabelSelector | None = None


class LiveUpdateConfiguration(Model):
    """"""

    max_cpu_sockets: Int32 | None = None
    max_guest: Quantity | None = None
    max_hotplug_ratio: Int32 | None = None


class InterfaceBindingMigration(Model):
    """"""

    method: str | None = None


class InterfaceBindingPlugin(Model):
    """"""

    compute_resource_overhead: ResourceRequirements | None = None
    domain_attachment_type: str | None = None
    downward_api: str | None = Field(None, alias="downwardAPI")
    migration: InterfaceBindingMigration | None = None
    network_attachment_definition: str | None = None
    sidecar_image: str | None = None


class NetworkConfiguration(Model):
    """"""

    binding: dict[str, InterfaceBindingPlugin] | None = None
    default_network_interface: str | None = None
    permit_bridge_interface_on_pod_network: bool | None = None
    permit_slirp_interface: bool | None = None


class CustomProfile(Model):
    """"""

    localhost_profile: str | None = None
    runtime_default_profile: bool | None = None


class VirtualMachineInstanceProfile(Model):
    """"""

    custom_profile: CustomProfile | None = None


class SeccompConfiguration(Model):
    """"""

    virtual_machine_instance_profile: VirtualMachineInstanceProfile | None = None


class SMBIOSConfiguration(Model):
    """"""

    family: str | None = None
    manufacturer: str | None = None
    product: str | None = None
    sku: str | None = None
    version: str | None = None


class SupportContainerResources(Model):
    """"""

    resources: ResourceRequirements
    type: str


class TLSConfiguration(Model):
    """"""

    ciphers: SetList[str] | None = None
    min_tls_version: Literal["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"] | None = Field(
        None, alias="minTLSVersion"
    )


class VirtualMachineOptions(Model):
    """"""

    disable_free_page_reporting: Empty | None = None
    disable_serial_console_log: Empty | None = None


class KubeVirtConfiguration(Model):
    """"""

    additional_guest_memory_overhead_ratio: str | None = None
    api_configuration: ReloadableComponentConfiguration | None = None
    architecture_configuration: ArchitectureConfiguration | None = None
    auto_cpu_limit_namespace_label_selector: LabelSelector | None = Field(
        None, alias="autoCPULimitNamespaceLabelSelector"
    )
    changed_block_tracking_label_selectors: NullOr[ChangedBlockTrackingSelectors] = None
    common_instancetypes_deployment: NullOr[EnableSwitch] = None
    confidential_compute: NullOr[ConfidentialComputeConfiguration] = None
    controller_configuration: ReloadableComponentConfiguration | None = None
    cpu_model: str | None = None
    cpu_request: Quantity | None = None
    default_runtime_class: str | None = None
    developer_configuration: DeveloperConfiguration | None = None
    emulated_machines: list[str] | None = None
    eviction_strategy: str | None = None
    handler_configuration: ReloadableComponentConfiguration | None = None
    hypervisors: Annotated[AtomicList[HypervisorConfiguration], MaxLen(1)] | None = None
    image_pull_policy: str | None = None
    instancetype: NullOr[InstancetypeConfiguration] = None
    ksm_configuration: KSMConfiguration | None = None
    live_update_configuration: LiveUpdateConfiguration | None = None
    machine_type: str | None = None
    mediated_devices_configuration: MediatedDevicesConfiguration | None = None
    mem_balloon_stats_period: Int32 | None = None
    migrations: MigrationConfiguration | None = None
    min_cpu_model: str | None = Field(None, alias="minCPUModel")
    network: NetworkConfiguration | None = None
    obsolete_cpu_models: dict[str, bool] | None = Field(None, alias="obsoleteCPUModels")
    ovmf_path: str | None = None
    permitted_host_devices: PermittedHostDevices | None = None
    persistent_reservation_configuration: NullOr[EnableSwitch] = None
    role_aggregation_strategy: Literal["AggregateToDefault", "Manual"] | None = None
    seccomp_configuration: SeccompConfiguration | None = None
    selinux_launcher_type: str | None = None
    smbios: SMBIOSConfiguration | None = None
    support_container_resources: Annotated[list[SupportContainerResources], map_keys("type")] | None = None
    supported_guest_agent_versions: list[str] | None = None
    tls_configuration: TLSConfiguration | None = None
    virt_template_deployment: NullOr[EnableSwitch] = None
    virtual_machine_instances_per_node: int | None = None
    virtual_machine_options: VirtualMachineOptions | None = None
    vm_rollout_strategy: NullOr[Literal["Stage", "LiveUpdate"]] = None
    vm_state_storage_class: str | None = None
    webhook_configuration: ReloadableComponentConfiguration | None = None
