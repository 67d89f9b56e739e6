"""Whether a VirtualMachineClone may be created."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api.clone_v1beta1 import VirtualMachineClone
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, needs_gate, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.validate.references import MACHINE, SNAPSHOT, patches, reference
from kubevirt_py.render.validate.snapshot import GATE, PATCHED
from kubevirt_py.render.validate.text import mac_address


def validate_clone(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a clone, whose target has been filled in."""
    if causes := parse_causes(VirtualMachineClone, document):
        return causes
    spec = without_nulls(document["spec"])
    source, target = spec["source"], spec.get("target")
    causes = [] if config.gate(GATE) else [needs_gate("spec", GATE)]
    causes += reference("spec.source", source, (MACHINE, SNAPSHOT))
    if target is None:
        causes.append(Cause("spec.target", REQUIRED, "must name the machine to make"))
    else:
        causes += reference("spec.target", target, (MACHINE,))
        if source["kind"] == target["kind"] and source["name"] == target["name"]:
            causes.append(Cause("spec.target.name", INVALID, "source and target must not be the same machine"))
    template = spec.get("template") or {}
    return [
        *causes,
        *_filters("spec.labelFilters", spec.get("labelFilters") or []),
        *_filters("spec.annotationFilters", spec.get("annotationFilters") or []),
        *_filters("spec.template.labelFilters", template.get("labelFilters") or []),
        *_filters("spec.template.annotationFilters", template.get("annotationFilters") or []),
        *_macs(spec.get("newMacAddresses") or {}),
        *patches("spec.patches", spec.get("patches") or [], PATCHED),
    ]


def _filters(field: str, filters: list[str]) -> Iterator[Cause]:
    for index, text in enumerate(filters):
        where = f"{field}[{index}]"
        name = text.removeprefix("!")
        if not name:
            yield Cause(where, INVALID, f"{text!r} names nothing; write a name, with '!' before it to leave it out")
        elif "!" in name:
            yield Cause(where, INVALID, f"{text!r}: a '!' is only allowed at the beginning")
        elif "*" in name[:-1]:
            yield Cause(where, INVALID, f"{text!r}: a '*' is only allowed at the end")


def _macs(given: dict[str, str]) -> Iterator[Cause]:
    for name, address in given.items():
        yield from mac_address(f"spec.newMacAddresses[{name}]", address)
    pairs = ((f"spec.newMacAddresses[{name}]", each.lower().replace("-", ":")) for name, each in given.items())
    yield from unique(pairs, "MAC address")
