"""The slice of each kind that reconcilers read, as frozen msgspec structs.

Every field is optional and unknown fields are skipped, so an object of another
version never makes a store unreadable. Parts that a reconciler only passes on
(a VM's template, a VMI's spec) stay `msgspec.Raw`: nothing in them is lost.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct, field


class View(Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Base of all views: camelCase on the wire, frozen, cheap to hold."""


class Tree(Struct, frozen=True, rename="camel", omit_defaults=True):
    """As View, for structs that hold containers and so take part in garbage collection."""


class OwnerReference(View, frozen=True):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ObjectMeta(Tree, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def controller(self) -> OwnerReference | None:
        """The owner that controls this object, if any."""
        return next((owner for owner in self.owner_references if owner.controller), None)


class Condition(View, frozen=True):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None
    last_probe_time: str | None = None


class StateChangeRequest(Tree, frozen=True):
    action: str = ""
    uid: str = ""
    data: dict[str, str] = field(default_factory=dict)


class StartFailure(View, frozen=True):
    consecutive_fail_count: int = 0
    last_failed_vmi_uid: str = field(default="", name="lastFailedVMIUID")
    retry_after_timestamp: str | None = None


class VirtualMachineSpec(Tree, frozen=True):
    running: bool | None = None
    run_strategy: str = ""
    template: Raw = Raw(b"{}")
    data_volume_templates: Raw = Raw(b"[]")


class VirtualMachineStatus(Tree, frozen=True):
    created: bool = False
    ready: bool = False
    printable_status: str = ""
    observed_generation: int = 0
    desired_generation: int = 0
    run_strategy: str = ""
    conditions: tuple[Condition, ...] = ()
    state_change_requests: tuple[StateChangeRequest, ...] = ()
    volume_requests: Raw = Raw(b"[]")
    memory_dump_request: dict[str, Any] | None = None
    start_failure: StartFailure | None = None


class VirtualMachine(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: VirtualMachineSpec = VirtualMachineSpec()
    status: VirtualMachineStatus = VirtualMachineStatus()


class PhaseTransition(View, frozen=True):
    phase: str = ""
    phase_transition_timestamp: str | None = None


class MachineStatus(View, frozen=True):
    type: str = ""


class VirtualMachineInstanceStatus(Tree, frozen=True):
    phase: str = ""
    reason: str = ""
    node_name: str = ""
    conditions: tuple[Condition, ...] = ()
    active_pods: dict[str, str] = field(default_factory=dict)
    interfaces: Raw = Raw(b"[]")
    volume_status: Raw = Raw(b"[]")
    machine: MachineStatus = MachineStatus()
    memory: dict[str, str] = field(default_factory=dict)
    current_cpu_topology: dict[str, int] = field(default_factory=dict, name="currentCPUTopology")
    phase_transition_timestamps: tuple[PhaseTransition, ...] = ()
    qos_class: str = ""
    launcher_container_image_version: str = ""
    migration_transport: str = ""
    runtime_user: int = 0
    vsock_cid: int = field(default=0, name="VSOCKCID")


class VirtualMachineInstance(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: Raw = Raw(b"{}")
    status: VirtualMachineInstanceStatus = VirtualMachineInstanceStatus()


class HostedInstance(Tree, frozen=True):
    """A VMI as the agent of its node reads it: the status as it stands, since the agent writes most of it."""

    metadata: ObjectMeta = ObjectMeta()
    spec: Raw = Raw(b"{}")
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        return str(self.status.get("phase") or "")


class VirtualMachineInstancePreset(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: dict[str, Any] = field(default_factory=dict)


class ContainerStateTerminated(View, frozen=True):
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    finished_at: str | None = None


class ContainerStateRunning(View, frozen=True):
    started_at: str | None = None


class ContainerStateWaiting(View, frozen=True):
    reason: str = ""
    message: str = ""


class ContainerState(View, frozen=True):
    running: ContainerStateRunning | None = None
    waiting: ContainerStateWaiting | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(Tree, frozen=True):
    name: str = ""
    ready: bool = False
    image_id: str = field(default="", name="imageID")
    resources: dict[str, Any] = field(default_factory=dict)
    state: ContainerState = ContainerState()


class PodIP(View, frozen=True):
    ip: str = ""


class Container(Tree, frozen=True):
    """`resources` as `requests` and `limits`; other entries are skipped."""

    name: str = ""
    resources: dict[str, Any] = field(default_factory=dict)


class ClaimSource(View, frozen=True):
    claim_name: str = ""


class PodVolume(View, frozen=True):
    name: str = ""
    persistent_volume_claim: ClaimSource | None = None


class PodSpec(Tree, frozen=True):
    node_name: str = ""
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[PodVolume, ...] = ()


class PodStatus(Tree, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    pod_ips: tuple[PodIP, ...] = field(default=(), name="podIPs")
    pod_ip: str = field(default="", name="podIP")
    qos_class: str = ""


class Pod(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class NodeStatus(Tree, frozen=True):
    conditions: tuple[Condition, ...] = ()
    allocatable: dict[str, str] = field(default_factory=dict)


class Node(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    status: NodeStatus = NodeStatus()


class PersistentVolumeClaimSpec(Tree, frozen=True):
    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    storage_class_name: str = ""
    resources: Raw = Raw(b"{}")


class PersistentVolumeClaimStatus(Tree, frozen=True):
    phase: str = ""
    access_modes: tuple[str, ...] = ()
    capacity: dict[str, str] = field(default_factory=dict)


class PersistentVolumeClaim(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: PersistentVolumeClaimSpec = PersistentVolumeClaimSpec()
    status: PersistentVolumeClaimStatus = PersistentVolumeClaimStatus()


class StorageClass(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    volume_binding_mode: str = "Immediate"


class LeaseSpec(View, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: LeaseSpec = LeaseSpec()


class KubeVirt(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: Raw = Raw(b"{}")
    status: Raw = Raw(b"{}")


class Held(Tree, frozen=True):
    """Only the metadata of an object, for watchers that ask whether it is still as it was applied."""

    metadata: ObjectMeta = ObjectMeta()


class ApiServiceStatus(Tree, frozen=True):
    conditions: tuple[Condition, ...] = ()


class ApiService(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    status: ApiServiceStatus = ApiServiceStatus()


class WorkloadSpec(View, frozen=True):
    replicas: int = 1


class WorkloadStatus(View, frozen=True):
    """Deployment and DaemonSet status; each kind fills its own fields."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_available: int = 0


class Workload(Tree, frozen=True):
    metadata: ObjectMeta = ObjectMeta()
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()
