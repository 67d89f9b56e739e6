"""Where a VM pod may run: node selector and affinity from a VMI and the cluster configuration."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.reservations import is_reserved

NODE_CPU_MODELS = frozenset({"host-model", "host-passthrough"})


def node_selector(spec: Document, config: ClusterConfig) -> dict[str, str]:
    """Labels a node must have. The user's own and the cluster's selectors come last, so they can narrow any of them."""
    domain = spec.get("domain") or {}
    cpu = domain.get("cpu") or {}
    selector = {
        names.SCHEDULABLE_LABEL: "true",
        names.ARCH_LABEL: spec.get("architecture") or config.default_architecture,
    }
    if (model := cpu.get("model")) and model not in NODE_CPU_MODELS:
        selector[names.CPU_MODEL_PREFIX + model] = "true"
    for feature in cpu.get("features") or ():
        if feature.get("policy", "require") in ("require", ""):
            selector[names.CPU_FEATURE_PREFIX + feature["name"]] = "true"
    if cpu.get("dedicatedCpuPlacement"):
        selector[names.CPU_MANAGER_LABEL] = "true"
    if cpu.get("realtime") is not None:
        selector[names.REALTIME_LABEL] = "true"
    if machine := (domain.get("machine") or {}).get("type"):
        selector[names.MACHINE_TYPE_PREFIX + machine] = "true"
    return selector | config.node_selectors | (spec.get("nodeSelector") or {})


def affinity(spec: Document, config: ClusterConfig) -> Document | None:
    """The VMI's affinity, with what its CPU forbids added to every required node term."""
    wanted: Document = copy.deepcopy(spec.get("affinity") or config.workloads_node_placement.get("affinity") or {})
    forbidden = _forbidden_labels(spec)
    if forbidden:
        required = wanted.setdefault("nodeAffinity", {}).setdefault(
            "requiredDuringSchedulingIgnoredDuringExecution", {}
        )
        required["nodeSelectorTerms"] = required.get("nodeSelectorTerms") or [{}]
        for term in required["nodeSelectorTerms"]:
            term.setdefault("matchExpressions", []).extend(
                {"key": label, "operator": "DoesNotExist"} for label in forbidden
            )
    return wanted or None


def reservation_labels(spec: Document, claim_uids: Mapping[str, str]) -> dict[str, str]:
    """Labels of the VM's pod: one for each claim that its guest may reserve. `claim_uids` are by name."""
    devices = (spec.get("domain") or {}).get("devices") or {}
    reserved = {disk["name"] for disk in devices.get("disks") or () if is_reserved(disk)}
    claims = [claim_of(volume) or "" for volume in spec.get("volumes") or () if volume["name"] in reserved]
    uids = [claim_uids[claim] for claim in claims if claim in claim_uids]
    return {f"{names.RESERVATION_PREFIX}{uid}": "" for uid in uids}


def apart(affinity: Document | None, labels: Iterable[str]) -> Document | None:
    """The affinity, and that no other pod of the node has one of these labels: a reservation is the node's."""
    terms = [
        {
            "labelSelector": {"matchExpressions": [{"key": label, "operator": "Exists"}]},
            "topologyKey": names.HOSTNAME_LABEL,
        }
        for label in labels
    ]
    if not terms:
        return affinity
    wanted = affinity or {}
    others = wanted.get("podAntiAffinity") or {}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    return {**wanted, "podAntiAffinity": {**others, required: [*(others.get(required) or ()), *terms]}}


def tolerations(spec: Document, config: ClusterConfig) -> list[Document]:
    """The VMI's tolerations and those the operator grants to all workloads."""
    return [*(spec.get("tolerations") or ()), *(config.workloads_node_placement.get("tolerations") or ())]


def _forbidden_labels(spec: Document) -> list[str]:
    cpu = (spec.get("domain") or {}).get("cpu") or {}
    labels = [
        names.CPU_FEATURE_PREFIX + feature["name"]
        for feature in cpu.get("features") or ()
        if feature.get("policy") == "forbid"
    ]
    if cpu.get("model") == "host-model":
        labels.append(names.OBSOLETE_HOST_MODEL_LABEL)
    return labels
