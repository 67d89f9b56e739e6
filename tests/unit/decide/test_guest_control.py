"""What the agent tells QEMU, row by row."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.decide.guest_control import Command, Control, control, quit_outcome
from kubevirt_py.decide.guest_state import DESTROYED, FORCED, POWERED_OFF

CALM = Control(now=100.0, run_state="running", reachable=True)


def _next(**changes: Any) -> tuple[list[str], float | None]:
    found = control(msgspec.structs.replace(CALM, **changes))
    return [command.value for command in found.commands], found.again_s


@pytest.mark.parametrize(
    ("changes", "commands"),
    [
        ({}, []),
        ({"run_state": "prelaunch"}, ["cont"]),
        ({"run_state": "prelaunch", "reachable": False}, []),
        ({"run_state": "prelaunch", "start_paused": True}, []),
        ({"run_state": "prelaunch", "start_paused": True, "resumed": True}, ["cont"]),
        ({"run_state": "paused"}, []),
        ({"run_state": "prelaunch", "stop_at": 99.0}, ["quit"]),
        ({"stop_at": 100.0}, ["system_powerdown"]),
        ({"stop_at": 100.0, "run_state": "paused"}, ["cont", "system_powerdown"]),
        ({"stop_at": 100.0, "run_state": "suspended"}, ["system_wakeup"]),
        ({"stop_at": 69.0, "run_state": "suspended"}, ["quit"]),
        ({"stop_at": 100.0, "grace_s": 0.0}, ["quit"]),
        ({"stop_at": 100.0, "destroy": True}, ["quit"]),
        ({"stop_at": 69.0, "grace_s": 30.0, "powerdown_at": 99.0}, ["quit"]),
        ({"stop_at": 98.0, "powerdown_at": 98.0}, []),
        ({"stop_at": 90.0, "powerdown_at": 95.0}, ["system_powerdown"]),
        ({"stop_at": 98.0, "reachable": False}, []),
        ({"stop_at": 60.0, "reachable": False}, ["quit"]),
        ({"stop_at": 60.0, "quit_at": 99.0}, []),
        ({"stop_at": 60.0, "quit_at": 94.0}, ["SIGKILL"]),
        ({"run_state": "shutdown", "rebooting": True}, ["system_reset", "cont"]),
        ({"run_state": "shutdown", "outcome": POWERED_OFF, "ended_at": 99.0}, []),
        ({"run_state": "shutdown", "outcome": POWERED_OFF, "ended_at": 99.0, "reported": True}, ["quit"]),
        ({"run_state": "shutdown", "outcome": POWERED_OFF, "ended_at": 94.0}, ["quit"]),
        ({"run_state": "io-error", "io_error_at": 95.0}, []),
        ({"run_state": "io-error", "io_error_at": 89.0}, ["cont"]),
        ({"run_state": "io-error", "io_error_at": 89.0, "io_errors": 1}, []),
        ({"run_state": "guest-panicked", "stop_at": 99.0}, ["quit"]),
    ],
)
def test_table(changes: dict[str, Any], commands: list[str]) -> None:
    expected = [Command.KILL.value if command == "SIGKILL" else command for command in commands]
    assert _next(**changes)[0] == expected


def test_an_answered_hook_may_end_before_qemu_does() -> None:
    ended = {"run_state": "shutdown", "outcome": POWERED_OFF, "ended_at": 99.9, "reported": True}
    assert _next(**ended, hook_answered_at=99.9) == ([], 0.05)
    assert _next(**ended, hook_answered_at=99.9, sigterm=True)[0] == ["quit"]
    assert _next(**ended, hook_answered_at=97.9)[0] == ["quit"]


def test_a_hook_that_must_come_is_waited_for() -> None:
    ended = {"run_state": "shutdown", "outcome": POWERED_OFF, "reported": True, "hook_expected": True}
    assert _next(**ended, ended_at=99.0) == ([], 0.05)
    assert _next(**ended, ended_at=99.0, sigterm=True)[0] == ["quit"]
    assert _next(**ended, ended_at=97.9)[0] == ["quit"]


def test_it_looks_again_in_time_for_the_next_press_and_the_deadline() -> None:
    assert _next(stop_at=100.0, grace_s=30.0)[1] == 5.0
    assert _next(stop_at=100.0, grace_s=3.0)[1] == 3.0
    assert _next(stop_at=98.0, powerdown_at=98.0, grace_s=30.0)[1] == pytest.approx(3.0)
    assert _next(stop_at=98.0, powerdown_at=98.0, grace_s=3.0)[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("grace_s", "acpi", "run_state", "outcome"),
    [
        (30.0, True, "running", FORCED),
        (0.0, True, "running", DESTROYED),
        (30.0, False, "running", DESTROYED),
        (30.0, True, "prelaunch", DESTROYED),
    ],
)
def test_what_our_quit_means(grace_s: float, acpi: bool, run_state: str, outcome: object) -> None:
    assert quit_outcome(grace_s, acpi, run_state) is outcome
