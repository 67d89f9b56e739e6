"""The vocabulary API models are written in: one base class and a few annotated types.

A model is at once the parser of a user's object and the source of its CRD
schema (`api.crd`). What OpenAPI can say and Python's types cannot (list types,
formats, CEL rules) is said by the small markers below, inside `Annotated`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from kubevirt_py.api.quantity import parse_quantity

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Format:
    """OpenAPI `format` of a scalar."""

    name: str


@dataclass(frozen=True, slots=True)
class ListType:
    """How server-side apply merges a list: `atomic`, `set`, or `map` with `keys`."""

    kind: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nullable:
    """An explicit null may be stored."""


@dataclass(frozen=True, slots=True)
class IntOrStringType:
    """`x-kubernetes-int-or-string`."""


@dataclass(frozen=True, slots=True)
class PreserveUnknown:
    """Fields that the schema does not name are stored as they came."""


@dataclass(frozen=True, slots=True)
class Cel:
    """A CEL rule the API server checks itself, and what it tells the user when the rule fails."""

    rule: str
    message: str


def map_keys(*keys: str) -> ListType:
    """A list merged by `keys`, which together are unique in it."""
    return ListType("map", keys)


class Model(BaseModel):
    """Base of all API types: camelCase on the wire, no coercion, unknown fields dropped."""

    model_config = ConfigDict(
        alias_generator=to_camel, defer_build=True, extra="ignore", serialize_by_alias=True, strict=True
    )


class AtomicModel(Model):
    """A type that server-side apply replaces as a whole (`x-kubernetes-map-type: atomic`)."""


class OpenModel(Model):
    """A type that keeps fields it does not name (`x-kubernetes-preserve-unknown-fields`)."""

    model_config = ConfigDict(extra="allow")


class Empty(Model):
    """A choice that has no settings: its presence is the setting."""


AnyObject = Annotated[dict[str, Any], PreserveUnknown()]


class Resource(Model):
    """A top-level object. `metadata` is checked by the API server, which owns its schema."""

    api_version: str | None = None
    kind: str | None = None
    metadata: AnyObject | None = None


QUANTITY_PATTERN = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)

Int32 = Annotated[int, Format("int32")]
Int64 = Annotated[int, Format("int64")]
UInt32 = Annotated[int, Format("int64"), Ge(0), Le(4294967295)]
Time = Annotated[str, Format("date-time")]
IntOrString = Annotated[int | str, IntOrStringType()]


def _exact(amount: int | str) -> int | str:
    parse_quantity(amount)
    return amount


Quantity = Annotated[
    int | Annotated[str, StringConstraints(pattern=QUANTITY_PATTERN)], IntOrStringType(), AfterValidator(_exact)
]


AtomicList = Annotated[list[T], ListType("atomic")]
SetList = Annotated[list[T], ListType("set")]
NullOr = Annotated[T | None, Nullable()]
NonEmpty = Annotated[str, MinLen(1)]
Ratio = Annotated[str, StringConstraints(pattern=r"^(0(?:\.\d{1,3})?|1)$")]

__all__ = [
    "AnyObject", "AtomicList", "AtomicModel", "Cel", "Empty", "Format", "Ge", "Int32", "Int64", "IntOrString",
    "IntOrStringType", "Le", "ListType", "MaxLen", "MinLen", "Model", "NonEmpty", "NullOr", "Nullable", "OpenModel",
    "PreserveUnknown", "Quantity", "Ratio", "Resource", "SetList", "StringConstraints", "Time", "UInt32",
    "map_keys",
]  # fmt: skip
