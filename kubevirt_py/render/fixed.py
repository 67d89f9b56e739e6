"""Specs that stay as they were created: the object is a request, and what was asked is on record."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, Cause
from kubevirt_py.render.parse import without_nulls

MESSAGE = "spec in immutable after creation; create a new object"
MIGRATION = "update of Migration object's spec is restricted"
"""As KubeVirt words them, which clients look for."""


def fixed_spec(new: Document, old: Document, message: str = MESSAGE) -> Iterator[Cause]:
    """The spec may not change. Null and absent are the same."""
    if without_nulls(new.get("spec")) != without_nulls(old.get("spec")):
        yield Cause("spec", INVALID, message)
