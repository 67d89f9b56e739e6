"""Whether a VirtualMachineInstancePreset may be created or changed."""

from __future__ import annotations

from kubevirt_py.api.v1.preset import VirtualMachineInstancePreset
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import REQUIRED, Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import selector_causes
from kubevirt_py.render.validate import unsupported


def validate_preset(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a preset. How its parts fit a machine is judged with each VMI it is applied to."""
    if causes := parse_causes(VirtualMachineInstancePreset, document):
        return causes
    spec = without_nulls(document.get("spec") or {})
    if "domain" not in spec:
        return [Cause("spec.domain", REQUIRED, "missing domain: a preset gives parts of one")]
    return [
        *selector_causes(spec["selector"], "spec.selector"),
        *unsupported.check({"domain": spec["domain"]}, "spec", config),
    ]
