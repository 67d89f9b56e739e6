"""RFC 6902 patches."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec

from kubevirt_py.plan import Document


class PatchError(Exception):
    """The patch does not fit the document: a `test` failed, or a path leads nowhere."""


def apply_patch(document: Document, ops: list[Document]) -> Document:
    """A patched copy of `document`. Raises PatchError; then nothing was changed."""
    result: Any = deepcopy(document)
    for op in ops:
        result = _apply_one(result, op)
    return result  # type: ignore[no-any-return]


def pointer(*parts: str | int) -> str:
    """A JSON pointer to the field with these names."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _apply_one(document: Any, op: Document) -> Any:
    name, path = op["op"], op["path"]
    parts = _parts(path)
    if not parts:
        raise PatchError(f"{name}: the whole document is not a target")
    parent = document
    for part in parts[:-1]:
        parent = _child(parent, part, path)
    last = parts[-1]
    if name == "test":
        # A field that is absent equals null, as in the API server's implementation.
        if isinstance(parent, dict) and last not in parent and op.get("value") is None:
            return document
        if not _equal(_child(parent, last, path), op.get("value")):
            raise PatchError(f"testing value {path} failed")
    elif name == "add":
        _add(parent, last, deepcopy(op["value"]), path)
    elif name == "replace":
        _child(parent, last, path)
        _set(parent, last, deepcopy(op["value"]))
    elif name == "remove":
        _remove(parent, last, path)
    elif name in ("copy", "move"):
        value = _lookup(document, op["from"])
        if name == "move":
            document = _apply_one(document, {"op": "remove", "path": op["from"]})
        return _apply_one(document, {"op": "add", "path": path, "value": value})
    else:
        raise PatchError(f"operation {name} is not supported")
    return document


def _parts(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _lookup(document: Any, path: str) -> Any:
    for part in _parts(path):
        document = _child(document, part, path)
    return document


def _remove(parent: Any, part: str, path: str) -> None:
    _child(parent, part, path)
    del parent[int(part) if isinstance(parent, list) else part]


def _child(parent: Any, part: str, path: str) -> Any:
    if isinstance(parent, list) and part.isdigit() and int(part) < len(parent):
        return parent[int(part)]
    if isinstance(parent, dict) and part in parent:
        return parent[part]
    raise PatchError(f"{path}: no such field")


def _equal(one: Any, other: Any) -> bool:
    """As JSON, where true is not 1."""
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def _add(parent: Any, part: str, value: Any, path: str) -> None:
    if isinstance(parent, list):
        index = len(parent) if part == "-" else int(part) if part.isdigit() else -1
        if not 0 <= index <= len(parent):
            raise PatchError(f"{path}: no such place in the list")
        parent.insert(index, value)
    elif isinstance(parent, dict):
        parent[part] = value
    else:
        raise PatchError(f"{path}: no such field")


def _set(parent: Any, part: str, value: Any) -> None:
    parent[int(part) if isinstance(parent, list) else part] = value
