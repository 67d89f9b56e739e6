"""Makes CustomResourceDefinitions from the models: structural schemas, printer columns, subresources.

The models are walked by their annotations, not through pydantic's JSON schema, because a structural schema
may hold no references. `python -m kubevirt_py.api.crd` prints all CRDs as one YAML stream.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import types
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import StringConstraints

from kubevirt_py.api import base
from kubevirt_py.api.crd_kinds import KINDS, Column, CustomKind, Version
from kubevirt_py.plan import Document

SCALARS = {str: "string", int: "integer", bool: "boolean", float: "number"}


def crds() -> Iterator[Document]:
    """All CRDs, in the order of the table."""
    return (crd(kind) for kind in KINDS)


def crd(kind: CustomKind) -> Document:
    """The CRD of one kind."""
    names: Document = {"kind": kind.kind, "listKind": f"{kind.kind}List", "plural": kind.plural}
    names["singular"] = kind.kind.lower()
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.name, "labels": {"kubevirt.io": ""}},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [_version(kind, version, described=i == 0) for i, version in enumerate(kind.versions)],
        },
    }


def model_of(kind: CustomKind) -> type[base.Resource]:
    """The model class of a kind. Kinds of cluster scope share the model of their namespaced twin."""
    module = importlib.import_module(f"kubevirt_py.api.{kind.model}")
    model: type[base.Resource] = getattr(module, kind.kind.replace("Cluster", ""))
    return model


def _version(kind: CustomKind, version: Version, *, described: bool) -> Document:
    """Only the version that clients prefer carries descriptions: objects in etcd have a size limit."""
    out: Document = {"name": version.name, "served": True, "storage": version.storage}
    if version.deprecated:
        out["deprecated"] = True
    out["schema"] = {"openAPIV3Schema": root_schema(model_of(kind), described=described)}
    if kind.columns:
        out["additionalPrinterColumns"] = [_column(column) for column in kind.columns]
    if kind.subresources:
        out["subresources"] = kind.subresource_schema()
    return out


def _column(column: Column) -> Document:
    out: Document = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        out["priority"] = column.priority
    return out


def root_schema(model: type[base.Resource], *, described: bool = True) -> Document:
    """The schema of a top-level object; the API server owns what is in its metadata."""
    schema = object_schema(model, described)
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def object_schema(model: type[base.Model], described: bool = True) -> Document:
    """The schema of any model."""
    schema: Document = {"type": "object"}
    if described and model.__doc__ and model is not base.Empty:
        schema["description"] = inspect.cleandoc(model.__doc__)
    hints = _hints(model)
    texts = _field_texts(model) if described else {}
    properties: Document = {}
    required: list[str] = []
    for name, info in model.model_fields.items():
        field = _field(hints[name], described)
        if name in texts:
            field["description"] = texts[name]
        if info.is_required():
            required.append(info.alias or name)
        elif info.default is not None:
            field["default"] = info.default
        properties[info.alias or name] = field
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = required
    if issubclass(model, base.AtomicModel):
        schema["x-kubernetes-map-type"] = "atomic"
    if issubclass(model, base.OpenModel):
        schema["x-kubernetes-preserve-unknown-fields"] = True
    return schema


@cache
def _hints(model: type[base.Model]) -> Document:
    """Annotations by field. Most models are met hundreds of times."""
    return get_type_hints(model, include_extras=True)


def _field(hint: Any, described: bool) -> Document:
    """The schema of one annotation; markers of an outer `Annotated` follow those of an inner one."""
    origin, args = get_origin(hint), get_args(hint)
    if hasattr(hint, "__metadata__"):
        return _with_markers(args[0], hint.__metadata__, described)
    if origin in (Union, types.UnionType):
        return _field(next(arg for arg in args if arg is not type(None)), described)
    if origin is Literal:
        return {"type": "string", "enum": list(args)}
    if origin is list:
        return {"type": "array", "items": _field(args[0], described)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _field(args[1], described)}
    if hint in SCALARS:
        return {"type": SCALARS[hint]}
    return object_schema(hint, described)


def _with_markers(inner: Any, markers: tuple[Any, ...], described: bool) -> Document:
    if any(isinstance(marker, base.PreserveUnknown) for marker in markers):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if any(isinstance(marker, base.IntOrStringType) for marker in markers):
        return _int_or_string(inner)
    schema = _field(inner, described)
    for marker in markers:
        _apply(schema, marker)
    return schema


def _int_or_string(inner: Any) -> Document:
    schema: Document = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    for arg in get_args(inner):
        for marker in getattr(arg, "__metadata__", ()):
            _apply(schema, marker)
    return schema


def _apply(schema: Document, marker: Any) -> None:
    items = schema.get("type") == "array"
    match marker:
        case base.Format(name):
            schema["format"] = name
        case base.Nullable():
            schema["nullable"] = True
        case base.ListType(kind, keys):
            schema["x-kubernetes-list-type"] = kind
            if keys:
                schema["x-kubernetes-list-map-keys"] = list(keys)
        case base.Cel(rule, message):
            schema.setdefault("x-kubernetes-validations", []).append({"rule": rule, "message": message})
        case StringConstraints(pattern=str(pattern)):
            schema["pattern"] = pattern
        case Ge(bound):
            schema["minimum"] = bound
        case Le(bound):
            schema["maximum"] = bound
        case MinLen(length):
            schema["minItems" if items else "minLength"] = length
        case MaxLen(length):
            schema["maxItems" if items else "maxLength"] = length
        case _:
            raise TypeError(f"no OpenAPI form for {marker!r}")


def _field_texts(model: type[base.Model]) -> dict[str, str]:
    """The strings that follow the fields of `model` and of its bases, in its source."""
    texts: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, base.Model):
            texts |= _module_texts(cls.__module__).get(cls.__name__, {})
    return texts


@cache
def _module_texts(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: dict(_described(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _described(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, " ".join(words.split())


def main(_argv: Sequence[str] = ()) -> int:
    """Print all CRDs to standard output."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    yaml.dump_all(crds(), sys.stdout, Dumper=dumper, explicit_start=True, sort_keys=False, width=1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
