"""Streams over sockets that the library does not know."""

from __future__ import annotations

import socket

import anyio
import pytest

from kubevirt_py.virt_handler.vsock import RawStream


async def test_a_raw_stream_carries_both_ways_and_ends() -> None:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    payload = bytes(range(256)) * 8192
    received = bytearray()
    async with RawStream(ours) as near, RawStream(theirs) as far:

        async def read() -> None:
            while len(received) < len(payload):
                received.extend(await far.receive())

        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await near.send(payload)
            assert received == payload
            await far.send_eof()
            with pytest.raises(anyio.EndOfStream):
                await near.receive()
            await far.aclose()
            with pytest.raises(anyio.BrokenResourceError):
                while True:
                    await near.send(payload)
