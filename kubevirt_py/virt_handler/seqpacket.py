"""JSON messages with descriptors over SOCK_SEQPACKET: the agent's end of the launcher stub's protocol."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import anyio
import msgspec

MESSAGE_BYTES = 1 << 20
MAX_RECEIVED = 128
"""A guest may have a disk of each of many Secrets."""
MAX_SENT = 100
SEND_S = 10.0
HEARD_S = 5.0
ERROR_CHARACTERS = 1024
_SO_SNDBUFFORCE = 32

_DECODER = msgspec.json.Decoder(dict[str, Any])


class PeerGone(Exception):
    """The other end closed: it exec'ed, or died."""


class ProtocolError(Exception):
    """The other end sent what the protocol does not know."""


class Connection:
    """Owns its socket. Received descriptors belong to the caller."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * MESSAGE_BYTES)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MESSAGE_BYTES)

    async def receive(self) -> tuple[dict[str, Any], list[int]]:
        """The next message. Raises PeerGone at end of file, ProtocolError for anything malformed or too large."""
        while True:
            await anyio.wait_readable(self.sock)
            try:
                data, fds, flags, _ = socket.recv_fds(self.sock, MESSAGE_BYTES, MAX_RECEIVED)
                break
            except BlockingIOError:
                continue
            except ConnectionError as error:
                raise PeerGone from error
        try:
            if not data:
                raise PeerGone
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise ProtocolError("a message was cut off")
            return _DECODER.decode(data), list(fds)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            close_all(fds)
            raise ProtocolError("a message is not a JSON object") from error
        except BaseException:
            close_all(fds)
            raise

    async def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Raises PeerGone when the other end is not there, TimeoutError when it does not read."""
        data = msgspec.json.encode(message)
        if len(data) > MESSAGE_BYTES:
            raise ProtocolError(f"a message of {len(data)} bytes is too large")
        with anyio.fail_after(SEND_S):
            while True:
                try:
                    socket.send_fds(self.sock, [data], list(fds))
                    return
                except BlockingIOError:
                    await anyio.wait_writable(self.sock)
                except (ConnectionError, BrokenPipeError) as error:
                    raise PeerGone from error

    async def ended(self) -> None:
        """Returns when the other end has closed. Raises ProtocolError if it speaks instead."""
        try:
            message, fds = await self.receive()
        except PeerGone:
            return
        close_all(fds)
        raise ProtocolError(str(message.get("error") or "a message came out of turn"))

    async def heard(self) -> None:
        """Returns when the other end has closed, or after a while: closing with unread messages cuts off our last."""
        with anyio.move_on_after(HEARD_S):
            while True:
                try:
                    _, fds = await self.receive()
                except ProtocolError:
                    continue
                except PeerGone:
                    return
                close_all(fds)

    def last_words(self) -> str:
        """The error that the other end sent before it died, if it is there already; empty if not."""
        try:
            message = _DECODER.decode(self.sock.recv(MESSAGE_BYTES))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""
        return str(message.get("error") or "")[:ERROR_CHARACTERS]

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)
