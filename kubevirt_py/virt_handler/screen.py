"""Pictures of a guest's screen: QEMU writes a PNG into a file in memory whose descriptor it is given."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.qmp import MonitorError, MonitorGone

PICTURE_S = 20.0
WAKE_S = 0.5
"""How long a guest has to draw what it shows once somebody has moved the pointer."""
PICTURE_BYTES = 64 << 20
"""More than the video memory of any adapter here; a QEMU that writes more has gone bad."""
FIRST_SET = 4096
_STEPS = (1, -1)


class NoPicture(Exception):
    """QEMU gave none; the text says why."""


class Screen:
    """The screen of one guest."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._lock = anyio.Lock()

    @asynccontextmanager
    async def picture(self, *, move_cursor: bool) -> AsyncIterator[int]:
        """A descriptor of the PNG. Raises NoPicture, MonitorGone and MonitorError."""
        if move_cursor:
            await self._move_pointer()
        memory = os.memfd_create("screenshot")
        try:
            async with self._lock:
                await self._draw(memory)
            size = os.fstat(memory).st_size
            if not 0 < size <= PICTURE_BYTES:
                raise NoPicture(f"QEMU wrote a picture of {size} bytes")
            yield memory
        finally:
            os.close(memory)

    async def _draw(self, memory: int) -> None:
        """QEMU takes a descriptor for a file's name only if it is open for just that: writing."""
        fdset = await self._free_set()
        writer = os.open(f"/proc/self/fd/{memory}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            await self._monitor.execute_with(writer, "add-fd", {"fdset-id": fdset})
        finally:
            os.close(writer)
        try:
            arguments = {"filename": f"/dev/fdset/{fdset}", "format": "png"}
            await self._monitor.execute("screendump", arguments, deadline_s=PICTURE_S)
        finally:
            await self._forget(fdset)

    async def _free_set(self) -> int:
        """A set without descriptors: QEMU never forgets one, and keeps its descriptors while the guest is paused."""
        taken = {one["fdset-id"] for one in await self._monitor.execute("query-fdsets") if one["fds"]}
        return next(number for number in range(FIRST_SET, FIRST_SET + len(taken) + 1) if number not in taken)

    async def _forget(self, fdset: int) -> None:
        try:
            await self._monitor.execute("remove-fd", {"fdset-id": fdset})
        except (MonitorGone, MonitorError):
            return  # the descriptor goes with the connection

    async def _move_pointer(self) -> None:
        """There and back, which wakes a screen saver; a guest without pointer keeps its screen."""
        try:
            for step in _STEPS:
                event = {"type": "rel", "data": {"axis": "x", "value": step}}
                await self._monitor.execute("input-send-event", {"events": [event]})
        except MonitorError:
            return
        await anyio.sleep(WAKE_S)
