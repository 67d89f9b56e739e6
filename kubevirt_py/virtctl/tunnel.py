"""Local sockets and pipes joined to a websocket of the cluster."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable

import aiohttp
import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from kubevirt_py.kube.errors import ApiError
from kubevirt_py.kube.stream import read_bytes
from kubevirt_py.virtctl import terminal

CLOSE_S = 2.0
QUEUE_DATAGRAMS = 256

Open = Callable[[], Awaitable[aiohttp.ClientWebSocketResponse]]
Send = Callable[[bytes], Awaitable[None]]
Receive = Callable[[], Awaitable[bytes]]
"""The next bytes; empty at the end."""


async def join(socket: aiohttp.ClientWebSocketResponse, receive: Receive, send: Send) -> None:
    """Pass bytes both ways until either side ends, then close the websocket."""

    async def outward(scope: anyio.CancelScope) -> None:
        try:
            while data := await receive():
                await socket.send_bytes(data)
        except (ConnectionError, anyio.BrokenResourceError):
            pass  # the other side is gone, which is how a connection ends
        scope.cancel()

    async def inward(scope: anyio.CancelScope) -> None:
        try:
            while not isinstance(data := await read_bytes(socket), int):
                await send(data)
        except (ConnectionError, anyio.BrokenResourceError):
            pass  # as above
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outward, tasks.cancel_scope)
        tasks.start_soon(inward, tasks.cancel_scope)
    with anyio.move_on_after(CLOSE_S, shield=True):
        await socket.close()


async def join_stdio(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Standard input and output as the local side."""
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()

    async def send(data: bytes) -> None:
        await terminal.write(screen, data)

    await join(socket, lambda: terminal.read(keyboard), send)


async def join_stream(socket: aiohttp.ClientWebSocketResponse, stream: SocketStream) -> None:
    """One local TCP connection as the local side."""

    async def receive() -> bytes:
        try:
            return await stream.receive()
        except anyio.EndOfStream:
            return b""

    await join(socket, receive, stream.send)


async def serve_tcp(address: str, port: int, open_socket: Open, ready: Callable[[int], None], *, once: bool) -> None:
    """Accept connections at `address`:`port` (0: any free port), each with a websocket of its own.

    `ready` is told the port. `once`: return after the first connection. An ApiError ends that
    connection, not the listener; with `once` it is raised.
    """
    listener = await anyio.create_tcp_listener(local_host=address, local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        ready(listener.listeners[0].extra(SocketAttribute.local_port))

        async def handle(stream: SocketStream) -> None:
            async with stream:
                try:
                    await join_stream(await open_socket(), stream)
                except ApiError as error:
                    if once:
                        raise
                    terminal.say(f"cannot forward: {error.message}")
            if once:
                tasks.cancel_scope.cancel()

        await listener.serve(handle, tasks)


async def serve_socket(
    socket: aiohttp.ClientWebSocketResponse, address: str, port: int, local: Callable[[int], Awaitable[bool]]
) -> None:
    """Join one local TCP connection to a websocket that is open, and close that.

    `local` is told the port; what it starts may end without a connection, and then it returns True.
    """
    try:
        async with anyio.create_task_group() as tasks:

            async def start(bound: int) -> None:
                if await local(bound):
                    tasks.cancel_scope.cancel()

            async def already_open() -> aiohttp.ClientWebSocketResponse:
                return socket

            def ready(bound: int) -> None:
                tasks.start_soon(start, bound)

            await serve_tcp(address, port, already_open, ready, once=True)
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(CLOSE_S, shield=True):
            await socket.close()


async def serve_udp(address: str, port: int, open_socket: Open, ready: Callable[[int], None]) -> None:
    """As `serve_tcp`, with a websocket per local sender; a message is a datagram."""
    async with (
        await anyio.create_udp_socket(local_host=address, local_port=port) as local,
        anyio.create_task_group() as tasks,
    ):
        ready(local.extra(SocketAttribute.local_port))
        senders: dict[tuple[str, int], MemoryObjectSendStream[bytes]] = {}

        async def follow(sender: tuple[str, int], queue: MemoryObjectReceiveStream[bytes]) -> None:
            async def receive() -> bytes:
                return await queue.receive()

            async def send(data: bytes) -> None:
                await local.sendto(data, *sender)

            try:
                await join(await open_socket(), receive, send)
            except ApiError as error:
                terminal.say(f"cannot forward: {error.message}")
            finally:
                senders.pop(sender, None)

        async for data, sender in local:
            if sender not in senders:
                senders[sender], queue = anyio.create_memory_object_stream[bytes](QUEUE_DATAGRAMS)
                tasks.start_soon(follow, sender, queue)
            try:
                senders[sender].send_nowait(data)
            except anyio.WouldBlock:
                continue  # as any network, drop what does not fit
