"""P3: memory of a VM pod above its guest's RAM (1 vCPU, 1 GiB, no VGA), the translation buffer of emulation apart."""

from __future__ import annotations

from collections.abc import Iterator

from bench.cgroups import MIB, cgroup_bytes, largest_mapping, processes, translated_bytes
from e2e import machines
from e2e.console import console
from e2e.kubectl import Namespace

GUEST_MIB = 1024


def measure(namespace: Namespace) -> Iterator[str]:
    machine = machines.vmi("memory", memory=f"{GUEST_MIB}Mi")
    machine["spec"]["domain"]["devices"]["autoattachGraphicsDevice"] = False
    namespace.apply(machine)
    namespace.until_phase("memory", "Running")
    with console(namespace.name, "memory") as guest:
        guest.login()
        guest.run("sleep 5")
    (pod,) = namespace.launcher_pods("memory")
    found = [
        process for process in processes(pod["metadata"]["uid"]) if b"qemu-system" in (process / "cmdline").read_bytes()
    ]
    (qemu,) = found
    total = cgroup_bytes(qemu)
    ram = largest_mapping(qemu, GUEST_MIB * MIB)
    translated = translated_bytes(qemu)
    over = total - ram
    yield f"cgroup of compute: {total / MIB:.1f} MiB, guest RAM resident {ram / MIB:.1f} MiB"
    yield f"translation buffer resident {translated / MIB:.1f} MiB (emulation only)"
    bare = (over - translated) / MIB
    yield f"P3 above guest RAM: {over / MIB:.1f} MiB, without translation buffer {bare:.1f} MiB (target 50)"
    requested = pod["spec"]["containers"][0]["resources"]["requests"]["memory"]
    yield f"memory request of the pod: {requested}"
    namespace.kubectl("delete", "vmi", "memory", "--timeout=120s")
