"""Who owns what is made: the garbage collector removes it with its controller."""

from __future__ import annotations

from typing import Any

from kubevirt_py.plan import Document, Kind


def controlled_by(kind: Kind[Any], meta: Document) -> list[Document]:
    """metadata.ownerReferences of what the object with this kind and metadata controls."""
    return [
        {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "name": meta["name"],
            "uid": meta["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
