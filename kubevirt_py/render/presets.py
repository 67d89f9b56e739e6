"""VirtualMachineInstancePresets: deprecated defaults of VMIs, chosen by label and applied when a VMI is created.

Source: KubeVirt's VMI mutator. What the VMI says itself always wins; then the preset counts as not applied and
the user is told. Presets that contradict one another refuse the VMI.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause
from kubevirt_py.render.parse import without_nulls
from kubevirt_py.render.selectors import matches, selector_causes

BRANCHES = {("resources",), ("resources", "requests"), ("resources", "limits"), ("devices",), ("clock",), ("memory",)}
"""Parts of a domain that are merged entry by entry; all else is given as a whole."""
API_VERSION = "kubevirt.io/v1"


@dataclass(frozen=True, slots=True)
class Preset:
    """A stored preset: `selector` well-formed, `domain` without nulls."""

    name: str
    selector: Document
    domain: Document

    @classmethod
    def of(cls, name: str, spec: Document) -> Preset | None:
        """From the spec of a stored preset; None for one that could never be applied."""
        spec = without_nulls(spec)
        if "domain" not in spec or list(selector_causes(spec.get("selector") or {}, "")):
            return None
        return cls(name, spec.get("selector") or {}, spec["domain"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """The VMI with its presets, what to tell the user, and why the presets cannot be applied at all."""

    vmi: Document
    warnings: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()


def apply(vmi: Document, presets: Iterable[Preset]) -> Outcome:
    """Apply those presets of the VMI's namespace that match its labels. The types of `vmi` must be right."""
    metadata = vmi.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if annotations.get(names.PRESETS_EXCLUSION_ANNOTATION) == "true":
        return Outcome(vmi)
    chosen = sorted((each for each in presets if matches(each.selector, metadata.get("labels") or {})), key=_name)
    if causes := tuple(_contradictions(chosen)):
        return Outcome(vmi, causes=causes)
    domain, warnings, marks = without_nulls(vmi["spec"]["domain"]), [], {}
    for preset in chosen:
        if differing := list(_differing(preset.domain, domain)):
            warnings.append(
                f"Unable to apply VirtualMachineInstancePreset '{preset.name}': the instance's own {_fields(differing)}"
            )
            continue
        domain = _filled(domain, preset.domain)
        marks[f"{names.PRESET_ANNOTATION_PREFIX}{preset.name}"] = API_VERSION
    if not marks:
        return Outcome(vmi, tuple(warnings))
    changed = {"metadata": metadata | {"annotations": annotations | marks}, "spec": vmi["spec"] | {"domain": domain}}
    return Outcome(vmi | changed, tuple(warnings))


def _name(preset: Preset) -> str:
    return preset.name


def _fields(places: Sequence[str]) -> str:
    return f"{', '.join(places)} {'takes' if len(places) == 1 else 'take'} precedence"


def _contradictions(presets: Sequence[Preset]) -> Iterator[Cause]:
    for index, preset in enumerate(presets):
        for other in presets[index + 1 :]:
            for field in _differing(preset.domain, other.domain):
                yield Cause(
                    field,
                    INVALID,
                    f"VirtualMachinePresets cannot be applied due to conflicts: {preset.name} and {other.name} "
                    f"set {field} to different values",
                )


def _differing(one: Mapping[str, Any], other: Mapping[str, Any], way: tuple[str, ...] = ()) -> Iterator[str]:
    """Fields that both give, and not alike."""
    for key, value in one.items():
        if key not in other:
            continue
        place = (*way, key)
        if place in BRANCHES and isinstance(value, dict) and isinstance(other[key], dict):
            yield from _differing(value, other[key], place)
        elif value != other[key]:
            yield "spec.domain." + ".".join(place)


def _filled(domain: Document, preset: Document, way: tuple[str, ...] = ()) -> Document:
    """`domain` with what only the preset gives."""
    result = dict(domain)
    for key, value in preset.items():
        place = (*way, key)
        if key not in result:
            result[key] = copy.deepcopy(value)
        elif place in BRANCHES and isinstance(value, dict) and isinstance(result[key], dict):
            result[key] = _filled(result[key], value, place)
    return result
