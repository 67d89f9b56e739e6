"""Pictures of a guest's screen: QEMU writes a PNG into a file in memory whose descriptor it is given."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.qmp import MonitorError, MonitorGone

PICTURE_S = 20.0
WAKE_S = 0.5
"""How long a guest has to draw what it shows once somebody has moved the pointer."""
PICTURE_BYTES = 64 << 20
"""More than the video memory of any adapter here; a QEMU that writes more has gone bad."""
_ids = itertools.count(4096)
_STEPS = (1, -1)


class NoPicture(Exception):
    """QEMU gave none; the text says why."""


@asynccontextmanager
async def picture(guest: Guest, *, move_cursor: bool) -> AsyncIterator[int]:
    """A descriptor of the PNG. Raises NoPicture, MonitorGone and MonitorError."""
    if move_cursor:
        await _move_pointer(guest)
    memory = os.memfd_create("screenshot")
    try:
        await _draw(guest, memory)
        size = os.fstat(memory).st_size
        if not 0 < size <= PICTURE_BYTES:
            raise NoPicture(f"QEMU wrote a picture of {size} bytes")
        yield memory
    finally:
        os.close(memory)


async def _draw(guest: Guest, memory: int) -> None:
    """QEMU takes a descriptor for a file name only if it is open for what the name is used for: writing."""
    fdset = next(_ids)
    writer = os.open(f"/proc/self/fd/{memory}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        await guest.monitor.execute_with(writer, "add-fd", {"fdset-id": fdset})
    finally:
        os.close(writer)
    try:
        arguments = {"filename": f"/dev/fdset/{fdset}", "format": "png"}
        await guest.monitor.execute("screendump", arguments, deadline_s=PICTURE_S)
    finally:
        with anyio.CancelScope(shield=True):
            await _forget(guest, fdset)


async def _forget(guest: Guest, fdset: int) -> None:
    try:
        await guest.monitor.execute("remove-fd", {"fdset-id": fdset})
    except (MonitorGone, MonitorError):
        return  # the descriptor goes with the connection


async def _move_pointer(guest: Guest) -> None:
    """There and back, which wakes a screen saver; a guest without pointer keeps its screen."""
    try:
        for step in _STEPS:
            event = {"type": "rel", "data": {"axis": "x", "value": step}}
            await guest.monitor.execute("input-send-event", {"events": [event]})
    except MonitorError:
        return
    await anyio.sleep(WAKE_S)
