"""Carries out the changes of one running machine: the steps of render.machine.hotplug, taken over QMP.

QEMU itself is asked before each change what is done already, so one that was cut off at any point is begun again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from kubevirt_py.api import names
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.machine.hotplug import applied, facts
from kubevirt_py.render.machine.plugsteps import Change, Step, remaining
from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, close_all
from kubevirt_py.virt_handler.wiring import NotWired, Wiring

log = logging.getLogger(__name__)


class Waiting(Exception):
    """A change goes on later: what it waits for, in words for the user."""


async def qemu_facts(monitor: Monitor) -> frozenset[str]:
    """What QEMU has, in the words of steps."""
    return facts(
        await monitor.execute("qom-list", {"path": "/machine/peripheral"}),
        await monitor.execute("qom-list", {"path": "/objects"}),
        await monitor.execute("query-named-block-nodes", {"flat": True}),
        await monitor.execute("query-fdsets"),
        await monitor.execute("query-block"),
    )


class FindDescriptor(Protocol):
    """Looks for the descriptor of a volume, which stays its owner's; None where no pod has brought it."""

    def __call__(self, volume: str, *, direct: bool) -> int | None: ...


class Plugging:
    """`note` is told what stands in the way of a device, by its name, and by an empty text that nothing does."""

    def __init__(
        self,
        hosted: Hosted,
        monitor: Monitor,
        wiring: Wiring,
        find: FindDescriptor,
        note: Callable[[str, str], None],
    ) -> None:
        self._hosted = hosted
        self._monitor = monitor
        self._wiring = wiring
        self._find = find
        self._note = note

    async def carry_out(self, change: Change, wanted: Machine) -> None:
        """One change as far as it goes now, kept in the record when it is through. One that fails keeps no other."""
        record = self._hosted.record
        assert record.machine is not None
        try:
            while True:
                todo = remaining(change, await qemu_facts(self._monitor))
                again = False
                for step in todo:
                    await self._take(step)
                    if step.guest:  # what follows depends on what the guest did meanwhile
                        again = True
                        break
                if not again:
                    break
                if remaining(change, await qemu_facts(self._monitor))[:1] == todo[:1]:
                    raise Waiting(f"waiting for the guest to let go of {change.part} {change.name}")
        except Waiting as error:
            self._note(change.name, str(error))
            return
        except qmp.MonitorError as error:
            self._note(change.name, f"QEMU refused {change.part} {change.name}: {error}"[:ERROR_CHARACTERS])
            return
        record.machine = applied(record.machine, change, wanted)
        self._hosted.save()
        self._note(change.name, "")
        extra = {"vmi": str(self._hosted.key), "part": change.part, "device": change.name, "leaves": change.leaves}
        log.info("hot-plugged", extra=extra)
        if change.part == "disk" and change.leaves:
            text = f"Volume {change.name} has been unplugged from the guest"
            self._hosted.tell(names.VOLUME_UNPLUGGED, text)

    async def _take(self, step: Step) -> None:
        try:
            if step.command == "add-fd":
                await self._monitor.execute_with(self._descriptor(step), step.command, step.arguments)
            elif step.command == "netdev_add":
                await self._wire(step)
            else:
                await self._monitor.execute(step.command, step.arguments or None)
        except qmp.MonitorError as error:
            if step.guest:
                raise Waiting(f"the guest does not let go yet: {error}"[:ERROR_CHARACTERS]) from error
            if error.kind != step.harmless:
                raise

    async def _wire(self, step: Step) -> None:
        """Give QEMU the taps of a new card. What an attempt that was cut short left with it is let go first."""
        for name in step.fds:
            with suppress(qmp.MonitorError):
                await self._monitor.execute("closefd", {"fdname": name})
        try:
            fds = await self._wiring.open(step.fds)
        except NotWired as error:
            raise Waiting(str(error)) from error
        try:
            for name, fd in fds.items():
                await self._monitor.pass_descriptor(name, fd)
        finally:
            close_all(list(fds.values()))
        await self._monitor.execute(step.command, step.arguments)

    def _descriptor(self, step: Step) -> int:
        volume = step.fds[0].partition(".")[2]
        fd = self._find(volume, direct=step.direct)
        if fd is None:
            raise Waiting(f"waiting for the attachment pod of volume {volume}")
        return fd
