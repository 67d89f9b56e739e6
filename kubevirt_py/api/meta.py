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
    """"""

    kind: str
    name: str
    api_group: str | None = None


class TypedObjectReference(Model):
    """"""

    kind: str
    name: str
    api_group: str | None = None
    namespace: str | None = None


class SelectorRequirement(Model):
    """"""

    key: str
    operator: str
    values: AtomicList[str] | None = None


class LabelSelector(AtomicModel):
    """"""

    match_expressions: AtomicList[SelectorRequirement] | None = None
    match_labels: dict[str, str] | None = None


class NamespacedName(Model):
    """"""

    name: str
    namespace: str


class LocalObjectReference(AtomicModel):
    """"""

    name: str = ""


class Condition(Model):
    """"""

    status: str
    type: str
    last_probe_time: NullOr[Time] = None
    last_transition_time: NullOr[Time] = None
    message: str | None = None
    reason: str | None = None


class StandardCondition(Model):
    """"""

    last_transition_time: Time
    message: Annotated[str, MaxLen(32768)]
    reason: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"), MinLen(1), MaxLen(1024)
    ]
    status: Literal["True", "False", "Unknown"]
    type: Annotated[
        str,
        StringConstraints(
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
        ),
        MaxLen(316),
    ]
    observed_generation: Annotated[Int64, Ge(0)] | None = None
