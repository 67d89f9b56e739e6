"""Label selectors: whether they are well-formed, and what they match.

Source: metav1.LabelSelector; an empty selector matches everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, one_of

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
MAX_NAME = 63
MAX_PREFIX = 253
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def matches(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a well-formed selector picks an object with these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_meets(item, labels) for item in selector.get("matchExpressions") or ())


def _meets(item: Document, labels: Mapping[str, str]) -> bool:
    key, values = item["key"], item.get("values") or ()
    match item["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def selector_causes(selector: Document, path: str) -> Iterator[Cause]:
    """What Kubernetes would refuse in a selector whose types are right."""
    yield from labels_causes(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, item in enumerate(selector.get("matchExpressions") or ()):
        field = f"{path}.matchExpressions[{index}]"
        yield from label_key(f"{field}.key", item["key"])
        values = item.get("values") or []
        if not item["operator"]:
            yield Cause(f"{field}.operator", REQUIRED, f"set one of: {', '.join(OPERATORS)}")
        yield from one_of(f"{field}.operator", item["operator"], OPERATORS)
        if item["operator"] in ("In", "NotIn") and not values:
            yield Cause(f"{field}.values", REQUIRED, f"operator {item['operator']} compares with at least one value")
        if item["operator"] in ("Exists", "DoesNotExist") and values:
            yield Cause(f"{field}.values", INVALID, f"operator {item['operator']} takes no values")
        for number, value in enumerate(values):
            yield from label_value(f"{field}.values[{number}]", value)


def labels_causes(labels: Document, path: str) -> Iterator[Cause]:
    """What Kubernetes would refuse among labels whose types are right."""
    for key, value in labels.items():
        yield from label_key(f"{path}[{key}]", key)
        yield from label_value(f"{path}[{key}]", value)


def label_key(field: str, key: str) -> Iterator[Cause]:
    """A label's name, with an optional DNS prefix before a slash."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > MAX_PREFIX or not _PREFIX.fullmatch(prefix)):
        yield Cause(field, INVALID, f"{prefix!r} before the slash of {key!r} must be a DNS name")
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        yield Cause(
            field, INVALID, f"{key!r} is not the name of a label; use up to {MAX_NAME} letters, digits, '-', '_', '.'"
        )


def label_value(field: str, value: str) -> Iterator[Cause]:
    """A label's value; empty is one too."""
    if value and (len(value) > MAX_NAME or not _NAME.fullmatch(value)):
        yield Cause(
            field, INVALID, f"{value!r} is not a label value; use up to {MAX_NAME} letters, digits, '-', '_' and '.'"
        )
