"""spec.affinity, which the pod gets: what Kubernetes would refuse there is refused here, where the user sees it.

Source: Kubernetes' validation of pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, between, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.selectors import label_key, label_value, selector_causes

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
REQUIRED_TERMS = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED_TERMS = "preferredDuringSchedulingIgnoredDuringExecution"
WEIGHTS = (1, 100)


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    affinity, base = spec.get("affinity") or {}, f"{path}.affinity"
    yield from _nodes(affinity.get("nodeAffinity") or {}, f"{base}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pods(affinity.get(kind) or {}, f"{base}.{kind}")


def topology_key(field: str, key: str) -> Iterator[Cause]:
    """The label whose values are the places of a topology."""
    if not key:
        yield Cause(field, REQUIRED, "names a label of nodes, such as kubernetes.io/hostname")
    else:
        yield from label_key(field, key)


def _nodes(affinity: Document, path: str) -> Iterator[Cause]:
    if (required := affinity.get(REQUIRED_TERMS)) is not None:
        field = f"{path}.{REQUIRED_TERMS}.nodeSelectorTerms"
        terms = required.get("nodeSelectorTerms") or []
        if not terms:
            yield Cause(field, REQUIRED, "must have at least one node selector term")
        for index, term in enumerate(terms):
            yield from _term(term, f"{field}[{index}]")
    for index, item in enumerate(affinity.get(PREFERRED_TERMS) or ()):
        field = f"{path}.{PREFERRED_TERMS}[{index}]"
        yield from between(f"{field}.weight", item.get("weight"), *WEIGHTS)
        yield from _term(item.get("preference") or {}, f"{field}.preference")


def _term(term: Document, path: str) -> Iterator[Cause]:
    for part in ("matchExpressions", "matchFields"):
        for index, item in enumerate(term.get(part) or ()):
            yield from _requirement(item, f"{path}.{part}[{index}]", labels=part == "matchExpressions")


def _requirement(item: Document, path: str, *, labels: bool) -> Iterator[Cause]:
    operator, values = item.get("operator") or "", item.get("values") or []
    if not operator:
        yield Cause(f"{path}.operator", REQUIRED, f"set one of: {', '.join(OPERATORS)}")
    yield from one_of(f"{path}.operator", operator, OPERATORS)
    if operator in ("In", "NotIn") and not values:
        yield Cause(f"{path}.values", REQUIRED, f"operator {operator} compares with at least one value")
    if operator in ("Exists", "DoesNotExist") and values:
        yield Cause(f"{path}.values", INVALID, f"operator {operator} takes no values")
    if operator in ("Gt", "Lt") and (len(values) != 1 or not values[0].lstrip("-").isdecimal()):
        yield Cause(f"{path}.values", INVALID, f"operator {operator} compares with one whole number")
    if labels:
        yield from label_key(f"{path}.key", item.get("key") or "")
        for index, value in enumerate(values):
            yield from label_value(f"{path}.values[{index}]", value)


def _pods(affinity: Document, path: str) -> Iterator[Cause]:
    for index, term in enumerate(affinity.get(REQUIRED_TERMS) or ()):
        yield from _pod_term(term, f"{path}.{REQUIRED_TERMS}[{index}]")
    for index, item in enumerate(affinity.get(PREFERRED_TERMS) or ()):
        field = f"{path}.{PREFERRED_TERMS}[{index}]"
        yield from between(f"{field}.weight", item.get("weight"), *WEIGHTS)
        yield from _pod_term(item.get("podAffinityTerm") or {}, f"{field}.podAffinityTerm")


def _pod_term(term: Document, path: str) -> Iterator[Cause]:
    yield from topology_key(f"{path}.topologyKey", term.get("topologyKey") or "")
    for part in ("labelSelector", "namespaceSelector"):
        yield from selector_causes(term.get(part) or {}, f"{path}.{part}")
