"""References to objects of other kinds, and lists of JSON patches: what snapshots, exports and clones share."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import msgspec

from kubevirt_py.api.durations import parse_duration
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, REQUIRED, Cause
from kubevirt_py.render.validate.text import dns_subdomain

MACHINE = ("kubevirt.io", "VirtualMachine")
SNAPSHOT = ("snapshot.kubevirt.io", "VirtualMachineSnapshot")
CLAIM = ("", "PersistentVolumeClaim")
BACKUP = ("backup.kubevirt.io", "VirtualMachineBackup")
TEMPLATE = ("template.kubevirt.io", "VirtualMachineTemplate")
OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def reference(field: str, given: Document, allowed: Collection[tuple[str, str]]) -> Iterator[Cause]:
    """`given` names an object of one of the `allowed` (API group, kind) pairs."""
    group, kind = given.get("apiGroup") or "", given["kind"]
    if (group, kind) not in allowed:
        choices = ", ".join(f"{kind} of {group or 'the core group'}" for group, kind in allowed)
        bad = "kind" if group in {each for each, _ in allowed} else "apiGroup"
        if not given.get("apiGroup") and "" not in {each for each, _ in allowed}:
            yield Cause(f"{field}.apiGroup", REQUIRED, f"missing apiGroup; use one of: {choices}")
        else:
            shown = f"{kind} of {group or 'the core group'}"
            yield Cause(f"{field}.{bad}", NOT_SUPPORTED, f"{shown} is not supported; use one of: {choices}")
    if not given["name"]:
        yield Cause(f"{field}.name", REQUIRED, f"name of the {kind or 'object'} is missing")
    else:
        yield from dns_subdomain(f"{field}.name", given["name"])


def patches(field: str, given: list[str], places: Collection[str]) -> Iterator[Cause]:
    """Each item is a JSON patch operation under one of `places`, such as /spec/."""
    for index, text in enumerate(given):
        where = f"{field}[{index}]"
        try:
            operation = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            yield Cause(where, INVALID, f"is not JSON: {error}")
            continue
        if not isinstance(operation, dict) or operation.get("op") not in OPERATIONS:
            yield Cause(where, INVALID, f"is not a JSON patch operation; op must be one of: {', '.join(OPERATIONS)}")
            continue
        for key in ("path", "from"):
            if key == "from" and operation["op"] not in ("move", "copy"):
                continue
            path = operation.get(key)
            if not isinstance(path, str) or not path.startswith(tuple(places)):
                yield Cause(
                    where, INVALID, f"{key} {path!r} is out of bounds; it must start with {' or '.join(places)}"
                )


def duration(field: str, given: str | None) -> Iterator[Cause]:
    """`given`, if any, is a duration above zero, such as 5m."""
    if given is None:
        return
    try:
        if parse_duration(given).total_seconds() <= 0:
            yield Cause(field, INVALID, f"{given!r} must be more than zero")
    except (ValueError, OverflowError) as error:
        yield Cause(field, INVALID, str(error))
