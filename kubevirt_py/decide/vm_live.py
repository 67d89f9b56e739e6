"""Changes of a VM's template that its running VMI follows, and those that wait for a restart."""

from __future__ import annotations

import copy

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.decide import conditions, patches
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.plan import Action, Document, JsonPatch
from kubevirt_py.render.defaults import with_vmi_defaults
from kubevirt_py.render.live_networks import without_detached
from kubevirt_py.render.live_update import LIVE_UPDATE, LiveChanges, live_changes
from kubevirt_py.render.vmi_from_vm import template_hash
from kubevirt_py.render.volume_requests import with_request

IMPERATIVE = "HotplugVolumes"
TEMPLATE = "/spec/template/spec"
FIXED = "the template differs from what the running guest was started with; restart"
STAGED = "the template differs from what the running guest has, and changes are staged (vmRolloutStrategy); restart"


def restart_reason(s: VmSnapshot) -> str:
    """Why the guest must be restarted to become what the template says; empty where it need not."""
    if s.vmi is None or s.final:
        return ""
    made_from = s.vmi.metadata.annotations.get(names.TEMPLATE_HASH_ANNOTATION)
    if made_from is not None and made_from != template_hash(s.document["spec"]["template"]):
        return FIXED
    for kind in (names.HOT_VCPU_CHANGE, names.HOT_MEMORY_CHANGE):
        refused = conditions.find(s.vmi.status.conditions, kind)
        if refused is not None and refused.status == conditions.FALSE:
            return f"{refused.message}; restart"
    found = _found(s)
    if found is None:
        return ""
    if s.config.rollout_strategy != LIVE_UPDATE:
        return STAGED if found.restart or found.spec != _running(s) else ""
    if s.failure is not None and patch_vmi(s, found.spec) == (s.failure.action,):
        return f"the running guest cannot follow: {s.failure.message}; restart"
    return "; ".join(found.restart)


def follow(s: VmSnapshot) -> tuple[Action, ...]:
    """The patch of the VMI that brings it along, none if it is there already."""
    assert s.vmi is not None
    if s.config.rollout_strategy != LIVE_UPDATE or s.final or s.vmi.metadata.deletion_timestamp:
        return ()
    found = _found(s)
    return _unless_refused(s, (patch_vmi(s, found.spec) if found is not None else ()) or _tidy(s))


def _tidy(s: VmSnapshot) -> tuple[Action, ...]:
    """Take interfaces that the user wanted absent, and that have left guest and pod, out of the template."""
    template: Document = s.document["spec"]["template"]["spec"]
    tidied = without_detached(template, _reported(s))
    ops = patches.guarded(s.vm.metadata.resource_version, patches.field_ops(TEMPLATE, template, tidied))
    return (JsonPatch(kinds.VM, key_of(s.vm), ops),) if ops else ()


def carry_out_requests(s: VmSnapshot) -> tuple[Action, ...]:
    """Requests to add and remove volumes (status.volumeRequests): into the template, the VMI, then off the list."""
    requests = msgspec.json.decode(s.vm.status.volume_requests) or []
    if not requests:
        return ()
    template: Document = s.document["spec"]["template"]["spec"]
    changed = copy.deepcopy(template)
    running = _running(s) if s.vmi is not None and not s.final else None
    followed = copy.deepcopy(running)
    for request in requests:
        with_request(changed, request)
        if followed is not None:
            with_request(followed, request)
    meta = s.vm.metadata
    if ops := patches.guarded(meta.resource_version, patches.field_ops(TEMPLATE, template, changed)):
        return (JsonPatch(kinds.VM, key_of(s.vm), ops),)
    if followed is not None and (vmi_patch := patch_vmi(s, followed)):
        return _unless_refused(s, vmi_patch)
    done = ({"op": "remove", "path": "/status/volumeRequests"},)
    return (JsonPatch(kinds.VM, key_of(s.vm), patches.guarded(meta.resource_version, done), subresource="status"),)


def _unless_refused(s: VmSnapshot, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """The actions, but not those just refused: the VM's status is written first, and then they are tried again."""
    return () if s.failure is not None and actions == (s.failure.action,) else actions


def _found(s: VmSnapshot) -> LiveChanges | None:
    """None where the template is the one the VMI was made from."""
    assert s.vmi is not None
    meta = s.vmi.metadata
    if meta.annotations.get(names.VM_GENERATION_ANNOTATION) == str(s.vm.metadata.generation):
        return None
    running = _running(s)
    wanted = with_vmi_defaults(s.document["spec"]["template"]["spec"], s.config)
    plugged = not s.config.gate(IMPERATIVE)
    status = {"memory": s.vmi.status.memory}
    boot = meta.annotations.get(names.BOOT_SOCKETS_ANNOTATION, "")
    sockets = int(boot) if boot.isdecimal() else None
    return live_changes(wanted, running, status, boot_sockets=sockets, reported=_reported(s), volumes=plugged)


def _reported(s: VmSnapshot) -> set[str]:
    """Interfaces that the guest or its pod has by the agent's report."""
    assert s.vmi is not None
    return {entry["name"] for entry in msgspec.json.decode(s.vmi.status.interfaces) or () if entry.get("name")}


def _running(s: VmSnapshot) -> Document:
    assert s.vmi is not None
    spec: Document = msgspec.json.decode(s.vmi.spec)
    return spec


def patch_vmi(s: VmSnapshot, spec: Document) -> tuple[Action, ...]:
    """The patch that makes `spec` the VMI's own, none if it is."""
    assert s.vmi is not None
    old = _running(s)
    gone = {key: None for key in old if key not in spec}
    ops = patches.guarded(s.vmi.metadata.resource_version, patches.field_ops("/spec", old, {**spec, **gone}))
    return (JsonPatch(kinds.VMI, key_of(s.vmi), ops),) if ops else ()
