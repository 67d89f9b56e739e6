"""What the framework itself reads of any object: identity, owner, deletion.

A view is either a msgspec struct with a `metadata` struct in it, or a plain dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from kubevirt_py.plan import Key, Kind


class Owner(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An owner reference."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """Object metadata as far as the framework cares."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Owner, ...] = ()


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """Any object, reduced to its type and metadata."""

    kind: str = ""
    api_version: str = ""
    metadata: Meta = Meta()


decode_head = msgspec.json.Decoder(Head).decode


class OwnerLike(Protocol):
    """The owner-reference struct of some view."""

    @property
    def api_version(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def controller(self) -> bool: ...


class MetaLike(Protocol):
    """The metadata struct of some view, or `Meta`."""

    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...
    @property
    def deletion_timestamp(self) -> str | None: ...
    @property
    def owner_references(self) -> Iterable[OwnerLike]: ...


def meta_of(view: object) -> MetaLike:
    """The metadata of a view, whichever shape it has."""
    if isinstance(view, Mapping):
        return msgspec.convert(view.get("metadata", {}), Meta)
    metadata: MetaLike = view.metadata  # type: ignore[attr-defined]
    return metadata


def key_of(view: object) -> Key:
    """The key of the object a view shows."""
    meta = meta_of(view)
    return Key(meta.namespace, meta.name)


def controller_of(view: object) -> OwnerLike | None:
    """The owner that controls the object, if any."""
    return next((owner for owner in meta_of(view).owner_references if owner.controller), None)


def is_kind(owner: OwnerLike, kind: Kind[Any]) -> bool:
    """Whether an owner reference points at `kind`, in any of its versions."""
    group, slash, _ = owner.api_version.rpartition("/")
    return owner.kind == kind.kind and (group if slash else "") == kind.group


def version_number(rv: str) -> int:
    """A resourceVersion as the integer Kubernetes promises it to be; 0 where a server breaks the promise."""
    return int(rv) if rv.isdigit() else 0
