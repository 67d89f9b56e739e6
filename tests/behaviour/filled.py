"""An object with every field of a schema set, so that a test sees what is lost on the way."""

from __future__ import annotations

from typing import Any

from kubevirt_py.plan import Document

FORMATS = {"date-time": "2030-01-02T03:04:05Z", "byte": "eA=="}
RATIO = r"^(0(?:\.\d{1,3})?|1)$"


def filled(schema: Document) -> Any:
    """A value in which every property, item and map entry that `schema` names is present."""
    if schema.get("x-kubernetes-int-or-string"):
        return "3"
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "object" if "properties" in schema:
            return {name: filled(field) for name, field in schema["properties"].items()}
        case "object" if "additionalProperties" in schema:
            return {"key": filled(schema["additionalProperties"])}
        case "object" if schema.get("x-kubernetes-preserve-unknown-fields"):
            return {"labels": {"kept": "yes"}, "name": "kept"}
        case "object":
            return {}
        case "array":
            return [filled(schema["items"])]
        case "string":
            return _text(schema)
        case "boolean":
            return True
        case "integer":
            return max(schema.get("minimum", 1), 1)
        case "number":
            return 1.5
    raise ValueError(f"no value for {schema}")


def _text(schema: Document) -> str:
    if "format" in schema:
        return FORMATS[schema["format"]]
    if "pattern" in schema:
        return "0.5" if schema["pattern"] == RATIO else "Text"
    return "/text"
