"""The words that the pure side and the framework share: kinds, keys and plans.

A reconciler is `decide(snapshot) -> Plan`. A Plan is data: it can be printed,
compared with a golden file and run by the framework, which alone does I/O.
This module imports nothing of the project, so both sides may import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

V = TypeVar("V")

Document = dict[str, Any]
"""One Kubernetes object (or part of one) as JSON would carry it."""


class Key(NamedTuple):
    """Where an object lives. `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Kind(Generic[V]):
    """A served API type and the view (the slice of it) that readers decode.

    `view` is a msgspec struct, or `dict` where the whole object is wanted.
    """

    group: str
    version: str
    kind: str
    plural: str
    view: type[V] = field(hash=False, compare=False)
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass(frozen=True, slots=True)
class Create:
    """POST `body`. An existing object whose controller is `owner_uid` counts as success.

    Names are fixed before creation, so a create repeated after a crash meets its own object.
    """

    kind: Kind[Any]
    body: Document
    owner_uid: str = ""


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply `body` with force, under the framework's field manager."""

    kind: Kind[Any]
    body: Document
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE with a UID precondition; an object already gone counts as success.

    `grace_s` is the grace period in seconds, None for the object's own.
    """

    kind: Kind[Any]
    key: Key
    uid: str
    grace_s: int | None = None


@dataclass(frozen=True, slots=True)
class JsonPatch:
    """RFC 6902 patch. A failed `test` operation means: observe again, it is not an error."""

    kind: Kind[Any]
    key: Key
    ops: tuple[Document, ...]
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class MergePatch:
    """RFC 7386 merge patch of the given fields."""

    kind: Kind[Any]
    key: Key
    body: Document
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Require:
    """GET an object that must be there before the actions after this one. Nothing of it is read.

    For kinds that are not watched. While it is refused, it is tried again at least every `longest_s` seconds.
    """

    kind: Kind[Any]
    key: Key
    longest_s: float = 30.0


Action = Create | Apply | Delete | JsonPatch | MergePatch | Require


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event about `regarding` (an object reference as in events.k8s.io/v1)."""

    regarding: Mapping[str, str]
    reason: str
    note: str
    type: str = "Normal"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next, in order; stops at the first action that fails.

    `events` are sent after the actions succeeded. `again_s` asks for another look
    after so many seconds even if nothing changes.
    """

    do: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    again_s: float | None = None

    def __bool__(self) -> bool:
        return bool(self.do)


@dataclass(frozen=True, slots=True)
class Failure:
    """The action of the previous plan for this key that the API server refused."""

    action: Action
    reason: str
    message: str
    status: int


NOTHING = Plan()
