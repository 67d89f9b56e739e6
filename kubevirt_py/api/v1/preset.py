"""VirtualMachineInstancePreset: deprecated defaults applied by label."""

from __future__ import annotations

from kubevirt_py.api.base import Model, Resource
from kubevirt_py.api.meta import LabelSelector
from kubevirt_py.api.v1.domain import DomainSpec


class VirtualMachineInstancePresetSpec(Model):
    """Defaults and whom they are for."""

    selector: LabelSelector
    """Instances these defaults are for."""
    domain: DomainSpec | None = None
    """Defaults of the machine."""


class VirtualMachineInstancePreset(Resource):
    """Deprecated: defaults merged into instances that match a selector."""

    spec: VirtualMachineInstancePresetSpec | None = None
    """The defaults, and whom they are for."""
