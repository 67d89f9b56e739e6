"""What users ask of a guest: it goes on when it has all it needs, and reboots by its agent or else by the button."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from anyio.abc import SocketStream

from kubevirt_py.decide.guest_state import PAUSED, PRELAUNCH
from kubevirt_py.virt_handler import guestcommands, requests
from kubevirt_py.virt_handler.guestagent import AgentRefused
from tests.unit.virt_handler.agents import agent, answering


def _guest(channel: Any, *, acpi: bool) -> tuple[Any, list[str]]:
    done: list[str] = []

    async def execute(command: str) -> None:
        done.append(command)

    guest = SimpleNamespace(
        key="default/vm",
        agent=SimpleNamespace(connected=True),
        channel=channel,
        machine=SimpleNamespace(platform=SimpleNamespace(acpi=acpi)),
        steering=SimpleNamespace(expect_reboot=lambda: done.append("expected")),
        monitor=SimpleNamespace(execute=execute),
    )
    return guest, done


async def test_a_reboot_that_the_agent_takes_has_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guestcommands, "REFUSAL_S", 0.05)
    asked = []

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        asked.append(request["execute"])
        if request["execute"] != "guest-shutdown":
            await answering({})(stream, request)

    async with agent(tmp_path / "a", speak) as channel:
        guest, done = _guest(channel, acpi=True)
        await requests.soft_reboot(guest)
    assert asked == ["guest-sync-delimited", "guest-shutdown"]
    assert done == []


async def test_a_reboot_that_the_agent_refuses_is_the_power_buttons(tmp_path: Path) -> None:
    async with agent(tmp_path / "a", answering({})) as channel:
        guest, done = _guest(channel, acpi=True)
        await requests.soft_reboot(guest)
        assert done == ["expected", "system_powerdown"]
        guest, done = _guest(channel, acpi=False)
        with pytest.raises(AgentRefused, match="guest-shutdown"):
            await requests.soft_reboot(guest)
        assert done == []


@pytest.mark.parametrize(
    ("run_state", "incomplete", "commands"),
    [(PRELAUNCH, True, []), (PRELAUNCH, False, ["cont"]), (PAUSED, True, ["cont"])],
)
async def test_a_guest_does_not_begin_without_its_volumes(
    run_state: str, incomplete: bool, commands: list[str]
) -> None:
    guest, done = _guest(None, acpi=True)
    guest.run_state, guest.hotplug = run_state, SimpleNamespace(incomplete=incomplete)
    guest.record, guest.hosted = SimpleNamespace(resumed=False), SimpleNamespace(save=lambda: None)
    await requests.unpause(guest)
    assert done == commands
    assert guest.record.resumed is (run_state == PRELAUNCH)
