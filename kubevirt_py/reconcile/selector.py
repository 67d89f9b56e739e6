"""Whether an object is one that a store selects: Kubernetes label and field selectors.

Needed because a write to an object outside a store's selection never shows up there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SET = re.compile(r"^(?P<key>\S+)\s+(?P<op>notin|in)\s*\((?P<values>[^)]*)\)$")
_SPLIT = re.compile(r",(?![^(]*\))")


def labels_match(selector: str, labels: Mapping[str, str]) -> bool:
    """Equality (`a=b`, `a==b`, `a!=b`), set (`a in (b,c)`, `a notin (b)`) and existence (`a`, `!a`) terms."""
    return all(_label_term(term.strip(), labels) for term in _SPLIT.split(selector) if term.strip())


def fields_match(selector: str, document: Mapping[str, Any]) -> bool:
    """Equality terms on dotted paths; a field that is absent counts as empty."""
    return all(_field_term(term.strip(), document) for term in selector.split(",") if term.strip())


def _label_term(term: str, labels: Mapping[str, str]) -> bool:
    found = _SET.match(term)
    if found:
        values = {value.strip() for value in found["values"].split(",")}
        value = labels.get(found["key"])
        return value in values if found["op"] == "in" else value not in values
    name, operator, value = _equality(term)
    if operator:
        return (labels.get(name) == value) == (operator == "=")
    return name[1:].strip() not in labels if name.startswith("!") else name in labels


def _field_term(term: str, document: Mapping[str, Any]) -> bool:
    path, operator, value = _equality(term)
    found: Any = document
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return (("" if found is None else str(found)) == value) == (operator != "!=")


def _equality(term: str) -> tuple[str, str, str]:
    """Name, operator (`=`, `!=`, or empty) and value of a term."""
    for operator in ("!=", "==", "="):
        name, found, value = term.partition(operator)
        if found:
            return name.strip(), "=" if operator == "==" else operator, value.strip()
    return term, "", ""
