"""pool.kubevirt.io: a number of VirtualMachines made from one template."""

from __future__ import annotations

from typing import Annotated, Literal

from kubevirt_py.api.base import AnyObject, AtomicList, Empty, Ge, Int32, IntOrString, Model, NullOr, Resource
from kubevirt_py.api.meta import Condition, LabelSelector, SelectorRequirement
from kubevirt_py.api.v1.vm import VirtualMachineSpec


class PoolAutohealing(Model):
    """"""

    min_failing_to_start_duration: str | None = None
    start_up_failure_threshold: Annotated[Int32, Ge(1)] | None = None


class PoolNameGeneration(Model):
    """"""

    append_index_to_config_map_refs: bool | None = None
    append_index_to_secret_refs: bool | None = None


class PoolOpportunisticScaleIn(Model):
    """"""

    state_preservation: Literal["Disabled", "Offline", "Online"] | None = None


class PoolSelectors(Model):
    """"""

    label_selector: LabelSelector | None = None
    node_selector_requirement_matcher: list[SelectorRequirement] | None = None


class PoolSelectionPolicy(Model):
    """"""

    selectors: PoolSelectors | None = None
    sort_policy: Literal["AscendingOrder", "DescendingOrder", "Newest", "Oldest", "Random"] | None = None


class PoolProactiveScaleIn(Model):
    """"""

    selection_policy: PoolSelectionPolicy | None = None
    state_preservation: Literal["Disabled", "Offline", "Online"] | None = None


class PoolScaleInStrategy(Model):
    """"""

    opportunistic: PoolOpportunisticScaleIn | None = None
    proactive: PoolProactiveScaleIn | None = None
    unmanaged: Empty | None = None


class PoolProactiveUpdate(Model):
    """"""

    selection_policy: PoolSelectionPolicy | None = None


class PoolUpdateStrategy(Model):
    """"""

    opportunistic: Empty | None = None
    proactive: PoolProactiveUpdate | None = None
    unmanaged: Empty | None = None


class VirtualMachineTemplate(Model):
    """"""

    metadata: NullOr[AnyObject] = None
    spec: VirtualMachineSpec | None = None


class VirtualMachinePoolSpec(Model):
    """"""

    selector: LabelSelector
    virtual_machine_template: VirtualMachineTemplate
    autohealing: PoolAutohealing | None = None
    max_unavailable: IntOrString | None = None
    name_generation: PoolNameGeneration | None = None
    paused: bool | None = None
    replicas: Annotated[Int32, Ge(0)] | None = None
    scale_in_strategy: PoolScaleInStrategy | None = None
    update_strategy: PoolUpdateStrategy | None = None


class VirtualMachinePoolStatus(Model):
    """"""

    conditions: AtomicList[Condition] | None = None
    label_selector: str | None = None
    ready_replicas: Int32 | None = None
    replicas: Int32 | None = None


class VirtualMachinePool(Resource):
    """"""

    spec: VirtualMachinePoolSpec
    status: VirtualMachinePoolStatus | None = None
