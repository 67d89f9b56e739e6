"""Whether a VirtualMachineInstanceReplicaSet may be created or changed."""

from __future__ import annotations

from kubevirt_py.api.v1.replicaset import VirtualMachineInstanceReplicaSet
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import REQUIRED, Cause, at_least
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate.templates import selected, template_causes


def validate_replicaset(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a replica set. Its template is checked as the VMI it will become."""
    if causes := parse_causes(VirtualMachineInstanceReplicaSet, document):
        return causes
    spec = without_nulls(document["spec"])
    template = spec["template"]
    causes = list(at_least("spec.replicas", spec.get("replicas"), 0))
    if "spec" not in template:
        return [*causes, Cause("spec.template", REQUIRED, "missing virtual machine template: set spec.template.spec")]
    templated = template_causes(template, "spec.template", config)
    if not any(cause.field.startswith("spec.template.metadata") for cause in templated):
        causes += selected(spec["selector"], "spec.selector", template.get("metadata") or {})
    return [*causes, *templated]
