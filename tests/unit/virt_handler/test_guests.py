"""What an agent that starts does with what an earlier one left behind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from kubevirt_py.api import kinds
from kubevirt_py.api.views import HostedInstance, ObjectMeta
from kubevirt_py.reconcile.store import Store
from kubevirt_py.virt_handler import peers
from kubevirt_py.virt_handler.devicedirs import DeviceDirectories
from kubevirt_py.virt_handler.guests import Guests, by_uid

UID = "0a1b2c3d-1111-4222-8333-444455556666"


async def _start(root: Path) -> None:
    """One start of an agent."""
    office: Any = None
    vmis: Store[Any] = Store(kinds.HOSTED_VMI)
    guests = Guests(office, vmis, Store(kinds.POD, indexes={"uid": by_uid}), root, DeviceDirectories(root / "devices"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(guests.run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("late", "kept"), [(0, True), (1, False)])
async def test_a_state_that_cannot_be_read_goes_only_with_its_process(tmp_path: Path, late: int, kept: bool) -> None:
    folder = tmp_path / UID
    folder.mkdir()
    state = {"pid": os.getpid(), "started": peers.start_time(os.getpid()) + late, "machine": {"of": "another version"}}
    (folder / "state.json").write_text(json.dumps(state))
    await _start(tmp_path)
    assert folder.exists() is kept


@pytest.mark.parametrize(("exited", "kept"), [(False, True), (True, False)])
def test_another_pod_that_is_refused_does_not_take_the_folder_of_a_living_guest(
    tmp_path: Path, exited: bool, kept: bool
) -> None:
    """Its sockets lie there: an agent that restarts would not find the guest again."""
    office: Any = None
    devices = DeviceDirectories(tmp_path / "devices")
    guests = Guests(office, Store(kinds.HOSTED_VMI), Store(kinds.POD, indexes={"uid": by_uid}), tmp_path, devices)
    guests._guests[UID] = cast("Any", SimpleNamespace(exited=exited))
    folder = tmp_path / UID
    folder.mkdir()
    vmi = HostedInstance(metadata=ObjectMeta(namespace="default", name="vm", uid=UID))
    guests.refuse(vmi, cast("Any", SimpleNamespace(device_id="tun1")), "the guest still runs")
    assert folder.exists() is kept


@pytest.mark.parametrize("state", ["", "{", '{"pid": "x"}'])
async def test_a_state_without_a_process_is_cleared_away(tmp_path: Path, state: str) -> None:
    folder = tmp_path / UID
    folder.mkdir()
    (folder / "state.json").write_text(state)
    await _start(tmp_path)
    assert not folder.exists()
