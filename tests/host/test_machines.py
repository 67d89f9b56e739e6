"""Every reviewed command line is one that the QEMU of this host accepts, and stops before its first instruction."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kubevirt_py.render.machine.devices import SERIAL_LOG
from kubevirt_py.virt_handler.hostfacts import cpu_of, kvm_works
from tests.host.agentlab import needs_qemu
from tests.host.hugepages import huge_pages
from tests.host.rings import io_uring_works

pytestmark = needs_qemu

CASES = Path(__file__).parents[1] / "golden" / "machine"
NEEDS_MORE = {
    "kvm-windows": "needs KVM",
    "multiqueue": "needs KVM and vhost-net",
    "lun": "needs a SCSI block device",
    "reservations": "needs SCSI block devices",
    "kernel-boot": "needs a kernel",
    "dedicated": "needs KVM and CPUs beyond the eleventh",
    "tpm": "needs a TPM process",
    "virtiofs-tpm": "needs a TPM process and virtiofsd",
    "tpm-persistent": "needs a TPM process",
    "vsock": "needs /dev/vhost-vsock",
    "passt": "needs a QEMU that reconnects to passt, as the launcher's does",
}
HUGE_PAGES = {"hugepages": 64}


class Descriptors:
    """Something real behind every token of a command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fds: dict[str, int] = {}
        self.devices: list[str] = []

    def number(self, match: re.Match[str]) -> str:
        direct, name = match[1] == "direct", match[2]
        if name not in self.fds:
            self.fds[name] = self._make(name)
            os.set_inheritable(self.fds[name], True)
        if direct:
            fcntl.fcntl(self.fds[name], fcntl.F_SETFL, fcntl.fcntl(self.fds[name], fcntl.F_GETFL) | os.O_DIRECT)
        return str(self.fds[name])

    def _make(self, name: str) -> int:
        kind = name.partition(".")[0]
        if kind in ("disk", "base"):
            return self._disk(name)
        if kind == "tap":
            return _tap(f"kvm{os.getpid() % 10000}x{len(self.fds)}")
        if kind == "acpi":
            return self._table(name.partition(".")[2])
        if kind == "ignition":
            return self._file(name, b"{}")
        if kind == "firmware":
            return self._firmware(name)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / name))
        listener.listen()
        return listener.detach()

    def _disk(self, name: str) -> int:
        path = self.folder / name
        qcow2 = f'"driver":"qcow2","node-name":"{name}"'
        kind = "qcow2" if qcow2 in self.formats.get(name, qcow2) else "raw"
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, "1M"], check=True)
        if name in self.blocks:
            attach = ["losetup", "--find", "--show", path]
            path = Path(subprocess.run(attach, check=True, capture_output=True, text=True).stdout.strip())
            self.devices.append(str(path))
        return os.open(path, os.O_RDONLY if self.read_only.get(name) else os.O_RDWR)

    def _table(self, signature: str) -> int:
        """An ACPI table with nothing but its header."""
        body = b"a licence"
        head = struct.pack(
            "<4sIBB6s8sI4sI", signature.upper().encode(), 36 + len(body), 1, 0, b"EXAMPL", b"TABLE", 1, b"TEST", 1
        )
        return self._file(signature, head + body)

    def _file(self, name: str, content: bytes) -> int:
        (self.folder / name).write_bytes(content)
        return os.open(self.folder / name, os.O_RDONLY)

    def _firmware(self, name: str) -> int:
        role = name.partition(".")[2]
        source = {"code": "OVMF_CODE_4M.secboot.fd", "vars": "OVMF_VARS_4M.ms.fd"}[role]
        copy = self.folder / role
        copy.write_bytes(Path("/usr/share/OVMF", source).read_bytes())
        return os.open(copy, os.O_RDWR if role == "vars" else os.O_RDONLY)

    def learn(self, args: list[str]) -> None:
        """Formats and modes of the disks, from the command line itself."""
        self.formats: dict[str, str] = {}
        self.read_only: dict[str, bool] = {}
        self.blocks: set[str] = set()
        names = {}
        for first, second in itertools.pairwise(args):
            if first == "-add-fd":
                fields = dict(part.split("=", 1) for part in second.split(","))
                names[f"/dev/fdset/{fields['set']}"] = fields["opaque"]
            if first == "-blockdev":
                node = msgspec.json.decode(second)
                if "filename" in node:
                    file = names[node["filename"]]
                    self.read_only[file] = node["read-only"]
                    self.blocks |= {file} if node["driver"] == "host_device" else set()
                    names[node["node-name"]] = file
                else:
                    self.formats[names[node["file"]]] = (
                        f'"driver":"{node["driver"]}","node-name":"{names[node["file"]]}"'
                    )

    def close(self) -> None:
        for fd in self.fds.values():
            os.close(fd)

    def detach(self) -> None:
        for device in self.devices:
            subprocess.run(["losetup", "--detach", device], check=True)


def _tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x5002))
    return fd


@pytest.fixture
def descriptors(tmp_path: Path) -> Iterator[Descriptors]:
    held = Descriptors(tmp_path)
    yield held
    held.close()
    held.detach()


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_qemu_accepts(case: str, descriptors: Descriptors, tmp_path: Path) -> None:
    if case in NEEDS_MORE:
        pytest.skip(NEEDS_MORE[case])
    if case == "io-uring" and not io_uring_works():
        pytest.skip("needs io_uring")
    with huge_pages(HUGE_PAGES[case]) if case in HUGE_PAGES else contextlib.nullcontext():
        _check(CASES / case / "machine.args", descriptors, tmp_path)


def _check(case: Path, descriptors: Descriptors, tmp_path: Path) -> None:
    args = case.read_text().splitlines()
    if "kvm" in args and not kvm_works(cpu_of(Path("/proc/cpuinfo").read_text())[1]):
        pytest.skip("needs KVM")
    descriptors.learn(args)
    args = [re.sub(r"@(fd|direct):([\w.-]+)@", descriptors.number, arg) for arg in args]
    args = [arg.replace(SERIAL_LOG, str(tmp_path / "serial.log")) for arg in args]
    qemu = subprocess.Popen(args, pass_fds=tuple(descriptors.fds.values()), stderr=subprocess.PIPE, text=True)
    try:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(tmp_path / "qmp"))
            descriptors.close()
            descriptors.fds.clear()
            talk = b""
            for command in ("qmp_capabilities", "query-status", "quit"):
                monitor.sendall(f'{{"execute": "{command}"}}\n'.encode())
            with contextlib.suppress(ConnectionResetError):
                while part := monitor.recv(65536):
                    talk += part
        assert b'"status": "prelaunch"' in talk, qemu.communicate(timeout=20)[1]
        assert qemu.wait(timeout=20) == 0, qemu.stderr.read() if qemu.stderr else ""
    finally:
        qemu.kill()
        qemu.communicate()
