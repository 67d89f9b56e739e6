"""What the stub has opened in its pod, as it tells and as its descriptors show."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from typing import Any

import anyio
import msgspec

from kubevirt_py.render.machine import DiskFile
from kubevirt_py.render.machine.sharing import UNKNOWN
from kubevirt_py.virt_handler import secretfolder
from kubevirt_py.virt_handler.kernel import pidfd_getfd, storage_identity
from kubevirt_py.virt_handler.peers import Peer
from kubevirt_py.virt_handler.records import Kept
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, Connection, ProtocolError, close_all

OPEN_S = 60.0
"""For the stub to open and make files; a large disk on slow storage is only a sparse file."""
SECRET_BYTES = 7 << 20
"""A Secret or ConfigMap holds at most 1 MiB; a byte takes up to 6 characters of JSON."""
SECRET_FILES = 4096
"""Per volume: an image of some 60,000, as many as an object can have keys, takes a minute to make."""


class OpenedFile(msgspec.Struct, frozen=True):
    """What the stub says of a file, and its descriptor's number."""

    format: str = ""
    size: int = 0
    direct: bool = False
    block: bool = False
    blocks: tuple[int, int] = (0, 0)
    allocated: bool = False
    number: int = -1
    read_only: bool = False
    made: bool = False


PLACEHOLDER = OpenedFile(format="raw", size=0, made=True)
"""For an image that is made once the machine's addresses are known, which it tells of."""


async def receive_opened(
    connection: Connection, secret_names: list[str]
) -> tuple[dict[str, OpenedFile], dict[str, dict[str, bytes]]]:
    """The stub's answer to "open": facts of its files, and the contents of the secrets it read.

    Raises ValueError with the stub's words when it refuses, ProtocolError for an answer that makes no sense.
    """
    with anyio.fail_after(OPEN_S):
        message, fds = await connection.receive()
    try:
        if "error" in message:
            raise ValueError(str(message["error"])[:ERROR_CHARACTERS])
        files = msgspec.convert(message.get("opened"), dict[str, OpenedFile])
        if len(fds) != len(secret_names):
            raise ProtocolError("the stub sent other secrets than it was asked for")
        return files, {name: _secret(fd) for name, fd in zip(secret_names, fds, strict=True)}
    except msgspec.ValidationError as error:
        raise ProtocolError(f"the stub's answer makes no sense: {error}") from error
    finally:
        close_all(fds)


def secret_folders(peer: Peer, files: Mapping[str, OpenedFile]) -> dict[str, Kept]:
    """The directories that the stub leaves open for QEMU to inherit, by Secret."""
    return {
        name.removeprefix("folder."): secretfolder.remember(peer.pidfd, file.number)
        for name, file in files.items()
        if name.startswith("folder.")
    }


def storage_identities(peer: Peer, files: Mapping[str, OpenedFile]) -> dict[str, tuple[int, int]]:
    """`DiskFile.identity` by volume, of what the stub really has: its word could keep others from their disks."""
    found = {}
    for name, file in files.items():
        role, _, volume = name.partition(".")
        if role == "disk" and file.number >= 0:
            fd = pidfd_getfd(peer.pidfd, file.number)
            try:
                found[volume] = storage_identity(os.fstat(fd))
            finally:
                os.close(fd)
    return found


def _secret(fd: int) -> dict[str, bytes]:
    """The files of one secret. Raises ValueError when they are too large, ProtocolError for what is no file."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ProtocolError("the stub sent a secret that is not a file")
    data = os.pread(fd, SECRET_BYTES + 1, 0)
    if len(data) > SECRET_BYTES:
        raise ValueError("the files of a volume are too large for an image: a Secret or ConfigMap holds up to 1 MiB")
    texts = msgspec.json.decode(data, type=dict[str, str])
    if len(texts) > SECRET_FILES:
        raise ValueError(f"a volume has {len(texts)} files, and an image holds up to {SECRET_FILES}")
    return {name: text.encode("latin-1") for name, text in texts.items()}


def disk_files(
    files: Mapping[str, OpenedFile], identities: Mapping[str, tuple[int, int]], preallocated: Collection[str]
) -> dict[str, DiskFile]:
    """What the machine must know of its disks, by volume."""
    disks = {}
    for name, file in files.items():
        role, _, volume = name.partition(".")
        if role == "disk":
            base = files.get(f"base.{volume}")
            known: dict[str, Any] = {"format": file.format, "base": base.format if base else ""}
            known |= {"block": file.block, "blocks": file.blocks, "base_block": bool(base and base.block)}
            known |= {"read_only": file.read_only, "made": file.made}
            known |= {"preallocated": volume in preallocated, "allocated": file.allocated}
            known |= {"direct": file.direct, "size_bytes": file.size, "identity": identities.get(volume, UNKNOWN)}
            disks[volume] = msgspec.convert(known, DiskFile)
    return disks
