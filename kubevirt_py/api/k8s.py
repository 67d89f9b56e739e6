"""Kubernetes' own types as far as they appear inside ours: scheduling, claims, DNS."""

from __future__ import annotations

from kubevirt_py.api.base import AtomicList, AtomicModel, Int32, Int64, Model, Quantity
from kubevirt_py.api.meta import LabelSelector, SelectorRequirement, TypedLocalObjectReference, TypedObjectReference


class ResourceRequirements(Model):
    """Requests and limits."""

    limits: dict[str, Quantity] | None = None
    """The most."""
    requests: dict[str, Quantity] | None = None
    """The least."""


class PersistentVolumeClaimSpec(Model):
    """A claim as Kubernetes has it."""

    access_modes: AtomicList[str] | None = None
    """ReadWriteOnce, ReadWriteMany and others."""
    data_source: TypedLocalObjectReference | None = None
    """Claim or snapshot it is filled from."""
    data_source_ref: TypedObjectReference | None = None
    """Object of any kind it is filled from."""
    resources: ResourceRequirements | None = None
    """Its size."""
    selector: LabelSelector | None = None
    """Volumes it may bind to."""
    storage_class_name: str | None = None
    """Storage class."""
    volume_attributes_class_name: str | None = None
    """Class of attributes of the volume."""
    volume_mode: str | None = None
    """Filesystem or Block."""
    volume_name: str | None = None
    """Volume it is bound to."""


class NodeSelectorTerm(AtomicModel):
    """Nodes that match all requirements."""

    match_expressions: AtomicList[SelectorRequirement] | None = None
    """Requirements on labels."""
    match_fields: AtomicList[SelectorRequirement] | None = None
    """Requirements on fields."""


class PreferredSchedulingTerm(Model):
    """A preference and its weight."""

    preference: NodeSelectorTerm
    """The preferred nodes."""
    weight: Int32
    """1 to 100."""


class NodeSelector(AtomicModel):
    """Nodes that match any of the terms."""

    node_selector_terms: AtomicList[NodeSelectorTerm]
    """The terms."""


class NodeAffinity(Model):
    """Nodes a pod prefers or needs."""

    preferred_during_scheduling_ignored_during_execution: AtomicList[PreferredSchedulingTerm] | None = None
    """Preferred."""
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """Needed."""


class PodAffinityTerm(Model):
    """Pods, and what counts as the same place."""

    topology_key: str
    """Node label whose value is the place."""
    label_selector: LabelSelector | None = None
    """Labels of the pods."""
    match_label_keys: AtomicList[str] | None = None
    """Keys whose values must be those of this pod."""
    mismatch_label_keys: AtomicList[str] | None = None
    """Keys whose values must not be those of this pod."""
    namespace_selector: LabelSelector | None = None
    """Labels of their namespaces."""
    namespaces: AtomicList[str] | None = None
    """Their namespaces."""


class WeightedPodAffinityTerm(Model):
    """A preference and its weight."""

    pod_affinity_term: PodAffinityTerm
    """The pods."""
    weight: Int32
    """1 to 100."""


class PodAffinity(Model):
    """Pods to be near, or away from."""

    preferred_during_scheduling_ignored_during_execution: AtomicList[WeightedPodAffinityTerm] | None = None
    """Preferred."""
    required_during_scheduling_ignored_during_execution: AtomicList[PodAffinityTerm] | None = None
    """Needed."""


class Affinity(Model):
    """Which nodes and neighbours a pod prefers or needs."""

    node_affinity: NodeAffinity | None = None
    """Nodes."""
    pod_affinity: PodAffinity | None = None
    """Pods to be near."""
    pod_anti_affinity: PodAffinity | None = None
    """Pods to be away from."""


class Toleration(Model):
    """A taint that is tolerated."""

    effect: str | None = None
    """NoSchedule, PreferNoSchedule or NoExecute; all unless set."""
    key: str | None = None
    """Key of the taint; all with operator Exists unless set."""
    operator: str | None = None
    """Exists or Equal."""
    toleration_seconds: Int64 | None = None
    """How long NoExecute is tolerated."""
    value: str | None = None
    """Value of the taint."""


class PodDNSConfigOption(Model):
    """A resolver option."""

    name: str | None = None
    """Name, such as ndots."""
    value: str | None = None
    """Value."""


class PodDNSConfig(Model):
    """Name resolution."""

    nameservers: AtomicList[str] | None = None
    """Addresses of name servers."""
    options: AtomicList[PodDNSConfigOption] | None = None
    """Resolver options."""
    searches: AtomicList[str] | None = None
    """Search domains."""


class ResourceClaim(Model):
    """A claim of dynamic resource allocation; choose one source."""

    name: str
    """Name devices refer to."""
    resource_claim_name: str | None = None
    """An existing ResourceClaim."""
    resource_claim_template_name: str | None = None
    """A template to make one from."""


class TopologySpreadConstraint(Model):
    """How pods spread."""

    max_skew: Int32
    """Most difference between two places."""
    topology_key: str
    """Node label whose value is the place."""
    when_unsatisfiable: str
    """DoNotSchedule or ScheduleAnyway."""
    label_selector: LabelSelector | None = None
    """Pods that count."""
    match_label_keys: AtomicList[str] | None = None
    """Keys whose values must be those of this pod."""
    min_domains: Int32 | None = None
    """Least number of places."""
    node_affinity_policy: str | None = None
    """Whether nodes outside the affinity count: Honor or Ignore."""
    node_taints_policy: str | None = None
    """Whether tainted nodes count: Honor or Ignore."""
