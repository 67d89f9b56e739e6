"""spec.customizeComponents: a user's own changes to the manifests the operator applies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

from kubevirt_py.api import names
from kubevirt_py.jsonpatch import PatchError, apply_patch
from kubevirt_py.plan import Document
from kubevirt_py.render.strategic import merge, strategic_merge

FIELD = "spec.customizeComponents"
COMPONENTS = {"api": names.VIRT_API, "controller": names.VIRT_CONTROLLER, "handler": names.VIRT_HANDLER}
FLAGS = {
    "api": ("v", "verbosity"),
    "controller": ("v", "verbosity"),
    "handler": ("v", "verbosity", "max-devices"),
}
"""What each component may be told on its command line. Its ports are known to Services and stay."""
ALL = "*"


def customized(documents: Iterable[Document], spec: Document) -> tuple[Document, ...]:
    """The documents with the CR's changes. Raises ValueError, with the field, for one that does not fit."""
    wanted = spec.get("customizeComponents") or {}
    if not wanted:
        return tuple(documents)
    mark = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:40]
    return tuple(_changed(document, wanted, mark) for document in documents)


def misfits(documents: Iterable[Document], spec: Document) -> Iterator[tuple[str, str]]:
    """Fields of spec.customizeComponents that cannot be followed, each with why."""
    wanted = spec.get("customizeComponents") or {}
    for part, given in (wanted.get("flags") or {}).items():
        for flag in given or {}:
            if flag not in FLAGS[part]:
                allowed = ", ".join(FLAGS[part])
                yield f"{FIELD}.flags.{part}.{flag}", f"{COMPONENTS[part]} has no such flag to set; it has: {allowed}"
    held = tuple(documents)
    for index, patch in enumerate(wanted.get("patches") or ()):
        targets = [document for document in held if _meant(document, patch)]
        if not targets:
            place = f"{FIELD}.patches[{index}].resourceName"
            yield place, f"nothing is installed as {patch['resourceType']} {patch['resourceName']!r}"
        for document in targets:
            try:
                _patched(document, patch, index)
            except ValueError as error:
                place, _, words = str(error).partition(": ")
                yield place, words
                break


def _changed(document: Document, wanted: Document, mark: str) -> Document:
    result = document
    for index, patch in enumerate(wanted.get("patches") or ()):
        if _meant(document, patch):
            result = _patched(result, patch, index)
    for part, flags in (wanted.get("flags") or {}).items():
        if (
            flags
            and document["kind"] in ("Deployment", "DaemonSet")
            and document["metadata"]["name"] == COMPONENTS[part]
        ):
            result = _with_flags(result, flags)
    if result is document:
        return document
    return merge(result, {"metadata": {"annotations": {names.CUSTOMIZER_ANNOTATION: mark}}})  # type: ignore[no-any-return]


def _meant(document: Document, patch: Document) -> bool:
    kind = document["kind"].casefold() == str(patch["resourceType"]).casefold()
    return kind and patch["resourceName"] in (ALL, document["metadata"]["name"])


def _patched(document: Document, patch: Document, index: int) -> Document:
    place = f"{FIELD}.patches[{index}].patch"
    try:
        body: Any = json.loads(patch["patch"])
        match patch["type"]:
            case "json":
                result = apply_patch(document, body)
            case "merge":
                result = merge(document, body)
            case _:
                result = strategic_merge(document, body)
        same = all(result.get(part) == document[part] for part in ("apiVersion", "kind"))
        if not same or result["metadata"]["name"] != document["metadata"]["name"]:
            raise ValueError("a patch may not change apiVersion, kind or name")
    except (ValueError, PatchError, KeyError, TypeError, AttributeError, RecursionError) as error:
        target = f"{document['kind']} {document['metadata']['name']}"
        raise ValueError(f"{place}: does not fit {target}: {error}") from error
    return result


def _with_flags(workload: Document, flags: dict[str, str]) -> Document:
    """Later flags win, so these come after our own."""
    given = [word for name, value in sorted(flags.items()) for word in (f"--{name}", value) if word]
    template = workload["spec"]["template"]
    container, *others = template["spec"]["containers"]
    told = {**container, "command": [*container["command"], *given]}
    pod = {**template["spec"], "containers": [told, *others]}
    return {**workload, "spec": {**workload["spec"], "template": {**template, "spec": pod}}}
