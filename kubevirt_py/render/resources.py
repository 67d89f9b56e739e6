"""What a VMI asks of its node: CPUs, memory, devices."""

from __future__ import annotations

import math

from kubevirt_py.api import names
from kubevirt_py.api.quantity import parse_quantity, quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine.memory import guest_memory_bytes

VIRTIO = "virtio"


def vcpus(spec: Document) -> int:
    """Number of vCPUs: the topology, else the CPU limit or request rounded up, else 1."""
    domain = spec.get("domain") or {}
    cpu = domain.get("cpu") or {}
    if any(cpu.get(part) for part in ("sockets", "cores", "threads")):
        return int((cpu.get("sockets") or 1) * (cpu.get("cores") or 1) * (cpu.get("threads") or 1))
    given = _resource(domain, "limits", "cpu") or _resource(domain, "requests", "cpu")
    return max(1, math.ceil(parse_quantity(given))) if given else 1


def compute_resources(spec: Document, config: ClusterConfig, overhead_bytes: int) -> Document:
    """Requests and limits of the compute container.

    Explicit requests win; else a vCPU asks for 1/cpuAllocationRatio of a CPU and the guest for its memory
    divided by the overcommit. The overhead comes on top of both request and limit. Limits exist only where the VMI
    names them.
    """
    domain = spec.get("domain") or {}
    on_top = 0 if (domain.get("resources") or {}).get("overcommitGuestOverhead") else overhead_bytes
    requests: Document = {
        "cpu": str(_resource(domain, "requests", "cpu") or f"{vcpus(spec) * 1000 // config.cpu_allocation_ratio}m"),
        "memory": str(_requested_memory(spec, domain, config) + on_top),
        "ephemeral-storage": "50M",
    }
    limits: Document = dict.fromkeys(devices(spec, config), "1")
    if cpu := _resource(domain, "limits", "cpu"):
        limits["cpu"] = str(cpu)
    if memory := _resource(domain, "limits", "memory"):
        limits["memory"] = str(quantity_bytes(memory) + overhead_bytes)
    return {"requests": requests, "limits": limits}


def devices(spec: Document, config: ClusterConfig) -> tuple[str, ...]:
    """Resources of the node agent's device plugin. `tun` always: its allocation brings the agent's socket."""
    wanted = [names.TUN_DEVICE]
    if not config.use_emulation:
        wanted.append(names.KVM_DEVICE)
        interfaces = ((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or ()
        if any(interface.get("model", VIRTIO) == VIRTIO for interface in interfaces):
            wanted.append(names.VHOST_NET_DEVICE)
    return tuple(wanted)


def _requested_memory(spec: Document, domain: Document, config: ClusterConfig) -> int:
    explicit = _resource(domain, "requests", "memory")
    if explicit:
        return quantity_bytes(explicit)
    return guest_memory_bytes(domain) * 100 // config.memory_overcommit


def _resource(domain: Document, side: str, name: str) -> str | int | None:
    value: str | int | None = ((domain.get("resources") or {}).get(side) or {}).get(name)
    return value
