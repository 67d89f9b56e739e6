"""The DataVolumes of a VM: made from its templates before it starts, and waited for."""

from __future__ import annotations

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition
from kubevirt_py.decide.references import event, warning
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.decide.vm_status import status_write
from kubevirt_py.plan import Create, Plan
from kubevirt_py.render.data_volumes import data_volume, template_names

NOT_FOUND = 404


def make_data(s: VmSnapshot) -> Plan | None:
    """The plan that makes missing DataVolumes; None where nothing is missing. One that was refused is told of first."""
    missing = [
        template
        for template, name in zip(s.templates, template_names(s.templates), strict=True)
        if name not in s.claims
    ]
    if not missing:
        return None
    if failure := _failure(s):
        write = status_write(s, failure=failure)
        if write:
            told = warning(kinds.VM, s.vm, names.FAILED_DATA_VOLUME_CREATE, failure.message)
            return Plan(do=(write,), events=(told,))
    bodies = [data_volume(template, s.document) for template in missing]
    made = ", ".join(body["metadata"]["name"] for body in bodies)
    return Plan(
        do=tuple(Create(kinds.DATA_VOLUME, body, owner_uid=s.vm.metadata.uid) for body in bodies),
        events=(event(kinds.VM, s.vm, names.SUCCESSFUL_DATA_VOLUME_CREATE, f"Created DataVolume {made}"),),
    )


def _failure(s: VmSnapshot) -> Condition | None:
    failure = s.failure
    if failure is None or not isinstance(failure.action, Create) or failure.action.kind != kinds.DATA_VOLUME:
        return None
    name = failure.action.body["metadata"]["name"]
    text = f"Error creating DataVolume {name}: {failure.message}"
    if failure.status == NOT_FOUND:
        text = (
            f"DataVolume {name} cannot be made: this cluster has no CDI. Install it, or create "
            f"PersistentVolumeClaim {name} in namespace {s.vm.metadata.namespace}"
        )
    return Condition(names.FAILURE, "True", names.FAILED_DATA_VOLUME_CREATE, text)
