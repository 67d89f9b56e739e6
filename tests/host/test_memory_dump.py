"""A real QEMU's memory dumped into a claim by a real stub, also when agents are killed on the way."""

from __future__ import annotations

import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kubevirt_py.api import names
from kubevirt_py.api.views import HostedInstance
from kubevirt_py.decide.guest_state import MemoryDump
from kubevirt_py.plan import Document
from kubevirt_py.render.machine import Attachments, Facts, machine_from_vmi
from kubevirt_py.virt_handler.attachments import Attachment
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.memorydump import MemoryDumps
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Folder, Record
from tests.host.agentlab import needs_qemu
from tests.host.qemulab import UID, attachment_pod, nothing, qemu

pytestmark = needs_qemu

MEMORY = 64 << 20
SPEC: Document = {
    "domain": {
        "memory": {"guest": "64Mi"},
        "devices": {"autoattachGraphicsDevice": False, "autoattachSerialConsole": False},
    },
}
DUMP: Document = {"volumes": [{"name": "core", "memoryDump": {"claimName": "core", "hotpluggable": True}}]}
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
FILE = "vm-core-20260501-{}.memory.dump"


class Home:
    """What the guest's VMI says now."""

    def __init__(self) -> None:
        self.spec: Document = SPEC | DUMP
        self.written = anyio.Event()

    def vmi(self, *_: Any) -> HostedInstance:
        return HostedInstance(spec=msgspec.Raw(msgspec.json.encode(self.spec)))

    def changed(self, *_: Any) -> None:
        self.written.set()


class Mortal(Monitor):
    """A monitor whose agent dies after so many commands, before or after QEMU has got the last one."""

    def __init__(self, hosted: Hosted, steps: int, life: anyio.CancelScope) -> None:
        super().__init__(hosted, nothing)
        self._left, self._life = steps, life

    async def execute(self, command: str, *arguments: Any, **options: Any) -> Any:
        await self._count(command)
        answer = await super().execute(command, *arguments, **options)
        await self._count(command)
        return answer

    async def pass_descriptor(self, name: str, fd: int) -> None:
        await self._count("getfd")
        await super().pass_descriptor(name, fd)
        await self._count("getfd")

    async def _count(self, command: str) -> None:
        if not command.startswith("query-"):
            if not self._left:
                self._life.cancel()
            self._left -= 1
            await anyio.lowlevel.checkpoint()


class Lab:
    """One QEMU with a claim, and its agent's lives."""

    def __init__(self, folder: Folder, claim: Path) -> None:
        self.home, self.folder, self.claim = Home(), folder, claim
        self.machine = machine_from_vmi("default_vm", UID, SPEC, Facts(kvm=False), Attachments())
        self.now = NOW

    async def live(self, *, steps: int = 10_000, memory: int = MEMORY) -> MemoryDump | None:
        """A life of the agent, until the dump is as wanted or `steps` commands were given; what it wrote down."""
        record = self.folder.load()
        assert record is not None
        hosted = Hosted(record, self.folder, -1, self.home)  # type: ignore[arg-type]
        pod = Attachment(attachment_pod(), "attachment-pod", "", lambda: None)
        async with anyio.create_task_group() as tasks:
            monitor = Mortal(hosted, steps, tasks.cancel_scope)
            dumps = MemoryDumps(hosted, monitor, lambda _: pod, lambda: memory, self._tick)
            for task in (monitor.follow, dumps.run, pod.ended):
                tasks.start_soon(task)
            with anyio.move_on_after(20):
                while not self._is_settled(record):
                    self.home.written = anyio.Event()
                    await self.home.written.wait()
            tasks.cancel_scope.cancel()
        pod.close()
        saved = self.folder.load()
        assert saved is not None
        return saved.dump

    def _tick(self) -> datetime:
        """A second passes at each look at the clock."""
        self.now += timedelta(seconds=1)
        return self.now

    def _is_settled(self, record: Record) -> bool:
        wanted = "volumes" in self.home.spec
        return (record.dump is not None and record.dump.ended != "") if wanted else record.dump is None

    def files(self) -> list[str]:
        return sorted(each.name for each in self.claim.iterdir() if each.name.endswith(".memory.dump"))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Its sockets lie in a folder of their own: paths of sockets are short."""
    (tmp_path / "core").mkdir()
    monkeypatch.setattr(names, "VMI_DISK_DIR", str(tmp_path))
    with tempfile.TemporaryDirectory() as sockets:
        opened = Lab(Folder(Path(sockets), UID), tmp_path / "core")
        with qemu(opened.folder, opened.machine):
            yield opened


async def _status(lab: Lab) -> str:
    """How QEMU's guest is."""
    record = lab.folder.load()
    assert record is not None
    monitor = Monitor(Hosted(record, lab.folder, -1, lab.home), nothing)  # type: ignore[arg-type]
    connected = anyio.Event()
    async with anyio.create_task_group() as tasks:
        with monitor.listening(lambda event, _: connected.set() if event == "CONNECTED" else None):
            tasks.start_soon(monitor.follow)
            with anyio.fail_after(10):
                await connected.wait()
            status = str((await monitor.execute("query-status"))["status"])
        tasks.cancel_scope.cancel()
    return status


def loaded_bytes(core: Path) -> int:
    """Bytes of memory in the loadable segments of an ELF core of x86-64."""
    with core.open("rb") as file:
        head = file.read(64)
        assert head[:5] == b"\x7fELF\x02"
        (kind,), (start,), (size, count) = (
            struct.unpack_from(f"<{form}", head, at) for form, at in (("H", 16), ("Q", 32), ("HH", 54))
        )
        assert kind == 4, "not a core"
        file.seek(start)
        rows = [struct.unpack("<IIQQQQQQ", file.read(size)[:56]) for _ in range(count)]
    assert core.stat().st_size >= max(row[2] + row[5] for row in rows)
    return sum(row[5] for row in rows if row[0] == 1)


def test_the_memory_is_in_the_claim_and_the_guest_goes_on(lab: Lab) -> None:
    (lab.claim / "mine").write_text("kept")
    dump = anyio.run(lab.live)
    assert dump is not None
    assert (dump.volume, dump.claim, dump.passed, dump.trouble) == ("core", "core", True, "")
    assert dump.started < dump.ended
    assert lab.files() == [dump.file] == [FILE.format("120001")]
    assert MEMORY <= loaded_bytes(lab.claim / dump.file) < MEMORY + (32 << 20)
    assert (lab.claim / "mine").read_text() == "kept"
    assert anyio.run(_status, lab) == "running"


def test_the_next_dump_takes_the_place_of_the_last(lab: Lab) -> None:
    first = anyio.run(lab.live)
    lab.home.spec = SPEC
    assert anyio.run(lab.live) is None
    lab.home.spec = SPEC | DUMP
    second = anyio.run(lab.live)
    assert first is not None
    assert second is not None
    assert first.file != second.file
    assert lab.files() == [second.file]


def test_one_dump_is_made_however_often_the_agent_dies(lab: Lab) -> None:
    """It dies before and after each command; the last life finishes the work of the others."""
    for steps in range(8):
        anyio.run(partial(lab.live, steps=steps))
        dump = anyio.run(lab.live)
        assert dump is not None
        assert (dump.trouble, lab.files()) == ("", [dump.file]), steps
        assert loaded_bytes(lab.claim / dump.file) >= MEMORY, steps
        lab.home.spec = SPEC
        assert anyio.run(lab.live) is None
        lab.home.spec = SPEC | DUMP


def test_a_claim_that_is_too_small_is_told_before_the_guest_stands_still(lab: Lab) -> None:
    dump = anyio.run(partial(lab.live, memory=1 << 60))
    assert dump is not None
    assert not dump.passed
    assert re.fullmatch(r"volume core: the claim has \d+ MiB left, a dump needs 1099511627776 MiB", dump.trouble)
    assert lab.files() == []


def test_a_disk_that_fills_up_is_told_in_words_of_qemu(lab: Lab) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", lab.claim], check=True)
    try:
        dump = anyio.run(lab.live)
    finally:
        subprocess.run(["umount", "--lazy", lab.claim], check=True)
    assert dump is not None
    assert "No space left on device" in dump.trouble
    assert anyio.run(_status, lab) == "running"


@pytest.mark.parametrize("kind", ["link", "dangling", "folder"])
def test_what_a_tenant_put_in_the_files_place_is_not_written_to(lab: Lab, kind: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    for second in range(1, 60):
        place = lab.claim / FILE.format(f"1200{second:02}")
        if kind == "folder":
            place.mkdir()
        else:
            place.symlink_to(outside if kind == "link" else tmp_path / "nowhere")
    dump = anyio.run(lab.live)
    assert dump is not None
    assert outside.read_text() == "kept"
    assert not (tmp_path / "nowhere").exists()
    if kind == "folder":
        assert dump.trouble == f"volume core: {dump.file}: File exists"
    else:
        assert (dump.trouble, lab.files()) == ("", [dump.file])
        assert not (lab.claim / dump.file).is_symlink()
