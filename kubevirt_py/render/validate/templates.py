"""Templates that VMIs are made from, wherever they stand: in a VM, a replica set, a pool."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import with_vmi_defaults
from kubevirt_py.render.selectors import label_key, label_value, matches, selector_causes
from kubevirt_py.render.validate import tasks
from kubevirt_py.render.validate.vmi import metadata_causes, spec_causes


def template_causes(template: Document, path: str, config: ClusterConfig) -> list[Cause]:
    """What is wrong in a template with a spec. It is checked as the VMI it will become, its defaults filled in."""
    metadata = template.get("metadata") or {}
    causes = list(template_metadata(metadata, f"{path}.metadata"))
    if not causes:
        causes += metadata_causes(metadata, f"{path}.metadata", config)
    spec = with_vmi_defaults(template["spec"], config)
    created = tasks.at_creation(spec, f"{path}.spec")
    return [*causes, *created, *spec_causes(spec, f"{path}.spec", config)]


def template_metadata(metadata: Document, path: str) -> Iterator[Cause]:
    """The schema leaves a template's metadata open, so its types are checked here."""
    for part in ("labels", "annotations"):
        given = metadata.get(part) or {}
        if not isinstance(given, dict):
            yield Cause(f"{path}.{part}", INVALID, f"must map names to strings, not {given!r}")
            continue
        for key, value in given.items():
            yield from label_key(f"{path}.{part}[{key}]", key)
            if not isinstance(value, str):
                yield Cause(f"{path}.{part}[{key}]", INVALID, f"must be a string, not {value!r}")
            elif part == "labels":
                yield from label_value(f"{path}.{part}[{key}]", value)


def selected(selector: Document, path: str, metadata: Document) -> Iterator[Cause]:
    """A selector must pick what is made from the template; `metadata` is the template's, its types right."""
    causes = list(selector_causes(selector, path))
    yield from causes
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield Cause(path, INVALID, "empty selector is not valid; name labels of the template")
    elif not causes and not matches(selector, metadata.get("labels") or {}):
        yield Cause(path, INVALID, "selector does not match labels of the template")
