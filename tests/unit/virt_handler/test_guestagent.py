"""The guest's agent: an honest one, an old one, and hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from kubevirt_py.virt_handler import guestagent, guestcommands, guestfacts
from kubevirt_py.virt_handler.guestagent import AgentRefused, Channel
from tests.unit.virt_handler.agents import HONEST, Speak, agent, answering


async def test_an_honest_agent(tmp_path: Path) -> None:
    async with agent(tmp_path / "a", answering(HONEST)) as channel:
        info = await guestfacts.inform(channel)
        assert info is not None
        assert (info.version, info.commands, info.hostname, info.timezone) == ("9.2.0", ("guest-ping",), "vm", "UTC, 0")
        assert info.os == {
            "id": "debian",
            "name": "Debian GNU/Linux",
            "prettyName": "Debian 13",
            "versionId": "13",
        }
        assert info.interfaces == ({"name": "enp1s0", "mac": "02:aa:00:00:00:01", "addresses": ["10.0.2.2"]},)
        assert await guestfacts.users(channel) == [{"userName": "root", "domain": "", "loginTime": 1.5}]
        assert (await guestfacts.filesystems(channel))[0]["mountPoint"] == "/"


async def test_an_old_agent_says_less(tmp_path: Path) -> None:
    async with agent(tmp_path / "a", answering({"guest-info": HONEST["guest-info"]})) as channel:
        info = await guestfacts.inform(channel)
        assert info is not None
        assert (info.os, info.interfaces) == ({}, ())
        with pytest.raises(AgentRefused, match="guest-get-users"):
            await guestfacts.users(channel)


async def test_nothing_a_guest_says_grows_without_bound(tmp_path: Path) -> None:
    interface = {"name": "x" * 999, "hardware-address": "y" * 999, "ip-addresses": [{"ip-address": "z" * 99}] * 40}
    greedy = {
        **HONEST,
        "guest-get-osinfo": {"name": "n" * 100_000},
        "guest-network-get-interfaces": [interface] * 100,
    }
    async with agent(tmp_path / "a", answering(greedy)) as channel:
        info = await guestfacts.inform(channel)
        assert info is not None
        assert len(json.dumps([info.os, info.interfaces])) < 256 * 1024
        assert len(info.interfaces) == guestfacts.MAX_INTERFACES
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


@pytest.mark.parametrize("speak", [_endless, _deep, _closing])
async def test_hostile_agents_are_silent_ones(tmp_path: Path, speak: Speak) -> None:
    async with agent(tmp_path / "a", speak) as channel:
        with anyio.fail_after(30):
            assert await guestfacts.inform(channel) is None


async def test_what_is_no_answer_is_no_reason_to_stop_listening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guestagent, "ANSWER_S", 0.5)
    async with agent(tmp_path / "a", _garbled) as channel:
        assert await guestfacts.inform(channel) is None


async def test_an_agent_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(stream: SocketStream, request: dict[str, Any]) -> None:
        return

    monkeypatch.setattr(guestagent, "ANSWER_S", 0.05)
    async with agent(tmp_path / "a", silent) as channel:
        assert await guestfacts.inform(channel) is None


async def test_no_agent_at_all(tmp_path: Path) -> None:
    assert await guestfacts.inform(Channel(str(tmp_path / "none"))) is None


async def test_a_babbling_agent_is_hung_up_on_before_it_costs_anything(tmp_path: Path) -> None:
    """Lines that are quick to say and slow to read, with a deadline that never passes while there is more to read."""
    said = 0

    async def babbling(stream: SocketStream, request: dict[str, Any]) -> None:
        nonlocal said
        while True:
            await stream.send(b"\xff{}\n" * 1024)
            said += 4096

    async with agent(tmp_path / "a", babbling) as channel:
        assert await guestfacts.inform(channel) is None
        assert said < guestagent.CONVERSATION_BYTES // 4


@pytest.mark.parametrize("output", ["\u00e9", "a"])
async def test_output_that_is_no_base64_is_a_refusal(tmp_path: Path, output: str) -> None:
    answers = {"guest-exec": {"pid": 1}, "guest-exec-status": {"exited": True, "exitcode": 0, "out-data": output}}
    async with agent(tmp_path / "a", answering(answers)) as channel:
        with pytest.raises(AgentRefused, match="base64"):
            await guestcommands.run(channel, ["true"], 5.0)
