"""The guest's agent: an honest one, an old one, and hostile ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from kubevirt_py.virt_handler import guestagent
from kubevirt_py.virt_handler.guestagent import AgentSilent, Channel

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
async def _agent(path: Path, speak: Speak) -> AsyncIterator[Channel]:
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

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield Channel(str(path))
        tasks.cancel_scope.cancel()
    await listener.aclose()


def _answering(answers: dict[str, Any]) -> Speak:
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


async def test_an_honest_agent(tmp_path: Path) -> None:
    async with _agent(tmp_path / "a", _answering(HONEST)) as channel:
        info = await channel.inform()
        assert info is not None
        assert (info.version, info.commands, info.hostname, info.timezone) == ("9.2.0", ("guest-ping",), "vm", "UTC, 0")
        assert info.os == {
            "id": "debian",
            "name": "Debian GNU/Linux",
            "prettyName": "Debian 13",
            "versionId": "13",
        }
        assert info.interfaces == ({"name": "enp1s0", "mac": "02:aa:00:00:00:01", "addresses": ["10.0.2.2"]},)
        assert await channel.users() == [{"userName": "root", "domain": "", "loginTime": 1.5}]
        assert (await channel.filesystems())[0]["mountPoint"] == "/"


async def test_an_old_agent_says_less(tmp_path: Path) -> None:
    async with _agent(tmp_path / "a", _answering({"guest-info": HONEST["guest-info"]})) as channel:
        info = await channel.inform()
        assert info is not None
        assert (info.os, info.interfaces) == ({}, ())
        with pytest.raises(AgentSilent, match="guest-get-users"):
            await channel.users()


async def test_nothing_a_guest_says_grows_without_bound(tmp_path: Path) -> None:
    interface = {"name": "x" * 999, "hardware-address": "y" * 999, "ip-addresses": [{"ip-address": "z" * 99}] * 40}
    greedy = {
        **HONEST,
        "guest-get-osinfo": {"name": "n" * 100_000},
        "guest-network-get-interfaces": [interface] * 100,
    }
    async with _agent(tmp_path / "a", _answering(greedy)) as channel:
        info = await channel.inform()
        assert info is not None
        assert len(json.dumps([info.os, info.interfaces])) < 256 * 1024
        assert len(info.interfaces) == guestagent.MAX_INTERFACES
        assert len(info.os["name"]) == guestagent.TEXT


async def _endless(stream: SocketStream, request: dict[str, Any]) -> None:
    while True:
        await stream.send(b"x" * 65536)


async def _deep(stream: SocketStream, request: dict[str, Any]) -> None:
    await stream.send(b"\xff" + b"[" * 500_000 + b"\n")


async def _garbled(stream: SocketStream, request: dict[str, Any]) -> None:
    await stream.send(b'\xff{"return": "\xc3\x28"}\n')


async def _closing(stream: SocketStream, request: dict[str, Any]) -> None:
    await stream.aclose()


@pytest.mark.parametrize("speak", [_endless, _deep, _garbled, _closing])
async def test_hostile_agents_are_silent_ones(tmp_path: Path, speak: Speak) -> None:
    async with _agent(tmp_path / "a", speak) as channel:
        with anyio.fail_after(30):
            assert await channel.inform() is None


async def test_an_agent_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(stream: SocketStream, request: dict[str, Any]) -> None:
        return

    monkeypatch.setattr(guestagent, "ANSWER_S", 0.05)
    async with _agent(tmp_path / "a", silent) as channel:
        assert await channel.inform() is None


async def test_no_agent_at_all(tmp_path: Path) -> None:
    assert await Channel(str(tmp_path / "none")).inform() is None
