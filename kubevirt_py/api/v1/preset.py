"""VirtualMachineInstancePreset: deprecated defaults applied by label."""

from __future__ import annotations

from kubevirt_py.api.base import Model, Resource
from kubevirt_py.api.meta import LabelSelector
from kubevirt_py.api.v1.domain import DomainSpec


class VirtualMachineInstancePresetSpec(Model):
    """"""

    selector: LabelSelector
    domain: DomainSpec | None = None


class VirtualMachineInstancePreset(Resource):
    """"""

    spec: VirtualMachineInstancePresetSpec | None = None
