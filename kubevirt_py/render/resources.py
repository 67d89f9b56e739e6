"""What a VMI asks of its node: CPUs, memory, devices."""

from __future__ import annotations

import math

from kubevirt_py.api import names
from kubevirt_py.api.quantity import format_bytes, parse_quantity, quantity_bytes
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine.iothreads import supplemental_threads
from kubevirt_py.render.machine.memory import guest_memory_bytes, hugepage_bytes
from kubevirt_py.render.reservations import has_reservations

VIRTIO = "virtio"
SCRATCH = "ephemeral-storage"
SCRATCH_BYTES = 50 * 10**6
"""What a pod writes of its own on its node's disk."""
ALIGN_GATE = "AlignCPUs"


def vcpus(spec: Document) -> int:
    """Number of vCPUs: the topology, else the CPU limit or request rounded up, else 1."""
    domain = spec.get("domain") or {}
    cpu = domain.get("cpu") or {}
    if any(cpu.get(part) for part in ("sockets", "cores", "threads")):
        return int((cpu.get("sockets") or 1) * (cpu.get("cores") or 1) * (cpu.get("threads") or 1))
    given = _resource(domain, "limits", "cpu") or _resource(domain, "requests", "cpu")
    return max(1, math.ceil(parse_quantity(given))) if given else 1


def is_pinned(spec: Document) -> bool:
    """Whether each virtual CPU has a physical one of its own."""
    return bool(((spec.get("domain") or {}).get("cpu") or {}).get("dedicatedCpuPlacement"))


def dedicated_cpus(spec: Document, *, even: bool = False) -> int:
    """CPUs of a pinned VMI: one for each vCPU, for QEMU's own threads if isolated, for each thread of a pool.

    `even` (gate AlignCPUs) makes the number even, so that no other pod shares a core with this one.
    """
    domain = spec.get("domain") or {}
    count = vcpus(spec) + supplemental_threads(domain)
    if (domain.get("cpu") or {}).get("isolateEmulatorThread"):
        count += 2 if even and count % 2 == 0 else 1
    return count


def is_guaranteed(resources: Document) -> bool:
    """Whether a container with these resources lets its pod be Guaranteed."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return all(name in limits and limits[name] == requests.get(name) for name in ("cpu", "memory"))


def compute_resources(
    spec: Document, config: ClusterConfig, overhead_bytes: int, *, limit_cpus: bool = False
) -> Document:
    """Requests and limits of the compute container.

    Explicit requests win; else a vCPU, and each thread of a supplemental pool, asks for 1/cpuAllocationRatio of a CPU
    and the guest for its memory divided by the overcommit. The overhead comes on top of both request and limit.
    Limits exist only where the VMI names them, for dedicated CPUs, which the kubelet gives to pods whose limits are
    their requests only, and of CPU with `limit_cpus`: one for each vCPU and thread, or what is asked for if that is
    more. Guest memory of huge pages is asked for as such and cannot be overcommitted; memory is then the overhead,
    and what the VMI names beyond the guest's. Other resources that the VMI names are its pod's, with what a pod needs
    itself of its node's disk.
    """
    domain = spec.get("domain") or {}
    others = {side: _others(domain, side) for side in ("requests", "limits")}
    others["requests"].setdefault(SCRATCH, f"{SCRATCH_BYTES // 10**6}M")
    if is_pinned(spec):
        pinned = _pinned_resources(spec, domain, overhead_bytes, even=config.gate(ALIGN_GATE))
        return {
            "requests": pinned | others["requests"],
            "limits": others["limits"] | _device_limits(spec, config) | pinned,
        }
    threads = vcpus(spec) + supplemental_threads(domain)
    requests: Document = {
        "cpu": str(_resource(domain, "requests", "cpu") or f"{threads * 1000 // config.cpu_allocation_ratio}m"),
        "memory": str(_requested_memory(domain, config, overhead_bytes)),
        **others["requests"],
    }
    limits: Document = others["limits"] | _device_limits(spec, config) | _hugepages(domain)
    requests |= _hugepages(domain)
    if cpu := _resource(domain, "limits", "cpu"):
        limits["cpu"] = str(cpu)
    elif limit_cpus:
        limits["cpu"] = str(max(threads, math.ceil(parse_quantity(requests["cpu"]))))
    if memory := _resource(domain, "limits", "memory"):
        limits["memory"] = str(max(0, quantity_bytes(memory) - _huge_bytes(domain)) + overhead_bytes)
    return {"requests": requests, "limits": limits}


def devices(spec: Document, config: ClusterConfig) -> tuple[str, ...]:
    """Resources of the node agent's device plugin. `tun` always: its allocation brings the agent's socket."""
    wanted = [names.TUN_DEVICE]
    if not config.use_emulation:
        wanted.append(names.KVM_DEVICE)
        interfaces = ((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or ()
        if any(one.get("model", VIRTIO) == VIRTIO and "passtBinding" not in one for one in interfaces):
            wanted.append(names.VHOST_NET_DEVICE)
    if ((spec.get("domain") or {}).get("devices") or {}).get("autoattachVSOCK"):
        wanted.append(names.VHOST_VSOCK_DEVICE)
    if has_reservations(spec):
        wanted.append(names.PR_HELPER_DEVICE)
    return tuple(wanted)


def _pinned_resources(spec: Document, domain: Document, overhead_bytes: int, *, even: bool) -> Document:
    """The same amounts are requests and limits."""
    given = _resource(domain, "limits", "memory") or _resource(domain, "requests", "memory")
    ram = max(quantity_bytes(given) if given else 0, guest_memory_bytes(domain)) - _huge_bytes(domain)
    return {"cpu": str(dedicated_cpus(spec, even=even)), "memory": str(ram + overhead_bytes)} | _hugepages(domain)


def _device_limits(spec: Document, config: ClusterConfig) -> Document:
    return dict.fromkeys(devices(spec, config), "1")


def named_beside(domain: Document, side: str) -> Document:
    """What the VMI names beside CPU, memory and what the spec alone decides: disk space, extended resources."""
    given = (domain.get("resources") or {}).get(side) or {}
    decided = ("hugepages-", names.DEVICE_PREFIX)
    return {name: str(given[name]) for name in given if name not in ("cpu", "memory") and not name.startswith(decided)}


def _others(domain: Document, side: str) -> Document:
    found = named_beside(domain, side)
    return found | ({SCRATCH: str(quantity_bytes(found[SCRATCH]) + SCRATCH_BYTES)} if SCRATCH in found else {})


def _huge_bytes(domain: Document) -> int:
    return guest_memory_bytes(domain) if hugepage_bytes(domain) else 0


def _hugepages(domain: Document) -> Document:
    """Guest memory as a resource of its page size, as Kubernetes spells it: hugepages-2Mi."""
    if not (page := hugepage_bytes(domain)):
        return {}
    return {f"hugepages-{format_bytes(page)}": str(guest_memory_bytes(domain))}


def _requested_memory(domain: Document, config: ClusterConfig, overhead_bytes: int) -> int:
    explicit = _resource(domain, "requests", "memory")
    if huge := _huge_bytes(domain):
        return overhead_bytes + max(0, quantity_bytes(explicit or 0) - huge)
    on_top = 0 if (domain.get("resources") or {}).get("overcommitGuestOverhead") else overhead_bytes
    if explicit:
        return quantity_bytes(explicit) + on_top
    return guest_memory_bytes(domain) * 100 // config.memory_overcommit + on_top


def _resource(domain: Document, side: str, name: str) -> str | int | None:
    value: str | int | None = ((domain.get("resources") or {}).get(side) or {}).get(name)
    return value
