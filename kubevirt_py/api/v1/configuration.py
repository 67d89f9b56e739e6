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
    """So many requests per second, with bursts."""

    burst: int
    """Requests at once."""
    qps: float
    """Requests per second in the long run."""


class RateLimiter(Model):
    """How fast a client may ask."""

    token_bucket_rate_limiter: TokenBucketRateLimiter | None = None
    """So many requests per second, with bursts."""


class RESTClientConfiguration(Model):
    """A client of the API server."""

    rate_limiter: RateLimiter | None = None
    """How fast it may ask."""


class ReloadableComponentConfiguration(Model):
    """Settings of one component that change while it runs."""

    rest_client: RESTClientConfiguration | None = None
    """Its client of the API server."""


class ArchitectureDefaults(Model):
    """Defaults for one CPU architecture."""

    emulated_machines: AtomicList[str] | None = None
    """Machine types permitted, with * as wildcard."""
    machine_type: str | None = None
    """Machine type of guests that name none."""
    ovmf_path: str | None = None
    """Directory of UEFI firmware."""


class ArchitectureConfiguration(Model):
    """Defaults by CPU architecture."""

    amd64: ArchitectureDefaults | None = None
    """For amd64."""
    arm64: ArchitectureDefaults | None = None
    """For arm64."""
    default_architecture: str | None = None
    """Architecture of guests that name none."""
    ppc64le: ArchitectureDefaults | None = Field(None, alias="ppc64le")
    """For ppc64le, which is no longer supported."""
    s390x: ArchitectureDefaults | None = Field(None, alias="s390x")
    """For s390x."""


class ChangedBlockTrackingSelectors(Model):
    """Machines whose changed blocks are tracked."""

    namespace_label_selector: LabelSelector | None = None
    """By labels of their namespace."""
    virtual_machine_label_selector: LabelSelector | None = None
    """By their own labels."""


class EnableSwitch(Model):
    """A part that is deployed or not."""

    enabled: NullOr[bool] = None
    """Whether it is deployed."""


class TDXAttestationConfiguration(Model):
    """How TDX guests are attested."""

    enforced: bool = False
    """Whether a guest without quote service is refused."""
    qgs_socket_path: str = "/var/run/tdx-qgs/qgs.socket"
    """Socket of the quote generation service."""


class TDXConfiguration(Model):
    """Intel TDX."""

    attestation: TDXAttestationConfiguration | None = None
    """How guests are attested."""


class ConfidentialComputeConfiguration(Model):
    """Settings of confidential guests."""

    tdx: NullOr[TDXConfiguration] = None
    """For Intel TDX."""


class DiskVerification(Model):
    """Limits of checking disk images."""

    memory_limit: Quantity
    """Memory the check may use."""


class LogVerbosity(Model):
    """Log verbosity, 0 to 9."""

    node_verbosity: dict[str, int] | None = None
    """Of virt-handler, by node."""
    virt_api: int | None = Field(None, alias="virtAPI")
    """Of virt-api."""
    virt_controller: int | None = None
    """Of virt-controller."""
    virt_handler: int | None = None
    """Of virt-handler."""
    virt_launcher: int | None = None
    """Of virt-launcher."""
    virt_operator: int | None = None
    """Of virt-operator."""
    virt_synchronization_controller: int | None = None
    """Of the synchronization controller."""


class DeveloperConfiguration(Model):
    """Feature gates, emulation, log verbosity, overcommit."""

    cluster_profiler: bool | None = None
    """Let the cluster profiler be started."""
    cpu_allocation_ratio: int | None = None
    """Virtual CPUs per CPU requested; 10 unless set."""
    disabled_feature_gates: AtomicList[str] | None = None
    """Features that are on by default and shall be off."""
    disk_verification: DiskVerification | None = None
    """Limits of checking disk images."""
    feature_gates: AtomicList[str] | None = None
    """Features that shall be on."""
    log_verbosity: LogVerbosity | None = None
    """Log verbosity by component, 0 to 9."""
    memory_overcommit: Annotated[int, Ge(10)] | None = None
    """Guest memory in percent of memory requested; 100 unless set."""
    minimum_cluster_tsc_frequency: Int64 | None = Field(None, alias="minimumClusterTSCFrequency")
    """Least TSC frequency in Hz for guests that need a fixed one."""
    minimum_reserve_pvc_bytes: Int64 | None = Field(None, alias="minimumReservePVCBytes")
    """Bytes kept free when an image file is made in a claim."""
    node_selectors: dict[str, str] | None = None
    """Labels a node must have to run guests."""
    pvc_tolerate_less_space_up_to_percent: int | None = None
    """How much smaller than asked for an image file may be."""
    use_emulation: bool | None = None
    """Run guests without KVM, by software emulation."""


class HypervisorConfiguration(Model):
    """A hypervisor."""

    name: Literal["kvm", "hyperv-direct"] | None = None
    """kvm or hyperv-direct."""


class InstancetypeConfiguration(Model):
    """How instance types are used."""

    reference_policy: NullOr[Literal["reference", "expand", "expandAll"]] = None
    """Whether machines keep a reference, or the content is copied into them."""


class KSMConfiguration(Model):
    """Merging of equal memory pages."""

    node_label_selector: LabelSelector | None = None
    """Nodes it is on."""


class LiveUpdateConfiguration(Model):
    """Limits of changes to running guests."""

    max_cpu_sockets: Int32 | None = None
    """Sockets a guest can grow to."""
    max_guest: Quantity | None = None
    """Memory a guest can grow to."""
    max_hotplug_ratio: Int32 | None = None
    """Factor by which CPUs and memory can grow; 4 unless set."""


class InterfaceBindingMigration(Model):
    """How a guest with this plugin migrates."""

    method: str | None = None
    """link-refresh."""


class InterfaceBindingPlugin(Model):
    """A network binding plugin."""

    compute_resource_overhead: ResourceRequirements | None = None
    """What the plugin adds to the pod's resources."""
    domain_attachment_type: str | None = None
    """How the guest is attached: tap or managedTap."""
    downward_api: str | None = Field(None, alias="downwardAPI")
    """What the plugin is told."""
    migration: InterfaceBindingMigration | None = None
    """Whether guests with it can migrate."""
    network_attachment_definition: str | None = None
    """CNI plugin it needs."""
    sidecar_image: str | None = None
    """Image of its helper container."""


class NetworkConfiguration(Model):
    """Defaults and plugins of networks."""

    binding: dict[str, InterfaceBindingPlugin] | None = None
    """Network binding plugins by name."""
    default_network_interface: str | None = None
    """Binding of guests that name no network: bridge or masquerade."""
    permit_bridge_interface_on_pod_network: bool | None = None
    """Whether bridge may be used on the pod network; true unless false."""
    permit_slirp_interface: bool | None = None
    """Without effect: slirp no longer exists."""


class CustomProfile(Model):
    """A seccomp profile; choose one."""

    localhost_profile: str | None = None
    """File on the node."""
    runtime_default_profile: bool | None = None
    """The container runtime's own."""


class VirtualMachineInstanceProfile(Model):
    """Seccomp profile of launcher pods."""

    custom_profile: CustomProfile | None = None
    """A profile of the user's choice."""


class SeccompConfiguration(Model):
    """Seccomp profiles."""

    virtual_machine_instance_profile: VirtualMachineInstanceProfile | None = None
    """Of launcher pods."""


class SMBIOSConfiguration(Model):
    """SMBIOS strings of all guests."""

    family: str | None = None
    """Family."""
    manufacturer: str | None = None
    """Manufacturer."""
    product: str | None = None
    """Product."""
    sku: str | None = None
    """SKU number."""
    version: str | None = None
    """Version."""


class SupportContainerResources(Model):
    """Resources of one type of helper container."""

    resources: ResourceRequirements
    """Requests and limits."""
    type: str
    """Type of the container."""


class TLSConfiguration(Model):
    """TLS of our servers."""

    ciphers: SetList[str] | None = None
    """Ciphers of TLS 1.2, by their IANA names."""
    min_tls_version: Literal["VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"] | None = Field(
        None, alias="minTLSVersion"
    )
    """Least version; VersionTLS12 unless set."""


class VirtualMachineOptions(Model):
    """Switches for all guests; presence is the setting."""

    disable_free_page_reporting: Empty | None = None
    """The balloon does not give free pages back."""
    disable_serial_console_log: Empty | None = None
    """Serial consoles are not logged unless a guest asks for it."""


class KubeVirtConfiguration(Model):
    """Settings that take effect without a restart."""

    additional_guest_memory_overhead_ratio: str | None = None
    """Factor on the computed memory overhead, such as 1.2."""
    api_configuration: ReloadableComponentConfiguration | None = None
    """Client settings of virt-api."""
    architecture_configuration: ArchitectureConfiguration | None = None
    """Defaults by CPU architecture."""
    auto_cpu_limit_namespace_label_selector: LabelSelector | None = Field(
        None, alias="autoCPULimitNamespaceLabelSelector"
    )
    """Namespaces in which pods get a CPU limit of one CPU per virtual CPU."""
    changed_block_tracking_label_selectors: NullOr[ChangedBlockTrackingSelectors] = None
    """Machines whose changed blocks are tracked."""
    common_instancetypes_deployment: NullOr[EnableSwitch] = None
    """Whether the common instance types are installed."""
    confidential_compute: NullOr[ConfidentialComputeConfiguration] = None
    """Settings of confidential guests."""
    controller_configuration: ReloadableComponentConfiguration | None = None
    """Client settings of virt-controller."""
    cpu_model: str | None = None
    """CPU model of guests that name none."""
    cpu_request: Quantity | None = None
    """CPU request of guests that name none."""
    default_runtime_class: str | None = None
    """Runtime class of guests' pods."""
    developer_configuration: DeveloperConfiguration | None = None
    """Feature gates, emulation, log verbosity, overcommit."""
    emulated_machines: list[str] | None = None
    """Machine types permitted, with * as wildcard."""
    eviction_strategy: str | None = None
    """Eviction strategy of guests that name none."""
    handler_configuration: ReloadableComponentConfiguration | None = None
    """Client settings of virt-handler."""
    hypervisors: Annotated[AtomicList[HypervisorConfiguration], MaxLen(1)] | None = None
    """Hypervisors to use."""
    image_pull_policy: str | None = None
    """Pull policy of launcher images."""
    instancetype: NullOr[InstancetypeConfiguration] = None
    """How instance types are used."""
    ksm_configuration: KSMConfiguration | None = None
    """Nodes on which equal memory pages are merged."""
    live_update_configuration: LiveUpdateConfiguration | None = None
    """Limits of changes to running guests."""
    machine_type: str | None = None
    """Machine type of guests that name none."""
    mediated_devices_configuration: MediatedDevicesConfiguration | None = None
    """Mediated devices to make on nodes."""
    mem_balloon_stats_period: Int32 | None = None
    """Seconds between reports of the memory balloon."""
    migrations: MigrationConfiguration | None = None
    """How live migrations behave."""
    min_cpu_model: str | None = Field(None, alias="minCPUModel")
    """Least CPU model, for node labels."""
    network: NetworkConfiguration | None = None
    """Defaults and plugins of networks."""
    obsolete_cpu_models: dict[str, bool] | None = Field(None, alias="obsoleteCPUModels")
    """CPU models no node offers."""
    ovmf_path: str | None = None
    """Deprecated: directory of UEFI firmware."""
    permitted_host_devices: PermittedHostDevices | None = None
    """Host devices guests may be given."""
    persistent_reservation_configuration: NullOr[EnableSwitch] = None
    """Whether SCSI persistent reservations are served."""
    role_aggregation_strategy: Literal["AggregateToDefault", "Manual"] | None = None
    """Whether our roles join Kubernetes' admin, edit and view."""
    seccomp_configuration: SeccompConfiguration | None = None
    """Seccomp profile of launcher pods."""
    selinux_launcher_type: str | None = None
    """SELinux type of launcher pods."""
    smbios: SMBIOSConfiguration | None = None
    """SMBIOS strings of all guests."""
    support_container_resources: Annotated[list[SupportContainerResources], map_keys("type")] | None = None
    """Resources of helper containers, by type."""
    supported_guest_agent_versions: list[str] | None = None
    """Deprecated: versions of the guest agent."""
    tls_configuration: TLSConfiguration | None = None
    """TLS versions and ciphers of our servers."""
    virt_template_deployment: NullOr[EnableSwitch] = None
    """Whether virt-template is installed."""
    virtual_machine_instances_per_node: int | None = None
    """Most guests on one node."""
    virtual_machine_options: VirtualMachineOptions | None = None
    """Switches for all guests."""
    vm_rollout_strategy: NullOr[Literal["Stage", "LiveUpdate"]] = None
    """Whether changes reach running guests (LiveUpdate) or wait for a restart (Stage)."""
    vm_state_storage_class: str | None = None
    """Storage class of TPM and UEFI state."""
    webhook_configuration: ReloadableComponentConfiguration | None = None
    """Client settings of webhooks."""
