"""Whether a VirtualMachinePool may be created or changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubevirt_py.api.durations import parse_duration
from kubevirt_py.api.pool_v1beta1 import VirtualMachinePool
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, exactly_one
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import selector_causes
from kubevirt_py.render.validate.templates import selected, template_metadata
from kubevirt_py.render.validate.vm import vm_spec_causes

TEMPLATE = "spec.virtualMachineTemplate"
SCALE_IN = ("proactive", "opportunistic", "unmanaged")
UPDATE = ("proactive", "opportunistic", "unmanaged")
_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)


def validate_pool_create(document: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against a pool. Its template is checked as the VM it will become."""
    if causes := parse_causes(VirtualMachinePool, document):
        return causes
    spec = without_nulls(document["spec"])
    template = spec["virtualMachineTemplate"]
    causes = list(_settings(spec))
    if "spec" not in template:
        return [*causes, Cause(TEMPLATE, REQUIRED, f"missing virtual machine template: set {TEMPLATE}.spec")]
    metadata = template.get("metadata") or {}
    if bad := list(template_metadata(metadata, f"{TEMPLATE}.metadata")):
        causes += bad
    else:
        causes += selected(spec["selector"], "spec.selector", metadata)
    return [*causes, *vm_spec_causes(template["spec"], f"{TEMPLATE}.spec", config)]


def validate_pool_update(new: Document, old: Document, config: ClusterConfig) -> list[Cause]:
    """Causes against changing a pool: as for a new one, and its selector stays."""
    causes = validate_pool_create(new, config)
    if not causes and new["spec"]["selector"] != (old.get("spec") or {}).get("selector"):
        causes.append(Cause("spec.selector", INVALID, "selector is immutable after creation"))
    return causes


def _settings(spec: Document) -> Iterator[Cause]:
    yield from _max_unavailable(spec.get("maxUnavailable"), "spec.maxUnavailable")
    healing = spec.get("autohealing") or {}
    if (given := healing.get("minFailingToStartDuration")) is not None:
        try:
            parse_duration(given)
        except ValueError as error:
            yield Cause("spec.autohealing.minFailingToStartDuration", INVALID, str(error))
    for name, choices in (("scaleInStrategy", SCALE_IN), ("updateStrategy", UPDATE)):
        if not (strategy := spec.get(name)):
            continue
        yield from exactly_one(f"spec.{name}", strategy, choices, "strategy")
        policy = (strategy.get("proactive") or {}).get("selectionPolicy") or {}
        selectors = policy.get("selectors") or {}
        if "labelSelector" in selectors:
            field = f"spec.{name}.proactive.selectionPolicy.selectors.labelSelector"
            yield from selector_causes(selectors["labelSelector"], field)


def _max_unavailable(value: int | str | None, field: str) -> Iterator[Cause]:
    if value is None:
        return
    good = value >= 0 if isinstance(value, int) else _PERCENT.fullmatch(value) is not None
    if not good:
        yield Cause(field, INVALID, f"{value!r} must be a number of machines or a percentage, such as 25%")
