"""Object references for events."""

from __future__ import annotations

from typing import Any, Protocol

from kubevirt_py.api.views import ObjectMeta
from kubevirt_py.plan import Event, Key, Kind


class Named(Protocol):
    """Any view: it has metadata."""

    @property
    def metadata(self) -> ObjectMeta: ...


def key_of(view: Named) -> Key:
    """Where the object lives."""
    return Key(view.metadata.namespace, view.metadata.name)


def event(kind: Kind[Any], about: Named, reason: str, note: str, type: str = "Normal") -> Event:
    """An event about an object of `kind`."""
    meta = about.metadata
    regarding = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "namespace": meta.namespace,
        "name": meta.name,
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
    }
    return Event({name: value for name, value in regarding.items() if value}, reason, note, type)


def warning(kind: Kind[Any], about: Named, reason: str, note: str) -> Event:
    """A Warning event about an object of `kind`."""
    return event(kind, about, reason, note, "Warning")
