"""A real QEMU in its firmware and an attachment pod's real stub: what comes and goes, also when agents are killed."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kubevirt_py.api import names
from kubevirt_py.api.views import HostedInstance
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, machine_from_vmi
from kubevirt_py.render.machine.hotplug import changes
from kubevirt_py.virt_handler.attachments import Attachment
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.hotplug import HotPlug
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.plugging import qemu_facts
from kubevirt_py.virt_handler.records import Folder, Record
from kubevirt_py.virt_handler.wiring import Wiring
from tests.host.agentlab import needs_qemu
from tests.host.qemulab import UID, attachment_pod, nothing, qemu

pytestmark = needs_qemu

POD_UID = "attachment-pod"
BASE: Document = {
    "domain": {
        "cpu": {"sockets": 1, "cores": 1, "threads": 1, "maxSockets": 3},
        "memory": {"guest": "1Gi", "maxGuest": "2Gi"},
        "devices": {
            "autoattachGraphicsDevice": False,
            "autoattachSerialConsole": False,
            "disks": [{"name": "drive", "cdrom": {"bus": "sata"}}],
        },
    },
    "volumes": [],
}


def spec(*volumes: tuple[str, str], **domain: Document) -> Document:
    """BASE with volumes given as name and bus; the claim of `drive` is a disc."""
    disks = [{"name": name, "disk": {"bus": bus}} for name, bus in volumes if name != "drive"]
    devices = BASE["domain"]["devices"] | {"disks": [*BASE["domain"]["devices"]["disks"], *disks]}
    claims = [
        {"name": name, "persistentVolumeClaim": {"claimName": f"claim-{name}", "hotpluggable": True}}
        for name, _ in volumes
    ]
    return {"domain": BASE["domain"] | {"devices": devices} | domain, "volumes": claims}


class Home:
    """What the guest's VMI says now."""

    def __init__(self) -> None:
        self.spec = spec()
        self.pod_uid = POD_UID
        self.told: list[str] = []
        self.others: list[tuple[Key, Machine]] = []

    def vmi(self, *_: Any) -> HostedInstance:
        entries = [
            {"name": volume["name"], "hotplugVolume": {"attachPodUID": self.pod_uid}} for volume in self.spec["volumes"]
        ]
        true = [{"type": kind, "status": "True"} for kind in (names.HOT_VCPU_CHANGE, names.HOT_MEMORY_CHANGE)]
        return HostedInstance(
            spec=msgspec.Raw(msgspec.json.encode(self.spec)), status={"volumeStatus": entries, "conditions": true}
        )

    def pod(self, _: str) -> None:
        return None

    def changed(self, *_: Any) -> None:
        return None

    def tell(self, *words: Any, **_: Any) -> None:
        self.told.append(str(words[2]))

    async def is_deleted(self, *_: Any) -> bool:
        return False

    def neighbours(self, _: str) -> list[tuple[Key, Machine]]:
        return self.others

    @staticmethod
    def network_bindings() -> Mapping[str, Document]:
        return {}


class Lab:
    """One QEMU, and its agent's lives."""

    def __init__(self, folder: Folder, volumes: Path) -> None:
        self.home = Home()
        self.folder = folder
        self.volumes = volumes
        self.machine = machine_from_vmi("default_vm", UID, spec(), Facts(kvm=False), Attachments())

    async def live(self, *, steps: int = 10_000) -> bool:
        """A life of the agent, until all is as wanted or `steps` commands that change something were given."""
        record = self.folder.load()
        assert record is not None
        hosted = Hosted(record, self.folder, -1, self.home)  # type: ignore[arg-type]
        async with anyio.create_task_group() as tasks:
            monitor = Mortal(hosted, steps, tasks.cancel_scope)
            progress = anyio.Event()
            hotplug = HotPlug(hosted, monitor, Wiring(hosted), lambda: progress.set())
            hotplug.attach(Attachment(attachment_pod(), POD_UID, "", lambda: None))
            tasks.start_soon(monitor.follow)
            tasks.start_soon(hotplug.run)
            with anyio.move_on_after(20):
                while not self._is_settled(hotplug, record):
                    assert "" not in hotplug.troubles.texts, hotplug.troubles.texts
                    with anyio.move_on_after(0.1):
                        await progress.wait()
                    progress = anyio.Event()
            settled = self._is_settled(hotplug, record)
            assert settled or tasks.cancel_scope.cancel_called, (
                hotplug.troubles.texts,
                [(disk.name, disk.empty, disk.index) for disk in record.machine.disks if record.machine],
                record.wanted and changes(record.machine, record.wanted),
                hotplug._settled,
            )
            tasks.cancel_scope.cancel()
        return self._is_settled(hotplug, record)

    def _is_settled(self, hotplug: HotPlug, record: Record) -> bool:
        assert record.machine is not None
        wanted = {volume["name"] for volume in self.home.spec["volumes"]}
        has = {disk.name for disk in record.machine.disks if not disk.empty}
        sizes = self.home.spec["domain"]["cpu"]["sockets"] == record.machine.cpu.sockets
        return wanted == has and sizes and record.wanted is None and hotplug._settled is not None


class Mortal(Monitor):
    """A monitor whose agent dies after so many commands."""

    def __init__(self, hosted: Hosted, steps: int, life: anyio.CancelScope) -> None:
        super().__init__(hosted, nothing)
        self._left, self._life = steps, life

    async def execute(self, command: str, *arguments: Any, **options: Any) -> Any:
        self._count(command)
        return await super().execute(command, *arguments, **options)

    async def execute_with(self, fd: int, command: str, arguments: Mapping[str, Any]) -> Any:
        self._count(command)
        return await super().execute_with(fd, command, arguments)

    def _count(self, command: str) -> None:
        if command.startswith(("query-", "qom-list")):
            return
        if not self._left:
            self._life.cancel()
        self._left -= 1


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Its sockets lie in a folder of their own: paths of sockets are short."""
    volumes = tmp_path / "volumes"
    for name in ("a", "b", "drive"):
        (volumes / name).mkdir(parents=True)
        (volumes / name / "disk.img").write_bytes(bytes(1 << 20))
    monkeypatch.setattr(names, "VMI_DISK_DIR", str(volumes))
    with tempfile.TemporaryDirectory() as sockets:
        opened = Lab(Folder(Path(sockets), UID), volumes)
        with qemu(opened.folder, opened.machine):
            yield opened


async def _facts(lab: Lab) -> frozenset[str]:
    """What QEMU has, asked by an agent that does nothing."""
    record = lab.folder.load()
    assert record is not None
    hosted = Hosted(record, lab.folder, -1, lab.home)  # type: ignore[arg-type]
    async with anyio.create_task_group() as tasks:
        monitor = Monitor(hosted, nothing)
        tasks.start_soon(monitor.follow)
        connected = anyio.Event()
        with monitor.listening(lambda *_: connected.set()), anyio.fail_after(10):
            await connected.wait()
            found = await qemu_facts(monitor)
        tasks.cancel_scope.cancel()
    return found


async def test_disks_a_disc_and_cpus_come_and_what_may_go_goes(lab: Lab) -> None:
    bare = await _facts(lab)
    cpu = BASE["domain"]["cpu"] | {"sockets": 3}
    lab.home.spec = spec(
        ("a", "scsi"), ("b", "virtio"), ("drive", ""), cpu=cpu, memory={"guest": "1536Mi", "maxGuest": "2Gi"}
    )
    assert await lab.live()
    full = await _facts(lab)
    assert {"device:disk-a", "device:disk-b", "device:vcpu-1-0-0", "device:vcpu-2-0-0"} <= full
    assert any(fact.startswith("medium:disk-drive=") for fact in full)
    lab.home.spec = spec(("b", "virtio"), cpu=cpu)  # firmware lets no PCI device go
    assert await lab.live()
    left = await _facts(lab) - bare
    assert {fact for fact in left if fact.startswith("device:")} == {
        "device:disk-b",
        "device:vcpu-1-0-0",
        "device:vcpu-2-0-0",
    }
    assert len([fact for fact in left if fact.startswith("node:")]) == 2
    assert len([fact for fact in left if fact.startswith("fdset:")]) == 1


@asynccontextmanager
async def agent(lab: Lab) -> AsyncIterator[tuple[HotPlug, Callable[..., Awaitable[None]]]]:
    """An agent at work, and how to wait until the guest has these disks, one of this claim, and these have troubles."""
    record = lab.folder.load()
    assert record is not None
    hosted = Hosted(record, lab.folder, -1, lab.home)  # type: ignore[arg-type]
    changed = anyio.Event()
    monitor = Monitor(hosted, nothing)
    hotplug = HotPlug(hosted, monitor, Wiring(hosted), lambda: changed.set())
    hotplug.attach(Attachment(attachment_pod(), POD_UID, "", lambda: None))

    def there(source: str) -> bool:
        machine = hosted.record.machine
        return not source or (machine is not None and source in {disk.file.source for disk in machine.disks})

    async def until(disks: set[str], troubles: set[str], source: str = "") -> None:
        nonlocal changed
        with anyio.fail_after(20):
            while disks != hotplug.state.held_volumes or troubles != hotplug.state.troubles.keys() or not there(source):
                await changed.wait()
                changed = anyio.Event()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(monitor.follow)
        tasks.start_soon(hotplug.run)
        yield hotplug, until
        tasks.cancel_scope.cancel()


async def test_a_disk_that_another_machine_of_the_node_has_comes_when_that_one_has_gone(lab: Lab) -> None:
    found = (lab.volumes / "a" / "disk.img").stat()
    disks = {"theirs": DiskFile(identity=(found.st_dev, found.st_ino))}
    domain = {"memory": {"guest": "64Mi"}, "devices": {"disks": [{"name": "theirs", "disk": {}}]}}
    other = machine_from_vmi("default_other", "u", {"domain": domain}, Facts(kvm=False), Attachments(disks=disks))
    lab.home.others = [(Key("default", "other"), other)]
    lab.home.spec = spec(("a", "scsi"), ("b", "virtio"))
    async with agent(lab) as (hotplug, until):
        await until({"b"}, {"a"})
        assert hotplug.state.troubles["a"].startswith("the disk of volume a is in use by machine other; ")
        lab.home.others = []
        await until({"a", "b"}, set())
        assert lab.home.told == [names.HOTPLUG_FAILED]


async def test_a_disk_that_cannot_come_keeps_none_of_the_others(lab: Lab) -> None:
    lab.home.spec = spec(("a", "scsi"), ("b", "virtio"))
    disks = lab.home.spec["domain"]["devices"]["disks"]
    disks[1] = {"name": "a", "lun": {"bus": "scsi"}}
    async with agent(lab) as (hotplug, until):
        await until({"b"}, {"a"})
        assert "a lun needs a claim of volumeMode Block" in hotplug.state.troubles["a"]
        disks[1] = {"name": "a", "disk": {"bus": "scsi"}}
        hotplug.poke()
        await until({"a", "b"}, set())


async def test_what_one_pod_could_not_open_is_no_trouble_of_the_next(lab: Lab) -> None:
    disk = lab.volumes / "a" / "disk.img"
    content = disk.read_bytes()
    disk.unlink()
    disk.mkdir()
    lab.home.spec = spec(("a", "scsi"))
    async with agent(lab) as (hotplug, until):
        await until(set(), {"a"})
        assert "Is a directory" in hotplug.state.troubles["a"]
        lab.home.pod_uid = "another-pod"
        assert not hotplug.state.troubles
        disk.rmdir()
        disk.write_bytes(content)
        hotplug.attach(Attachment(attachment_pod(), "another-pod", "", lambda: None))
        await until({"a"}, set())


async def test_an_agent_killed_at_each_step_goes_on_and_leavesnothing(lab: Lab) -> None:
    bare = await _facts(lab)
    for steps in range(12):
        lab.home.spec = spec(("a", "scsi"), ("drive", ""))
        await lab.live(steps=steps)
        if steps % 2:  # it comes back to another wish
            lab.home.spec = spec(("a", "scsi"))
        assert await lab.live()
        lab.home.spec = spec()
        await lab.live(steps=steps)
        assert await lab.live()
        assert await _facts(lab) == bare


async def test_a_disk_whose_claim_changes_and_changes_back_is_the_one_that_is_wanted(lab: Lab) -> None:
    """The pod of each claim is here; the controller says in the VMI which one counts."""
    async with agent(lab) as (hotplug, until):
        for claim, pod in (("claim-a", POD_UID), ("other", "another-pod"), ("claim-a", POD_UID)):
            lab.home.spec = spec(("a", "scsi"))
            lab.home.spec["volumes"][0]["persistentVolumeClaim"]["claimName"] = claim
            lab.home.pod_uid = pod
            if claim == "other":
                hotplug.attach(Attachment(attachment_pod(), pod, "", lambda: None))
            hotplug.poke()
            await until({"a"}, set(), claim)
