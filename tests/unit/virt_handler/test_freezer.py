"""Freezing: what is written down, what a refusal leaves behind, and who thaws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream

from kubevirt_py.virt_handler import guestagent
from kubevirt_py.virt_handler.freezer import Freezer
from kubevirt_py.virt_handler.guestagent import AgentRefused, AgentSilent, Channel
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Folder, Record
from tests.unit.virt_handler.agents import HONEST, agent, answering

UID = "0a1b2c3d-1111-4222-8333-444455556666"


class _Home:
    def changed(self, *_: Any) -> None:
        return


class _Guest:
    """An agent with file systems that freeze and thaw."""

    def __init__(self) -> None:
        self.frozen = False
        self.freezes = 0

    async def __call__(self, stream: SocketStream, request: dict[str, Any]) -> None:
        command = request["execute"]
        if command == "guest-fsfreeze-freeze":
            self.frozen, self.freezes = True, self.freezes + 1
        if command == "guest-fsfreeze-thaw":
            self.frozen = False
        status = {"guest-fsfreeze-status": "frozen" if self.frozen else "thawed"}
        done = {"guest-fsfreeze-freeze": 1, "guest-fsfreeze-thaw": 1}
        await answering({**HONEST, **done, **status})(stream, request)


def _hosted(root: Path) -> Hosted:
    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1)
    return Hosted(record, Folder(root, UID), -1, _Home())  # type: ignore[arg-type]


def _monitor(hosted: Hosted) -> Monitor:
    async def set_up(_: Any) -> None:
        return

    return Monitor(hosted, set_up)


async def _until_thawed(freezer: Freezer) -> None:
    with anyio.fail_after(10):
        while freezer.frozen:  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_a_freeze_is_on_disk_and_ends_by_itself(tmp_path: Path) -> None:
    guest, hosted = _Guest(), _hosted(tmp_path)
    async with agent(tmp_path / "a", guest) as channel, anyio.create_task_group() as tasks:
        freezer = Freezer(hosted, _monitor(hosted), channel)
        await freezer.freeze(60)
        written = hosted.folder.load()
        assert written is not None
        assert written.freeze is not None
        await freezer.freeze(60)
        assert guest.freezes == 1
        await freezer.thaw()
        assert (guest.frozen, freezer.frozen) == (False, False)
        await freezer.freeze(0.1)
        tasks.start_soon(freezer.run)
        await _until_thawed(freezer)
        assert not guest.frozen
        tasks.cancel_scope.cancel()


async def test_a_guest_that_thaws_by_itself_is_noticed(tmp_path: Path) -> None:
    guest, hosted = _Guest(), _hosted(tmp_path)
    async with agent(tmp_path / "a", guest) as channel, anyio.create_task_group() as tasks:
        freezer = Freezer(hosted, _monitor(hosted), channel)
        await freezer.freeze(0)
        assert hosted.record.freeze is not None
        assert hosted.record.freeze.thaw_at is None
        guest.frozen = False  # it was reset
        tasks.start_soon(freezer.run)
        await _until_thawed(freezer)
        tasks.cancel_scope.cancel()


async def test_a_guest_that_is_reset_is_not_frozen_though_nobody_in_it_says_so(tmp_path: Path) -> None:
    """It may have booted a system without an agent."""
    hosted = _hosted(tmp_path)
    monitor = _monitor(hosted)
    async with agent(tmp_path / "a", _Guest()) as channel, anyio.create_task_group() as tasks:
        freezer = Freezer(hosted, monitor, channel)
        tasks.start_soon(freezer.run)
        await freezer.freeze(0)
        channel._path = str(tmp_path / "nowhere")
        monitor._on_event("RESET", {"guest": False, "reason": "host-qmp-system-reset"})
        assert not freezer.frozen
        tasks.cancel_scope.cancel()
    written = hosted.folder.load()
    assert written is not None
    assert written.freeze is None


async def test_an_agent_that_cannot_freeze_leaves_nothing_behind(tmp_path: Path) -> None:
    hosted = _hosted(tmp_path)
    async with agent(tmp_path / "a", answering(HONEST)) as channel:
        freezer = Freezer(hosted, _monitor(hosted), channel)
        with pytest.raises(AgentRefused, match="guest-fsfreeze-freeze"):
            await freezer.freeze(60)
        assert not freezer.frozen


async def test_a_freeze_whose_end_is_not_known_counts_as_frozen_and_is_thawed(tmp_path: Path) -> None:
    guest, hosted = _Guest(), _hosted(tmp_path)
    async with agent(tmp_path / "a", guest) as channel, agent(tmp_path / "b", _mute(guest)):
        broken = Freezer(hosted, _monitor(hosted), Channel(str(tmp_path / "b")))
        with pytest.raises(AgentSilent):
            await broken.freeze(60)
        assert broken.frozen
        async with anyio.create_task_group() as tasks:
            freezer = Freezer(hosted, _monitor(hosted), channel)
            tasks.start_soon(freezer.run)
            await _until_thawed(freezer)
            tasks.cancel_scope.cancel()
    assert not guest.frozen


async def test_a_guest_without_an_agent_is_not_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guestagent, "ANSWER_S", 0.05)

    async def nobody(_stream: SocketStream, _request: dict[str, Any]) -> None:
        return

    hosted = _hosted(tmp_path)
    async with agent(tmp_path / "a", nobody) as channel:
        freezer = Freezer(hosted, _monitor(hosted), channel)
        with pytest.raises(AgentSilent):
            await freezer.freeze(60)
        assert not freezer.frozen


def _mute(guest: _Guest) -> Any:
    """Freezes, and hangs up instead of an answer."""

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        if request["execute"] == "guest-fsfreeze-freeze":
            guest.frozen = True
            await stream.aclose()
        else:
            await guest(stream, request)

    return speak
