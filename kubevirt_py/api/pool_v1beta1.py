"""pool.kubevirt.io: a number of VirtualMachines made from one template."""

from __future__ import annotations

from typing import Annotated, Literal

from kubevirt_py.api.base import AnyObject, AtomicList, Empty, Ge, Int32, IntOrString, Model, NullOr, Resource
from kubevirt_py.api.meta import Condition, LabelSelector, SelectorRequirement
from kubevirt_py.api.v1.vm import VirtualMachineSpec


class PoolAutohealing(Model):
    """When a machine that does not start is replaced."""

    min_failing_to_start_duration: str | None = None
    """How long it must fail to start."""
    start_up_failure_threshold: Annotated[Int32, Ge(1)] | None = None
    """How often it must fail to start."""


class PoolNameGeneration(Model):
    """Whether ConfigMaps and Secrets get the machine's index."""

    append_index_to_config_map_refs: bool | None = None
    """Add the index to names of ConfigMaps."""
    append_index_to_secret_refs: bool | None = None
    """Add the index to names of Secrets."""


class PoolOpportunisticScaleIn(Model):
    """Remove machines that are stopped anyway."""

    state_preservation: Literal["Disabled", "Offline", "Online"] | None = None
    """What becomes of the disks: Disabled, Offline or Online."""


class PoolSelectors(Model):
    """Machines that go first, by label or node."""

    label_selector: LabelSelector | None = None
    """By labels of the machine."""
    node_selector_requirement_matcher: list[SelectorRequirement] | None = None
    """By labels of its node."""


class PoolSelectionPolicy(Model):
    """Which machines go first."""

    selectors: PoolSelectors | None = None
    """Machines that go first."""
    sort_policy: Literal["AscendingOrder", "DescendingOrder", "Newest", "Oldest", "Random"] | None = None
    """Order among them."""


class PoolProactiveScaleIn(Model):
    """Stop and remove machines."""

    selection_policy: PoolSelectionPolicy | None = None
    """Which machines go first."""
    state_preservation: Literal["Disabled", "Offline", "Online"] | None = None
    """What becomes of the disks: Disabled, Offline or Online."""


class PoolScaleInStrategy(Model):
    """How machines are removed; choose one."""

    opportunistic: PoolOpportunisticScaleIn | None = None
    """Remove machines that are stopped anyway."""
    proactive: PoolProactiveScaleIn | None = None
    """Stop and remove machines."""
    unmanaged: Empty | None = None
    """Remove nothing."""


class PoolProactiveUpdate(Model):
    """Update machines at once."""

    selection_policy: PoolSelectionPolicy | None = None
    """Which machines go first."""


class PoolUpdateStrategy(Model):
    """How a changed template reaches machines; choose one."""

    opportunistic: Empty | None = None
    """Update machines when they restart."""
    proactive: PoolProactiveUpdate | None = None
    """Update machines at once."""
    unmanaged: Empty | None = None
    """Update nothing."""


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
    """What holds of the pool now."""
    label_selector: str | None = None
    """The selector as text, for scaling."""
    ready_replicas: Int32 | None = None
    """Machines that are ready."""
    replicas: Int32 | None = None
    """Machines that exist."""


class VirtualMachinePool(Resource):
    """A number of machines made from one template."""

    spec: VirtualMachinePoolSpec
    """How many of what."""
    status: VirtualMachinePoolStatus | None = None
    """How many there are."""
