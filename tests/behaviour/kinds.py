"""Kinds for tests of the framework: two of our own, and a few that every API server has."""

from __future__ import annotations

from typing import Any

import msgspec

from kubevirt_py.plan import Document, Key, Kind


class Owner(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[Owner, ...] = ()


class WidgetSpec(msgspec.Struct, frozen=True):
    size: int = 0


class WidgetStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class Widget(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()
    spec: WidgetSpec = WidgetSpec()
    status: WidgetStatus = WidgetStatus()


class ConfigMap(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()
    data: dict[str, str] = {}


WIDGET = Kind("example.com", "v1", "Widget", "widgets", Widget)
"""Has a status subresource."""
GADGET = Kind("example.com", "v1", "Gadget", "gadgets", Widget)
"""Has none."""
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", ConfigMap)
POD: Kind[dict[str, Any]] = Kind("", "v1", "Pod", "pods", dict)
NAMESPACE: Kind[dict[str, Any]] = Kind("", "v1", "Namespace", "namespaces", dict, namespaced=False)
CRD: Kind[dict[str, Any]] = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", dict, namespaced=False
)


def widget(key: Key, size: int = 1, kind: Kind[Widget] = WIDGET, **metadata: Any) -> Document:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"namespace": key.namespace, "name": key.name, **metadata},
        "spec": {"size": size},
    }


def config_map(key: Key, data: dict[str, str], **metadata: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": key.namespace, "name": key.name, **metadata},
        "data": data,
    }


def pod(key: Key, node: str = "") -> Document:
    spec: Document = {
        "terminationGracePeriodSeconds": 30,
        "containers": [{"name": "main", "image": "localhost/none"}],
    }
    if node:
        spec["nodeName"] = node
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": key.namespace, "name": key.name},
        "spec": spec,
    }


def controlled_by(owner: Widget, kind: Kind[Widget] = WIDGET) -> list[Document]:
    """Owner references that make `owner` the controller."""
    return [
        {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "name": owner.metadata.name,
            "uid": owner.metadata.uid,
            "controller": True,
        }
    ]


def definition(kind: Kind[Widget], *, status: bool) -> Document:
    """The CustomResourceDefinition of one of our kinds."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 1000}}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    version: Document = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "selectableFields": [{"jsonPath": ".spec.size"}],
    }
    if status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": CRD.api_version,
        "kind": CRD.kind,
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [version],
        },
    }
