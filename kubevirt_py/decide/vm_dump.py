"""A VM's memory dump (status.memoryDumpRequest): what virt-controller does for it, and how far it is.

Associating: the volume comes into the template, and what an earlier dump left goes. InProgress: it is in the VMI, and
the node's agent dumps. Unmounting: it leaves the VMI. Dissociating: it leaves the template too. The request is written
before the next step is taken, so each phase can be begun again. Phases and words are KubeVirt's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.decide import patches, phases
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vm_live import TEMPLATE, patch_vmi
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.decide.volume_status import DETACHING, DUMP_FAILED, DUMPED, UNMOUNTED
from kubevirt_py.plan import Action, Document, JsonPatch, MergePatch
from kubevirt_py.render.memory_dump import has_dump_volume, with_dump_volume, without_dump_volume

ASSOCIATING = "Associating"
IN_PROGRESS = "InProgress"
UNMOUNTING = "Unmounting"
COMPLETED = "Completed"
DISSOCIATING = "Dissociating"
FAILED = "Failed"
FAILED_DUMP = "Memory dump failed"
"""In a claim's annotation, instead of the file."""
_OVER = (DUMPED, DUMP_FAILED)
_LEFT = (*_OVER, DETACHING, UNMOUNTED)
_REFUSALS = (400, 403, 422)


def dump_actions(s: VmSnapshot) -> tuple[Action, ...]:
    """The next patch of template, VMI or claim; none where the request itself is to be written, or all is done."""
    request = s.vm.status.memory_dump_request
    if not request or _refusal(s):
        return ()
    claim, phase = _claim(request), request.get("phase")
    if phase == ASSOCIATING and _dumps(s):
        clear = _take_out(s, claim) if _entry(s, claim).get("phase") in _OVER else ()
        return _template(s, with_dump_volume(_template_spec(s), claim)) or clear
    if phase == IN_PROGRESS and _dumps(s):
        return patch_vmi(s, with_dump_volume(_vmi_spec(s), claim))
    if phase in (UNMOUNTING, FAILED):
        return _annotate(s, request) or _take_out(s, claim)
    if phase == DISSOCIATING:
        return _take_out(s, claim) or _template(s, without_dump_volume(_template_spec(s), claim))
    return ()


def next_request(s: VmSnapshot) -> Document | None:
    """status.memoryDumpRequest as it should be; None where there is none (any more)."""
    request = s.vm.status.memory_dump_request
    if not request:
        return None
    claim, phase = _claim(request), request.get("phase")
    entry, here = _entry(s, claim), has_dump_volume(_template_spec(s), claim)
    gone = not entry and not has_dump_volume(_vmi_spec(s), claim)
    if request.get("remove") and phase != DISSOCIATING:
        return {**request, "phase": DISSOCIATING}
    if refusal := _refusal(s):
        return {**request, "phase": FAILED, "message": refusal}
    if phase == ASSOCIATING and _dumps(s) and here and entry.get("phase") not in _LEFT:
        return {**request, "phase": IN_PROGRESS}
    if phase == IN_PROGRESS and entry:
        return request | _progress(entry)
    if phase == UNMOUNTING and gone:
        return {**request, "phase": COMPLETED}
    return None if phase == DISSOCIATING and gone and not here else request


def startable(s: VmSnapshot) -> Document:
    """The VM as its next VMI is made of it: a dump that has been taken is not taken again at each start."""
    request = s.vm.status.memory_dump_request
    if not request or request.get("phase") in (ASSOCIATING, IN_PROGRESS):
        return s.document
    template = {**s.document["spec"]["template"], "spec": without_dump_volume(_template_spec(s), _claim(request))}
    return {**s.document, "spec": {**s.document["spec"], "template": template}}


def _progress(entry: Document) -> Document:
    """What the agent's word about the volume means for the request."""
    dump, phase = entry.get("memoryDumpVolume") or {}, entry.get("phase")
    found = {key: dump[key] for key in ("startTimestamp",) if key in dump}
    if phase not in _OVER:
        return found
    found |= {key: dump[key] for key in ("endTimestamp",) if key in dump}
    if phase == DUMPED:
        return found | {"phase": UNMOUNTING, "fileName": dump.get("targetFileName", "")}
    return found | {"phase": FAILED, "message": entry.get("message", "")}


def _annotate(s: VmSnapshot, request: Document) -> tuple[Action, ...]:
    """Tell in the claim what is in it."""
    text = FAILED_DUMP if request.get("phase") == FAILED else request.get("fileName")
    claim = s.dump_claim
    if claim is None or not text or claim.metadata.annotations.get(names.MEMORY_DUMP_ANNOTATION) == text:
        return ()
    body = {"metadata": {"uid": claim.metadata.uid, "annotations": {names.MEMORY_DUMP_ANNOTATION: text}}}
    return (MergePatch(kinds.PVC, key_of(claim), body),)


def _refusal(s: VmSnapshot) -> str:
    """Why the API server does not let the volume in or out."""
    action = s.failure.action if s.failure is not None else None
    if s.failure is None or s.failure.status not in _REFUSALS or not isinstance(action, JsonPatch):
        return ""
    places = (f"{TEMPLATE}/volumes", "/spec/volumes")
    dumping = (s.vm.status.memory_dump_request or {}).get("phase") in (ASSOCIATING, IN_PROGRESS)
    return s.failure.message if dumping and any(op["path"] in places for op in action.ops) else ""


def _dumps(s: VmSnapshot) -> bool:
    """There is a guest whose memory can be dumped."""
    return s.vmi is not None and s.vmi.status.phase == phases.RUNNING and not s.vmi.metadata.deletion_timestamp


def _take_out(s: VmSnapshot, claim: str) -> tuple[Action, ...]:
    spec = _vmi_spec(s)
    return patch_vmi(s, without_dump_volume(spec, claim)) if has_dump_volume(spec, claim) else ()


def _template(s: VmSnapshot, wanted: Document) -> tuple[Action, ...]:
    ops = patches.field_ops(TEMPLATE, _template_spec(s), wanted)
    ops = patches.guarded(s.vm.metadata.resource_version, ops)
    return (JsonPatch(kinds.VM, key_of(s.vm), ops),) if ops else ()


def _template_spec(s: VmSnapshot) -> Document:
    spec: Document = s.document["spec"]["template"].get("spec") or {}
    return spec


def _vmi_spec(s: VmSnapshot) -> Document:
    """Of the VMI that has not ended; {} without one."""
    spec: Document = msgspec.json.decode(s.vmi.spec) if s.vmi is not None and not s.final else {}
    return spec


def _entry(s: VmSnapshot, claim: str) -> Document:
    """What the VMI says of the volume; {} where it says nothing."""
    if s.vmi is None or s.final:
        return {}
    entries: list[Document] = msgspec.json.decode(s.vmi.status.volume_status) or []
    return next((entry for entry in entries if entry.get("name") == claim), {})


def _claim(request: dict[str, Any]) -> str:
    return str(request.get("claimName"))
