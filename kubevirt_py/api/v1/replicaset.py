"""VirtualMachineInstanceReplicaSet: a number of like, disposable guests."""

from __future__ import annotations

from kubevirt_py.api.base import Int32, Model, NullOr, Resource
from kubevirt_py.api.meta import Condition, LabelSelector
from kubevirt_py.api.v1.vmi import VirtualMachineInstanceTemplate


class VirtualMachineInstanceReplicaSetSpec(Model):
    """How many instances of what."""

    selector: LabelSelector
    """Instances that count; the template's labels must match."""
    template: VirtualMachineInstanceTemplate
    """What instances are made from."""
    paused: bool | None = None
    """Make and remove nothing."""
    replicas: Int32 | None = None
    """How many; 1 unless set."""


class VirtualMachineInstanceReplicaSetStatus(Model):
    """How many instances there are."""

    conditions: list[Condition] | None = None
    """What holds of the set now."""
    label_selector: str | None = None
    """The selector as text, for scaling."""
    ready_replicas: Int32 | None = None
    """Instances that are ready."""
    replicas: Int32 | None = None
    """Instances that exist."""


class VirtualMachineInstanceReplicaSet(Resource):
    """A number of like, disposable guests."""

    spec: VirtualMachineInstanceReplicaSetSpec
    """How many of what."""
    status: NullOr[VirtualMachineInstanceReplicaSetStatus] = None
    """How many there are."""
