"""A node agent without Kubernetes: real stub, real QEMU under emulation, VMIs and pods in memory.

The stub runs as in a pod: uid 107, its own network and mount namespace, a cgroup that names its pod.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import jsonpatch
import msgspec
import pytest
from anyio.abc import SocketStream

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import HostedInstance, Pod
from kubevirt_py.decide.guest import decide
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Document, Event, Key
from kubevirt_py.reconcile.store import Store
from kubevirt_py.virt_handler.devicedirs import DeviceDirectories
from kubevirt_py.virt_handler.guests import Guests, by_uid
from kubevirt_py.virt_handler.launcher import Launcher

HERE = Path(__file__).parent
DEADLINE_S = 30.0
DEVICE = "tun7"
ENTRY = f"""import sys
sys.path.insert(0, {str(HERE.parents[1])!r})
from kubevirt_py.virt_launcher.stub import main
sys.exit(main())
"""


def _cgroup_root() -> Path | None:
    for root in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        if (root / "cgroup.procs").exists() and os.access(root, os.W_OK):
            return root
    return None


needs_qemu = pytest.mark.skipif(
    os.geteuid() != 0 or _cgroup_root() is None or not shutil.which("qemu-system-x86_64") or not shutil.which("as"),
    reason="needs root, writable cgroups, qemu-system-x86_64 and binutils",
)


class Office:
    """What the registry wants of the framework, on one VMI and one pod in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.api: Any = self
        self.documents: dict[Key, Document] = {}

    def now(self) -> datetime:
        return datetime.now(UTC)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    async def get(self, kind: object, key: Key) -> bytes:
        if key not in self.documents:
            raise NotFound(404, "NotFound", f"{key} does not exist")
        return msgspec.json.encode(self.documents[key])


class Node:
    """Directories and objects of one node; agents on it come and go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.office = Office()
        self.vmis: Store[HostedInstance] = Store(kinds.HOSTED_VMI)
        self.pods: Store[Pod] = Store(kinds.POD, indexes={"uid": by_uid})
        self.vmis.replace({}, {}, 1)
        self.pods.replace({}, {}, 1)
        self.devices = DeviceDirectories(root)
        self.guests: Guests = None  # type: ignore[assignment]
        self.launcher: Launcher = None  # type: ignore[assignment]
        self._version = 1

    def put_vmi(self, document: Document) -> Key:
        self._version += 1
        document["metadata"]["resourceVersion"] = str(self._version)
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        self.office.documents[key] = document
        self.vmis.put(key, msgspec.json.decode(msgspec.json.encode(document), type=HostedInstance), self._version)
        return key

    def put_pod(self, vmi: Document, pod_uid: str, **metadata: Any) -> None:
        self._version += 1
        owner = {
            "kind": "VirtualMachineInstance",
            "name": vmi["metadata"]["name"],
            "uid": vmi["metadata"]["uid"],
            "controller": True,
        }
        namespace, name = vmi["metadata"]["namespace"], f"virt-launcher-{vmi['metadata']['name']}"
        meta = {"namespace": namespace, "name": name, "uid": pod_uid, "ownerReferences": [owner]}
        meta |= {"resourceVersion": str(self._version), **metadata}
        self.pods.put(Key(namespace, name), msgspec.convert({"metadata": meta}, Pod), self._version)

    def remove_vmi(self, key: Key) -> None:
        self._version += 1
        del self.office.documents[key]
        self.vmis.drop(key, self._version)

    def status(self, key: Key) -> Document:
        return self.office.documents[key]["status"]

    @contextlib.asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        """One life of the agent; the end is abrupt for guests, as a kill is."""
        self.guests = Guests(self.office, self.vmis, self.pods, self.root / "vms", self.devices)
        self.guests.report = self._report
        sock = self.devices.listen()
        self.launcher = Launcher(sock, self.guests)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.guests.run)
            tasks.start_soon(self.launcher.run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                sock.close()

    def _report(self, key: Key) -> None:
        if key not in self.office.documents:
            return
        plan = decide(self.guests.snapshot(key, None))
        for action in plan.do:
            self.put_vmi(jsonpatch.apply_patch(self.office.documents[key], list(action.ops)))  # type: ignore[union-attr]
        self.office.events += plan.events

    async def until(self, fact: Callable[[], bool], what: str) -> None:
        with anyio.move_on_after(DEADLINE_S):
            while not fact():  # noqa: ASYNC110
                await anyio.sleep(0.02)
            return
        said = [path.read_text() for path in self.root.glob("pods/*/stderr")]
        states = [
            (guest.run_state, await guest.monitor.execute("query-status"), guest.record.outcome)
            for guest in self.guests._guests.values()
        ]
        raise AssertionError(f"not within {DEADLINE_S} s: {what}; guests are {states}, pods said {said}")

    async def until_phase(self, key: Key, phase: str) -> None:
        await self.until(lambda: self.status(key)["phase"] == phase, f"phase {phase}, it is {self.status(key)}")


class FakePod:
    """The namespaces, mounts and cgroup of a VM pod, with the stub as its process."""

    def __init__(self, node: Node, uid: str, *, network: bool = False, device: str = DEVICE) -> None:
        self.node = node
        self.uid = uid
        self.folder = node.root / "pods" / uid
        for part in ("private", "ephemeral", "disks"):
            (self.folder / part).mkdir(parents=True)
            shutil.chown(self.folder / part, 107, 107)
        root = _cgroup_root()
        assert root is not None
        self.cgroup = root / "kubepods" / f"pod{uid}" / ("0" * 64)
        self.cgroup.mkdir(parents=True)
        self.directory = node.devices.make(device)
        self._network = network
        self.process: subprocess.Popen[bytes] | None = None
        self.errors = self.folder / "stderr"
        self.entry = self.folder / "virt-launcher"
        self.entry.write_text(ENTRY)

    def disk(self, volume: str, content: bytes) -> None:
        """An image volume with one file in /disk."""
        path = self.folder / "disks" / volume / "disk"
        path.mkdir(parents=True, exist_ok=True)
        (path / "disk.img").write_bytes(content)

    def command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process in the pod: the stub with these arguments."""
        script = f"""
            set -e
            echo $$ > {self.cgroup}/cgroup.procs
            mount -t tmpfs tmpfs /run
            mkdir -p /run/kubevirt-agent /run/kubevirt-private /run/kubevirt-ephemeral-disks
            mount --bind -o ro {self.directory} /run/kubevirt-agent
            mount --bind {self.folder}/private /run/kubevirt-private
            mkdir -p /run/kubevirt-private/container-disks
            mount --bind {self.folder}/disks /run/kubevirt-private/container-disks
            mount --bind {self.folder}/ephemeral /run/kubevirt-ephemeral-disks
            touch /run/none; chmod 0 /run/none
            if test -e /dev/kvm; then mount --bind /run/none /dev/kvm; fi
            if test "{int(self._network)}" = 1; then
                ip link add eth0 mtu 1450 type veth peer name outside
                ip addr add 10.244.9.2/24 dev eth0
                ip link set eth0 up; ip link set outside up; ip link set lo up
                ip route add default via 10.244.9.1
            fi
            exec setpriv --reuid 107 --regid 107 --clear-groups --bounding-set=-all --no-new-privs \
                {sys.executable} -IS {self.entry} {" ".join(arguments)}
        """
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script],
                stderr=errors,
                stdout=errors,
                stdin=subprocess.DEVNULL,
            )

    def start(self) -> None:
        self.process = self.command()

    async def exit_code(self) -> int:
        process = self.process
        assert process is not None
        await self.node.until(lambda: process.poll() is not None, "the pod's process to end")
        return process.returncode

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for directory in (self.cgroup, self.cgroup.parent):
            with contextlib.suppress(OSError):
                directory.rmdir()


@contextlib.contextmanager
def node() -> Iterator[Node]:
    # A short path: addresses of Unix sockets hold 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="kv"))
    root.chmod(0o755)
    try:
        yield Node(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def boot_sector(folder: Path) -> bytes:
    """The one-sector guest of guest.S, padded to 1 MiB."""
    subprocess.run(["as", "--32", "-o", folder / "guest.o", HERE / "guest.S"], check=True)
    link = ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", folder / "guest.bin"]
    subprocess.run([*link, folder / "guest.o"], check=True)
    return (folder / "guest.bin").read_bytes().ljust(1 << 20, b"\0")


@contextlib.asynccontextmanager
async def serial_console(lab: Node, uid: str) -> AsyncIterator[SocketStream]:
    """The serial console of a guest that has booted: firmware swallows what comes early, so ask until it echoes."""
    heard = b""
    async with await anyio.connect_unix(str(lab.root / "vms" / uid / "serial0.sock")) as opened:
        with anyio.fail_after(30):
            while b"yes" not in heard:
                await opened.send(b"yes")
                with anyio.move_on_after(0.5):
                    heard += await opened.receive()
        yield opened


def vmi(name: str, *, grace_s: int = 30, **domain: Any) -> Document:
    """A scheduled VMI that boots the disk of volume "root"."""
    devices = {
        "autoattachGraphicsDevice": False,
        "disks": [{"name": "root", "disk": {"bus": "virtio"}}],
        **domain.pop("devices", {}),
    }
    volumes = [{"name": "root", "containerDisk": {"image": "none"}}, *domain.pop("volumes", ())]
    networks = domain.pop("networks", [])
    return {
        "metadata": {"namespace": "default", "name": name, "uid": str(uuid.uuid4())},
        "spec": {
            "domain": {"resources": {"requests": {"memory": "64Mi"}}, "devices": devices, **domain},
            "networks": networks,
            "volumes": volumes,
            "terminationGracePeriodSeconds": grace_s,
        },
        "status": {"phase": "Scheduled"},
    }


def place(node: Node, document: Document, *, network: bool = False, device: str = DEVICE) -> tuple[Key, FakePod]:
    """The pod of a VMI, known to the node's stores and not yet started."""
    pod = FakePod(node, str(uuid.uuid4()), network=network, device=device)
    document["status"]["activePods"] = {pod.uid: "node"}
    key = node.put_vmi(document)
    node.put_pod(document, pod.uid)
    pod.disk("root", boot_sector(node.root))
    return key, pod


AGENT_DIR = names.AGENT_DIR
