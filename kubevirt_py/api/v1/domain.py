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
    """"""

    type: str | None = None


class DiskIOThreads(Model):
    """"""

    supplemental_pool_thread_count: Int32 | None = None


class SEVPolicy(Model):
    """"""

    encrypted_state: bool | None = None


class SEV(Model):
    """"""

    attestation: Empty | None = None
    dh_cert: str | None = None
    policy: SEVPolicy | None = None
    session: str | None = None


class LaunchSecurity(Model):
    """"""

    sev: SEV | None = None
    snp: Empty | None = None
    tdx: Empty | None = None


class DomainSpec(Model):
    """"""

    devices: Devices
    chassis: Chassis | None = None
    clock: Clock | None = None
    cpu: CPU | None = None
    features: Features | None = None
    firmware: Firmware | None = None
    io_threads: DiskIOThreads | None = None
    io_threads_policy: str | None = None
    launch_security: LaunchSecurity | None = None
    machine: Machine | None = None
    memory: Memory | None = None
    reboot_policy: Literal["Reboot", "Terminate"] | None = None
    resources: DomainResources | None = None
