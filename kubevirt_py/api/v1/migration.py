"""VirtualMachineInstanceMigration: the wish to move one guest to another node."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Model, Resource
from kubevirt_py.api.meta import Condition
from kubevirt_py.api.v1.migration_state import MigrationState, PhaseTransition


class MigrationReceive(Model):
    """"""

    migration_id: str = Field(alias="migrationID")


class MigrationSendTo(Model):
    """"""

    connect_url: str = Field(alias="connectURL")
    migration_id: str = Field(alias="migrationID")


class VirtualMachineInstanceMigrationSpec(Model):
    """"""

    added_node_selector: dict[str, str] | None = None
    priority: str | None = None
    receive: MigrationReceive | None = None
    send_to: MigrationSendTo | None = None
    vmi_name: str | None = None


class VirtualMachineInstanceMigrationStatus(Model):
    """"""

    conditions: list[Condition] | None = None
    migration_state: MigrationState | None = None
    phase: str | None = None
    phase_transition_timestamps: AtomicList[PhaseTransition] | None = None
    synchronization_addresses: AtomicList[str] | None = None


class VirtualMachineInstanceMigration(Resource):
    """"""

    spec: VirtualMachineInstanceMigrationSpec
    status: VirtualMachineInstanceMigrationStatus | None = None
