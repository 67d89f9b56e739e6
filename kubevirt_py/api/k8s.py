"""Kubernetes' own types as far as they appear inside ours: scheduling, claims, DNS."""

from __future__ import annotations

from kubevirt_py.api.base import AtomicList, AtomicModel, Int32, Int64, Model, Quantity
from kubevirt_py.api.meta import LabelSelector, SelectorRequirement, TypedLocalObjectReference, TypedObjectReference


class ResourceRequirements(Model):
    """"""

    limits: dict[str, Quantity] | None = None
    requests: dict[str, Quantity] | None = None


class PersistentVolumeClaimSpec(Model):
    """"""

    access_modes: AtomicList[str] | None = None
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: ResourceRequirements | None = None
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    volume_name: str | None = None


class NodeSelectorTerm(AtomicModel):
    """"""

    match_expressions: AtomicList[SelectorRequirement] | None = None
    match_fields: AtomicList[SelectorRequirement] | None = None


class PreferredSchedulingTerm(Model):
    """"""

    preference: NodeSelectorTerm
    weight: Int32


class NodeSelector(AtomicModel):
    """"""

    node_selector_terms: AtomicList[NodeSelectorTerm]


class NodeAffinity(Model):
    """"""

    preferred_during_scheduling_ignored_during_execution: AtomicList[PreferredSchedulingTerm] | None = None
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class PodAffinityTerm(Model):
    """"""

    topology_key: str
    label_selector: LabelSelector | None = None
    match_label_keys: AtomicList[str] | None = None
    mismatch_label_keys: AtomicList[str] | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: AtomicList[str] | None = None


class WeightedPodAffinityTerm(Model):
    """"""

    pod_affinity_term: PodAffinityTerm
    weight: Int32


class PodAffinity(Model):
    """"""

    preferred_during_scheduling_ignored_during_execution: AtomicList[WeightedPodAffinityTerm] | None = None
    required_during_scheduling_ignored_during_execution: AtomicList[PodAffinityTerm] | None = None


class Affinity(Model):
    """"""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class Toleration(Model):
    """"""

    effect: str | None = None
    key: str | None = None
    operator: str | None = None
    toleration_seconds: Int64 | None = None
    value: str | None = None


class PodDNSConfigOption(Model):
    """"""

    name: str | None = None
    value: str | None = None


class PodDNSConfig(Model):
    """"""

    nameservers: AtomicList[str] | None = None
    options: AtomicList[PodDNSConfigOption] | None = None
    searches: AtomicList[str] | None = None


class ResourceClaim(Model):
    """"""

    name: str
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class TopologySpreadConstraint(Model):
    """"""

    max_skew: Int32
    topology_key: str
    when_unsatisfiable: str
    label_selector: LabelSelector | None = None
    match_label_keys: AtomicList[str] | None = None
    min_domains: Int32 | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
