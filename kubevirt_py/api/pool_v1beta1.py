"""pool.kubevirt.io: a number of VirtualMachines made from one template."""

from __future__ import annotations

from typing import Annotated, Literal

from kubevirt_py.api.base import AnyObject, AtomicList, Empty, Ge, Int32, IntOrString, Model, NullOr, Resource
from kubevirt_py.api.meta import Condition, LabelSelector, SelectorRequirement
from kubevirt_py.api.v1.vm import VirtualMachineSpec


class PoolAutohealing(Model):
    """When a machine that does not start is replaced."""

    min_failing_to_start_duration: str | None = None
    start_up_failure_threshold: Annotated[Int32, Ge(1)] | None = None


class PoolNameGeneration(Model):
    """Whether ConfigMaps and Secrets get the machine's index."""

    append_index_to_config_map_refs: bool | None = None
    append_index_to_secret_refs: bool | None = None


class PoolOpportunisticScaleIn(Model):
    """Remove machines that are stopped anyway."""

    state_preservation: Literal["Disabled", "Offline", "Online"] | None = None


class PoolSelectors(Model):
    """Machines that go first, by label or node."""

    label_selector: LabelSelector | None = None
    node_selector_requirement_matcher: list[SelectorRequirement] | None = None


class PoolSelectionPolicy(Model):
    """Which machines go first."""

    selectors: PoolSelectors | None = None
    sort_policy: Literal["AscendingOrder", "DescendingOrder", "Newest", "Oldest", "Random"] | None = None


class PoolProactiveScaleIn(Model):
    """Stop and remove machines."""

    selection_policy: PoolSelectionPolicy | None = None
    state_preservation: Literal["Disabled", "Offline", "Online"] | None = None


class PoolScaleInStrategy(Model):
    """How machines are removed; choose one."""

    opportunistic: PoolOpportunisticScaleIn | None = None
    proactive: PoolProactiveScaleIn | None = None
    unmanaged: Empty | None = None


class PoolProactiveUpdate(Model):
    """Update machines at once."""

    selection_policy: PoolSelectionPolicy | None = None


class PoolUpdateStrategy(Model):
    """How a changed template reaches machines; choose one."""

    opportunistic: Empty | None = None
    proactive: PoolProactiveUpdate | None = None
    unmanaged: Empty | None = None


class VirtualMachineTemplate(Model):
    """What machines are made from."""

    metadata: NullOr[AnyObject] = None
    """Labels and annotations of each machine."""
    spec: VirtualMachineSpec | None = None
    """The machine."""


class VirtualMachinePoolSpec(Model):
    """How many machines of what, and how the number changes."""

    selector: LabelSelector
    """Machines that count; the template's labels must match."""
    virtual_machine_template: VirtualMachineTemplate
    """What machines are made from."""
    autohealing: PoolAutohealing | None = None
    """When a machine that does not start is replaced."""
    max_unavailable: IntOrString | None = None
    """How many machines may be down during an update."""
    name_generation: PoolNameGeneration | None = None
    """Whether ConfigMaps and Secrets get the machine's index."""
    paused: bool | None = None
    """Make, change and remove nothing."""
    replicas: Annotated[Int32, Ge(0)] | None = None
    """How many; 1 unless set."""
    scale_in_strategy: PoolScaleInStrategy | None = None
    """How machines are removed."""
    update_strategy: PoolUpdateStrategy | None = None
    """How a changed template reaches machines."""


class VirtualMachinePoolStatus(Model):
    """How many machines there are."""

    conditions: AtomicList[Condition] | None = None
    label_selector: str | None = None
    ready_replicas: Int32 | None = None
    replicas: Int32 | None = None


class VirtualMachinePool(Resource):
    """A number of machines made from one template."""

    spec: VirtualMachinePoolSpec
    """How many of what."""
    status: VirtualMachinePoolStatus | None = None
    """How many there are."""
