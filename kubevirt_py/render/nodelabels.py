"""Node labels from what a node agent reports about its host.

The agent itself may not write nodes; it puts its facts into its Lease and
virt-controller turns them into labels here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from kubevirt_py.api import names

TRUE = "true"
OWNED_PREFIXES = (
    names.CPU_MODEL_PREFIX,
    names.CPU_MODEL_MIGRATION_PREFIX,
    names.CPU_FEATURE_PREFIX,
    names.CPU_VENDOR_PREFIX,
    names.HOST_MODEL_PREFIX,
    names.HOST_MODEL_FEATURE_PREFIX,
    names.HYPERV_PREFIX,
    names.MACHINE_TYPE_PREFIX,
)
OWNED = (
    names.OBSOLETE_HOST_MODEL_LABEL,
    names.REALTIME_LABEL,
    names.CPU_MANAGER_LABEL,
    names.LEGACY_CPU_MANAGER_LABEL,
)
MAX_LABEL_NAME = 63


class NodeFacts(msgspec.Struct, frozen=True, rename="camel"):
    """What a node agent reports (JSON in the annotation names.NODE_FACTS_ANNOTATION of its Lease)."""

    schedulable: bool = False
    kvm: bool = False
    cpu_models: tuple[str, ...] = ()
    cpu_features: tuple[str, ...] = ()
    cpu_vendor: str = ""
    host_model: str = ""
    host_model_features: tuple[str, ...] = ()
    hyperv: tuple[str, ...] = ()
    machine_types: tuple[str, ...] = ()
    cpu_manager: bool = False
    realtime: bool = False


def node_labels(facts: NodeFacts, obsolete_models: Collection[str] = ()) -> dict[str, str]:
    """Labels the scheduler matches VM pods against; obsolete CPU models get none."""
    models = [model for model in facts.cpu_models if model not in obsolete_models]
    labels = {names.SCHEDULABLE_LABEL: TRUE if facts.schedulable else "false"}
    labels |= _flags(names.CPU_MODEL_PREFIX, models)
    labels |= _flags(names.CPU_MODEL_MIGRATION_PREFIX, models)
    labels |= _flags(names.CPU_FEATURE_PREFIX, facts.cpu_features)
    labels |= _flags(names.CPU_VENDOR_PREFIX, filter(None, [facts.cpu_vendor]))
    labels |= _flags(names.HOST_MODEL_PREFIX, filter(None, [facts.host_model]))
    labels |= _flags(names.HOST_MODEL_FEATURE_PREFIX, facts.host_model_features)
    labels |= _flags(names.HYPERV_PREFIX, facts.hyperv)
    labels |= _flags(names.MACHINE_TYPE_PREFIX, facts.machine_types)
    if facts.cpu_manager:
        labels |= {names.CPU_MANAGER_LABEL: TRUE, names.LEGACY_CPU_MANAGER_LABEL: TRUE}
    labels |= {names.REALTIME_LABEL: TRUE} if facts.realtime else {}
    if facts.host_model and facts.host_model in obsolete_models:
        labels[names.OBSOLETE_HOST_MODEL_LABEL] = TRUE
    return labels


def label_changes(current: dict[str, str], wanted: dict[str, str]) -> dict[str, str | None]:
    """Merge patch that turns `current` labels into `wanted`; None removes labels that are ours and no longer true."""
    stale = [name for name in current if _ours(name) and name not in wanted]
    changed = {name: value for name, value in wanted.items() if current.get(name) != value}
    return {**dict.fromkeys(stale), **changed}


def _ours(label: str) -> bool:
    return label.startswith(OWNED_PREFIXES) or label in OWNED


def _flags(prefix: str, items: Iterable[str]) -> dict[str, str]:
    return {prefix + item: TRUE for item in items if len(item) <= MAX_LABEL_NAME}
