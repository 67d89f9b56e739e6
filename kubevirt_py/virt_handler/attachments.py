"""The agent's end of an attachment pod: asks its process to open volumes, and keeps the descriptors while it lives.

    stub   {"attach": 1}
    agent  {"open": [step]}                   one volume at a time (render/pod_files.py)
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
from kubevirt_py.render.pod_files import pod_files
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, Connection, ProtocolError, close_all

OPEN_S = 60.0


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
        self._connection = connection
        self._fds: dict[str, int] = {}

    async def open(self, disk: Document, volume: Document, status: tuple[Document, ...]) -> None:
        """Open one volume. Raises NotOpened for what its process refuses, PeerGone and ProtocolError as usual."""
        name = str(volume["name"])
        alone = {"domain": {"devices": {"disks": [disk]}}, "volumes": [volume]}
        steps = [msgspec.to_builtins(step) for step in pod_files(alone, status)]
        await self._connection.send({"open": steps})
        with anyio.fail_after(OPEN_S):
            message, fds = await self._connection.receive()
        try:
            if "error" in message:
                raise NotOpened(f"volume {name}: {message['error']}"[:ERROR_CHARACTERS])
            facts = msgspec.convert((message.get("opened") or {}).get(f"disk.{name}"), _Facts)
            if len(fds) != 1 or not _is_disk(fds[0]):
                raise ProtocolError(f"the attachment pod sent no descriptor of a disk for volume {name}")
            self.close_volume(name)
            self._fds[name] = fds.pop()
            source = claim_of(volume) or ""
            block = stat.S_ISBLK(os.fstat(self._fds[name]).st_mode)
            self.files[name] = DiskFile(
                direct=facts.direct, size_bytes=facts.size, block=block, blocks=facts.blocks, source=source
            )
        except msgspec.ValidationError as error:
            raise ProtocolError(f"the attachment pod's answer makes no sense: {error}") from error
        finally:
            close_all(fds)

    def descriptor(self, name: str, *, direct: bool) -> int | None:
        """The descriptor of a volume, which stays ours. QEMU takes it for `cache.direct` only with O_DIRECT."""
        fd = self._fds.get(name)
        if fd is not None and direct:
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
        return fd

    async def ended(self) -> None:
        """Returns when the pod's process has gone. Raises ProtocolError if it speaks instead."""
        await self._connection.ended()

    def close_volume(self, name: str) -> None:
        self.files.pop(name, None)
        if (fd := self._fds.pop(name, None)) is not None:
            os.close(fd)

    def close(self) -> None:
        self._connection.close()
        for name in tuple(self._fds):
            self.close_volume(name)


def _is_disk(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode)
