"""The limits of the launcher protocol."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import anyio
import pytest

from kubevirt_py.virt_handler.seqpacket import MAX_RECEIVED, MESSAGE_BYTES, Connection, PeerGone, ProtocolError


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, 32, 4 * MESSAGE_BYTES)
    with theirs, Connection(ours) as connection:
        yield connection, theirs


async def test_messages_with_descriptors(pair: tuple[Connection, socket.socket]) -> None:
    connection, stub = pair
    read, write = os.pipe()
    socket.send_fds(stub, [b'{"opened": {}}'], [read])
    message, fds = await connection.receive()
    os.write(write, b"x")
    assert message == {"opened": {}}
    assert os.read(fds[0], 1) == b"x"
    for fd in (read, write, *fds):
        os.close(fd)


@pytest.mark.parametrize("data", [b"[]", b"{", b'"text"', b"[" * 5000, b"\xff\xfe", b'{"a": "\xc3\x28"}'])
async def test_nonsense_is_refused(pair: tuple[Connection, socket.socket], data: bytes) -> None:
    connection, stub = pair
    stub.send(data)
    with pytest.raises(ProtocolError):
        await connection.receive()


async def test_too_much_is_refused_and_leaks_nothing(pair: tuple[Connection, socket.socket]) -> None:
    connection, stub = pair
    before = len(os.listdir("/proc/self/fd"))
    stub.send(b" " * (MESSAGE_BYTES + 1))
    with pytest.raises(ProtocolError, match="cut off"):
        await connection.receive()
    null = os.open("/dev/null", os.O_RDONLY)
    socket.send_fds(stub, [b"{}"], [null] * (MAX_RECEIVED + 1))
    os.close(null)
    with pytest.raises(ProtocolError, match="cut off"):
        await connection.receive()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_end_of_file_is_how_exec_is_seen(pair: tuple[Connection, socket.socket]) -> None:
    connection, stub = pair
    stub.close()
    await connection.ended()
    with pytest.raises(PeerGone):
        await connection.receive()


async def test_last_words_are_heard_though_ours_were_not_read(pair: tuple[Connection, socket.socket]) -> None:
    connection, stub = pair
    stub.send(b'{"opened": {}}')
    await connection.send({"error": "no"})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connection.heard)
        await anyio.wait_readable(stub)
        assert stub.recv(100) == b'{"error":"no"}'
        stub.close()


async def test_words_instead_of_exec_are_the_reason(pair: tuple[Connection, socket.socket]) -> None:
    connection, stub = pair
    stub.send(b'{"error": "no such file"}')
    with pytest.raises(ProtocolError, match="no such file"):
        await connection.ended()
    stub.send(b'{"error": "late"}')
    assert connection.last_words() == "late"
    assert connection.last_words() == ""
