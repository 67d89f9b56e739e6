"""JSON Patch documents for VMIs, whose status has no subresource and two writers.

Both virt-controller and virt-handler build their VMI patches here, so that each
patch names the version of the object it was decided on: a writer that looked at
an older object fails its `test` and looks again, and no field of the other
writer is ever put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kubevirt_py.plan import Document

Op = Document


def pointer(*parts: str) -> str:
    """JSON pointer (RFC 6901) of the member at `parts`."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def guard(resource_version: str) -> Op:
    """The `test` that makes a patch apply only to the object it was decided on."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version}


def field_ops(parent: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Op, ...]:
    """Operations that bring the members of `parent` named in `new` from `old` to `new`.

    None in `new` removes the member; members that `new` does not name are left alone. `add` also
    replaces (RFC 6902, 4.1), so an `old` that leaves out empty members is good enough.
    """
    ops: list[Op] = []
    for name, value in new.items():
        path = parent + pointer(name)
        if value is None:
            if name in old:
                ops.append({"op": "remove", "path": path})
        elif name not in old or old[name] != value:
            ops.append({"op": "add", "path": path, "value": value})
    return tuple(ops)


def status_patch(old: Mapping[str, Any], new: Mapping[str, Any], resource_version: str) -> tuple[Op, ...]:
    """Patch for the top-level status fields named in `new`, guarded by `resource_version`.

    `old` is the status as observed (empty if the object has none); a field is removed with None
    and left alone when `new` does not name it. Returns () when nothing differs.
    """
    return guarded(resource_version, (*parent_op("/status", old), *field_ops("/status", old, new)))


def label_ops(old: Mapping[str, str], new: Mapping[str, str | None]) -> tuple[Op, ...]:
    """Operations that set (or, with None, remove) labels; to be joined into a guarded patch."""
    ops = field_ops("/metadata/labels", old, new)
    return (*parent_op("/metadata/labels", old), *ops) if ops else ()


def finalizer_ops(present: tuple[str, ...], drop: Iterable[str]) -> tuple[Op, ...]:
    """Operations that remove finalizers, highest slot first so that slots stay right; join into a guarded patch."""
    dropped = frozenset(drop)
    slots = [slot for slot, name in enumerate(present) if name in dropped]
    return tuple({"op": "remove", "path": f"/metadata/finalizers/{slot}"} for slot in reversed(slots))


def parent_op(path: str, members: Mapping[str, Any]) -> tuple[Op, ...]:
    """The operation that makes an absent (so: empty) parent object before members are added to it."""
    return () if members else ({"op": "add", "path": path, "value": {}},)


def guarded(resource_version: str, ops: tuple[Op, ...]) -> tuple[Op, ...]:
    """`ops` behind the version test; () stays () so that callers may test for "nothing to do"."""
    return (guard(resource_version), *ops) if any(op["path"] != "/status" for op in ops) else ()
