"""One guest's bookkeeping, with a QEMU that is made up: who waits for its end, what an end means, what goes wrong."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from anyio.abc import SocketStream

from kubevirt_py.api.views import HostedInstance, Pod
from kubevirt_py.decide.guest_control import RETRY_IO_S, Command
from kubevirt_py.decide.guest_state import DESTROYED, IO_ERROR, POWERED_OFF, SHUTDOWN
from kubevirt_py.virt_handler import guest as guests
from kubevirt_py.virt_handler import guestcommands, qmp
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.hooks import MAX_HOOKS
from kubevirt_py.virt_handler.records import Folder, Freeze, Record
from kubevirt_py.virt_handler.steering import REBOOT_S
from tests.unit.virt_handler.agents import agent, answering

UID = "0a1b2c3d-1111-4222-8333-444455556666"


class _Home:
    """An agent whose stores show nothing unless told, and which reports to nobody."""

    def __init__(self) -> None:
        self.changes = 0
        self.deleted = False
        self.shown: tuple[HostedInstance | None, Pod | None] = (None, None)

    def vmi(self, *_: Any) -> HostedInstance | None:
        return self.shown[0]

    def pod(self, *_: Any) -> Pod | None:
        return self.shown[1]

    def changed(self, *_: Any) -> None:
        self.changes += 1

    def tell(self, *_: Any, **__: Any) -> None:
        return None

    async def is_deleted(self, *_: Any) -> bool:
        return self.deleted


class _Hook:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def _guest(folder: Path, home: _Home) -> Guest:
    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=2**22 + 1, started=1)
    return Guest(record, Folder(folder, UID), -1, home)  # type: ignore[arg-type]


async def test_hooks_of_one_pod_are_bounded(tmp_path: Path) -> None:
    guest = _guest(tmp_path, _Home())
    hooks: list[Any] = [_Hook() for _ in range(MAX_HOOKS + 3)]
    for hook in hooks:
        guest.steering.stop_for(hook)
    assert [hook.closed for hook in hooks] == [True] * 3 + [False] * MAX_HOOKS


async def test_a_guest_off_for_a_reboot_that_is_to_stop_has_ended(tmp_path: Path) -> None:
    home = _Home()
    guest = _guest(tmp_path, home)
    guest.steering.expect_reboot()
    guest.steering.run_state = SHUTDOWN
    guest.steering.on_event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    await guest.steering.look_for_stop()
    assert guest.record.outcome is None
    home.deleted = True
    with anyio.fail_after(5):
        await guest.steering.look_for_stop()
    assert guest.record.outcome == POWERED_OFF
    assert home.changes == 1


async def test_a_wish_for_a_reboot_that_the_guest_ignored_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_700_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    guest = _guest(tmp_path, _Home())
    guest.steering.expect_reboot()
    guest.steering.on_event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    assert guest.record.outcome is None
    now += REBOOT_S + 1
    guest.steering.on_event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    assert guest.record.outcome == POWERED_OFF


async def test_a_guest_that_was_woken_to_be_stopped_need_not_go_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = _guest(tmp_path, _Home())

    async def execute(_command: str) -> None:
        return

    monkeypatch.setattr(guest.monitor, "execute", execute)
    await guest.steering._perform(Command.WAKE)
    guest.steering.run_state = "running"
    await guest.steering._perform(Command.QUIT)
    assert guest.record.outcome == DESTROYED


async def test_a_disk_that_failed_long_ago_makes_nobody_wait_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, now, said = _guest(tmp_path, _Home()), 1000.0, ""

    async def execute(_command: str) -> dict[str, Any]:
        return {"status": said}

    monkeypatch.setattr(anyio, "current_time", lambda: now)
    monkeypatch.setattr(guest.monitor, "execute", execute)
    monkeypatch.setattr(guest.monitor, "_session", object())

    async def errors() -> int:
        nonlocal said
        for state in ("running", IO_ERROR):
            said = state
            guest.steering._stale = True
            await guest.steering._refresh()
        return guest.steering._control().io_errors

    assert await errors() == 0
    await guest.steering._perform(Command.CONTINUE)
    now += 1.0
    assert await errors() == 1
    now += RETRY_IO_S[-1] + 1.0
    assert await errors() == 0


@pytest.mark.parametrize(("given", "left"), [(None, 13.0), (5, 5.0), (0, 0.0)])
async def test_a_grace_period_that_shrinks_in_the_vmi_shrinks_for_the_guest(
    tmp_path: Path, given: int | None, left: float
) -> None:
    """The pod's own is the VMI's and a margin, which is no time of the guest's."""
    meta = {"name": "vm", "namespace": "default", "uid": UID}
    vmi = {"metadata": {**meta, "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {}, "status": {}}
    if given is not None:
        vmi["spec"] = {"terminationGracePeriodSeconds": given}
    pod = {"metadata": {**meta, "uid": "pod", "deletionGracePeriodSeconds": 15}}
    home = _Home()
    home.shown = (
        msgspec.json.decode(msgspec.json.encode(vmi), type=HostedInstance),
        msgspec.json.decode(msgspec.json.encode(pod), type=Pod),
    )
    guest = _guest(tmp_path, home)
    await guest.steering.look_for_stop()
    assert guest.steering._control().grace_s == left


@pytest.mark.parametrize(
    ("takes", "frozen", "pressed"),
    [
        (True, False, [[], ["system_powerdown"]]),
        (False, False, [["system_powerdown"]]),
        (True, True, [["system_powerdown"]]),
    ],
)
async def test_a_guest_is_ended_by_its_agent_and_then_by_the_button(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes: bool, frozen: bool, pressed: list[list[str]]
) -> None:
    """As upstream: there are systems that ignore the button, and such without one."""
    monkeypatch.setattr(guestcommands, "REFUSAL_S", 0.05)
    modes: list[str] = []

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        if request["execute"] == "guest-shutdown" and takes:
            modes.append(request["arguments"]["mode"])
        else:
            await answering({})(stream, request)

    guest = _guest(tmp_path, _Home())
    done: list[str] = []

    async def execute(command: str) -> None:
        done.append(command)

    monkeypatch.setattr(guest.monitor, "execute", execute)
    async with agent(tmp_path / "a", speak) as channel:
        guest.channel, guest.agent.connected = channel, True
        guest.record.freeze = Freeze() if frozen else None
        for commands in pressed:
            done.clear()
            await guest.steering._perform(Command.POWERDOWN)
            assert done == commands
        if modes:
            monkeypatch.setattr(guestcommands, "REFUSAL_S", 60.0)
            guest.steering._agent_ends = False
            modes.clear()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guest.steering._perform, Command.POWERDOWN)
                with anyio.fail_after(10):
                    while not modes:  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                    guest.steering.on_event("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
            assert done == commands
    assert modes == (["powerdown"] if takes and not frozen else [])


async def test_what_qemu_refuses_when_it_is_set_up_is_told_until_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = _Home()
    guest = _guest(tmp_path, home)
    answers: list[Exception | bool] = [qmp.MonitorError("set_link", "GenericError", "Device 'nic.x' not found"), False]
    said: list[str] = []

    class Session:
        async def closed(self) -> None:
            said.append(guest.monitor.trouble)
            tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def monitor(_path: str, _sink: Any) -> AsyncIterator[Session]:
        yield Session()

    async def set_up(*_: Any) -> bool:
        said.append(guest.monitor.trouble)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(guests, "set_up", set_up)
    monkeypatch.setattr(qmp, "monitor", monitor)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guest.monitor.follow)
    assert said[0] == said[2] == ""
    assert "Device 'nic.x' not found" in said[1]
    assert home.changes == 2


async def test_an_event_of_the_agents_port_counts_for_more_than_what_qemu_was_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = _guest(tmp_path, _Home())

    async def set_up(*_: Any) -> bool:
        guest.monitor._on_event("VSERPORT_CHANGE", {"id": "channel0", "open": True})
        return False

    monkeypatch.setattr(guests, "set_up", set_up)
    with guest.monitor.listening(guest.agent._on_event):
        await guest._set_up(None)  # type: ignore[arg-type]
    assert guest.agent._open


async def test_an_agent_that_was_there_before_this_process_is_never_told_to_be_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = _guest(tmp_path, _Home())

    async def set_up(*_: Any) -> bool:
        return True

    monkeypatch.setattr(guests, "set_up", set_up)
    await guest._set_up(None)  # type: ignore[arg-type]
    assert guest.agent.connected
