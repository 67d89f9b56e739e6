"""What the user left out: defaults of VirtualMachine and VirtualMachineInstance, as KubeVirt fills them in.

A document whose types are wrong is returned as it came: the API server refuses it afterwards, with better words.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime

from kubevirt_py.api import names
from kubevirt_py.api.quantity import format_bytes, is_quantity, parse_quantity
from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from kubevirt_py.plan import Document
from kubevirt_py.render import default_devices, hyperv
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.live_update import with_room
from kubevirt_py.render.machine.cpu import sockets_of
from kubevirt_py.render.overhead import overhead_bytes
from kubevirt_py.render.parse import parse_causes, without_nulls

MACHINE_TYPES = {"amd64": "q35", "arm64": "virt", "s390x": "s390-ccw-virtio"}
PCI_TOPOLOGY = "v3"
UPSTREAM_CPU_REQUEST = "100m"
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def default_vm(document: Document, config: ClusterConfig, new_uuid: Callable[[], str]) -> Document:
    """A VM as it is stored when created: identity of the firmware, architecture, machine type, our finalizer.

    The template keeps its other gaps: they are filled when a VMI is made from it.
    """
    vm = default_vm_update(document, config)
    if vm is document:
        return document
    _add_finalizer(vm, names.VM_FINALIZER)
    firmware = vm["spec"]["template"]["spec"]["domain"].setdefault("firmware", {})
    firmware.setdefault("uuid", new_uuid())
    firmware.setdefault("serial", new_uuid())
    return vm


def default_vm_update(document: Document, config: ClusterConfig) -> Document:
    """A VM as it is stored when changed. Never adds a finalizer, so it never stands in the way of deletion."""
    if parse_causes(VirtualMachine, document) or not document["spec"]["template"].get("spec"):
        return document
    vm: Document = document | {"spec": without_nulls(document["spec"])}
    for key, kind in (
        ("instancetype", "VirtualMachineClusterInstancetype"),
        ("preference", "VirtualMachineClusterPreference"),
    ):
        if key in vm["spec"]:
            vm["spec"][key].setdefault("kind", kind)
    template = vm["spec"]["template"]
    spec = template["spec"]
    architecture = spec.setdefault("architecture", config.default_architecture)
    _machine_type(spec["domain"], architecture, config)
    if spec["domain"]["machine"]["type"].startswith(("q35", "pc-q35", "virt")):
        annotations = template.setdefault("metadata", {}).setdefault("annotations", {})
        if isinstance(annotations, dict):
            annotations.setdefault(names.PCI_TOPOLOGY_ANNOTATION, PCI_TOPOLOGY)
    return vm


def default_vmi(document: Document, config: ClusterConfig, now: datetime, new_uuid: Callable[[], str]) -> Document:
    """A VMI as it is stored when created: every gap of its spec filled, our finalizer, status Pending since `now`."""
    if parse_causes(VirtualMachineInstance, document):
        return document
    vmi: Document = copy.deepcopy(document)
    vmi["spec"] = with_vmi_defaults(vmi["spec"], config)
    owners = vmi["metadata"].get("ownerReferences") or ()
    if any(owner.get("kind") == "VirtualMachine" and owner.get("controller") for owner in owners):
        vmi["spec"] = with_room(vmi["spec"], config)
        boot = {names.BOOT_SOCKETS_ANNOTATION: str(sockets_of(vmi["spec"]["domain"]))}
        vmi["metadata"] = vmi["metadata"] | {"annotations": (vmi["metadata"].get("annotations") or {}) | boot}
    vmi["spec"]["domain"]["firmware"].setdefault("uuid", new_uuid())
    _add_finalizer(vmi, names.VMI_FINALIZER)
    vmi["status"] = _first_status(vmi["spec"], config, now)
    return vmi


def restore_vmi_status(new: Document, old: Document) -> Document:
    """A user's update of a VMI with its status as it was: the kind has no status subresource to keep them out."""
    kept = {key: value for key, value in new.items() if key != "status"}
    return kept | {"status": old["status"]} if "status" in old else kept


def with_vmi_defaults(spec: Document, config: ClusterConfig) -> Document:
    """A copy of a VMI's spec with every gap filled. Its types must be right."""
    spec = without_nulls(spec)
    domain = spec["domain"]
    architecture = spec.setdefault("architecture", config.default_architecture)
    _machine_type(domain, architecture, config)
    _requests(domain, config)
    _guest_memory(domain)
    _topology(domain)
    if architecture == "arm64":
        domain["cpu"].setdefault("model", "host-passthrough")
    domain["cpu"].setdefault("model", config.cpu_model or "host-model")
    domain.setdefault("firmware", {})
    _features(domain)
    hyperv.enable_needs(domain)
    default_devices.fill(spec, config)
    spec.setdefault("evictionStrategy", config.eviction_strategy or "None")
    for name in ("livenessProbe", "readinessProbe"):
        if name in spec:
            _probe(spec[name])
    return spec


def _add_finalizer(document: Document, finalizer: str) -> None:
    metadata = document["metadata"] = dict(document.get("metadata") or {})
    given = metadata.get("finalizers") or []
    metadata["finalizers"] = [*given, *([] if finalizer in given else [finalizer])]


def _machine_type(domain: Document, architecture: str, config: ClusterConfig) -> None:
    machine = domain.setdefault("machine", {})
    if not machine.get("type"):
        machine["type"] = config.machine_type or MACHINE_TYPES.get(architecture, "q35")


def _requests(domain: Document, config: ClusterConfig) -> None:
    """A limit is also what is asked for; the cluster's own CPU request counts unless it is upstream's default.

    Dedicated CPUs are as many as the guest's, whatever others ask for.
    """
    resources = domain.setdefault("resources", {})
    limits = resources.get("limits") or {}
    given = {name: limits[name] for name in ("cpu", "memory") if name in limits}
    dedicated = (domain.get("cpu") or {}).get("dedicatedCpuPlacement")
    if config.cpu_request != UPSTREAM_CPU_REQUEST and not dedicated:
        given.setdefault("cpu", config.cpu_request)
    if given:
        resources["requests"] = given | (resources.get("requests") or {})


def _guest_memory(domain: Document) -> None:
    memory, resources = domain.setdefault("memory", {}), domain["resources"]
    for amount in (
        (resources.get("requests") or {}).get("memory"),
        (resources.get("limits") or {}).get("memory"),
        (memory.get("hugepages") or {}).get("pageSize"),
    ):
        if amount is not None and is_quantity(amount):
            memory.setdefault("guest", amount)


def _topology(domain: Document) -> None:
    """One core of one thread in as many sockets as CPUs are asked for; an explicit zero is kept, to be refused."""
    cpu = domain.setdefault("cpu", {})
    if not any(part in cpu for part in ("sockets", "cores", "threads")):
        resources = domain["resources"]
        for side in ("limits", "requests"):
            amount = (resources.get(side) or {}).get("cpu")
            if amount is not None:
                value = parse_quantity(amount)
                cpu.setdefault("sockets", max(1, -(-value.numerator // value.denominator)))
    for part in ("sockets", "cores", "threads"):
        cpu.setdefault(part, 1)


def _features(domain: Document) -> None:
    features = domain.setdefault("features", {})
    features.setdefault("acpi", {})
    for name, feature in features.items():
        if isinstance(feature, dict) and name not in ("hyperv", "kvm"):
            feature.setdefault("enabled", True)
    for feature in (features.get("hyperv") or {}).values():
        feature.setdefault("enabled", True)


def _probe(probe: Document) -> None:
    for key, value in PROBE.items():
        if not probe.get(key):
            probe[key] = value
    if (get := probe.get("httpGet")) is not None:
        get.setdefault("scheme", "HTTP")
        get.setdefault("path", "/")


def _first_status(spec: Document, config: ClusterConfig, now: datetime) -> Document:
    cpu, memory = spec["domain"]["cpu"], spec["domain"]["memory"].get("guest")
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    status: Document = {
        "phase": "Pending",
        "phaseTransitionTimestamps": [{"phase": "Pending", "phaseTransitionTimestamp": stamp}],
        "runtimeUser": names.QEMU_ID,
        "currentCPUTopology": {part: cpu[part] for part in ("cores", "sockets", "threads")},
    }
    if memory is not None:
        status["memory"] = {
            "guestAtBoot": memory,
            "guestCurrent": memory,
            "guestRequested": memory,
            "memoryOverhead": format_bytes(overhead_bytes(spec, config)),
        }
    return status
