"""VirtualMachineInstanceMigration: the wish to move one guest to another node."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Model, Resource
from kubevirt_py.api.meta import Condition
from kubevirt_py.api.v1.migration_state import MigrationState, PhaseTransition


class MigrationReceive(Model):
    """The receiving end of a migration between clusters."""

    migration_id: str = Field(alias="migrationID")
    """Name both ends share."""


class MigrationSendTo(Model):
    """The sending end of a migration between clusters."""

    connect_url: str = Field(alias="connectURL")
    """Address of the receiving cluster."""
    migration_id: str = Field(alias="migrationID")
    """Name both ends share."""


class VirtualMachineInstanceMigrationSpec(Model):
    """Which guest to move."""

    added_node_selector: dict[str, str] | None = None
    """Labels the target node must have besides those of the guest."""
    priority: str | None = None
    """Rank in the queue of migrations."""
    receive: MigrationReceive | None = None
    """This side receives a guest from another cluster."""
    send_to: MigrationSendTo | None = None
    """This side sends the guest to another cluster."""
    vmi_name: str | None = None
    """Name of the instance to move."""


class VirtualMachineInstanceMigrationStatus(Model):
    """How far the migration is."""

    conditions: list[Condition] | None = None
    """What holds of the migration now."""
    migration_state: MigrationState | None = None
    """Where it stands, from both ends."""
    phase: str | None = None
    """Pending, Scheduling, Running, Succeeded, Failed and others."""
    phase_transition_timestamps: AtomicList[PhaseTransition] | None = None
    """When each phase was entered."""
    synchronization_addresses: AtomicList[str] | None = None
    """Addresses for migrations between clusters."""


class VirtualMachineInstanceMigration(Resource):
    """The wish to move one guest to another node while it runs."""

    spec: VirtualMachineInstanceMigrationSpec
    """Which guest, and where to."""
    status: VirtualMachineInstanceMigrationStatus | None = None
    """How far it is."""
