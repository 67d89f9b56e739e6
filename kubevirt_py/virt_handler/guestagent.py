"""The agent inside a guest (qemu-ga), over its virtio-serial socket. Everything it says is hostile.

One conversation at a time, each on a connection of its own: size, depth, time and amount of what is kept are bounded.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import msgspec
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from kubevirt_py.decide.guest_state import GuestInfo
from kubevirt_py.plan import Document

ANSWER_S = 5.0
LINE_BYTES = 1 << 20
TEXT = 256
MAX_COMMANDS = 256
MAX_INTERFACES = 64
MAX_ADDRESSES = 32
MAX_ITEMS = 256

T = TypeVar("T")

log = logging.getLogger(__name__)


class AgentSilent(Exception):
    """The agent in the guest does not answer, or answers nonsense."""


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
    ip_address_type: str = ""


class _Interface(msgspec.Struct, rename="kebab"):
    name: str = ""
    hardware_address: str = ""
    ip_addresses: list[_Address] = []


class _HostName(msgspec.Struct, rename="kebab"):
    host_name: str = ""


class _Timezone(msgspec.Struct):
    zone: str = ""
    offset: int = 0


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


class Channel:
    """The way to the agent of one guest."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = anyio.Lock()
        self._serial = 0

    async def inform(self) -> GuestInfo | None:
        """What the VMI's status carries; None when the agent is silent. Old agents lack some commands."""
        try:
            async with self._conversation() as ask:
                info = await ask.one("guest-info", _Info)
                os_info = await ask.optional("guest-get-osinfo", _OsInfo)
                host = await ask.optional("guest-get-host-name", _HostName)
                zone = await ask.optional("guest-get-timezone", _Timezone)
                links = await ask.optional("guest-network-get-interfaces", list[_Interface])
        except AgentSilent as error:
            log.info("the guest's agent is silent", extra={"path": self._path, "error": str(error)})
            return None
        enabled = sorted(command.name[:TEXT] for command in info.supported_commands[:MAX_COMMANDS] if command.enabled)
        return GuestInfo(
            version=info.version[:TEXT],
            commands=tuple(enabled),
            hostname=host.host_name[:TEXT] if host else "",
            timezone=f"{zone.zone[:TEXT]}, {zone.offset}" if zone else "",
            os=_os_document(os_info) if os_info else {},
            interfaces=tuple(_interface_document(link) for link in (links or [])[:MAX_INTERFACES] if link.name != "lo"),
        )

    async def users(self) -> list[Document]:
        """Logged-in users. Raises AgentSilent."""
        async with self._conversation() as ask:
            users = await ask.one("guest-get-users", list[_User])
        return [
            {"userName": one.user[:TEXT], "domain": one.domain[:TEXT], "loginTime": one.login_time}
            for one in users[:MAX_ITEMS]
        ]

    async def filesystems(self) -> list[Document]:
        """Mounted file systems. Raises AgentSilent."""
        async with self._conversation() as ask:
            found = await ask.one("guest-get-fsinfo", list[_Filesystem])
        return [
            {
                "diskName": one.name[:TEXT],
                "mountPoint": one.mountpoint[:TEXT],
                "fileSystemType": one.type[:TEXT],
                "usedBytes": one.used_bytes,
                "totalBytes": one.total_bytes,
                "disk": [{"busType": disk.bus_type[:TEXT], "serial": disk.serial[:TEXT]} for disk in one.disk[:8]],
            }
            for one in found[:MAX_ITEMS]
        ]

    async def reboot(self) -> None:
        """Ask for a reboot; a success has no answer. Raises AgentSilent when the agent cannot be reached."""
        async with self._conversation() as ask:
            await ask.tell("guest-shutdown", {"mode": "reboot"})

    @asynccontextmanager
    async def _conversation(self) -> AsyncIterator[_Conversation]:
        """A synchronised connection. Raises AgentSilent for every kind of failure."""
        try:
            async with self._lock:
                with anyio.fail_after(2 * ANSWER_S):
                    stream = await anyio.connect_unix(self._path)
                async with stream:
                    self._serial += 1
                    conversation = _Conversation(stream)
                    await conversation.synchronise(self._serial)
                    yield conversation
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead) as error:
            raise AgentSilent(f"the connection failed: {error!r}") from error
        except (anyio.DelimiterNotFound, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AgentSilent(f"the answer makes no sense: {error!r}") from error
        except TimeoutError as error:
            raise AgentSilent("no answer in time") from error


class _Refusal(Exception):
    """The agent does not know or allow the command."""


class _Conversation:
    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._reader = BufferedByteReceiveStream(stream)

    async def synchronise(self, serial: int) -> None:
        """Skip what an earlier conversation left over: the byte 0xff never occurs in JSON."""
        request = msgspec.json.encode({"execute": "guest-sync-delimited", "arguments": {"id": serial}})
        with anyio.fail_after(ANSWER_S):
            await self._stream.send(b"\xff" + request + b"\n")
            while True:
                await self._reader.receive_until(b"\xff", LINE_BYTES)
                answer = msgspec.json.decode(await self._reader.receive_until(b"\n", LINE_BYTES), type=dict[str, Any])
                if answer.get("return") == serial:
                    return

    async def tell(self, command: str, arguments: Document | None = None) -> None:
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        with anyio.fail_after(ANSWER_S):
            await self._stream.send(msgspec.json.encode(request) + b"\n")

    async def one(self, command: str, answer: type[T]) -> T:
        """The answer to a command every agent knows."""
        try:
            return await self._ask(command, answer)
        except _Refusal as error:
            raise AgentSilent(f"{command}: {error}") from error

    async def optional(self, command: str, answer: type[T]) -> T | None:
        """The answer, None when this agent does not have the command."""
        try:
            return await self._ask(command, answer)
        except _Refusal:
            return None

    async def _ask(self, command: str, answer: type[T]) -> T:
        await self.tell(command)
        with anyio.fail_after(ANSWER_S):
            line = await self._reader.receive_until(b"\n", LINE_BYTES)
        outer = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        if "return" not in outer:
            raise _Refusal(bytes(outer.get("error", msgspec.Raw(b""))).decode(errors="replace")[:TEXT])
        return msgspec.json.decode(outer["return"], type=answer)


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
    return {name: value[:TEXT] for name, value in fields.items() if value}


def _interface_document(link: _Interface) -> Document:
    addresses = [address.ip_address[:64] for address in link.ip_addresses[:MAX_ADDRESSES] if address.ip_address]
    return {"name": link.name[:64], "mac": link.hardware_address[:32].lower(), "addresses": addresses}
