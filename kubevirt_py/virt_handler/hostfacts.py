"""What this host can do, for its device plugins and for the labels of its node."""

from __future__ import annotations

import logging
import os
import platform
import socket
import struct
import subprocess
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from kubevirt_py.render import cpufeatures, cpumodels
from kubevirt_py.render.nodelabels import NodeFacts

KUBELET_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
CPU_MANAGER_STATE = "var/lib/kubelet/cpu_manager_state"
REALTIME_RUNTIME = Path("/proc/sys/kernel/sched_rt_runtime_us")
"""-1 where real-time threads may use all of a CPU."""
NESTED = tuple(Path("/sys/module", module, "parameters/nested") for module in ("kvm_intel", "kvm_amd"))
PROBE_S = 10.0
_VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}
_QEMU_VERSIONS = (
    *("4.2", "5.0", "5.1", "5.2", "6.0", "6.1", "6.2", "7.0", "7.1", "7.2"),
    *("8.0", "8.1", "8.2", "9.0", "9.1", "9.2", "10.0"),
)
MACHINE_TYPES = (
    "q35",
    "pc",
    *(f"pc-{board}-{version}" for board in ("q35", "i440fx") for version in _QEMU_VERSIONS),
)
"""Boards that the QEMU of the launcher image has, its newest among them: a VM that ran on it asks for it again."""
log = logging.getLogger(__name__)


class _CpuManagerState(msgspec.Struct):
    policyName: str = ""


class HostFacts(msgspec.Struct, frozen=True):
    kvm: bool
    tun: bool
    vhost_net: bool
    cpu_vendor: str = ""
    cpu_features: tuple[str, ...] = ()
    """Flags as Linux spells them."""
    nested: bool = False
    vhost_vsock: bool = False
    cpu_manager: bool = False
    realtime: bool = False


def read_host() -> HostFacts:
    """Look at the host once, at the start. May take some seconds where KVM is broken."""
    vendor, features = cpu_of(Path("/proc/cpuinfo").read_text())
    return HostFacts(
        kvm=kvm_works(features),
        tun=_opens("/dev/net/tun"),
        vhost_net=_opens("/dev/vhost-net"),
        cpu_vendor=vendor,
        cpu_features=features,
        nested=guests_nest(NESTED),
        vhost_vsock=_opens("/dev/vhost-vsock"),
        cpu_manager=_pins_cpus(_text(kubelet_root(KUBELET_SOCKET) / CPU_MANAGER_STATE)),
        realtime=_text(REALTIME_RUNTIME).strip() == "-1",
    )


def kvm_works(cpu_features: Collection[str]) -> bool:
    """Whether a virtual CPU runs; a probe that never ends counts as no.

    Kernels that offer KVM without help of the processor run a simple probe and then hang in real guests.
    """
    if not os.path.exists("/dev/kvm"):
        return False
    if not {"vmx", "svm"}.intersection(cpu_features):
        log.warning("KVM does not work here", extra={"error": "the processor has neither vmx nor svm"})
        return False
    command = [sys.executable, "-m", "kubevirt_py.virt_handler.kvmprobe"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_S, check=False)
    except subprocess.TimeoutExpired:
        log.warning("KVM does not work here", extra={"error": f"no answer within {PROBE_S:g} s"})
        return False
    if done.returncode:
        log.warning("KVM does not work here", extra={"error": done.stderr.decode(errors="replace").strip()})
    return done.returncode == 0


def guests_nest(parameters: Iterable[Path]) -> bool:
    """Whether KVM lets guests have guests of their own, from the parameter of the module that is loaded."""
    return any(_text(parameter).strip() in ("Y", "1") for parameter in parameters)


def cpu_of(cpuinfo: str) -> tuple[str, tuple[str, ...]]:
    """Vendor (Intel, AMD or as the CPU says) and sorted feature flags, from the text of /proc/cpuinfo."""
    lines = dict(line.split(":", 1) for line in cpuinfo.split("\n\n", 1)[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    vendor = fields.get("vendor_id", "")
    return _VENDORS.get(vendor, vendor), tuple(sorted(fields.get("flags", "").split()))


def node_facts(host: HostFacts) -> NodeFacts:
    """What virt-controller makes labels of."""
    given = cpufeatures.given_by_kvm(host.cpu_features, nested=host.nested) if host.kvm else cpufeatures.EMULATED
    return NodeFacts(
        schedulable=host.tun,
        kvm=host.kvm,
        cpu_models=cpumodels.usable_models(given) if host.kvm else cpumodels.EMULATED,
        cpu_features=cpufeatures.spellings(given),
        cpu_vendor=host.cpu_vendor,
        machine_types=MACHINE_TYPES if platform.machine() == "x86_64" else (),
        cpu_manager=host.cpu_manager,
        realtime=host.realtime,
    )


def kubelet_root(listener: Path) -> Path:
    """The kubelet's files, seen through its process, which its socket names; else those of the host's first process.

    The agent shares the host's processes, but not its files; a kubelet may have a root of its own.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PROBE_S)
        try:
            sock.connect(str(listener))
            pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            pid = 1
    return Path(f"/proc/{pid}/root")


def _pins_cpus(state: str) -> bool:
    """Whether the kubelet's CPU manager gives CPUs to single pods (policy static), from its state file."""
    try:
        return bool(msgspec.json.decode(state, type=_CpuManagerState).policyName == "static")
    except msgspec.MsgspecError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True
