"""SCSI persistent reservations: the real helper with the rights of its container, and QEMU that passes commands to it.

No disk of this host is a SCSI one, so a library pretends; a controller that is driven from here stands for the guest.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.install.installation import Installation
from kubevirt_py.render.install.pr_helper import PROGRAM, USER, add_pr_helper
from kubevirt_py.render.machine import Attachments, DiskFile, Facts, argv, machine_from_vmi
from kubevirt_py.render.reservations import SOCKET, SOCKET_PATH
from tests.host.agentlab import needs_qemu

pytestmark = [
    needs_qemu,
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason="needs qemu-pr-helper"),
]
HERE = Path(__file__).parent
SYS_RAWIO = 1 << 17
DEADLINE_S = 20.0
SPEC: Document = {
    "domain": {
        "resources": {"requests": {"memory": "64Mi"}},
        "devices": {"disks": [{"name": "quorum", "lun": {"bus": "scsi", "reservation": True}}]},
    }
}
PORTS = 0xC000
TARGET, FIFO, COMMAND = (PORTS + 4 * register for register in (4, 2, 3))
FLUSH, SELECT = 0x01, 0x41
TEST_UNIT_READY = bytes(6)
READ_KEYS = bytes.fromhex("5e000000000000001800")
"""PERSISTENT RESERVE IN: which keys are registered?"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """As on a node: root's, and with a short path for sockets."""
    path = Path(tempfile.mkdtemp(prefix="kv"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def helper(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The helper as its container runs it, once it listens."""
    pod: Document = {"containers": [], "volumes": []}
    add_pr_helper(pod, Installation(namespace="kubevirt", version="v1", image="c:t", launcher_image="l:t"))
    (container,) = pod["containers"]
    added = ",".join(f"+{name.lower()}" for name in container["securityContext"]["capabilities"]["add"])
    rights = ["setpriv", "--no-new-privs", f"--bounding-set=-all,{added}", "--inh-caps=-all"]
    command = [part.replace(SOCKET_PATH, str(folder / SOCKET)) for part in container["command"]]
    process = subprocess.Popen([*rights, *command])
    try:
        deadline = time.monotonic() + DEADLINE_S
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.connect(str(folder / SOCKET))
                if probe.recv(4):  # what it can do; by now it has given its rights up
                    break
        yield process
    finally:
        process.kill()
        process.wait()


def _status(process: subprocess.Popen[bytes]) -> dict[str, str]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_the_helper_is_left_with_one_capability_and_lets_qemu_in(folder: Path) -> None:
    with helper(folder) as process:
        told = _status(process)
        assert told["Uid"].split() == [str(USER)] * 4
        assert [int(told[kind], 16) for kind in ("CapPrm", "CapEff")] == [SYS_RAWIO] * 2
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(folder / SOCKET)!r})"
        subprocess.run(
            ["setpriv", "--reuid", "107", "--clear-groups", sys.executable, "-IS", "-c", connect], check=True
        )
    with helper(folder) as process:
        assert process.poll() is None, "another helper takes the place of one that was killed"


class Wire:
    """A line protocol of QEMU."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(DEADLINE_S)
        self._sock.connect(str(path))
        self._lines = self._sock.makefile("r")

    def send(self, text: str) -> None:
        self._sock.sendall(f"{text}\n".encode())

    def line(self) -> str:
        return self._lines.readline()

    def close(self) -> None:
        self._lines.close()
        self._sock.close()


class Qemu:
    """QEMU with the reserved disk, its helper and node as the agent renders them, on a controller that tests drive."""

    def __init__(self, folder: Path, device: str, library: Path) -> None:
        file = DiskFile(block=True, direct=True)
        args = argv(machine_from_vmi("a_b", "uid", SPEC, Facts(kvm=False), Attachments(disks={"quorum": file})))
        kept = [
            part.replace(SOCKET_PATH, str(folder / SOCKET))
            for flag, value in itertools.pairwise(args)
            if flag == "-blockdev" or (flag == "-object" and value.startswith("pr-manager-helper"))
            for part in (flag, value)
        ]
        own = ["-machine", "pc", "-accel", "tcg", "-S", "-nodefaults", "-display", "none"]
        own += ["-qtest-log", "none"]
        for kind in ("qmp", "qtest"):
            own += [f"-{kind}", f"unix:{folder / kind},server=on,wait=off"]
        fd = os.open(device, os.O_RDWR | os.O_DIRECT)
        own += ["-add-fd", f"fd={fd},set=1", "-device", "am53c974,id=esp,addr=4"]
        own += [*kept, "-device", "scsi-block,bus=esp.0,scsi-id=1,drive=disk0"]
        environment = {**os.environ, "LD_PRELOAD": str(library)}
        self.process = subprocess.Popen([args[0], *own], pass_fds=[fd], env=environment)
        os.close(fd)
        deadline = time.monotonic() + DEADLINE_S
        while not (folder / "qtest").exists() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.qmp, self.qtest = Wire(folder / "qmp"), Wire(folder / "qtest")
        self.qmp.line()
        self.ask("qmp_capabilities")
        for register, value in ((0x10, PORTS), (0x04, 0x5)):  # where the controller's ports are; switch them on
            self.outl(0xCF8, 0x80000000 | 4 << 11 | register)
            self.outl(0xCFC, value)

    def ask(self, command: str) -> Any:
        self.qmp.send(json.dumps({"execute": command}))
        while True:
            message = json.loads(self.qmp.line())
            if "event" not in message:
                return message["return"]

    def event(self, name: str) -> Document:
        while True:
            message: Document = json.loads(self.qmp.line())
            if message.get("event") == name:
                return dict(message["data"])

    def outl(self, port: int, value: int) -> None:
        self.qtest.send(f"outl {port:#x} {value:#x}")
        assert self.qtest.line().startswith("OK")

    def scsi(self, command: bytes) -> None:
        """Have the disk execute a command."""
        self.outl(COMMAND, FLUSH)
        self.outl(TARGET, 1)
        for byte in command:
            self.outl(FIFO, byte)
        self.outl(COMMAND, SELECT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.qmp.close()
        self.qtest.close()


@pytest.fixture
def library(folder: Path) -> Path:
    subprocess.run(["as", "-o", folder / "scsi.o", HERE / "scsi_disk.S"], check=True)
    subprocess.run(["ld", "-shared", "-o", folder / "scsi.so", folder / "scsi.o"], check=True)
    return folder / "scsi.so"


@pytest.fixture
def device(folder: Path) -> Iterator[str]:
    with (folder / "disk").open("wb") as disk:
        disk.truncate(1 << 20)
    attach = ["losetup", "--find", "--show", folder / "disk"]
    name = subprocess.run(attach, check=True, capture_output=True, text=True).stdout.strip()
    yield name
    subprocess.run(["losetup", "--detach", name], check=True)


def test_qemu_passes_reservations_to_the_helper_and_finds_it_again(folder: Path, library: Path, device: str) -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(helper(folder))
        qemu = Qemu(folder, device, library)
        stack.callback(qemu.close)
        assert qemu.ask("query-pr-managers") == [{"id": "pr-helper0", "connected": True}]
        first.kill()
        first.wait()
        stack.enter_context(helper(folder))
        qemu.scsi(TEST_UNIT_READY)  # takes the news that the disk was switched on
        qemu.scsi(READ_KEYS)
        assert qemu.event("PR_MANAGER_STATUS_CHANGED") == {"id": "pr-helper0", "connected": False}
        assert qemu.event("PR_MANAGER_STATUS_CHANGED") == {"id": "pr-helper0", "connected": True}
        assert qemu.ask("query-pr-managers") == [{"id": "pr-helper0", "connected": True}]
