"""Manifests of the machines the tests use, and the nodes they run on."""

from __future__ import annotations

import copy
from typing import Any

Document = dict[str, Any]
REGISTRY = "localhost/kubevirt-py/guests"


def spec(*, memory: str = "96Mi", binding: str = "masquerade", node: str = "", **extra: Any) -> Document:
    """A VMI spec: the tiny guest on virtio, with the pod network.

    The grace period is short, since a guest that has not booted yet does not hear the power button.
    """
    document: Document = {
        "terminationGracePeriodSeconds": 3,
        "domain": {
            "devices": {
                "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
                "interfaces": [{"name": "default", binding: {}}],
                "rng": {},
            },
            "memory": {"guest": memory},
        },
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [{"name": "root", "containerDisk": {"image": f"{REGISTRY}/tiny:devel"}}],
    }
    if node:
        document["nodeSelector"] = {"kubernetes.io/hostname": node}
    return {**document, **extra}


def vmi(name: str, **options: Any) -> Document:
    labels = options.pop("labels", {})
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "labels": labels},
        "spec": spec(**options),
    }


def vm(name: str, run_strategy: str = "Always", **options: Any) -> Document:
    labels = {"kubevirt.io/vm": name, **options.pop("labels", {})}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name},
        "spec": {
            "runStrategy": run_strategy,
            "template": {"metadata": {"labels": labels}, "spec": spec(**options)},
        },
    }


def claim(name: str, size: str, **spec: object) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec},
    }


def with_disk(document: Document, name: str, volume: Document, **disk: Any) -> Document:
    """The machine with one more disk and its volume."""
    changed = copy.deepcopy(document)
    inner = changed["spec"].get("template", changed)["spec"]
    inner["domain"]["devices"]["disks"].append({"name": name, **(disk or {"disk": {"bus": "virtio"}})})
    inner["volumes"].append({"name": name, **volume})
    return changed


def user_data(script: str) -> Document:
    return {"cloudInitNoCloud": {"userData": f"#!/bin/sh\n{script}\n"}}
