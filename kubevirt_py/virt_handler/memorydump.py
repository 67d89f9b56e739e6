"""Dumps one guest's memory into a claim: its attachment pod makes the file, QEMU writes it.

What is under way is in the record on disk. The descriptor's name in QEMU tells an agent that was killed meanwhile
whether QEMU has begun: it is there until the command takes it. QEMU cannot break a dump off; its guest stands still
until it has ended.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import anyio
import msgspec

from kubevirt_py.decide.clock import age_s, rfc3339
from kubevirt_py.decide.guest_state import MemoryDump
from kubevirt_py.render.hotplug_volumes import TaskVolume, dump_volume
from kubevirt_py.render.memory_dump import allowed_s, dump_file, file_name
from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.attachments import Attachment, NotOpened
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, PeerGone, ProtocolError

TICK_S = 5.0
CALM_S = 0.05
LOOK_S = 120.0
DESCRIPTOR = "memory-dump"
UNTOLD = "QEMU gave up writing and its reason was lost; the claim may be full"
EVENTS = frozenset({"CONNECTED", "DUMP_COMPLETED", "RESUME"})

log = logging.getLogger(__name__)


class MemoryDumps:
    """`bringing` finds the pod that has a volume, `memory_bytes` how much the guest has, None while it does not run."""

    def __init__(
        self,
        hosted: Hosted,
        monitor: Monitor,
        bringing: Callable[[str], Attachment | None],
        memory_bytes: Callable[[], int | None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._hosted = hosted
        self._monitor = monitor
        self._bringing = bringing
        self._memory_bytes = memory_bytes
        self._now = now
        self._told = ""
        """Why the last dump failed, in QEMU's words."""
        self._poke = anyio.Event()

    def poke(self) -> None:
        """Something about this guest, its pods or its VMI changed: look again."""
        self._poke.set()

    async def run(self) -> None:
        """Look at each change until cancelled."""
        with self._monitor.listening(self._on_event):
            while True:
                try:
                    with anyio.fail_after(LOOK_S):
                        await self._look()
                except (qmp.MonitorGone, TimeoutError, PeerGone, ProtocolError) as error:
                    extra = {"vmi": str(self._hosted.key), "error": repr(error)}
                    log.info("a memory dump waits", extra=extra)
                await anyio.sleep(CALM_S)
                with anyio.move_on_after(TICK_S):
                    await self._poke.wait()
                self._poke = anyio.Event()

    def _on_event(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "DUMP_COMPLETED":
            self._told = str(data.get("error") or "")[:ERROR_CHARACTERS]
        if event in EVENTS:
            self.poke()

    async def _look(self) -> None:
        record, vmi = self._hosted.record, self._hosted.vmi()
        if record.machine is None or vmi is None or record.outcome is not None or not self._monitor.connected:
            return
        wanted, dump = dump_volume(msgspec.json.decode(vmi.spec)), record.dump
        if dump is not None and (wanted is None or (wanted.name, wanted.claim) != (dump.volume, dump.claim)):
            if await self._status() != "active":
                self._keep(None)
        elif dump is not None and not dump.ended:
            await self._follow(dump)
        elif wanted is not None and dump is None and (memory := self._memory_bytes()) is not None:
            if (pod := self._bringing(wanted.name)) is not None:
                await self._begin(wanted, pod, memory)

    async def _begin(self, wanted: TaskVolume, pod: Attachment, memory: int) -> None:
        now, machine = self._now(), self._hosted.record.name
        file = file_name(machine, wanted.name, now)
        dump = MemoryDump(volume=wanted.name, claim=wanted.claim, file=file, started=rfc3339(now))
        try:
            fd = await pod.create(dump_file(machine, wanted.name, file, memory), wanted.name)
        except NotOpened as error:
            self._end(dump, str(error))
            return
        try:
            self._keep(dump)
            self._told = ""
            await self._monitor.pass_descriptor(DESCRIPTOR, fd)
            dump = msgspec.structs.replace(dump, passed=True)
            self._keep(dump)
            arguments = {"paging": False, "protocol": f"fd:{DESCRIPTOR}", "detach": True}
            await self._monitor.execute("dump-guest-memory", arguments)
        except qmp.MonitorError as error:
            self._end(dump, str(error)[:ERROR_CHARACTERS])
        finally:
            os.close(fd)

    async def _follow(self, dump: MemoryDump) -> None:
        """Where a dump stands that was begun, perhaps in an earlier life."""
        status = await self._status()
        if status == "active":
            allowed = allowed_s(self._memory_bytes() or 0)
            if age_s(dump.started, self._now()) > allowed:
                self._end(dump, f"QEMU has not written it within {allowed:.0f} s")
        elif not dump.passed or await self._is_untouched():
            self._keep(None)  # the command never reached QEMU: begin again
            self.poke()
        else:
            self._end(dump, "" if status == "completed" else self._told or UNTOLD)

    async def _status(self) -> str:
        return str((await self._monitor.execute("query-dump")).get("status"))

    async def _is_untouched(self) -> bool:
        """Whether QEMU still had the descriptor under its name; it has no longer then."""
        try:
            await self._monitor.execute("closefd", {"fdname": DESCRIPTOR})
        except qmp.MonitorError:
            return False
        return True

    def _end(self, dump: MemoryDump, trouble: str) -> None:
        self._keep(msgspec.structs.replace(dump, ended=rfc3339(self._now()), trouble=trouble))
        extra = {"vmi": str(self._hosted.key), "file": dump.file, "error": trouble or "none"}
        log.info("a memory dump has ended", extra=extra)

    def _keep(self, dump: MemoryDump | None) -> None:
        self._hosted.record.dump = dump
        self._hosted.save()
        self._hosted.changed()
