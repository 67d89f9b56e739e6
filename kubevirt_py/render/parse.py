"""Types, enums and patterns: what the pydantic models say, as causes with Kubernetes field paths."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kubevirt_py.api.base import Model
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, NOT_SUPPORTED, REQUIRED, Cause

_UNION_BRANCHES = frozenset({"int", "str", "constrained-str"})
"""What pydantic appends to a location inside an int-or-string."""

_EXPECTED = {
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "string_type": "must be a string",
}


def parse_causes(model: type[Model], document: Document) -> list[Cause]:
    """Where `document` does not fit `model`; empty when it does."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        found: dict[str, Cause] = {}
        for detail in error.errors(include_url=False, include_context=True):
            cause = _cause(detail)
            found.setdefault(cause.field, cause)
        return list(found.values())
    return []


def without_nulls(value: Any) -> Any:
    """A copy in which fields set to null are absent: readers then need not tell the two apart."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def field_path(location: tuple[int | str, ...]) -> str:
    """("spec", "volumes", 0, "name") -> spec.volumes[0].name."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _cause(detail: ErrorDetails) -> Cause:
    location = detail["loc"]
    if location and location[-1] in _UNION_BRANCHES:
        text = "must be a quantity: a number with an optional suffix, such as 2, 500m or 1.5Gi"
        if detail["type"] == "string_type" and location[-1] == "str":
            text = "must be a whole number or a string"
        return Cause(field_path(location[:-1]), INVALID, f"{_shown(detail['input'])} is not valid; it {text}")
    field = field_path(location)
    context = detail.get("ctx") or {}
    match detail["type"]:
        case "missing":
            return Cause(field, REQUIRED, "is required")
        case "literal_error":
            return Cause(field, NOT_SUPPORTED, f"{_shown(detail['input'])} is not supported; use {context['expected']}")
        case "string_pattern_mismatch":
            return Cause(field, INVALID, f"{_shown(detail['input'])} is not valid; it must match {context['pattern']}")
        case "value_error":
            return Cause(field, INVALID, str(context["error"]))
        case kind if kind in _EXPECTED:
            return Cause(field, INVALID, f"{_EXPECTED[kind]}, not {_shown(detail['input'])}")
        case _:
            return Cause(field, INVALID, f"{_shown(detail['input'])} is not valid: {detail['msg']}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 64 else f"{text[:61]}..."
