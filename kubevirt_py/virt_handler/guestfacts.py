"""What the agent inside a guest tells of it, cut to size."""

from __future__ import annotations

import ipaddress
import logging
import re

import msgspec

from kubevirt_py.decide.guest_state import GuestInfo
from kubevirt_py.plan import Document
from kubevirt_py.virt_handler.guestagent import AgentError, Channel, printable

MAX_COMMANDS = 256
MAX_INTERFACES = 64
MAX_ADDRESSES = 32
MAX_ITEMS = 256
MAX_DISKS = 8
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")

log = logging.getLogger(__name__)


class _Command(msgspec.Struct):
    name: str
    enabled: bool = True


class _Info(msgspec.Struct):
    version: str = ""
    supported_commands: list[_Command] = []


class _OsInfo(msgspec.Struct, rename="kebab"):
    id: str = ""
    name: str = ""
    pretty_name: str = ""
    version: str = ""
    version_id: str = ""
    machine: str = ""
    kernel_release: str = ""
    kernel_version: str = ""


class _Address(msgspec.Struct, rename="kebab"):
    ip_address: str = ""


class _Interface(msgspec.Struct, rename="kebab"):
    name: str = ""
    hardware_address: str = ""
    ip_addresses: list[_Address] = []


class _HostName(msgspec.Struct, rename="kebab"):
    host_name: str = ""


class _Timezone(msgspec.Struct):
    zone: str = ""
    offset: int = 0


class _Load(msgspec.Struct):
    load1m: float = 0
    load5m: float = 0
    load15m: float = 0


class _User(msgspec.Struct, rename="kebab"):
    user: str = ""
    domain: str = ""
    login_time: float = 0


class _DiskAddress(msgspec.Struct, rename="kebab"):
    bus_type: str = ""
    serial: str = ""


class _Filesystem(msgspec.Struct, rename="kebab"):
    name: str = ""
    mountpoint: str = ""
    type: str = ""
    used_bytes: int = 0
    total_bytes: int = 0
    disk: list[_DiskAddress] = []


async def inform(channel: Channel) -> GuestInfo | None:
    """What the VMI's status carries; None when the agent is silent. Old agents lack some commands."""
    try:
        async with channel.conversation() as talk:
            info = await talk.ask("guest-info", _Info)
            os_info = await talk.optional("guest-get-osinfo", _OsInfo)
            host = await talk.optional("guest-get-host-name", _HostName)
            zone = await talk.optional("guest-get-timezone", _Timezone)
            links = await talk.optional("guest-network-get-interfaces", list[_Interface])
    except AgentError as error:
        log.info("the guest's agent is silent", extra={"error": str(error)})
        return None
    commands = info.supported_commands[:MAX_COMMANDS]
    return GuestInfo(
        version=printable(info.version),
        commands=tuple(sorted(printable(command.name) for command in commands if command.enabled)),
        hostname=printable(host.host_name) if host else "",
        timezone=f"{printable(zone.zone)}, {zone.offset}" if zone else "",
        os=_os_document(os_info) if os_info else {},
        interfaces=tuple(_interface_document(link) for link in (links or [])[:MAX_INTERFACES] if link.name != "lo"),
    )


async def load(channel: Channel) -> Document:
    """Load averages of the guest; empty for an agent that does not tell. Raises AgentSilent."""
    async with channel.conversation() as talk:
        found = await talk.optional("guest-get-load", _Load)
    return {"load1m": found.load1m, "load5m": found.load5m, "load15m": found.load15m} if found else {}


async def users(channel: Channel) -> list[Document]:
    """Logged-in users. Raises AgentError."""
    found = await channel.ask("guest-get-users", list[_User])
    return [
        {"userName": printable(one.user), "domain": printable(one.domain), "loginTime": one.login_time}
        for one in found[:MAX_ITEMS]
    ]


async def filesystems(channel: Channel) -> list[Document]:
    """Mounted file systems. Raises AgentError."""
    found = await channel.ask("guest-get-fsinfo", list[_Filesystem])
    return [
        {
            "diskName": printable(one.name),
            "mountPoint": printable(one.mountpoint),
            "fileSystemType": printable(one.type),
            "usedBytes": one.used_bytes,
            "totalBytes": one.total_bytes,
            "disk": [
                {"busType": printable(disk.bus_type), "serial": printable(disk.serial)} for disk in one.disk[:MAX_DISKS]
            ],
        }
        for one in found[:MAX_ITEMS]
    ]


def _os_document(info: _OsInfo) -> Document:
    fields = {
        "id": info.id,
        "name": info.name,
        "prettyName": info.pretty_name,
        "version": info.version,
        "versionId": info.version_id,
        "machine": info.machine,
        "kernelRelease": info.kernel_release,
        "kernelVersion": info.kernel_version,
    }
    return {name: kept for name, value in fields.items() if (kept := printable(value))}


def _interface_document(link: _Interface) -> Document:
    mac = link.hardware_address[:32].lower()
    return {
        "name": printable(link.name, 64),
        "mac": mac if _MAC.fullmatch(mac) else "",
        "addresses": [text for one in link.ip_addresses[:MAX_ADDRESSES] if (text := _address(one.ip_address))],
    }


def _address(text: str) -> str:
    """An IP address in its usual spelling, empty for anything else. Zones stay in the guest."""
    try:
        return str(ipaddress.ip_address(text[:64].partition("%")[0]))
    except ValueError:
        return ""
