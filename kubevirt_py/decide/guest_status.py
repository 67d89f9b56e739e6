"""The VMI status fields that virt-handler writes for a guest that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from kubevirt_py.api import names
from kubevirt_py.api.quantity import format_bytes
from kubevirt_py.api.views import Condition
from kubevirt_py.decide import phases
from kubevirt_py.decide.guest_agent import agent_conditions
from kubevirt_py.decide.guest_state import IO_ERROR, PAUSED, PRELAUNCH, GuestInfo, GuestState
from kubevirt_py.decide.guest_volumes import memory_kib, volumes
from kubevirt_py.decide.migratable import NO_ANNOTATIONS, NO_BINDINGS, copies_disks, migration_conditions
from kubevirt_py.plan import Document
from kubevirt_py.render.machine.nics import Nic
from kubevirt_py.render.network.linknames import POD_LINK
from kubevirt_py.render.network.model import InterfacePlan

MAX_GUEST_INTERFACES = 10
"""Of interfaces that only the guest knows; VMs of container hosts have hundreds."""
MAX_ADDRESSES = 16


NOT_RUNNING = Condition(names.READY, "False", names.GUEST_NOT_RUNNING, "Guest VM is not reported as running")
"""Of a guest that has ended, and of one that is paused: nobody answers."""
ENDED: Mapping[str, Condition | None] = MappingProxyType(
    {
        names.READY: NOT_RUNNING,
        **dict.fromkeys((names.PAUSED, names.AGENT_CONNECTED, names.AGENT_VERSION_NOT_SUPPORTED)),
    }
)
"""The conditions of a guest that has ended; None drops one."""


def running_status(spec: Document, old: Document, guest: GuestState, pod_ip: str = "") -> dict[str, Any]:
    """Top-level status fields, conditions apart. `pod_ip` is the first address of the guest's pod, if that is known."""
    machine = guest.machine
    taken, offered = (format_bytes(kib << 10) for kib in memory_kib(guest))
    topology = {"cores": machine.cpu.cores, "sockets": machine.cpu.sockets, "threads": machine.cpu.threads}
    return {
        "phase": phases.RUNNING,
        "interfaces": interfaces(guest, old.get("interfaces") or (), pod_ip),
        "volumeStatus": volumes(spec, old.get("volumeStatus") or [], guest),
        "machine": {"type": guest.machine_type},
        "memory": {
            "guestAtBoot": format_bytes(machine.memory.size_kib << 10),
            "guestCurrent": taken,
            "guestRequested": offered,
            **{key: value for key, value in (old.get("memory") or {}).items() if key == "memoryOverhead"},
        },
        "currentCPUTopology": topology,
        "guestOSInfo": _os(guest, old.get("guestOSInfo") or {}),
        "fsFreezeStatus": "frozen" if guest.frozen else None,
        "migrationMethod": "BlockMigration" if copies_disks(spec) else "LiveMigration",
        "selinuxContext": guest.selinux_context or "none",
    }


def interfaces(guest: GuestState, old: Sequence[Document] = (), pod_ip: str = "") -> list[Document]:
    """One entry per interface of the spec, enriched by what the agent in the guest says of the same MAC.

    `old` are the entries so far: what they have of an agent that is there, but has told this process nothing, is kept.
    Of the pod's addresses those of the family of `pod_ip` come first, as in the pod's status.
    """
    told = list(guest.info.interfaces if guest.info else _told(old) if guest.agent_connected else ())
    cards = {nic.name: nic for nic in guest.machine.nics}
    entries = []
    for plan in guest.network.interfaces:
        own = _of_card(plan.mac, told)
        told = [item for item in told if item is not own]
        entries.append(_interface(plan, cards.get(plan.name), own, pod_ip))
    if guest.agent_connected:
        entries += [_guest_only(item) for item in told[:MAX_GUEST_INTERFACES]]
    return entries


def _os(guest: GuestState, old: Document) -> Document:
    if not guest.agent_connected:
        return {}
    return guest.info.os if guest.info else old


def _told(old: Sequence[Document]) -> list[Document]:
    """What the agent in the guest has said, by the entries made of it."""
    return [
        {"name": entry["interfaceName"], "mac": entry.get("mac", ""), "addresses": entry.get("ipAddresses") or []}
        for entry in old
        if entry.get("interfaceName")
    ]


def _of_card(mac: str, told: list[Document]) -> Document | None:
    """A bridge, bond or VLAN has the MAC of the card under it: the first with an address speaks for the card."""
    same = [item for item in told if item["mac"] == mac]
    return next((item for item in same if item["addresses"]), same[0] if same else None)


def _interface(plan: InterfacePlan, card: Nic | None, told: Document | None, pod_ip: str) -> Document:
    """`card` is None while the guest gets the interface, or has let go of it; Multus then alone knows of it.

    On the pod's own network the pod's addresses are the guest's; elsewhere the guest may have others than it was given.
    """
    sources = {"domain": card is not None, "guest-agent": told is not None, "multus-status": plan.pod_link != POD_LINK}
    addressed = _addressed(sorted(plan.pod_addresses, key=lambda one: (one != pod_ip, (":" in one) != (":" in pod_ip))))
    if told and plan.pod_link != POD_LINK:
        addressed = _addressed(sorted(told["addresses"], key=_rank)) or addressed
    entry: Document = {
        "name": plan.name,
        "mac": plan.mac,
        "podInterfaceName": plan.pod_link,
        "infoSource": ", ".join(source for source, knows in sources.items() if knows),
        "queueCount": plan.queues,
    }
    if card is not None:
        entry["linkState"] = "up" if card.link_up else "down"
    if told:
        entry["interfaceName"] = told["name"]
    return entry | addressed


def _guest_only(told: Document) -> Document:
    entry: Document = {"infoSource": "guest-agent", "interfaceName": told["name"], "mac": told["mac"]}
    return entry | _addressed(sorted(told["addresses"], key=_rank))


def _addressed(addresses: Sequence[str]) -> Document:
    """The first is the one by which clients reach the guest."""
    kept = list(addresses)[:MAX_ADDRESSES]
    return {"ipAddress": kept[0], "ipAddresses": kept} if kept else {}


def _rank(address: str) -> int:
    """IPv4 first, as upstream, and last what is good on one link only: Windows tells of that first."""
    if address.startswith(("fe80:", "169.254.")):
        return 2
    return 1 if ":" in address else 0


def guest_conditions(
    spec: Document,
    old: Document,
    guest: GuestState,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    bindings: Mapping[str, Document] = NO_BINDINGS,
) -> dict[str, Condition | None]:
    """The agent's conditions of a running guest; None drops one."""
    paused = _paused(guest)
    changes: dict[str, Condition | None] = {
        names.PAUSED: paused,
        **agent_conditions(spec, guest),
        **_not_yet(migration_conditions(spec, old.get("volumeStatus") or [], annotations, bindings)),
    }
    if not spec.get("readinessProbe"):
        changes[names.READY] = NOT_RUNNING if paused else Condition(type=names.READY, status="True")
    return changes


def _not_yet(migration: dict[str, Condition]) -> dict[str, Condition]:
    """What stands in the way of a guest, and of one that nothing does, that this release moves no guests yet."""
    text = "cannot migrate VMI: live migration is not supported yet by this release"
    return {
        kind: replace(found, status="False", reason=names.NOT_MIGRATABLE, message=text)
        if found.status == "True"
        else found
        for kind, found in migration.items()
    }


def _paused(guest: GuestState) -> Condition | None:
    if guest.run_state == IO_ERROR:
        text = "VMI was paused, low-level IO error detected"
        return Condition(type=names.PAUSED, status="True", reason=names.PAUSED_IO_ERROR, message=text)
    if guest.run_state in (PAUSED, PRELAUNCH):
        text = "VMI was paused by user"
        return Condition(type=names.PAUSED, status="True", reason=names.PAUSED_BY_USER, message=text)
    return None


def info_document(
    info: GuestInfo, users: list[Document], filesystems: list[Document], load: Document, *, frozen: bool
) -> Document:
    """The answer of subresource guestosinfo."""
    return {
        "apiVersion": "subresources.kubevirt.io/v1",
        "kind": "VirtualMachineInstanceGuestAgentInfo",
        "metadata": {},
        "guestAgentVersion": info.version,
        "supportedCommands": [{"name": name, "enabled": True} for name in info.commands],
        "hostname": info.hostname,
        "os": info.os,
        "timezone": info.timezone,
        "userList": users,
        "fsInfo": {"disks": filesystems},
        "fsFreezeStatus": "frozen" if frozen else "thawed",
        **({"load": load} if load else {}),
    }
