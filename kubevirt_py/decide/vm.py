"""What virt-controller does next for one VM."""

from __future__ import annotations

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, StateChangeRequest
from kubevirt_py.decide import conditions, crash_loop, patches, phases
from kubevirt_py.decide.clock import age_s
from kubevirt_py.decide.references import event, key_of, warning
from kubevirt_py.decide.run_strategy import START, State, Step, starts_paused, state, step
from kubevirt_py.decide.vm_data import make_data
from kubevirt_py.decide.vm_dump import dump_actions, startable
from kubevirt_py.decide.vm_live import carry_out_requests, follow
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.decide.vm_status import status_write
from kubevirt_py.plan import Action, Create, Delete, JsonPatch, MergePatch, Plan
from kubevirt_py.render.machine_version import is_version, machine_type
from kubevirt_py.render.vmi_from_vm import vmi_from_vm

QUIET_START_S = 3.0
"""How long a start that goes well stays unreported: a write saved on the usual path."""
ORPHAN_FINALIZER = "orphan"


def decide(s: VmSnapshot) -> Plan:
    """The plan for a VM as observed. Returns an empty plan where nothing is to be done."""
    if s.vm.metadata.deletion_timestamp:
        return _finish(s)
    if making := make_data(s):
        return making
    match step(s):
        case Step.CREATE:
            return _report(s) if s.waits_for_data else _create(s)
        case Step.DELETE:
            return _delete(s)
        case Step.DELETE_AND_RERUN:
            return _delete(s, StateChangeRequest(START))
        case Step.ENABLE:
            return _enable(s)
        case Step.KEEP:
            return _report(s)


def _finish(s: VmSnapshot) -> Plan:
    """Deletion: first the VMI, unless it is to be left behind, then our finalizer."""
    if s.vmi is None or ORPHAN_FINALIZER in s.vm.metadata.finalizers:
        meta = s.vm.metadata
        ops = patches.guarded(meta.resource_version, patches.finalizer_ops(meta.finalizers, {names.VM_FINALIZER}))
        return Plan(do=(JsonPatch(kinds.VM, key_of(s.vm), ops),) if ops else ())
    if state(s) is State.LEAVING:
        return _report(s)
    return _delete(s)


def _create(s: VmSnapshot) -> Plan:
    """A VMI is wanted and there is none: make it, once the back-off is over."""
    wait = crash_loop.wait_s(s)
    if wait > 0:
        return _report(s, again_s=wait)
    if refusal := _refusal(s):
        write = status_write(s, failure=refusal)
        if write:
            return Plan(do=(write,), events=(warning(kinds.VM, s.vm, names.FAILED_CREATE, refusal.message),))
        if s.stranger:
            return Plan()
    name = s.vm.metadata.name
    body = vmi_from_vm(startable(s), paused=starts_paused(s), machine=s.machine_version)
    note = f"Started the virtual machine by creating the new virtual machine instance {name}"
    return Plan(
        do=(*_finalize(s), Create(kinds.VMI, body, owner_uid=s.vm.metadata.uid)),
        events=(event(kinds.VM, s.vm, names.SUCCESSFUL_CREATE, note),),
    )


def _refusal(s: VmSnapshot) -> Condition | None:
    """Why the VMI cannot be made, as the condition Failure."""
    if s.stranger:
        text = (
            f"a VirtualMachineInstance {key_of(s.vm)} exists that this VirtualMachine does not own; "
            "delete it or rename the VirtualMachine"
        )
    elif s.failure is not None and isinstance(s.failure.action, Create):
        text = f"Error creating virtual machine instance: {s.failure.message}"
    else:
        return None
    return Condition(names.FAILURE, "True", names.FAILED_CREATE, text)


def _finalize(s: VmSnapshot) -> tuple[Action, ...]:
    """Our finalizer on the VM before its first child, where admission has not put it."""
    meta = s.vm.metadata
    if names.VM_FINALIZER in meta.finalizers:
        return ()
    add = {"op": "add", "path": "/metadata/finalizers", "value": [*meta.finalizers, names.VM_FINALIZER]}
    return (JsonPatch(kinds.VM, key_of(s.vm), patches.guarded(meta.resource_version, (add,))),)


def _delete(s: VmSnapshot, *requests: StateChangeRequest) -> Plan:
    """The VMI is to go. What must outlive it is written first."""
    assert s.vmi is not None
    write = status_write(s, requests) if requests else None
    meta = s.vmi.metadata
    note = f"Stopped the virtual machine by deleting the virtual machine instance {meta.uid}"
    return Plan(
        do=(*((write,) if write else ()), Delete(kinds.VMI, key_of(s.vmi), meta.uid)),
        events=(event(kinds.VM, s.vm, names.SUCCESSFUL_DELETE, note),),
    )


def _enable(s: VmSnapshot) -> Plan:
    """A halted VM was asked to start in a special way: the strategy follows."""
    spec = s.vm.spec
    wanted = {"runStrategy": "Always"} if spec.run_strategy else {"running": True}
    body = {"metadata": {"resourceVersion": s.vm.metadata.resource_version}, "spec": wanted}
    return Plan(do=(MergePatch(kinds.VM, key_of(s.vm), body),))


def _report(s: VmSnapshot, again_s: float | None = None) -> Plan:
    """Nothing to start or stop: the status, and the finalizer of a VMI that has ended and is being deleted."""
    if do := carry_out_requests(s):
        return Plan(do=do)
    if do := dump_actions(s):
        return Plan(do=do)
    if s.vmi is not None and (do := follow(s)):
        return Plan(do=do)
    quiet = _quiet_s(s)
    if quiet > 0:
        return Plan(again_s=quiet)
    write = status_write(s)
    return Plan(do=(*((write,) if write else ()), *_release(s)), again_s=again_s)


def _release(s: VmSnapshot) -> tuple[Action, ...]:
    """Let go of a VMI whose end is recorded, once what the next one needs of it is written down."""
    if s.vmi is None or not s.final or not s.vmi.metadata.deletion_timestamp:
        return ()
    meta = s.vmi.metadata
    ops = patches.guarded(meta.resource_version, patches.finalizer_ops(meta.finalizers, {names.VM_FINALIZER}))
    return (*_keep_machine(s), JsonPatch(kinds.VMI, key_of(s.vmi), ops)) if ops else ()


def _keep_machine(s: VmSnapshot) -> tuple[Action, ...]:
    """The version of the board that the guest ran on, where the template names none and none is kept yet.

    Only this annotation is written, whatever else changed meanwhile: a template that now names another board
    takes no notice of it.
    """
    assert s.vmi is not None
    meta, ran_on = s.vm.metadata, s.vmi.status.machine.type
    board = machine_type(s.document["spec"]["template"].get("spec") or {})
    kept = meta.annotations.get(names.MACHINE_TYPE_ANNOTATION, "")
    if not is_version(ran_on, board) or is_version(kept, board):
        return ()
    body = {"metadata": {"uid": meta.uid, "annotations": {names.MACHINE_TYPE_ANNOTATION: ran_on}}}
    return (MergePatch(kinds.VM, key_of(s.vm), body),)


def _quiet_s(s: VmSnapshot) -> float:
    """Seconds for which a start that goes well needs no report yet."""
    if s.vmi is None or state(s) is not State.ACTIVE or s.vmi.status.phase not in phases.STARTING:
        return 0.0
    bad = (names.SYNCHRONIZED, names.POD_SCHEDULED)
    if any(conditions.false_reason(s.vmi.status.conditions, kind) for kind in bad):
        return 0.0
    return max(0.0, QUIET_START_S - age_s(s.vmi.metadata.creation_timestamp, s.now))
