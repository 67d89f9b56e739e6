"""A real QEMU of a machine, and a real stub of an attachment pod, for tests that drive both as the agent does."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kubevirt_py.render.machine import Machine, argv
from kubevirt_py.virt_handler.descriptors import listening
from kubevirt_py.virt_handler.qmp import Session
from kubevirt_py.virt_handler.records import Folder, Record
from kubevirt_py.virt_handler.seqpacket import Connection
from kubevirt_py.virt_launcher import stub

UID = "0a1b2c3d-0000-4000-8000-000000000001"


@contextmanager
def qemu(folder: Folder, machine: Machine) -> Iterator[None]:
    """Its sockets and the agent's record of it are in `folder`, whose path must be short.

    It runs at once, since an older QEMU keeps removed descriptors while it stands still.
    """
    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1, machine=machine)
    folder.save(record)
    fds = {name: listening(folder.socket(name)) for name in ("qmp", "agent")}
    line = [re.sub(r"@fd:(\w+)@", lambda match: str(fds[match[1]]), arg) for arg in argv(machine) if arg != "-S"]
    process = subprocess.Popen(line, pass_fds=tuple(fds.values()))
    for fd in fds.values():
        os.close(fd)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def attachment_pod() -> Connection:
    """The agent's end of the connection of an attachment pod, which has said hello."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threading.Thread(target=_serve, args=(theirs,), daemon=True).start()
    assert ours.recv(100) == b'{"attach": 1}'
    return Connection(ours)


async def nothing(_: Session) -> None:
    """What an agent does that only connects."""
    return None


def _serve(sock: socket.socket) -> None:
    try:
        stub.attach(sock)
    except ConnectionError:
        sock.close()
