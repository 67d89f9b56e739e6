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
    domain_namespace: str | None = None
    migration_uid: str | None = Field(None, alias="migrationUID")
    node: str | None = None
    node_selectors: dict[str, str] | None = None
    persistent_state_pvc_name: str | None = Field(None, alias="persistentStatePVCName")
    pod: str | None = None
    selinux_context: str | None = None
    sync_address: str | None = None
    virtual_machine_instance_uid: str | None = Field(None, alias="virtualMachineInstanceUID")


class MigrationTargetState(Model):
    """The side the guest arrives at."""

    attachment_pod_uid: str | None = Field(None, alias="attachmentPodUID")
    cpu_set: AtomicList[int] | None = None
    direct_migration_node_ports: dict[str, int] | None = None
    domain_detected: bool | None = None
    domain_name: str | None = None
    domain_namespace: str | None = None
    domain_ready_timestamp: Time | None = None
    migration_uid: str | None = Field(None, alias="migrationUID")
    node: str | None = None
    node_address: str | None = None
    node_topology: str | None = None
    persistent_state_pvc_name: str | None = Field(None, alias="persistentStatePVCName")
    pod: str | None = None
    selinux_context: str | None = None
    sync_address: str | None = None
    virtual_machine_instance_uid: str | None = Field(None, alias="virtualMachineInstanceUID")


class MigrationState(Model):
    """A live migration, from both ends."""

    abort_requested: bool | None = None
    abort_status: str | None = None
    completed: bool | None = None
    end_timestamp: NullOr[Time] = None
    failed: bool | None = None
    failure_reason: str | None = None
    migration_configuration: AppliedMigrationConfiguration | None = None
    migration_network_type: str | None = None
    migration_policy_name: str | None = None
    migration_uid: str | None = None
    mode: str | None = None
    source_node: str | None = None
    source_persistent_state_pvc_name: str | None = Field(None, alias="sourcePersistentStatePVCName")
    source_pod: str | None = None
    source_state: MigrationSourceState | None = None
    start_timestamp: NullOr[Time] = None
    target_attachment_pod_uid: str | None = Field(None, alias="targetAttachmentPodUID")
    target_cpu_set: AtomicList[int] | None = Field(None, alias="targetCPUSet")
    target_direct_migration_node_ports: dict[str, int] | None = None
    target_memory_overhead: Quantity | None = None
    target_node: str | None = None
    target_node_address: str | None = None
    target_node_domain_detected: bool | None = None
    target_node_domain_ready_timestamp: Time | None = None
    target_node_topology: str | None = None
    target_persistent_state_pvc_name: str | None = Field(None, alias="targetPersistentStatePVCName")
    target_pod: str | None = None
    target_state: MigrationTargetState | None = None


class PhaseTransition(Model):
    """When a phase was entered."""

    phase: str | None = None
    """The phase."""
    phase_transition_timestamp: Time | None = None
    """When it was entered."""
