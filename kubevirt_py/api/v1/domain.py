"""The machine as the guest sees it; its parts have modules of their own."""

from __future__ import annotations

from typing import Literal

from kubevirt_py.api.base import Empty, Int32, Model
from kubevirt_py.api.v1.clock import Clock
from kubevirt_py.api.v1.cpu import CPU
from kubevirt_py.api.v1.devices import Devices
from kubevirt_py.api.v1.features import Features
from kubevirt_py.api.v1.firmware import Chassis, Firmware
from kubevirt_py.api.v1.memory import DomainResources, Memory


class Machine(Model):
    """The board QEMU emulates."""

    type: str | None = None
    """QEMU machine type such as q35 or pc-q35-9.2; the cluster's default unless set."""


class DiskIOThreads(Model):
    """Settings of the I/O thread pool."""

    supplemental_pool_thread_count: Int32 | None = None
    """Threads in the pool of policy supplementalPool."""


class SEVPolicy(Model):
    """Guest policy of SEV."""

    encrypted_state: bool | None = None
    """Encrypt CPU registers as well (SEV-ES)."""


class SEV(Model):
    """AMD memory encryption."""

    attestation: Empty | None = None
    """Stop before boot so that the guest can be attested."""
    dh_cert: str | None = None
    """Diffie-Hellman key of the guest's owner, base64."""
    policy: SEVPolicy | None = None
    """What the firmware enforces for this guest."""
    session: str | None = None
    """Launch session blob of the guest's owner, base64."""


class LaunchSecurity(Model):
    """Confidential computing; choose one."""

    sev: SEV | None = None
    """AMD SEV or SEV-ES."""
    snp: Empty | None = None
    """AMD SEV-SNP."""
    tdx: Empty | None = None
    """Intel TDX."""


class DomainSpec(Model):
    """The machine: processors, memory, firmware, devices."""

    devices: Devices
    """Disks, interfaces and all other devices."""
    chassis: Chassis | None = None
    """Chassis strings of SMBIOS."""
    clock: Clock | None = None
    """Time zone of the clock, and timers."""
    cpu: CPU | None = None
    """Number, topology and model of virtual CPUs."""
    features: Features | None = None
    """Hypervisor features shown to the guest."""
    firmware: Firmware | None = None
    """BIOS or UEFI, UUID, serial number, direct kernel boot."""
    io_threads: DiskIOThreads | None = None
    """Size of the pool of I/O threads."""
    io_threads_policy: str | None = None
    """How disks share I/O threads: shared, auto or supplementalPool."""
    launch_security: LaunchSecurity | None = None
    """Memory encryption and attestation by the CPU."""
    machine: Machine | None = None
    """Machine type."""
    memory: Memory | None = None
    """Guest memory."""
    reboot_policy: Literal["Reboot", "Terminate"] | None = None
    """Whether a reboot inside the guest restarts it in place or ends the run."""
    resources: DomainResources | None = None
    """What the pod requests and is limited to."""
