"""Where a live migration stands, shared by the instance and its migration object."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Model, NullOr, Quantity, Time
from kubevirt_py.api.v1.migration_configuration import ExperimentalMigrationOptions, MigrationConfiguration


class AppliedMigrationConfiguration(MigrationConfiguration):
    """Migration settings in effect for one migration."""

    experimental: ExperimentalMigrationOptions | None = None
    """Settings that may change."""


class MigrationSourceState(Model):
    """The side the guest leaves."""

    domain_name: str | None = None
    """Name of the instance."""
    domain_namespace: str | None = None
    """Namespace of the instance."""
    migration_uid: str | None = Field(None, alias="migrationUID")
    """UID of the migration object on this side."""
    node: str | None = None
    """Node."""
    node_selectors: dict[str, str] | None = None
    """Labels the target node must have."""
    persistent_state_pvc_name: str | None = Field(None, alias="persistentStatePVCName")
    """Claim with TPM and UEFI state."""
    pod: str | None = None
    """Pod."""
    selinux_context: str | None = None
    """SELinux context of QEMU."""
    sync_address: str | None = None
    """Address of the synchronization controller."""
    virtual_machine_instance_uid: str | None = Field(None, alias="virtualMachineInstanceUID")
    """UID of the instance on this side."""


class MigrationTargetState(Model):
    """The side the guest arrives at."""

    attachment_pod_uid: str | None = Field(None, alias="attachmentPodUID")
    """Pod that brings hotplugged volumes."""
    cpu_set: AtomicList[int] | None = None
    """Physical CPUs."""
    direct_migration_node_ports: dict[str, int] | None = None
    """Ports it listens on."""
    domain_detected: bool | None = None
    """The guest was seen here."""
    domain_name: str | None = None
    """Name of the instance."""
    domain_namespace: str | None = None
    """Namespace of the instance."""
    domain_ready_timestamp: Time | None = None
    """When the guest was ready here."""
    migration_uid: str | None = Field(None, alias="migrationUID")
    """UID of the migration object on this side."""
    node: str | None = None
    """Node."""
    node_address: str | None = None
    """Address of the node's agent."""
    node_topology: str | None = None
    """Topology of the node, as JSON."""
    persistent_state_pvc_name: str | None = Field(None, alias="persistentStatePVCName")
    """Claim with TPM and UEFI state."""
    pod: str | None = None
    """Pod."""
    selinux_context: str | None = None
    """SELinux context of QEMU."""
    sync_address: str | None = None
    """Address of the synchronization controller."""
    virtual_machine_instance_uid: str | None = Field(None, alias="virtualMachineInstanceUID")
    """UID of the instance on this side."""


class MigrationState(Model):
    """A live migration, from both ends."""

    abort_requested: bool | None = None
    """Someone asked to cancel."""
    abort_status: str | None = None
    """How far the cancelling is."""
    completed: bool | None = None
    """The migration has ended."""
    end_timestamp: NullOr[Time] = None
    """When it ended."""
    failed: bool | None = None
    """It ended without success."""
    failure_reason: str | None = None
    """Why it failed."""
    migration_configuration: AppliedMigrationConfiguration | None = None
    """Settings in effect."""
    migration_network_type: str | None = None
    """Network it uses: the pods' or one of its own."""
    migration_policy_name: str | None = None
    """Policy in effect."""
    migration_uid: str | None = None
    """UID of the migration object."""
    mode: str | None = None
    """PreCopy, PostCopy or Paused."""
    source_node: str | None = None
    """Node the guest leaves."""
    source_persistent_state_pvc_name: str | None = Field(None, alias="sourcePersistentStatePVCName")
    """Claim with TPM and UEFI state at the source."""
    source_pod: str | None = None
    """Pod the guest leaves."""
    source_state: MigrationSourceState | None = None
    """The side the guest leaves."""
    start_timestamp: NullOr[Time] = None
    """When it began."""
    target_attachment_pod_uid: str | None = Field(None, alias="targetAttachmentPodUID")
    """Pod that brings hotplugged volumes to the target."""
    target_cpu_set: AtomicList[int] | None = Field(None, alias="targetCPUSet")
    """Physical CPUs at the target."""
    target_direct_migration_node_ports: dict[str, int] | None = None
    """Ports the target listens on."""
    target_memory_overhead: Quantity | None = None
    """What the target pod needs besides guest memory."""
    target_node: str | None = None
    """Node the guest arrives at."""
    target_node_address: str | None = None
    """Address of that node's agent."""
    target_node_domain_detected: bool | None = None
    """The guest was seen at the target."""
    target_node_domain_ready_timestamp: Time | None = None
    """When it was ready at the target."""
    target_node_topology: str | None = None
    """Topology of the target node, as JSON."""
    target_persistent_state_pvc_name: str | None = Field(None, alias="targetPersistentStatePVCName")
    """Claim with TPM and UEFI state at the target."""
    target_pod: str | None = None
    """Pod the guest arrives in."""
    target_state: MigrationTargetState | None = None
    """The side the guest arrives at."""


class PhaseTransition(Model):
    """When a phase was entered."""

    phase: str | None = None
    """The phase."""
    phase_transition_timestamp: Time | None = None
    """When it was entered."""
