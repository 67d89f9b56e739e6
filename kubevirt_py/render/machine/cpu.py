"""Virtual CPUs: topology, model and features (spec.domain.cpu, spec.domain.features)."""

from __future__ import annotations

import msgspec

from kubevirt_py.api.quantity import parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render.cpufeatures import qemu_name
from kubevirt_py.render.hyperv import NEEDS, is_on
from kubevirt_py.render.machine.wiring import Facts, options

MAX_VCPUS = 255
"""More need an IOMMU that remaps interrupts; an i440FX board has no more at all."""
HOST_MODELS = ("host-model", "host-passthrough")
_REQUIRED = ("", "require")
_FLAG_POLICIES = {"force": "on", "require": "on", "optional": "on", "disable": "off", "forbid": "off", "": "on"}
_HYPERV = {
    "relaxed": "hv-relaxed",
    "vapic": "hv-vapic",
    "vpindex": "hv-vpindex",
    "runtime": "hv-runtime",
    "synic": "hv-synic",
    "synictimer": "hv-stimer",
    "reset": "hv-reset",
    "frequencies": "hv-frequencies",
    "reenlightenment": "hv-reenlightenment",
    "tlbflush": "hv-tlbflush",
    "ipi": "hv-ipi",
    "evmcs": "hv-evmcs",
    "synictimer.direct": "hv-stimer-direct",
    "tlbflush.direct": "hv-tlbflush-direct",
    "tlbflush.extended": "hv-tlbflush-ext",
}
_DEFAULT_SPINLOCKS = 4096
_DEFAULT_VENDOR = "KVMKVMKVM"


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    flags: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    """Features without which the guest is not to run, in QEMU's names; a record of an older agent has none."""
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    max_sockets: int = 0
    """Sockets that can be filled while the guest runs; 0 means no more than there are."""
    boot_sockets: int = 0
    """Sockets that the guest started with and keeps; 0 where a record of an older agent does not tell."""
    plugs: int = 0
    """Virtual CPUs that have been plugged since the start, those that have left again included."""

    @property
    def count(self) -> int:
        return self.sockets * self.cores * self.threads

    @property
    def max_count(self) -> int:
        """Virtual CPUs that the guest can have at most, with all sockets filled."""
        return max(self.sockets, self.max_sockets) * self.cores * self.threads

    @property
    def least_sockets(self) -> int:
        """Sockets that cannot leave while the guest runs."""
        return self.boot_sockets or self.sockets


def cpu_from_domain(domain: Document, facts: Facts) -> Cpu:
    """The host's CPU under KVM unless a model is named; under emulation all that TCG can do."""
    cpu = domain.get("cpu") or {}
    sockets, cores, threads = (int(cpu.get(part) or 0) for part in ("sockets", "cores", "threads"))
    if not (sockets or cores or threads):
        sockets = _count_from_resources(domain)
    wanted = cpu.get("model") or "host-model"
    model = wanted if wanted not in HOST_MODELS else ("host" if facts.kvm else "max")
    features = [(qemu_name(item["name"]), item.get("policy") or "") for item in cpu.get("features") or ()]
    flags = tuple(f"{name}={_FLAG_POLICIES[policy]}" for name, policy in features)
    return Cpu(
        model=model,
        flags=_placement_flags(cpu, facts) + flags + _platform_flags(domain, facts),
        required=tuple(name for name, policy in features if policy in _REQUIRED),
        sockets=sockets or 1,
        cores=cores or 1,
        threads=threads or 1,
        max_sockets=int(cpu.get("maxSockets") or 0),
        boot_sockets=sockets or 1,
    )


def sockets_of(domain: Document) -> int:
    """Sockets that a defaulted spec's domain asks for."""
    return int((domain.get("cpu") or {}).get("sockets") or 1)


def following(running: Cpu, goal: Cpu, sockets: int) -> Cpu:
    """`running` with `sockets`, or the least it can have. `goal` is what it is on its way to."""
    sockets = max(sockets, running.least_sockets)
    if goal.sockets == sockets:
        return goal
    added = max(0, sockets - min(running.sockets, goal.sockets))
    plugs = max(running.plugs, goal.plugs) + added * running.cores * running.threads
    return msgspec.structs.replace(running, sockets=sockets, plugs=plugs)


def worn_out(cpu: Cpu, *, kvm: bool) -> bool:
    """Whether an emulating QEMU cannot do this: it keeps a translator for each CPU that was ever there, and has no
    more than it may have CPUs. Source: tcg_register_thread, which aborts.
    """
    return not kvm and cpu.least_sockets * cpu.cores * cpu.threads + cpu.plugs > cpu.max_count


def _count_from_resources(domain: Document) -> int:
    resources = domain.get("resources") or {}
    for part in ("limits", "requests"):
        amount = (resources.get(part) or {}).get("cpu")
        if amount is not None:
            value = parse_quantity(amount)
            return max(1, -(-value.numerator // value.denominator))
    return 1


def _placement_flags(cpu: Document, facts: Facts) -> tuple[str, ...]:
    """What KVM gives guests whose CPUs nobody else has, as upstream; features that the spec names come after it.

    Such a guest spins rather than leaves its CPU; a real-time one is not held up by performance counters.
    """
    if not (facts.kvm and cpu.get("dedicatedCpuPlacement")):
        return ()
    return ("kvm-hint-dedicated=on", *(("pmu=off",) if cpu.get("realtime") is not None else ()))


def _platform_flags(domain: Document, facts: Facts) -> tuple[str, ...]:
    """CPU flags that stand for hypervisor features; they mean something only under KVM."""
    if not facts.kvm:
        return ()
    features = domain.get("features") or {}
    timers = (domain.get("clock") or {}).get("timer") or {}
    apic = features.get("apic") or {}
    panics = (domain.get("devices") or {}).get("panicDevices") or ()
    flags = []
    if "endOfInterrupt" in apic:
        flags.append(f"kvm-pv-eoi={'on' if apic['endOfInterrupt'] else 'off'}")
    if (features.get("kvm") or {}).get("hidden"):
        flags.append("kvm=off")
    if "pvspinlock" in features:
        flags.append(f"kvm-pv-unhalt={'on' if is_on(features, 'pvspinlock') else 'off'}")
    if (timers.get("kvm") or {}).get("present") is False:
        flags.append("kvmclock=off")
    timer = timers.get("hyperv")
    if (timer is not None and timer.get("present") is not False) or is_on(features, "hyperv.synictimer"):
        flags.append("hv-time=on")
    if any(item.get("model") == "hyperv" for item in panics):
        flags.append("hv-crash=on")
    if is_on(features, "hypervPassthrough"):
        flags.append("hv-passthrough=on")
    return (*flags, *_hyperv_flags(features.get("hyperv") or {}))


def _hyperv_flags(hyperv: Document) -> list[str]:
    wanted = {name for name in _HYPERV if is_on(hyperv, name)}
    needed = {other for name in wanted for other in NEEDS.get(name, ())}
    flags = [f"{flag}=on" for name, flag in _HYPERV.items() if name in wanted | needed]
    if is_on(hyperv, "spinlocks"):
        flags.append(f"hv-spinlocks={int(hyperv['spinlocks'].get('spinlocks') or _DEFAULT_SPINLOCKS)}")
    if is_on(hyperv, "vendorid"):
        flags.append(f"hv-vendor-id={hyperv['vendorid'].get('vendorid') or _DEFAULT_VENDOR}")
    return flags


def cpu_args(cpu: Cpu) -> list[str]:
    """The first CPUs of the topology are there at boot; the sockets beyond are filled over QMP."""
    topology = options(
        "",
        cpus=cpu.count,
        maxcpus=cpu.max_count if cpu.max_count > cpu.count else None,
        sockets=max(cpu.sockets, cpu.max_sockets),
        cores=cpu.cores,
        threads=cpu.threads,
    )
    return ["-cpu", ",".join([cpu.model, *cpu.flags]), "-smp", topology]
