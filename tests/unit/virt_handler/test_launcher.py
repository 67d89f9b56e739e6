"""The socket that pods call: what a caller sends costs nothing, and a launch that keeps failing is given up."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kubevirt_py.virt_handler import launcher, opened
from kubevirt_py.virt_handler.launcher import ATTEMPTS, MAX_CALLERS_OF_POD, Launcher
from kubevirt_py.virt_handler.peers import Peer
from kubevirt_py.virt_handler.seqpacket import ProtocolError

HELLO = b'{"hello": 1}'


class NetlinkError(Exception):
    """Stands for errors of libraries, which are neither OSError nor RuntimeError."""


class _Guests:
    """A registry whose every launch fails."""

    def __init__(self) -> None:
        self.error: Exception = NetlinkError("no buffer space")
        self.refused: list[str] = []

    async def owner(self, _pod_uid: str, _deadline_s: float) -> str:
        return "vmi"

    async def start(self, *_: Any) -> None:
        raise self.error

    def refuse(self, _vmi: str, _peer: Peer, text: str) -> None:
        self.refused.append(text)

    def of_pod(self, _pod_uid: str) -> None:
        return None


def _identify(_sock: socket.socket, _mount: str) -> Peer:
    return Peer(pid=1, pidfd=os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), started=1, pod_uid="pod", device_id="")


@asynccontextmanager
async def _launcher(
    path: Path, monkeypatch: pytest.MonkeyPatch, listener: type[socket.socket] = socket.socket
) -> AsyncIterator[_Guests]:
    monkeypatch.setattr(launcher, "identify", _identify)
    guests: Any = _Guests()
    with listener(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as sock:
        sock.bind(str(path))
        sock.listen()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Launcher(sock, guests).run)
            yield guests
            tasks.cancel_scope.cancel()


async def _call(path: Path, message: bytes, fds: list[int] | None = None) -> bytes:
    """Say one thing as a pod does; the answer, empty when the agent hung up."""

    def call() -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(str(path))
            try:
                socket.send_fds(sock, [message], fds or [])
                return sock.recv(1 << 16)
            except ConnectionError:  # hung up on before the message was read
                return b""

    return await anyio.to_thread.run_sync(call)


def _open_files() -> set[str]:
    return {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


async def test_descriptors_that_nobody_asked_for_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "mark"
    mark.touch()
    async with _launcher(tmp_path / "s", monkeypatch):
        fd = os.open(mark, os.O_RDONLY)
        assert await _call(tmp_path / "s", b'{"shutdown": 1}', [fd] * 8) == b'{"done":1}'
        os.close(fd)
        assert str(mark) not in _open_files()


@pytest.mark.parametrize("error", [NetlinkError("no buffer space"), ProtocolError("too large"), KeyError("image")])
async def test_a_launch_that_keeps_failing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with _launcher(tmp_path / "s", monkeypatch) as guests:
        guests.error = error
        answers = [await _call(tmp_path / "s", HELLO) for _ in range(ATTEMPTS)]
        assert answers[:-1] == [b""] * (ATTEMPTS - 1)
        assert str(error) in answers[-1].decode()
        assert [str(error) in text for text in guests.refused] == [True]


async def test_a_pod_that_holds_many_connections_is_turned_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _launcher(tmp_path / "s", monkeypatch):
        held = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(MAX_CALLERS_OF_POD)]
        try:
            for sock in held:
                sock.connect(str(tmp_path / "s"))
            await anyio.wait_all_tasks_blocked()
            assert await _call(tmp_path / "s", b'{"shutdown": 1}') == b""
        finally:
            for sock in held:
                sock.close()
        await anyio.wait_all_tasks_blocked()
        assert await _call(tmp_path / "s", b'{"shutdown": 1}') == b'{"done":1}'


async def test_a_host_without_descriptors_keeps_its_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "NO_ROOM_S", 0.01)
    failures = [OSError(errno.EMFILE, "too many open files"), ConnectionAbortedError()]

    class Listener(socket.socket):
        def accept(self) -> tuple[socket.socket, Any]:
            if failures:
                raise failures.pop()
            return super().accept()

    async with _launcher(tmp_path / "s", monkeypatch, Listener):
        assert await _call(tmp_path / "s", b'{"shutdown": 1}') == b'{"done":1}'
    assert not failures


def test_a_secret_that_is_no_file_is_not_read() -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(ProtocolError, match="not a file"):
            opened._secret(reader)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_secret_of_more_files_than_an_image_can_be_made_of_in_a_moment_is_refused() -> None:
    fd = os.memfd_create("secret")
    try:
        os.write(fd, msgspec.json.encode({str(number): "" for number in range(opened.SECRET_FILES + 1)}))
        with pytest.raises(ValueError, match="4097 files, and an image holds up to 4096"):
            opened._secret(fd)
    finally:
        os.close(fd)
