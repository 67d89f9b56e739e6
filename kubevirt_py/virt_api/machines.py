"""A VMI as the subresources see it, and what must hold before each verb.

The refusals' words are part of the API: clients and test suites look for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct, field

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import VirtualMachineInstance
from kubevirt_py.decide import phases
from kubevirt_py.kube.api import Api
from kubevirt_py.plan import Key
from kubevirt_py.virt_api.answers import VMI_RESOURCE, Refused, conflict

NOT_RUNNING = "VMI is not running"
POD_LINK = "eth0"
"""The link of the pod network in every pod."""


class _Switch(Struct, frozen=True):
    enabled: bool = True


class _Features(Struct, frozen=True):
    acpi: _Switch = _Switch()


class _Devices(Struct, frozen=True, rename="camel"):
    autoattach_serial_console: bool = True
    autoattach_graphics_device: bool = True
    client_passthrough: dict[str, Raw] | None = None
    autoattach_vsock: bool = field(default=False, name="autoattachVSOCK")


class _Domain(Struct, frozen=True):
    devices: _Devices = _Devices()
    features: _Features = _Features()


class _Spec(Struct, frozen=True, rename="camel"):
    domain: _Domain = _Domain()
    liveness_probe: dict[str, Raw] | None = None


class Interface(Struct, frozen=True, rename="camel"):
    """What `status.interfaces` says of one NIC. Only those of the spec have a name."""

    name: str = ""
    ip_address: str = ""
    pod_interface_name: str = ""

    @property
    def trusted(self) -> bool:
        """Whether its address is the pod's: those of other interfaces are what the guest says."""
        return bool(self.name) and self.pod_interface_name in ("", POD_LINK)


@dataclass(frozen=True, slots=True)
class Machine:
    """The parts of a VMI that the verbs look at.

    `interfaces` are those of the pod network: addresses that only the guest names could be anybody's, and virt-api
    would connect to them.
    """

    vmi: VirtualMachineInstance
    spec: _Spec
    interfaces: tuple[Interface, ...] = ()

    @property
    def name(self) -> str:
        return self.vmi.metadata.name

    @property
    def phase(self) -> str:
        return self.vmi.status.phase

    def condition(self, kind: str) -> bool:
        """Whether the condition is True."""
        return any(each.type == kind and each.status == "True" for each in self.vmi.status.conditions)


def decode(stored: bytes) -> Machine:
    """Read a VMI as the API server stores it."""
    vmi = msgspec.json.decode(stored, type=VirtualMachineInstance)
    reported = msgspec.json.decode(vmi.status.interfaces, type=tuple[Interface, ...])
    return Machine(
        vmi=vmi,
        spec=msgspec.json.decode(vmi.spec, type=_Spec),
        interfaces=tuple(one for one in reported if one.trusted),
    )


async def read(api: Api, key: Key) -> Machine:
    """The VMI now; NotFound where there is none."""
    return decode(await api.get(kinds.VMI, key))


def _must_run(machine: Machine) -> None:
    if machine.phase != phases.RUNNING:
        raise conflict(VMI_RESOURCE, machine.name, NOT_RUNNING)


def check_pause(machine: Machine) -> None:
    _must_run(machine)
    probe = machine.spec.liveness_probe
    if probe is not None and "guestAgentPing" not in probe:
        raise Refused(
            403, f"{machine.name}: Pausing VMIs with LivenessProbe is currently not supported; remove the probe"
        )
    if machine.condition(names.PAUSED):
        raise conflict(VMI_RESOURCE, machine.name, "VMI is already paused")


def check_unpause(machine: Machine) -> None:
    _must_run(machine)
    if not machine.condition(names.PAUSED):
        raise conflict(VMI_RESOURCE, machine.name, "VMI is not paused")


def check_softreboot(machine: Machine) -> None:
    _must_run(machine)
    if machine.condition(names.PAUSED):
        raise conflict(VMI_RESOURCE, machine.name, "VMI is paused")
    if not machine.condition(names.AGENT_CONNECTED) and not machine.spec.domain.features.acpi.enabled:
        raise conflict(VMI_RESOURCE, machine.name, "VMI neither have the agent connected nor the ACPI feature enabled")


def check_reset(machine: Machine) -> None:
    """Nothing: a reset is for machines in any state that has a QEMU."""


def check_freeze(machine: Machine) -> None:
    _must_run(machine)


def check_agent(machine: Machine) -> None:
    """For what the guest agent tells; refused with 500, as these routes always were."""
    if machine.phase != phases.RUNNING:
        raise Refused(500, f"{machine.name}: {NOT_RUNNING}")
    if not machine.condition(names.AGENT_CONNECTED):
        raise Refused(
            500,
            f"{machine.name}: VMI does not have guest agent connected; install and start qemu-guest-agent in the guest",
        )


def check_console(machine: Machine) -> None:
    if not machine.spec.domain.devices.autoattach_serial_console:
        raise Refused(400, "No serial consoles are present.")
    if machine.phase == phases.FAILED:
        raise conflict(VMI_RESOURCE, machine.name, "VMI is in failed status")
    if machine.phase != phases.RUNNING:
        raise Refused(400, f"{machine.name}: {NOT_RUNNING}: phase is {machine.phase or 'not set'}")


def check_vnc(machine: Machine) -> None:
    if not machine.spec.domain.devices.autoattach_graphics_device:
        raise Refused(400, "No graphics devices are present.")
    if machine.phase != phases.RUNNING:
        raise Refused(400, f"{machine.name}: {NOT_RUNNING}: phase is {machine.phase or 'not set'}")


def check_screenshot(machine: Machine) -> None:
    """As for the console of the screen, but refused with 500, as this route always was."""
    try:
        check_vnc(machine)
    except Refused as refused:
        raise Refused(500, refused.message) from refused


def check_usbredir(machine: Machine) -> None:
    if machine.spec.domain.devices.client_passthrough is None:
        raise conflict(VMI_RESOURCE, machine.name, "Not configured with USB Redirection")
    if machine.phase != phases.RUNNING:
        raise Refused(400, f"{machine.name}: {NOT_RUNNING}: phase is {machine.phase or 'not set'}")


def check_vsock(machine: Machine) -> None:
    if not machine.spec.domain.devices.autoattach_vsock:
        raise Refused(400, f"{machine.name}: VSOCK is not attached; set devices.autoattachVSOCK")
    if machine.phase != phases.RUNNING:
        raise Refused(400, f"{machine.name}: {NOT_RUNNING}: phase is {machine.phase or 'not set'}")


def check_portforward(machine: Machine) -> None:
    if machine.phase != phases.RUNNING:
        raise Refused(400, f"{machine.name}: {NOT_RUNNING}: phase is {machine.phase or 'not set'}")
    if machine.condition(names.PAUSED):
        raise conflict(VMI_RESOURCE, machine.name, "VMI is paused")
    if not machine.interfaces or not machine.interfaces[0].ip_address:
        raise Refused(400, f"{machine.name}: no network interfaces are present: the guest has no address to connect to")


Check = Callable[[Machine], None]

PUT_CHECKS: Mapping[str, Check] = {
    "pause": check_pause,
    "unpause": check_unpause,
    "softreboot": check_softreboot,
    "reset": check_reset,
    "unfreeze": check_freeze,
}
GET_CHECKS: Mapping[str, Check] = {
    "guestosinfo": check_agent,
    "userlist": check_agent,
    "filesystemlist": check_agent,
}
STREAM_CHECKS: Mapping[str, Check] = {"console": check_console, "vnc": check_vnc, "usbredir": check_usbredir}
