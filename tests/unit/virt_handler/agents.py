"""Guest agents that are made up: an honest one, and whatever a test lets one say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from kubevirt_py.virt_handler.guestagent import Channel

HONEST: dict[str, Any] = {
    "guest-info": {
        "version": "9.2.0",
        "supported_commands": [{"name": "guest-ping", "enabled": True}, {"name": "guest-exec", "enabled": False}],
    },
    "guest-get-osinfo": {"id": "debian", "name": "Debian GNU/Linux", "pretty-name": "Debian 13", "version-id": "13"},
    "guest-get-host-name": {"host-name": "vm"},
    "guest-get-timezone": {"zone": "UTC", "offset": 0},
    "guest-network-get-interfaces": [
        {"name": "lo", "hardware-address": "00:00:00:00:00:00", "ip-addresses": []},
        {
            "name": "enp1s0",
            "hardware-address": "02:AA:00:00:00:01",
            "ip-addresses": [{"ip-address": "10.0.2.2", "ip-address-type": "ipv4", "prefix": 24}],
        },
    ],
    "guest-get-users": [{"user": "root", "login-time": 1.5}],
    "guest-get-fsinfo": [
        {"name": "vda1", "mountpoint": "/", "type": "ext4", "used-bytes": 1, "total-bytes": 2, "disk": []}
    ],
}

Speak = Callable[[SocketStream, dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def agent(path: Path, speak: Speak) -> AsyncIterator[Channel]:
    """Something that listens where QEMU's chardev would, and answers lines of JSON."""
    listener = await anyio.create_unix_listener(path)

    async def serve(stream: SocketStream) -> None:
        reader = BufferedByteReceiveStream(stream)
        async with stream:
            try:
                while True:
                    line = await reader.receive_until(b"\n", 65536)
                    await speak(stream, json.loads(line.lstrip(b"\xff")))
            except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        try:
            yield Channel(str(path))
        finally:
            tasks.cancel_scope.cancel()


def answering(answers: dict[str, Any]) -> Speak:
    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        command = request["execute"]
        if command == "guest-sync-delimited":
            # What an earlier conversation left behind comes first.
            stale = b'{"return": 12345}\n\xff{"return": 999999}\n'
            await stream.send(stale + b'\xff{"return": %d}\n' % request["arguments"]["id"])
        elif command in answers:
            await stream.send(json.dumps({"return": answers[command]}).encode() + b"\n")
        else:
            await stream.send(b'{"error": {"class": "CommandNotFound", "desc": "unknown"}}\n')

    return speak
