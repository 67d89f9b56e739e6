"""Brings one running guest to what its VMI's spec says now: sees what is there and plans; plugging.py carries it out.

The record on disk says what QEMU has and what it is on its way to, so an agent that was killed at any point goes on
where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskGroup

from kubevirt_py.api import names
from kubevirt_py.api.views import HostedInstance
from kubevirt_py.decide.guest_state import Plugged
from kubevirt_py.plan import Document
from kubevirt_py.render.hotplug_machine import Becoming
from kubevirt_py.render.hotplug_volumes import boot_volumes, brought_volumes, task_volumes
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.machine.cpu import sockets_of
from kubevirt_py.render.machine.hotplug import SOCKETS, changes, underway, with_cpus_to_check
from kubevirt_py.render.machine.memory import PLUG_ID
from kubevirt_py.render.machine.sharing import conflicts
from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.attachments import Attachment, NotOpened
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.plugging import Plugging, qemu_facts
from kubevirt_py.virt_handler.seqpacket import PeerGone, ProtocolError
from kubevirt_py.virt_handler.troubles import Troubles
from kubevirt_py.virt_handler.wiring import NotWired, Wiring

TICK_S = 5.0
CALM_S = 0.02
SOON_S = 0.1
MAX_DOUBLINGS = 6
LOOK_S = 60.0
WORN_OUT = "QEMU has emulated as many CPUs as it can; restart, or set cpu.maxSockets higher for the next start"
EVENTS = frozenset(
    {
        "CONNECTED",
        "DEVICE_DELETED",
        "DEVICE_TRAY_MOVED",
        "MEMORY_DEVICE_SIZE_CHANGE",
    }
)
"""QEMU's events after which a change may go on."""

log = logging.getLogger(__name__)


class HotPlug:
    """One guest's disks, discs, cards, CPUs and memory that come and go."""

    def __init__(self, hosted: Hosted, monitor: Monitor, wiring: Wiring, changed: Callable[[], None]) -> None:
        self.troubles = Troubles()
        self.memory_bytes: int | None = None
        """What the guest took of its pluggable memory, None where it has none or QEMU has not told yet."""
        self._hosted = hosted
        self._monitor = monitor
        self._wiring = wiring
        self._changed = changed
        self._plugging = Plugging(hosted, monitor, wiring, self._find, self._note)
        self._attachments: list[Attachment] = []
        self._arrived: list[Attachment] = []
        self._taken: dict[str, str] = {}
        """Volumes that cannot come since other machines of this node have them, with the words for the user."""
        self._cpus_unsure = True
        """CPUs may have left that are wanted again, or while nobody listened."""
        self._poke = anyio.Event()
        self._settled: object = None
        self._connects = -1
        self._stuck = 0
        """Looks in a row that brought nothing."""

    # What others see

    def poke(self) -> None:
        """Something about this guest or its VMI changed: look again."""
        self._poke.set()

    def attach(self, attachment: Attachment) -> None:
        """Take over the connection of a pod that brings volumes to this guest."""
        self._arrived.append(attachment)
        self.poke()

    @property
    def attached(self) -> dict[str, str]:
        """Device directories of the attachment pods by their UIDs."""
        return {one.pod_uid: one.device_id for one in (*self._arrived, *self._attachments)}

    @property
    def state(self) -> Plugged:
        """For the guest's report."""
        record = self._hosted.record
        machines = [one for one in (record.machine, record.wanted) if one is not None]
        held = {disk.name for one in machines for disk in one.disks if not disk.empty}
        if record.dump is not None:
            held.add(record.dump.volume)
        brought = self._brought()
        opened = {name for name, one in brought.items() if name in one.files}
        refused = {name: one.refused[name] for name, one in brought.items() if name in one.refused}
        return Plugged(
            mounted=frozenset(opened.union(self._tasks(brought))),
            held_volumes=frozenset(held),
            troubles={**refused, **self._taken, **self.troubles.texts},
            memory_bytes=self.memory_bytes,
        )

    def bringing(self, volume: str) -> Attachment | None:
        """The pod that is here with this volume, as virt-controller says."""
        return self._brought().get(volume)

    def _brought(self) -> dict[str, Attachment]:
        """The pods that are here, by the volumes that virt-controller says they bring.

        One that brought another claim under the same name may be here still.
        """
        vmi = self._hosted.vmi()
        if vmi is None or not self._attachments:
            return {}
        spec: Document = msgspec.json.decode(vmi.spec)
        return {name: one for one in self._attachments for name, _ in _volumes_of(vmi, spec, one.pod_uid)}

    def _tasks(self, brought: Collection[str]) -> set[str]:
        """Those of the volumes that are here which have no disk."""
        vmi = self._hosted.vmi()
        return set(task_volumes(msgspec.json.decode(vmi.spec))).intersection(brought) if vmi and brought else set()

    @property
    def incomplete(self) -> bool:
        """A volume that the guest is to have from its start is not there yet."""
        vmi, machine = self._hosted.vmi(), self._hosted.record.machine
        if vmi is None or machine is None:
            return False
        there = {disk.name for disk in machine.disks if not disk.empty}
        return not there.issuperset(boot_volumes(msgspec.json.decode(vmi.spec)))

    # Living

    async def run(self) -> None:
        """Look at each change until cancelled."""
        try:
            with self._monitor.listening(self._on_event):
                async with anyio.create_task_group() as tasks:
                    while True:
                        await self._look_again(tasks)
        finally:
            for one in (*self._arrived, *self._attachments):
                one.close()
            self._arrived.clear()
            self._attachments.clear()

    async def _look_again(self, tasks: TaskGroup) -> None:
        again_s = TICK_S
        while self._arrived:
            tasks.start_soon(self._serve, self._arrived.pop())
        try:
            with anyio.fail_after(LOOK_S):
                again_s = await self._look()
        except qmp.MonitorGone as error:
            log.info("hot-plug: the monitor has gone", extra={"vmi": str(self._hosted.key), "error": str(error)})
        except (qmp.MonitorError, TimeoutError, ValueError, NotWired) as error:
            self._note("", str(error))
        for text in self.troubles.lasting():
            self._hosted.tell(names.HOTPLUG_FAILED, text, warning=True)
        await anyio.sleep(CALM_S)
        with anyio.move_on_after(again_s):
            await self._poke.wait()
        self._poke = anyio.Event()

    def _on_event(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "MEMORY_DEVICE_SIZE_CHANGE" and data.get("id") == PLUG_ID and isinstance(data.get("size"), int):
            self.memory_bytes = data["size"]
            self._changed()
        if event in ("CONNECTED", "ACPI_DEVICE_OST"):
            self._cpus_unsure = True  # looked at in time: a guest may send the second one as often as it likes
        if event in EVENTS:
            self.poke()

    async def _serve(self, attachment: Attachment) -> None:
        """Have an attachment pod open its volumes, and keep them until it ends."""
        self._attachments.append(attachment)
        try:
            await self._open_all(attachment)
            self._changed()
            self.poke()
            await attachment.ended()
            attachment.forget()
        except (PeerGone, ProtocolError, TimeoutError) as error:
            extra = {"vmi": str(self._hosted.key), "pod": attachment.pod_uid, "error": repr(error)}
            log.warning("an attachment pod failed", extra=extra)
        finally:
            self._attachments.remove(attachment)
            attachment.close()
            self.poke()

    async def _open_all(self, attachment: Attachment) -> None:
        vmi = self._hosted.vmi()
        if vmi is None:
            return
        spec: Document = msgspec.json.decode(vmi.spec)
        status = tuple(vmi.status.get("volumeStatus") or ())
        disks = {disk["name"]: disk for disk in ((spec.get("domain") or {}).get("devices") or {}).get("disks") or ()}
        for name, volume in _volumes_of(vmi, spec, attachment.pod_uid):
            if name not in disks:
                continue
            try:
                await attachment.open(disks[name], volume, status)
            except (NotOpened, ValueError) as error:
                attachment.refused[name] = str(error)
                self._hosted.tell(names.HOTPLUG_FAILED, str(error), warning=True)

    # Looking

    async def _look(self) -> float:
        """Take what steps can be taken now; returns after how many seconds to look again, changes apart."""
        record, vmi = self._hosted.record, self._hosted.vmi()
        if record.machine is None or vmi is None or record.outcome is not None or not self._monitor.connected:
            return TICK_S
        if vmi.metadata.deletion_timestamp is not None:
            return TICK_S
        await self._ask_memory(record.machine)
        opened = {name: one.files[name] for name, one in self._brought().items() if name in one.files}
        has = {kind: _is_true(vmi, kind) for kind in (names.HOT_VCPU_CHANGE, names.HOT_MEMORY_CHANGE)}
        spec: Document = msgspec.json.decode(vmi.spec)
        wires = await self._wiring.follow(spec)
        await self._check_cpus()
        signature = (bytes(vmi.spec), tuple(opened.items()), wires, tuple(has.values()), self._monitor.connects)
        if signature == self._settled and record.wanted is None:
            return TICK_S
        before = record.machine
        becoming = Becoming(
            running=before,
            goal=record.wanted,
            spec=spec,
            uid=self._hosted.uid,
            cpus=has[names.HOT_VCPU_CHANGE],
            memory=has[names.HOT_MEMORY_CHANGE],
        )
        wanted, unfit = becoming.reachable(opened, wires)
        # Nothing is awaited between the look at the neighbours and the record of what is wanted, which they see.
        self._note_taken(conflicts(wanted, self._hosted.key.namespace, self._hosted.neighbours()))
        if self._taken:
            free = {name: file for name, file in opened.items() if name not in self._taken}
            wanted, unfit = becoming.reachable(free, wires)
        for name, why in {**unfit, "": ""}.items():
            self._note(name, why)
        done = await self._bring(before, wanted)
        for name in tuple(self.troubles.texts.keys() - unfit.keys()) if done else ():
            self._note(name, "")
        if has[names.HOT_VCPU_CHANGE] and wanted.cpu.sockets < sockets_of(spec["domain"]):
            self._note(SOCKETS, WORN_OUT)
        if done:
            self._settled, self._stuck = None if self._taken else signature, 0
            return TICK_S
        # What is left was waiting for what is done now, or for QEMU to let go of a device that has just left.
        self._stuck = 0 if record.machine != before else self._stuck + 1
        return min(TICK_S, SOON_S * 2.0 ** min(self._stuck, MAX_DOUBLINGS))

    async def _bring(self, machine: Machine, wanted: Machine) -> bool:
        """Towards `wanted`; returns whether nothing is left to do. Where it goes is kept before the first step."""
        record = self._hosted.record
        start = underway(machine, record.wanted, wanted)
        if not changes(start, wanted):
            if record.wanted is not None:
                record.wanted = None
                self._hosted.save()
            return True
        record.machine, record.wanted = start, wanted
        self._hosted.save()
        for change in changes(start, wanted):
            await self._plugging.carry_out(change, wanted)
        left = changes(record.machine, wanted)
        if not left:
            record.wanted = None
            self._hosted.save()
        self._changed()
        return not left

    def _find(self, volume: str, *, direct: bool) -> int | None:
        pod = self.bringing(volume)
        return pod.descriptor(volume, direct=direct) if pod is not None else None

    async def _ask_memory(self, machine: Machine) -> None:
        """How much the guest has taken, once per connection; events tell of changes."""
        if machine.memory.plug is None or self._connects == self._monitor.connects:
            return
        for one in await self._monitor.execute("query-memory-devices"):
            data = one.get("data") or {}
            if data.get("id") == PLUG_ID and isinstance(data.get("size"), int):
                self.memory_bytes = data["size"]
                self._changed()
        self._connects = self._monitor.connects

    async def _check_cpus(self) -> None:
        """A guest that was slow may let go of a CPU that is wanted again: it is to be plugged once more."""
        record = self._hosted.record
        assert record.machine is not None
        if self._cpus_unsure and record.wanted is None:
            self._cpus_unsure = False  # first, for the guest may speak again while QEMU is asked
            record.wanted = with_cpus_to_check(record.machine, await qemu_facts(self._monitor))

    def _note_taken(self, found: dict[str, str]) -> None:
        """Volumes that other machines have: each is told once."""
        if found == self._taken:
            return
        for name, text in found.items():
            if self._taken.get(name) != text:
                self._hosted.tell(names.HOTPLUG_FAILED, text, warning=True)
        self._taken = found
        self._changed()

    def _note(self, name: str, text: str) -> None:
        """What stands in the way of a device, told once; an empty text when it has gone."""
        if not self.troubles.note(name, text):
            return
        if text:
            log.info("hot-plug waits", extra={"vmi": str(self._hosted.key), "device": name, "error": text})
        self._changed()


def _volumes_of(vmi: HostedInstance, spec: Document, pod_uid: str) -> Iterator[tuple[str, Document]]:
    """The volumes that virt-controller says this pod brings. The pod's own word is a tenant's."""
    volumes = brought_volumes(spec)
    for entry in vmi.status.get("volumeStatus") or ():
        name = str(entry.get("name"))
        if (entry.get("hotplugVolume") or {}).get("attachPodUID") == pod_uid and name in volumes:
            yield name, volumes[name]


def _is_true(vmi: HostedInstance, kind: str) -> bool:
    return any(one.get("type") == kind and one.get("status") == "True" for one in vmi.status.get("conditions") or ())
