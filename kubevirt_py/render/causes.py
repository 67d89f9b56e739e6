"""Why an object is refused: one `Cause` per field, as in a Kubernetes Status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
INVALID = "FieldValueInvalid"
NOT_FOUND = "FieldValueNotFound"
NOT_SUPPORTED = "FieldValueNotSupported"
REQUIRED = "FieldValueRequired"


class Cause(NamedTuple):
    """`field` is a path such as `spec.domain.devices.disks[1].disk.bus`; `message` says what is allowed."""

    field: str
    reason: str
    message: str


def one_of(field: str, value: object, allowed: Iterable[str]) -> Iterator[Cause]:
    """`value`, where given, must be one of `allowed`."""
    choices = tuple(allowed)
    if value not in (None, "") and value not in choices:
        yield Cause(field, NOT_SUPPORTED, f"{value!r} is not supported; use one of: {', '.join(choices)}")


def at_least(field: str, value: int | None, least: int) -> Iterator[Cause]:
    """`value`, where given, must not be less than `least`."""
    if value is not None and value < least:
        yield Cause(field, INVALID, f"must be at least {least}, not {value}")


def between(field: str, value: int | None, least: int, most: int) -> Iterator[Cause]:
    """`value`, where given, must lie in [least, most]."""
    if value is not None and not least <= value <= most:
        yield Cause(field, INVALID, f"must be between {least} and {most}, not {value}")


def unique(fields: Iterable[tuple[str, object]], what: str) -> Iterator[Cause]:
    """Each value among (field, value) pairs appears once; None and empty text do not count."""
    first: dict[object, str] = {}
    for field, value in fields:
        if value in (None, ""):
            continue
        if value in first:
            yield Cause(field, DUPLICATE, f"{what} {value!r} is already used by {first[value]}; each must be unique")
        first.setdefault(value, field)


def exactly_one(field: str, present: Iterable[str], allowed: Iterable[str], what: str) -> Iterator[Cause]:
    """Exactly one of the `allowed` keys is among those `present`."""
    choices = tuple(allowed)
    given = [key for key in present if key in choices]
    if not given:
        yield Cause(field, REQUIRED, f"{what} is missing; set one of: {', '.join(choices)}")
    elif len(given) > 1:
        yield Cause(field, INVALID, f"only one {what} may be set, not {' and '.join(given)}")


def needs_gate(field: str, gate: str) -> Cause:
    """`field` is set and its feature gate is off."""
    return Cause(
        field,
        NOT_SUPPORTED,
        f"needs feature gate {gate}; add it to spec.configuration.developerConfiguration.featureGates "
        "of the KubeVirt resource",
    )
