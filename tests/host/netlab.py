"""A network laboratory: an outside host, a pod and a guest, each a namespace of this machine.

    outside eth0 ── veth ── pod eth0 ... tap0 ── relay of frames ── guest eth0

The guest's end is a real tap whose frames are copied to and from the descriptors that QEMU would get.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from kubevirt_py.virt_handler.netns import _enter

_TUNSETIFF = 0x400454CA
_TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000

needs_netns = pytest.mark.skipif(
    os.geteuid() != 0 or not os.path.exists("/dev/net/tun"),
    reason="needs root and /dev/net/tun to make network namespaces and taps",
)


@dataclass
class Namespace:
    """A namespace that lives as long as its sleeping process."""

    process: subprocess.Popen[bytes]
    pidfd: int
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def path(self) -> str:
        return f"/proc/{self.process.pid}/ns/net"

    def run(self, *command: str, stdin: str = "", check: bool = True, timeout: float = 30) -> str:
        done = subprocess.run(
            ["nsenter", f"--net={self.path}", *command],
            input=stdin.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}")
        return done.stdout.decode()

    def ip(self, *words: str) -> str:
        return self.run("ip", *words)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            ["nsenter", f"--net={self.path}", *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.children.append(child)
        return child

    def stop(self) -> None:
        for child in (*self.children, self.process):
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    # `unshare` execs the shell only when the namespace stands, so its line of output says that it does.
    process = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    made = Namespace(process, os.pidfd_open(process.pid))
    try:
        made.ip("link", "set", "lo", "up")
        yield made
    finally:
        made.stop()
        os.close(made.pidfd)


@contextlib.contextmanager
def guest_on(guest: Namespace, mac: str, fds: tuple[int, ...]) -> Iterator[None]:
    """Plug `guest` into tap descriptors as its eth0; closes them at the end."""
    box: list[int] = []

    def open_tap() -> None:
        _enter(guest.pidfd)
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", b"eth0", _TAP_NO_PI_VNET_HDR))
        box.append(fd)

    opener = threading.Thread(target=open_tap)
    opener.start()
    opener.join()
    (card,) = box
    ended, end = os.pipe()
    relay = threading.Thread(target=_relay, args=(card, fds, ended))
    relay.start()
    try:
        guest.ip("link", "set", "eth0", "address", mac)
        guest.ip("link", "set", "eth0", "up")
        yield
    finally:
        os.close(end)
        relay.join()
        for fd in (card, ended, *fds):
            os.close(fd)


def _relay(card: int, fds: tuple[int, ...], ended: int) -> None:
    """Frames with their virtio-net headers, both ways, until the pipe closes."""
    while True:
        ready, _, _ = select.select([card, *fds, ended], [], [])
        for fd in ready:
            if fd == ended:
                return
            # A link that is down refuses frames; so does a cable that is unplugged.
            with contextlib.suppress(OSError):
                os.write(fds[0] if fd == card else card, os.read(fd, 65562))
