"""Asking an attachment pod's process for a file while another task waits for its end."""

from __future__ import annotations

import fcntl
import os
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from kubevirt_py.render.memory_dump import DumpFile
from kubevirt_py.virt_handler.attachments import Attachment, NotOpened
from kubevirt_py.virt_handler.seqpacket import Connection, PeerGone, ProtocolError
from kubevirt_py.virt_launcher import stub


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Attachment, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    attachment = Attachment(Connection(ours), "pod", "", lambda: None)
    yield attachment, theirs
    attachment.close()
    theirs.close()


def _serve(sock: socket.socket) -> None:
    """The pod's process, with an end of its own: it reads until the agent's end is closed."""
    try:
        stub.attach(sock)
    except ConnectionError:
        sock.close()


def _contents(root: Path) -> list[bytes]:
    return [each.read_bytes() for each in root.iterdir()]


def _file(root: Path, size: int = 1) -> DumpFile:
    return DumpFile(str(root), "vm-core-20260501-120000.memory.dump", size, ("vm-core-", ".memory.dump"))


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("asks_first", [True, False])
async def test_whoever_asks_gets_an_answer_wherever_the_wait_stands(
    ends: tuple[Attachment, socket.socket], tmp_path: Path, steps: int, asks_first: bool
) -> None:
    attachment, theirs = ends
    threading.Thread(target=_serve, args=(theirs.dup(),), daemon=True).start()
    await anyio.wait_readable(attachment._connection.sock)
    attachment._connection.sock.recv(100)  # {"attach": 1}

    async def ask() -> None:
        for _ in range(steps):
            await anyio.lowlevel.checkpoint()
        for _ in range(2):
            fd = await attachment.create(_file(tmp_path), "core")
            os.write(fd, b"core")
            os.close(fd)
        tasks.cancel_scope.cancel()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for one in (ask, attachment.ended) if asks_first else (attachment.ended, ask):
                tasks.start_soon(one)
    assert _contents(tmp_path) == [b"core"]


async def test_what_the_process_refuses_is_told(ends: tuple[Attachment, socket.socket], tmp_path: Path) -> None:
    attachment, theirs = ends
    threading.Thread(target=_serve, args=(theirs.dup(),), daemon=True).start()
    await anyio.wait_readable(attachment._connection.sock)
    attachment._connection.sock.recv(100)
    with pytest.raises(NotOpened, match="volume core: the claim has"):
        await attachment.create(_file(tmp_path, 1 << 60), "core")


async def test_a_pod_that_has_gone_is_not_asked(ends: tuple[Attachment, socket.socket], tmp_path: Path) -> None:
    attachment, theirs = ends
    theirs.close()
    await attachment.ended()
    attachment.close()
    with pytest.raises(PeerGone):
        await attachment.create(_file(tmp_path), "core")


@pytest.mark.parametrize("kind", ["device", "none", "two", "other"])
async def test_a_process_that_sends_something_else_gets_nothing(
    ends: tuple[Attachment, socket.socket], tmp_path: Path, kind: str
) -> None:
    """It is a tenant's: its descriptors are looked at before QEMU writes to them."""
    attachment, theirs = ends
    (tmp_path / "file").touch()
    fd = os.open("/dev/null" if kind == "device" else tmp_path / "file", os.O_WRONLY)
    answer = b'{"opened": {"other": {}}}' if kind == "other" else b'{"opened": {"dump": {}}}'
    socket.send_fds(theirs, [answer], [fd] * {"none": 0, "two": 2}.get(kind, 1))
    os.close(fd)
    with pytest.raises(ProtocolError):
        await attachment.create(_file(tmp_path), "core")


@pytest.mark.parametrize("full", [True, False])
async def test_whether_a_file_has_its_space_is_seen_by_the_agent(
    ends: tuple[Attachment, socket.socket], tmp_path: Path, full: bool
) -> None:
    attachment, theirs = ends
    fd = os.open(tmp_path / "disk.img", os.O_RDWR | os.O_CREAT)
    os.truncate(fd, 1 << 20)
    if full:
        os.posix_fallocate(fd, 0, 1 << 20)
    socket.send_fds(theirs, [b'{"opened": {"disk.data": {"size": 1, "allocated": true}}}'], [fd])
    os.close(fd)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    await attachment.open({"name": "data", "disk": {"bus": "scsi"}}, volume, ())
    assert attachment.files["data"].allocated is full


@pytest.mark.parametrize("able", [True, False])
async def test_whether_a_file_can_be_direct_is_not_believed(
    ends: tuple[Attachment, socket.socket], tmp_path: Path, able: bool
) -> None:
    """The kernel is asked; files of /proc never can."""
    attachment, theirs = ends
    (tmp_path / "disk.img").touch()
    fd = os.open(tmp_path / "disk.img" if able else "/proc/self/status", os.O_RDONLY)
    socket.send_fds(theirs, [b'{"opened": {"disk.data": {"size": 1, "direct": true}}}'], [fd])
    os.close(fd)
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    await attachment.open({"name": "data", "disk": {"bus": "scsi"}}, volume, ())
    assert attachment.files["data"].direct is able
    for direct in (False, attachment.files["data"].direct):
        kept = attachment.descriptor("data", direct=direct)
        assert kept is not None
        assert bool(fcntl.fcntl(kept, fcntl.F_GETFL) & os.O_DIRECT) is direct
