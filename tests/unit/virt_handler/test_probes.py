"""Probes by the agent in the guest: a guest that stands still is alive, and not ready."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from kubevirt_py.decide.guest_state import DUMPING, IO_ERROR, PAUSED, PRELAUNCH, RUNNING, SUSPENDED
from kubevirt_py.virt_handler import guestfacts, probes
from tests.unit.virt_handler.agents import agent, answering

NAMES = ("livenessProbe", "readinessProbe")
PING: dict[str, Any] = {"guestAgentPing": {}}


def _guest(probe: dict[str, Any], *, run_state: str = RUNNING, frozen: bool = False, channel: Any = None) -> Any:
    vmi = SimpleNamespace(spec=json.dumps(dict.fromkeys(NAMES, probe)))
    return SimpleNamespace(
        hosted=SimpleNamespace(vmi=lambda: vmi),
        run_state=run_state,
        freezer=SimpleNamespace(frozen=frozen),
        channel=channel,
    )


async def _codes(guest: Any) -> list[int]:
    return [(await probes.answer(guest, name))["code"] for name in NAMES]


@pytest.mark.parametrize("run_state", [PRELAUNCH, PAUSED, IO_ERROR, DUMPING, SUSPENDED])
@pytest.mark.parametrize("probe", [PING, {"exec": {"command": ["/bin/true"]}}])
async def test_a_guest_that_stands_still_is_alive_and_not_ready(run_state: str, probe: dict[str, Any]) -> None:
    assert await _codes(_guest(probe, run_state=run_state)) == [0, 1]


async def test_an_agent_that_answers_is_a_guest_that_lives(tmp_path: Path) -> None:
    async with agent(tmp_path / "a", answering({"guest-ping": {}})) as channel:
        assert await _codes(_guest(PING, channel=channel)) == [0, 0]
        assert await _codes(_guest(PING, channel=channel, frozen=True)) == [0, 0]


async def test_no_guest_is_killed_for_being_frozen_just_now(tmp_path: Path) -> None:
    """An agent does one thing at a time, and a freeze of a busy guest takes longer than any probe."""

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        await anyio.sleep_forever()

    async with agent(tmp_path / "a", speak) as channel:
        assert await _codes(_guest(PING, channel=channel, frozen=True)) == [0, 1]
        assert await _codes(_guest(PING, channel=channel)) == [1, 1]


async def test_no_guest_is_killed_because_we_keep_its_agent_busy(tmp_path: Path) -> None:
    asked = anyio.Event()

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        if request["execute"] == "guest-get-users":
            asked.set()
            await anyio.sleep_forever()
        await answering({})(stream, request)

    async with agent(tmp_path / "a", speak) as channel, anyio.create_task_group() as tasks:
        tasks.start_soon(guestfacts.users, channel)
        await asked.wait()
        assert await _codes(_guest(PING, channel=channel)) == [0, 1]
        tasks.cancel_scope.cancel()
