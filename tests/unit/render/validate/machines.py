"""A VM and a VMI that are right, and edits that make them wrong."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from typing import Any

import yaml

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig

UUID = "5d307ca9-b3ef-428c-8861-06e72d69f223"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIG = ClusterConfig()
REMOVE = object()

SPEC: Document = yaml.safe_load("""
domain:
  devices:
    disks:
    - {name: root, disk: {bus: virtio}}
    - {name: seed, disk: {bus: virtio}}
    interfaces:
    - {name: default, masquerade: {}}
  resources: {requests: {memory: 64M}}
networks:
- {name: default, pod: {}}
terminationGracePeriodSeconds: 0
volumes:
- {name: root, containerDisk: {image: "registry.test/guests/tiny:v1"}}
- {name: seed, cloudInitNoCloud: {userData: "#!/bin/sh"}}
""")


def vmi(edits: Document | None = None) -> Document:
    """A VMI; `edits` maps paths inside its spec to values."""
    document: Document = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "tiny", "namespace": "default"},
        "spec": copy.deepcopy(SPEC),
    }
    return edited(document, {f"spec.{path}": value for path, value in (edits or {}).items()})


def vm(edits: Document | None = None) -> Document:
    """A VM of the same spec; `edits` maps paths inside the VM to values."""
    document: Document = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "tiny", "namespace": "default"},
        "spec": {
            "runStrategy": "Halted",
            "template": {"metadata": {"labels": {"app": "tiny"}}, "spec": copy.deepcopy(SPEC)},
        },
    }
    return edited(document, edits or {})


def edited(document: Document, edits: Document) -> Document:
    """A copy with the value at each path replaced; missing objects on the way are made, lists grow by one."""
    result = copy.deepcopy(document)
    for path, value in edits.items():
        *way, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
        place: Any = result
        for part, following in zip(way, [*way, last][1:], strict=True):
            place = _step(place, part, [] if isinstance(following, int) else {})
        if value is REMOVE:
            del place[last]
        elif isinstance(last, int) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return result


def _step(place: Any, part: int | str, missing: Any) -> Any:
    if isinstance(part, int):
        if part == len(place):
            place.append(missing)
        return place[part]
    return place.setdefault(part, missing)
