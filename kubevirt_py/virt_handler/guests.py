"""All guests of this node: started, found again after a restart, reported to the API server, and cleared away."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import anyio
import msgspec
from anyio.abc import TaskGroup

from kubevirt_py.api import kinds
from kubevirt_py.api.views import HostedInstance, Pod
from kubevirt_py.decide import phases, pods, references
from kubevirt_py.decide.guest import Snapshot
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError, NotFound
from kubevirt_py.plan import Document, Event, Failure, Key
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine import Machine
from kubevirt_py.render.machine.sharing import conflicts
from kubevirt_py.render.reservations import has_reservations
from kubevirt_py.virt_handler import peers
from kubevirt_py.virt_handler.devicedirs import DeviceDirectories
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.launch import Hello, LaunchRefused, launch
from kubevirt_py.virt_handler.peers import Peer
from kubevirt_py.virt_handler.records import Folder, folders
from kubevirt_py.virt_handler.reservations import helper_answers
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, Connection

LOOK_S = 30.0
"""How often a guest that has ended looks whether its VMI still needs it, if no change wakes it."""
SWEEP_S = 60.0
UID = "uid"

log = logging.getLogger(__name__)


class Office(Protocol):
    """What the registry needs of the framework's Manager."""

    api: Api

    def now(self) -> datetime: ...

    def emit(self, event: Event) -> None: ...


def by_uid(view: Any) -> tuple[str]:
    """Index function for stores: the object's UID."""
    return (view.metadata.uid,)


def _brings(vmi: HostedInstance, pod_uid: str) -> bool:
    entries = vmi.status.get("volumeStatus") or ()
    return any((entry.get("hotplugVolume") or {}).get("attachPodUID") == pod_uid for entry in entries)


class Guests:
    """The registry. `report` is called with a VMI's key when there is something new to say about it."""

    def __init__(
        self,
        office: Office,
        vmis: Store[HostedInstance],
        pods: Store[Pod],
        directory: Path,
        devices: DeviceDirectories,
    ) -> None:
        self._office = office
        self._vmis = vmis
        self._pods = pods
        self._directory = directory
        self._devices = devices
        self._guests: dict[str, Guest] = {}
        self._starting: dict[str, tuple[Key, Machine]] = {}
        """Machines whose stubs are about to become QEMU."""
        self._refused: dict[str, str] = {}
        self._tasks: TaskGroup | None = None
        self._seen = anyio.Event()
        self.report: Callable[[Key], None] = lambda _key: None
        self.config: Callable[[], ClusterConfig] = ClusterConfig
        """The cluster's configuration in force."""
        self.network_bindings: Callable[[], Mapping[str, Document]] = lambda: self.config().network_bindings
        """The cluster's network binding plugins, by name."""
        vmis.subscribe(self._on_vmi)
        pods.subscribe(self._on_pod)

    # Running

    async def run(self) -> None:
        """Find the guests of an earlier life and follow all guests, until cancelled. Guests outlive this task."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            for folder in folders(self._directory):
                self._find_again(folder)
            while True:
                await anyio.sleep(SWEEP_S)
                self._sweep()

    def _sweep(self) -> None:
        """Remove what pods left that never became guests, as long as no pod is on its way to become one."""
        alive = {pod.metadata.uid for pod in self._pods.all() if not pods.is_terminal(pod)}
        known = {guest.record.pod_uid: guest.record.device_id for guest in self._guests.values()}
        for guest in self._guests.values():
            known |= guest.hotplug.attached
        if self._pods.synced and alive <= known.keys():
            self._devices.sweep(set(known.values()), self._office.now().timestamp())

    def _find_again(self, folder: Folder) -> None:
        record = folder.load()
        if record is None:
            self._discard(folder)
            return
        try:
            pidfd = peers.reopen(record.pid, record.started)
        except (ProcessLookupError, PermissionError):
            pidfd = -1
        if record.machine is None:
            # The stub was not QEMU yet: if it lives it will call again, and finds this plan.
            if pidfd >= 0:
                os.close(pidfd)
            else:
                folder.remove()
            return
        log.info("found a guest again", extra={"vmi": str(record.key), "pid": record.pid, "alive": pidfd >= 0})
        self._adopt(Guest(record, folder, pidfd, self))

    @staticmethod
    def _discard(folder: Folder) -> None:
        """Clear away a folder whose state cannot be read; a living guest keeps its own, the only way to it."""
        process = folder.process()
        try:
            if process is not None:
                os.close(peers.reopen(*process))
                log.error("a guest of another version's agent runs on unattended", extra={"path": str(folder.path)})
                return
        except ProcessLookupError as error:
            log.info("a guest that cannot be read is gone", extra={"error": str(error)})
        folder.remove()

    def _adopt(self, guest: Guest) -> None:
        assert self._tasks is not None
        self._guests[guest.uid] = guest
        self._tasks.start_soon(self._accompany, guest)
        self._wake()
        self.changed(guest.key)

    async def _accompany(self, guest: Guest) -> None:
        """One guest's life and what comes after it. A bug met with one guest must not touch the others."""
        with guest.following:
            await self._follow(guest)
        guest.hosted.close()

    async def _follow(self, guest: Guest) -> None:
        while not guest.exited:
            try:
                await guest.run()
            except Exception:
                log.exception("following a guest failed, trying again", extra={"vmi": str(guest.key)})
                await anyio.sleep(1.0)
        while not await self._is_told(guest):
            seen = self._seen
            with anyio.move_on_after(LOOK_S):
                await seen.wait()
        self._forget(guest)

    async def _is_told(self, guest: Guest) -> bool:
        """Whether the API server knows the end of this guest, or its VMI is no more."""
        vmi = self.vmi(guest.key, guest.uid)
        return vmi.phase in phases.FINAL if vmi is not None else await self.is_deleted(guest.key, guest.uid)

    def _forget(self, guest: Guest) -> None:
        if self._guests.get(guest.uid) is guest:
            guest.folder.remove()  # else it is the folder of the guest that came after
            del self._guests[guest.uid]
        self._devices.release(guest.record.device_id, guest.record.device_inode)
        log.info("forgot a guest", extra={"vmi": str(guest.key)})

    # Starting

    async def start(self, connection: Connection, peer: Peer, hello: Hello, vmi: HostedInstance) -> None:
        """Make the stub at the other end a guest. Takes the peer's pidfd. Raises as launch() does."""
        uid = vmi.metadata.uid
        old = self._guests.get(uid)
        if old is not None and old.record.pid == peer.pid and old.record.started == peer.started:
            # An earlier agent died while it handed the recipe over: who calls is the stub still.
            old.following.cancel()
            del self._guests[uid]
        elif old is not None and not old.exited:
            raise OSError(f"the guest of {old.key} still runs as process {old.record.pid}")
        if has_reservations(msgspec.json.decode(vmi.spec)):
            await helper_answers(self._directory.parent)
        folder = Folder(self._directory, uid)
        take_disks = partial(self._take_disks, vmi)
        try:
            record = await launch(connection, peer, hello, vmi, folder, self._office.now(), self.config(), take_disks)
            record.device_inode = self._devices.inode(record.device_id)
            folder.save(record)
            self._refused.pop(uid, None)
            self._adopt(Guest(record, folder, peer.pidfd, self))
        finally:
            self._starting.pop(uid, None)

    def _take_disks(self, vmi: HostedInstance, machine: Machine) -> None:
        """For a machine that is about to be made. Raises LaunchRefused for disks that others have."""
        meta = vmi.metadata
        if taken := conflicts(machine, meta.namespace, self.neighbours(meta.uid)):
            raise LaunchRefused("; ".join(taken.values())[:ERROR_CHARACTERS])
        self._starting[meta.uid] = Key(meta.namespace, meta.name), machine

    def refuse(self, vmi: HostedInstance, peer: Peer, text: str) -> None:
        """This VMI cannot start here: its status and an event say why. Nothing of it stays on the node, unless a guest
        of it lives, whose folder is the only way to it.
        """
        uid = vmi.metadata.uid
        self._refused[uid] = text
        if uid not in self._guests or self._guests[uid].exited:
            Folder(self._directory, uid).remove()
        self._devices.release(peer.device_id, self._devices.inode(peer.device_id))
        self.report(Key(vmi.metadata.namespace, vmi.metadata.name))

    def forgetting(self, peer: Peer) -> Callable[[], None]:
        """What to call when the pod of this peer has ended: its device directory goes, unless it is another pod's."""
        inode = self._devices.inode(peer.device_id)
        return lambda: self._devices.release(peer.device_id, inode)

    # Finding

    def of_pod(self, pod_uid: str) -> Guest | None:
        """The living guest of a pod."""
        guests = (guest for guest in self._guests.values() if guest.record.pod_uid == pod_uid)
        return next((guest for guest in guests if not guest.exited), None)

    async def of_attachment(self, pod_uid: str, deadline_s: float) -> Guest | None:
        """The living guest to which this attachment pod brings volumes, once virt-controller has said so in the VMI.

        Neither the pod's labels nor its owners count, since tenants write these.
        """
        with anyio.move_on_after(deadline_s):
            while True:
                seen = self._seen
                for guest in self._guests.values():
                    vmi = self.vmi(guest.key, guest.uid)
                    if vmi is not None and not guest.exited and _brings(vmi, pod_uid):
                        return guest
                await seen.wait()
        return None

    def named(self, namespace: str, name: str) -> Guest | None:
        """The living guest of a VMI."""
        guests = (guest for guest in self._guests.values() if guest.key == Key(namespace, name))
        return next((guest for guest in guests if not guest.exited), None)

    def __len__(self) -> int:
        return len(self._guests)

    async def owner(self, pod_uid: str, deadline_s: float) -> HostedInstance | None:
        """The VMI whose one pod this is, once the watches have told of both; None after the deadline.

        The pod must be this node's own, controlled by the VMI by UID, and named by the VMI's activePods.
        """
        with anyio.move_on_after(deadline_s):
            while True:
                seen = self._seen
                if (vmi := self._owner_now(pod_uid)) is not None:
                    return vmi
                await seen.wait()
        return None

    def _owner_now(self, pod_uid: str) -> HostedInstance | None:
        for pod in self._pods.by(UID, pod_uid):
            owner = pod.metadata.controller
            if owner is None or owner.kind != kinds.VMI.kind:
                continue
            vmi = self._vmis.get(Key(pod.metadata.namespace, owner.name))
            if vmi is not None and vmi.metadata.uid == owner.uid and pod_uid in (vmi.status.get("activePods") or {}):
                return vmi
        return None

    # What guests ask (hosted.Home)

    def vmi(self, key: Key, uid: str) -> HostedInstance | None:
        vmi = self._vmis.get(key)
        return vmi if vmi is not None and vmi.metadata.uid == uid else None

    def pod(self, uid: str) -> Pod | None:
        return next(iter(self._pods.by(UID, uid)), None)

    def changed(self, key: Key) -> None:
        self.report(key)

    def tell(self, key: Key, uid: str, reason: str, note: str, *, warning: bool = False) -> None:
        vmi = self.vmi(key, uid)
        if vmi is not None:
            make = references.warning if warning else references.event
            self._office.emit(make(kinds.HOSTED_VMI, vmi, reason, note))

    async def is_deleted(self, key: Key, uid: str) -> bool:
        """Ask the API server itself: that a watch does not show a VMI is no proof."""
        if not self._vmis.synced:
            return False
        try:
            found = msgspec.json.decode(await self._office.api.get(kinds.HOSTED_VMI, key), type=HostedInstance)
        except NotFound:
            return True
        except ApiError as error:
            log.info("cannot tell whether a VMI exists", extra={"vmi": str(key), "error": str(error)})
            return False
        return found.metadata.uid != uid

    def neighbours(self, uid: str) -> Iterator[tuple[Key, Machine]]:
        for guest in self._guests.values():
            if guest.uid != uid and not guest.exited:
                machines = (guest.record.machine, guest.record.wanted)
                yield from ((guest.key, machine) for machine in machines if machine is not None)
        yield from (entry for other, entry in self._starting.items() if other != uid)

    # What the report reads

    def snapshot(self, key: Key, failure: Failure | None) -> Snapshot:
        """For decide.guest: one consistent instant."""
        vmi = self._vmis.get(key)
        assert vmi is not None
        guest = self._guests.get(vmi.metadata.uid)
        pod = self.pod(guest.record.pod_uid) if guest is not None else None
        return Snapshot(
            vmi=vmi,
            guest=guest.state if guest is not None else None,
            pod_ip=pod.status.pod_ip if pod is not None else "",
            now=self._office.now(),
            refused=self._refused.get(vmi.metadata.uid, ""),
            bindings=self.network_bindings(),
        )

    # Changes

    def _on_vmi(self, old: HostedInstance | None, new: HostedInstance | None) -> None:
        view = new or old
        assert view is not None
        if new is None:
            self._refused.pop(view.metadata.uid, None)
        if (guest := self._guests.get(view.metadata.uid)) is not None:
            guest.poke()
        self._wake()

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        view = new or old
        assert view is not None
        if (guest := self.of_pod(view.metadata.uid)) is not None:
            guest.poke()
            if old is None or new is None or old.status.pod_ip != new.status.pod_ip:
                self.changed(guest.key)
        self._wake()

    def _wake(self) -> None:
        self._seen.set()
        self._seen = anyio.Event()
