"""Connections from the node to a port of a guest over VSOCK."""

from __future__ import annotations

import errno
import os
import socket

import anyio
from anyio.abc import ByteStream

CONNECT_S = 5.0


class RawStream(ByteStream):
    """A connected, non-blocking stream socket of any family. Owns it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def receive(self, max_bytes: int = 65536) -> bytes:
        while True:
            await anyio.wait_readable(self._sock)
            try:
                data = self._sock.recv(max_bytes)
            except BlockingIOError:
                continue
            except OSError as error:
                raise anyio.BrokenResourceError from error
            if not data:
                raise anyio.EndOfStream
            return data

    async def send(self, item: bytes) -> None:
        left = memoryview(item)
        while left:
            try:
                left = left[self._sock.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._sock)
            except OSError as error:
                raise anyio.BrokenResourceError from error

    async def send_eof(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        self._sock.close()


async def connect(cid: int, port: int) -> RawStream:
    """Raises OSError when nobody listens there, or the node has no VSOCK; TimeoutError."""
    sock = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        with anyio.fail_after(CONNECT_S):
            number = sock.connect_ex((cid, port))
            if number == errno.EINPROGRESS:
                await anyio.wait_writable(sock)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))
    except BaseException:
        sock.close()
        raise
    return RawStream(sock)
