"""clone.kubevirt.io: a new VirtualMachine made like another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Model, NullOr, Resource, Time
from kubevirt_py.api.meta import Condition, TypedLocalObjectReference


class CloneTemplateFilters(Model):
    """Which labels and annotations of the template are kept."""

    annotation_filters: AtomicList[str] | None = None
    """Annotations to keep, with * and !."""
    label_filters: AtomicList[str] | None = None
    """Labels to keep, with * and !."""


class VirtualMachineCloneSpec(Model):
    """Source, target and what changes."""

    source: TypedLocalObjectReference
    """The machine or snapshot to copy."""
    annotation_filters: AtomicList[str] | None = None
    """Annotations to keep, with * and !."""
    label_filters: AtomicList[str] | None = None
    """Labels to keep, with * and !."""
    new_mac_addresses: dict[str, str] | None = None
    """MAC addresses by interface name."""
    new_smbios_serial: str | None = Field(None, alias="newSMBiosSerial")
    """Serial number of the new machine."""
    patches: AtomicList[str] | None = None
    """JSON patches of the new machine."""
    target: TypedLocalObjectReference | None = None
    """The machine to make."""
    template: CloneTemplateFilters | None = None
    """What of the template is kept."""
    volume_name_policy: Literal["RandomizeNames", "PrefixTargetName"] | None = None
    """How new claims are named."""


class VirtualMachineCloneStatus(Model):
    """How far a clone is."""

    conditions: AtomicList[Condition] | None = None
    """What holds of the clone now."""
    creation_time: NullOr[Time] = None
    """When the target was made."""
    phase: str | None = None
    """How far it is."""
    restore_name: NullOr[str] = None
    """Restore it uses."""
    snapshot_name: NullOr[str] = None
    """Snapshot it uses."""
    target_name: NullOr[str] = None
    """Name of the new machine."""


class VirtualMachineClone(Resource):
    """A new machine made like another."""

    spec: VirtualMachineCloneSpec
    """Source, target and what changes. Fixed once created."""
    status: VirtualMachineCloneStatus | None = None
    """How far it is."""
