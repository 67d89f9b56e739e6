"""Fields of a document by paths as `hack/vmi_fields.py` writes them: where they are set, and documents without them.

`[]` stands for entries of lists, `{}` for values of maps.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

from kubevirt_py.plan import Document


def values(document: Document, path: str) -> list[Any]:
    """All that the field is set to."""
    return [container[key] for container, key in _places(document, _parts(path))]


def without(document: Document, path: str) -> list[Document]:
    """The document without the field, for each place where it is set."""
    return _edited(document, path, lambda container, key: container.pop(key))


def with_another(document: Document, path: str) -> list[Document]:
    """The document with other values at each place, for texts and numbers."""
    return [*_edited(document, path, _longer), *_edited(document, path, _next_number)]


def with_the_opposite(document: Document, path: str) -> list[Document]:
    """The document with True for False and the other way round at each place."""
    return _edited(document, path, _opposite)


def _edited(document: Document, path: str, edit: Callable[[Any, Any], Any]) -> list[Document]:
    found = []
    for index in range(len(list(_places(document, _parts(path))))):
        other = copy.deepcopy(document)
        edit(*list(_places(other, _parts(path)))[index])
        found.append(other)
    return found


def _longer(container: Any, key: Any) -> None:
    if isinstance(container[key], str):
        container[key] += "1"


def _next_number(container: Any, key: Any) -> None:
    value = container[key]
    if isinstance(value, str):
        container[key] = re.sub(r"\d+", lambda digits: str(int(digits[0]) + 1), value, count=1)
    elif isinstance(value, int) and not isinstance(value, bool):
        container[key] = value + 1


def _opposite(container: Any, key: Any) -> None:
    assert isinstance(container[key], bool)
    container[key] = not container[key]


def _places(value: Any, parts: list[str]) -> Iterator[tuple[Any, Any]]:
    """(container, key) of each place where a path is set."""
    head, *rest = parts
    for key in _keys(value, head):
        if rest:
            yield from _places(value[key], rest)
        else:
            yield value, key


def _keys(value: Any, part: str) -> list[Any]:
    if part == "[]":
        return list(range(len(value))) if isinstance(value, list) else []
    if part == "{}":
        return list(value) if isinstance(value, dict) else []
    return [part] if isinstance(value, dict) and part in value else []


def _parts(path: str) -> list[str]:
    return re.findall(r"\[\]|\{\}|[^.\[\]{}]+", path)
