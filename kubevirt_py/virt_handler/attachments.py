"""The agent's end of an attachment pod: asks its process to open volumes, and keeps the descriptors while it lives.

    stub   {"attach": 1}
    agent  {"open": [step]}                   one volume at a time (render/pod_files.py)
    agent  {"dump": file}                     the file of a memory dump (render/memory_dump.py), when it begins
    stub   {"opened": {name: facts}}          with its descriptor, or {"error": text}

The pod is a tenant's, and so is what it sends.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable

import anyio
import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine import DiskFile
from kubevirt_py.render.memory_dump import DumpFile
from kubevirt_py.render.pod_files import pod_files
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.preallocation import preallocated_volumes
from kubevirt_py.virt_handler.kernel import storage_identity
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, Connection, PeerGone, ProtocolError, close_all

OPEN_S = 60.0
UNIT = 512
"""Bytes of what st_blocks counts."""


class _Facts(msgspec.Struct, frozen=True):
    size: int
    direct: bool = False
    blocks: tuple[int, int] = (0, 0)


class NotOpened(Exception):
    """The pod's process could not open a volume; the text is for the user."""


class Attachment:
    """One attachment pod. Owns the connection and the descriptors; `forget` clears away what its node keeps of it."""

    def __init__(self, connection: Connection, pod_uid: str, device_id: str, forget: Callable[[], None]) -> None:
        self.pod_uid = pod_uid
        self.device_id = device_id
        self.forget = forget
        self.files: dict[str, DiskFile] = {}
        self.refused: dict[str, str] = {}
        """Volumes that could not be opened, with the words for the user."""
        self._connection = connection
        self._fds: dict[str, int] = {}
        self._closed = False
        self._turn = anyio.Lock()
        self._asking = 0
        """How many want the turn of the one that waits for the pod's end."""
        self._idle = anyio.CancelScope()
        """That wait, which gives way when something is asked."""

    async def open(self, disk: Document, volume: Document, status: tuple[Document, ...]) -> None:
        """Open one volume. Raises NotOpened for what its process refuses, PeerGone and ProtocolError as usual."""
        name = str(volume["name"])
        alone = {"domain": {"devices": {"disks": [disk]}}, "volumes": [volume]}
        facts, fd = await self._ask({"open": pod_files(alone, status)}, name, f"disk.{name}")
        try:
            found = msgspec.convert(facts, _Facts)
        except msgspec.ValidationError as error:
            os.close(fd)
            raise ProtocolError(f"the attachment pod's answer makes no sense: {error}") from error
        self.close_volume(name)
        self._fds[name] = fd
        own = os.fstat(fd)
        self.files[name] = DiskFile(
            direct=found.direct and _can_be_direct(fd),
            size_bytes=found.size,
            block=stat.S_ISBLK(own.st_mode),
            blocks=found.blocks,
            source=claim_of(volume) or "",
            preallocated=name in preallocated_volumes(status),
            allocated=own.st_blocks * UNIT >= own.st_size,
            identity=storage_identity(own),
        )

    async def create(self, file: DumpFile, name: str) -> int:
        """Have the file of a dump made; returns its descriptor, which is the caller's. Raises as `open`."""
        _, fd = await self._ask({"dump": file}, name, "dump")
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ProtocolError(f"the attachment pod sent no regular file for volume {name}")
        return fd

    async def _ask(self, message: Document, name: str, wanted: str) -> tuple[object, int]:
        """What the pod's process tells of the file `wanted`, and its descriptor."""
        self._asking += 1
        self._idle.cancel()
        try:
            async with self._turn:
                if self._closed:
                    raise PeerGone
                await self._connection.send(message)
                with anyio.fail_after(OPEN_S):
                    answer, fds = await self._connection.receive()
        finally:
            self._asking -= 1
        try:
            if "error" in answer:
                raise NotOpened(f"volume {name}: {answer['error']}"[:ERROR_CHARACTERS])
            opened = answer.get("opened")
            if not isinstance(opened, dict) or wanted not in opened or len(fds) != 1 or not _is_disk(fds[0]):
                raise ProtocolError(f"the attachment pod sent no descriptor of a disk for volume {name}")
            return opened[wanted], fds.pop()
        finally:
            close_all(fds)

    def descriptor(self, name: str, *, direct: bool) -> int | None:
        """The descriptor of a volume, which stays ours. QEMU takes it for `cache.direct` only with O_DIRECT."""
        fd = self._fds.get(name)
        if fd is not None and direct:
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
        return fd

    async def ended(self) -> None:
        """Returns when the pod's process has gone. Raises ProtocolError if it speaks unasked."""
        while True:
            async with self._turn:
                # Taking the lock lets others run: who asked meanwhile cancelled the wait before this one.
                with anyio.CancelScope() as self._idle:
                    if not self._asking:
                        await self._connection.ended()
                        return

    def close_volume(self, name: str) -> None:
        self.files.pop(name, None)
        if (fd := self._fds.pop(name, None)) is not None:
            os.close(fd)

    def close(self) -> None:
        self._closed = True
        self._connection.close()
        for name in tuple(self._fds):
            self.close_volume(name)


def _can_be_direct(fd: int) -> bool:
    """Whether the file takes O_DIRECT, whatever the pod's process says; it has its flags as before."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT)
    except OSError:
        return False
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    return True


def _is_disk(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)
