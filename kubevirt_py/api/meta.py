"""Types that every group uses: selectors, references, conditions."""

from __future__ import annotations

from typing import Annotated, Literal

from kubevirt_py.api.base import (
    AtomicList,
    AtomicModel,
    Ge,
    Int64,
    MaxLen,
    MinLen,
    Model,
    NullOr,
    StringConstraints,
    Time,
)


class TypedLocalObjectReference(AtomicModel):
    """Names an object of any kind in the same namespace."""

    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""
    api_group: str | None = None
    """API group; empty for the core group."""


class TypedObjectReference(Model):
    """Names an object of any kind."""

    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""
    api_group: str | None = None
    """API group; empty for the core group."""
    namespace: str | None = None
    """Its namespace; the same unless set."""


class SelectorRequirement(Model):
    """A requirement on one key."""

    key: str
    """The key."""
    operator: str
    """In, NotIn, Exists, DoesNotExist; for nodes also Gt and Lt."""
    values: AtomicList[str] | None = None
    """Values the operator compares with."""


class LabelSelector(AtomicModel):
    """Chooses objects by label; all parts must match."""

    match_expressions: AtomicList[SelectorRequirement] | None = None
    """Requirements on labels."""
    match_labels: dict[str, str] | None = None
    """Labels with exactly these values."""


class NamespacedName(Model):
    """Names an object in any namespace."""

    name: str
    """Name of the object."""
    namespace: str
    """Its namespace."""


class LocalObjectReference(AtomicModel):
    """Names an object in the same namespace."""

    name: str = ""
    """Name of the object."""


class Condition(Model):
    """Something that holds, or not, of an object."""

    status: str
    """True, False or Unknown."""
    type: str
    """What it is about."""
    last_probe_time: NullOr[Time] = None
    """When it was last checked."""
    last_transition_time: NullOr[Time] = None
    """When it last changed."""
    message: str | None = None
    """Details for people."""
    reason: str | None = None
    """One word for programs."""


class StandardCondition(Model):
    """A condition as all of Kubernetes has it."""

    last_transition_time: Time
    """When it last changed."""
    message: Annotated[str, MaxLen(32768)]
    """Details for people."""
    reason: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"), MinLen(1), MaxLen(1024)
    ]
    """One word for programs."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    type: Annotated[
        str,
        StringConstraints(
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
        ),
        MaxLen(316),
    ]
    """What it is about."""
    observed_generation: Annotated[Int64, Ge(0)] | None = None
    """Generation it speaks of."""
