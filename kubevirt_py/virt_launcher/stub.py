#!/usr/bin/python3 -IS
"""The first process of a VM pod: it opens this pod's files as uid 107, then becomes QEMU.

It speaks JSON with descriptors over SOCK_SEQPACKET to the node agent, whose socket is mounted into the pod:

    stub   {"hello": 1, "resolv": text, "kvm": bool}
    agent  {"open": [step, ...]}              what to open or make, by name (render/pod_files.py)
    stub   {"opened": {name: facts}}          with the descriptors of the "secret" steps, in order
    agent  {"take": [name, ...]}              descriptors, as often as needed
    agent  {"exec": argv, "copies": [...]}    tokens @fd:name@ stand for descriptors
    either {"error": text}                    the end of this pod

End of file on the socket tells the agent that exec succeeded; should the agent restart, the stub begins again.
`virt-launcher shutdown` is the pod's preStop hook: it returns when the guest is off.
Only the standard library is imported, and little of it, since this runs before each guest.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

AGENT_SOCKET = os.environ.get("VIRT_LAUNCHER_AGENT_SOCKET", "/run/kubevirt-agent/launcher.sock")
MESSAGE_BYTES = 1 << 20
RETRY_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
AWAY = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)


class Refused(Exception):
    """Why this pod cannot run its guest, in words for its user."""


def say(text: str) -> None:
    sys.stderr.write(f"virt-launcher: {text}\n")
    sys.stderr.flush()


def connect() -> socket.socket:
    """A connection to the agent; waits while the agent restarts."""
    for attempt in range(sys.maxsize):
        conn = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            conn.connect(AGENT_SOCKET)
            break
        except OSError as error:
            conn.close()
            if error.errno not in AWAY:
                raise
        if attempt == len(RETRY_S):
            say("waiting for virt-handler on this node")
        time.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
    return conn


def receive(conn: socket.socket) -> tuple[dict, list[int]]:  # type: ignore[type-arg]
    """The next message and its descriptors. Raises ConnectionError when the agent has gone."""
    data, fds, flags, _ = socket.recv_fds(conn, MESSAGE_BYTES, 253)
    if not data:
        raise ConnectionResetError
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise Refused("a message of virt-handler was cut off")
    return json.loads(data), fds


def open_below(root: str, path: str, flags: int) -> int:
    """Open root/path, following no link below the trusted root; only regular files and block devices."""
    *directories, name = [part for part in path.split("/") if part]
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ".." in (*directories, name):
            raise Refused(f"{path} leaves its volume")
        for directory in directories:
            inner = os.open(directory, DIRECTORY, dir_fd=here)
            os.close(here)
            here = inner
        fd = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o660, dir_fd=here)
    except OSError as error:
        raise Refused(f"{root}/{path.lstrip('/')}: {error.strerror}") from error
    finally:
        os.close(here)
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Refused(f"{root}/{path.lstrip('/')} is neither a regular file nor a block device")
    os.set_blocking(fd, True)
    return fd


def only_file(root: str) -> str:
    """The disk of an image that does not name it: the one file in /disk."""
    try:
        found = [entry.name for entry in os.scandir(f"{root}/disk") if entry.is_file(follow_symlinks=False)]
    except OSError as error:
        raise Refused(f"the container disk has no readable directory /disk: {error.strerror}") from error
    if len(found) != 1:
        raise Refused(f"the container disk has {len(found)} files in /disk; name one in containerDisk.path")
    return f"disk/{found[0]}"


def facts(fd: int, probe: bool) -> dict[str, object]:
    """Format, size in bytes, and whether O_DIRECT works. Only images that no guest can write are probed for qcow2."""
    size, kind = os.lseek(fd, 0, os.SEEK_END), "raw"
    head = os.pread(fd, 80, 0) if probe else b""
    if head[:4] == b"QFI\xfb" and len(head) == 80:
        (version,), (size,), (features,) = (
            struct.unpack_from(f">{k}", head, at) for k, at in (("I", 4), ("Q", 24), ("Q", 72))
        )
        kind = "qcow2"
        if version >= 3 and features & 1 << 2:
            raise Refused("the image keeps its data in another file; convert it with qemu-img")
    try:
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC))
    except OSError:
        return {"format": kind, "size": size, "direct": False}
    return {"format": kind, "size": size, "direct": True}


def make(step: dict, known: dict) -> None:  # type: ignore[type-arg]
    """Create what a step asks for before it is opened."""
    target = f"{step['root']}/{step.get('path')}"
    if step["do"] in ("qcow2", "copy"):
        os.makedirs(os.path.dirname(target), exist_ok=True)
    if step["do"] == "qcow2":
        size = known[step["over"]]["size"] if "over" in step else step["size"]
        command = ["qemu-img", "create", "-q", "-f", "qcow2", target, str(size)]
        made = subprocess.run(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
        if made.returncode:
            raise Refused(f"{target} cannot be made: {made.stderr.decode(errors='replace').strip()}")
    elif step["do"] == "copy":
        shutil.copyfile(step["source"], target)
    elif step["do"] == "create":
        fd = open_below(step["root"], step["path"], os.O_RDWR | os.O_CREAT)
        if os.fstat(fd).st_size == 0:
            space = os.statvfs(fd)
            os.ftruncate(fd, step.get("size") or space.f_bavail * space.f_frsize)
        os.close(fd)


def secret(root: str) -> int:
    """A mounted secret as JSON {key: text in latin-1}, in memory."""
    entries = {}
    for entry in os.scandir(root):
        if entry.is_file() and not entry.name.startswith("."):
            with open(entry.path, encoding="latin-1", newline="") as source:
                entries[entry.name] = source.read()
    fd = os.memfd_create("secret")
    os.write(fd, json.dumps(entries).encode())
    return fd


def perform(steps: list[dict], table: dict[str, int]) -> tuple[dict, list[int]]:  # type: ignore[type-arg]
    """Run the steps in order; returns the facts and the descriptors to send."""
    known: dict[str, object] = {}
    secrets = []
    for step in steps:
        if step["do"] == "secret":
            secrets.append(secret(step["root"]))
            continue
        if device := step.get("device"):  # the volume is either a block device or a file system
            if os.path.exists(device):
                step = {**step, "do": "open", "root": os.path.dirname(device), "path": os.path.basename(device)}
        make(step, known)
        path = step.get("path") or only_file(step["root"])
        fd = open_below(step["root"], path, os.O_RDONLY if step.get("read_only") else os.O_RDWR)
        table[step["name"]] = fd
        known[step["name"]] = facts(fd, step.get("probe", False))
    return known, secrets


def copy_out(copies: list[dict[str, str]], table: dict[str, int]) -> None:
    """Put contents that came as descriptors at their place in the pod and open them there."""
    for item in copies:
        target = f"{item['root']}/{item['path']}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        source = table.pop(item["source"])
        with open(target, "wb") as out:
            os.sendfile(out.fileno(), source, 0, os.fstat(source).st_size)
        os.close(source)
        table[item["name"]] = open_below(
            item["root"], item["path"], os.O_RDONLY if item.get("read_only") else os.O_RDWR
        )


def number(token: re.Match, table: dict[str, int]) -> str:  # type: ignore[type-arg]
    """What stands for a token: its descriptor's number; QEMU wants O_DIRECT on those it uses so."""
    fd = table.get(token[2])
    if fd is None:
        return token[0]
    if token[1] == "direct":
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
    return str(fd)


def become(argv: list[str], table: dict[str, int]) -> None:
    """Replace this process by QEMU. SIGTERM stays blocked: the agent, not the kubelet, ends a guest."""
    for fd in table.values():
        os.set_inheritable(fd, True)
    line = [re.sub(r"@(fd|direct):([\w.-]+)@", lambda m: number(m, table), arg) for arg in argv]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if signal.SIGTERM in signal.sigpending():
        sys.exit(143)
    os.execv(line[0], line)


def serve(conn: socket.socket) -> None:
    """One conversation with the agent; it ends in exec, or in ConnectionError when the agent goes away."""
    table: dict[str, int] = {}
    with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as resolv:
        hello = {"hello": 1, "resolv": resolv.read(16384), "kvm": os.access("/dev/kvm", os.R_OK | os.W_OK)}
    conn.send(json.dumps(hello).encode())
    try:
        while True:
            message, fds = receive(conn)
            if "error" in message:
                raise Refused(message["error"])
            if "open" in message:
                known, secrets = perform(message["open"], table)
                socket.send_fds(conn, [json.dumps({"opened": known}).encode()], secrets)
                for fd in secrets:
                    os.close(fd)
            if "take" in message:
                table.update(zip(message["take"], fds, strict=True))
            if "exec" in message:
                copy_out(message["copies"], table)
                become(message["exec"], table)
    finally:
        for fd in table.values():
            os.close(fd)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    while True:
        conn = connect()
        try:
            if sys.argv[1:] == ["shutdown"]:
                conn.send(b'{"shutdown": 1}')
                receive(conn)
                return 0
            serve(conn)
        except ConnectionError:
            say("the connection to virt-handler was lost")
            time.sleep(RETRY_S[-2])
        except (Refused, OSError, KeyError) as error:
            say(str(error))
            conn.send(json.dumps({"error": str(error)}).encode())
            return 1
        conn.close()


if __name__ == "__main__":
    sys.exit(main())
