"""VirtualMachineInstanceReplicaSet: a number of like, disposable guests."""

from __future__ import annotations

from kubevirt_py.api.base import Int32, Model, NullOr, Resource
from kubevirt_py.api.meta import Condition, LabelSelector
from kubevirt_py.api.v1.vmi import VirtualMachineInstanceTemplate


class VirtualMachineInstanceReplicaSetSpec(Model):
    """"""

    selector: LabelSelector
    template: VirtualMachineInstanceTemplate
    paused: bool | None = None
    replicas: Int32 | None = None


class VirtualMachineInstanceReplicaSetStatus(Model):
    """"""

    conditions: list[Condition] | None = None
    label_selector: str | None = None
    ready_replicas: Int32 | None = None
    replicas: Int32 | None = None


class VirtualMachineInstanceReplicaSet(Resource):
    """"""

    spec: VirtualMachineInstanceReplicaSetSpec
    status: NullOr[VirtualMachineInstanceReplicaSetStatus] = None
