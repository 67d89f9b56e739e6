"""clone.kubevirt.io: a new VirtualMachine made like another."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Model, NullOr, Resource, Time
from kubevirt_py.api.meta import Condition, TypedLocalObjectReference


class CloneTemplateFilters(Model):
    """"""

    annotation_filters: AtomicList[str] | None = None
    label_filters: AtomicList[str] | None = None


class VirtualMachineCloneSpec(Model):
    """"""

    source: TypedLocalObjectReference
    annotation_filters: AtomicList[str] | None = None
    label_filters: AtomicList[str] | None = None
    new_mac_addresses: dict[str, str] | None = None
    new_sm_bios_serial: str | None = Field(None, alias="newSMBiosSerial")
    patches: AtomicList[str] | None = None
    target: TypedLocalObjectReference | None = None
    template: CloneTemplateFilters | None = None
    volume_name_policy: Literal["RandomizeNames", "PrefixTargetName"] | None = None


class VirtualMachineCloneStatus(Model):
    """"""

    conditions: AtomicList[Condition] | None = None
    creation_time: NullOr[Time] = None
    phase: str | None = None
    restore_name: NullOr[str] = None
    snapshot_name: NullOr[str] = None
    target_name: NullOr[str] = None


class VirtualMachineClone(Resource):
    """"""

    spec: VirtualMachineCloneSpec
    status: VirtualMachineCloneStatus | None = None
