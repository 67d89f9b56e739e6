"""Serial and VNC streams: raw bytes between a websocket and the socket of a guest, one session of each kind."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
from aiohttp import WSCloseCode, WSMsgType, web
from anyio.abc import ByteStream

CHUNK_BYTES = 32 << 10
CLOSE_S = 2.0
CONNECT_S = 5.0

log = logging.getLogger(__name__)


class _Session:
    def __init__(self, websocket: web.WebSocketResponse) -> None:
        self.websocket = websocket
        self.ended = anyio.Event()


class Consoles:
    """Who is connected to what. A new session ends the one before it with a clean close."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._slots: set[str] = set()

    def busy(self, path: str) -> bool:
        """Whether somebody is connected to this socket."""
        return path in self._sessions

    @contextmanager
    def slot(self, paths: Sequence[str]) -> Iterator[str | None]:
        """The first of these sockets that nobody holds, held for the block; None when all are."""
        free = next((path for path in paths if path not in self._slots), None)
        if free is None:
            yield None
            return
        self._slots.add(free)
        try:
            yield free
        finally:
            self._slots.discard(free)

    async def relay(self, websocket: web.WebSocketResponse, path: str) -> None:
        """Carry bytes until either side ends. Raises OSError when the guest has no such socket (any more)."""
        await self._dismiss(path)
        session = self._sessions[path] = _Session(websocket)
        try:
            with anyio.fail_after(CONNECT_S):
                stream = await anyio.connect_unix(path)
            async with stream:
                await copy_both(websocket, stream)
        finally:
            if self._sessions.get(path) is session:
                del self._sessions[path]
            session.ended.set()

    async def _dismiss(self, path: str) -> None:
        """QEMU serves one client of a socket at a time, so the old one must be gone first."""
        while (old := self._sessions.get(path)) is not None:
            with anyio.move_on_after(CLOSE_S) as waiting:
                await old.websocket.close(code=WSCloseCode.OK, message=b"a new session was opened")
                await old.ended.wait()
            if waiting.cancelled_caught:
                self._sessions.pop(path, None)


async def copy_both(websocket: web.WebSocketResponse, stream: ByteStream) -> None:
    """Carry bytes until either side ends. Each direction holds one chunk: who does not read stops the other."""
    async with anyio.create_task_group() as tasks:

        async def from_guest() -> None:
            try:
                while True:
                    await websocket.send_bytes(await stream.receive(CHUNK_BYTES))
            except (anyio.EndOfStream, anyio.BrokenResourceError, ConnectionError):
                with anyio.move_on_after(CLOSE_S):
                    await websocket.close()
            tasks.cancel_scope.cancel()

        tasks.start_soon(from_guest)
        async for message in websocket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                break
            data = message.data.encode() if isinstance(message.data, str) else message.data
            try:
                await stream.send(data)
            except (anyio.BrokenResourceError, ConnectionError):
                break
        tasks.cancel_scope.cancel()
