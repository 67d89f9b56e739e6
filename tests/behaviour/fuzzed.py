"""Random objects that fit a schema, with values that are likely to be awkward."""

from __future__ import annotations

import random
from typing import Any

from kubevirt_py.plan import Document
from tests.behaviour.filled import filled

TEXTS = (
    "", "a", "root", "default", "A b", "-", "x" * 300, "\0", "ü", "/", "/disk/../x", "None", "virtio", "q35", "latest:",
    "10.0.2.0/24", "10.0.2.0/99", "fd10:0:2::/120", "::1", "02:00:00:00:00:01", "1Gi", "host-model", "%%%", "{}",
    "arm64",
)  # fmt: skip
QUANTITIES = ("0", "1", "-1", "64M", "1.5Gi", "500m", ".5", "1e3", "1e99", "9" * 80, "1e1.5", 0, 1, -1, 2**62)
NUMBERS = (0, 1, 2, -1, 65535, 2**31 - 1, 2**63 - 1)


def fuzzed(schema: Document, chance: random.Random, density: float = 0.2) -> Any:
    """A value that `schema` allows; each optional field is there with probability `density`."""
    if schema.get("x-kubernetes-int-or-string"):
        return chance.choice(QUANTITIES if "pattern" in schema else (*TEXTS, *NUMBERS))
    if "enum" in schema:
        return chance.choice(schema["enum"])
    match schema["type"]:
        case "object" if "properties" in schema:
            required = schema.get("required", ())
            return {
                name: fuzzed(field, chance, density)
                for name, field in schema["properties"].items()
                if name in required or chance.random() < density
            }
        case "object" if "additionalProperties" in schema:
            return {
                text: fuzzed(schema["additionalProperties"], chance, density) for text in chance.choices(TEXTS, k=2)
            }
        case "array":
            count = max(schema.get("minItems", 0), min(chance.choice((0, 1, 1, 2, 3)), schema.get("maxItems", 3)))
            return [fuzzed(schema["items"], chance, density) for _ in range(count)]
        case "string" if "format" in schema or "pattern" in schema:
            return filled(schema)
        case "string":
            return chance.choice(TEXTS)[: schema.get("maxLength")].ljust(schema.get("minLength", 0), "x")
        case "boolean":
            return chance.random() < 0.5
        case "integer":
            number = chance.choice(NUMBERS)
            return min(max(number, schema.get("minimum", number)), schema.get("maximum", number))
        case _:
            return filled(schema)


def altered(document: Document, schema: Document, chance: random.Random) -> Document:
    """A copy of an object that fits `schema`, in which one field somewhere has another value that fits, or is new."""
    name = chance.choice(sorted(schema["properties"]))
    field = schema["properties"][name]
    given = document.get(name)
    if isinstance(given, dict) and "properties" in field and chance.random() < 0.9:
        return document | {name: altered(given, field, chance)}
    if isinstance(given, list) and given and "properties" in field.get("items", {}) and chance.random() < 0.9:
        index = chance.randrange(len(given))
        return document | {name: [*given[:index], altered(given[index], field["items"], chance), *given[index + 1 :]]}
    return document | {name: fuzzed(field, chance, 0.1)}


def spoiled(document: Any, chance: random.Random) -> Any:
    """A copy in which one part, somewhere, has another type or is null."""
    if isinstance(document, dict) and document and chance.random() < 0.85:
        key = chance.choice(sorted(document))
        return document | {key: spoiled(document[key], chance)}
    if isinstance(document, list) and document and chance.random() < 0.85:
        index = chance.randrange(len(document))
        return [*document[:index], spoiled(document[index], chance), *document[index + 1 :]]
    return chance.choice((None, 0, -1, "", "x", [], {}, [None], {"": None}, True, 1.5, 2**70))
