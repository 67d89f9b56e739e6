"""What the stub does with files of its pod: open, make, copy. Nothing outside a volume is ever opened for a tenant."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import struct
import subprocess

BLKSSZGET, BLKPBSZGET = 0x1268, 0x127B
UNIT = 512
"""Bytes of what st_blocks counts."""
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):
    """Why this pod cannot run its guest, in words for its user."""


def open_below(root: str, path: str, flags: int) -> int:
    """Open root/path, following no link below the trusted root; only regular files and block devices."""
    where = os.fsencode(f"{root}/{path.lstrip('/')}").decode(errors="backslashreplace")  # no UTF-8 is no JSON
    *directories, name = [part for part in path.split("/") if part] or ["."]
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
        hint = f"; user {os.getuid()} may not use it" if error.errno in (errno.EACCES, errno.EPERM) else ""
        raise Refused(f"{where}: {error.strerror}{hint}") from error
    finally:
        os.close(here)
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
        raise Refused(f"{where} is neither a regular file nor a block device")
    os.set_blocking(fd, True)
    return fd


def is_block(path: str) -> bool:
    """Not just whether it exists: a volume may have the name of another device, such as null."""
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


def only_file(root: str) -> str:
    """The disk of an image that does not name it: the one file in /disk, which is no link to another directory."""
    try:
        folder = os.open(f"{root}/disk", DIRECTORY)
    except OSError as error:
        text = f"the image of volume {os.path.basename(root)} has no readable directory /disk: {error.strerror}"
        raise Refused(text) from error
    try:
        found = [entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    finally:
        os.close(folder)
    if len(found) != 1:
        text = f"the image of volume {os.path.basename(root)} has {len(found)} files in /disk"
        raise Refused(f"{text}; name one in containerDisk.path")
    return f"disk/{found[0]}"


def facts(fd: int, probe: bool) -> dict[str, object]:
    """Format, size in bytes, whether O_DIRECT works, whether it is a block device, whether it has all its space.

    Only images that no guest can write are probed for qcow2.
    """
    status = os.fstat(fd)
    size, kind, block = os.lseek(fd, 0, os.SEEK_END), "raw", stat.S_ISBLK(status.st_mode)
    head = os.pread(fd, 80, 0) if probe else b""
    if head[:4] == b"QFI\xfb" and len(head) == 80:
        (version,), (size,), (features,) = (
            struct.unpack_from(f">{k}", head, at) for k, at in (("I", 4), ("Q", 24), ("Q", 72))
        )
        kind = "qcow2"
        if version >= 3 and features & 1 << 2:
            raise Refused("the image keeps its data in another file; convert it with qemu-img")
    direct = True
    try:
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC))
    except OSError:
        direct = False
    found = {"format": kind, "size": size, "direct": direct, "block": block, "blocks": block_sizes(fd, block)}
    return {**found, "allocated": status.st_blocks * UNIT >= size}


def block_sizes(fd: int, block: bool) -> list[int]:
    """Logical and physical block size: a device's own, or the file system's for both."""
    if block:
        return [struct.unpack("I", fcntl.ioctl(fd, request, bytes(4)))[0] for request in (BLKSSZGET, BLKPBSZGET)]
    return [os.fstatvfs(fd).f_bsize] * 2


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
    elif step["do"] == "seed":
        seed(step)
    elif step["do"] == "create":
        fd = open_below(step["root"], step["path"], os.O_RDWR | os.O_CREAT)
        if os.fstat(fd).st_size == 0:
            space = os.statvfs(fd)
            os.ftruncate(fd, step.get("size") or space.f_bavail * space.f_frsize)
        os.close(fd)


def seed(step: dict) -> None:  # type: ignore[type-arg]
    """Make a file that outlives this pod, from its trusted source where it has one; what is there already is kept."""
    content = b""
    if source := step.get("source"):
        with open(source, "rb") as template:
            content = template.read()
    fd = open_below(step["root"], step["path"], os.O_RDWR | os.O_CREAT)
    with open(fd, "r+b") as target:
        if os.fstat(fd).st_size < len(content):  # new, or a pod died while it wrote
            target.write(content)
            target.flush()
            os.fsync(fd)


def secret(root: str) -> int:
    """The files that the kubelet projected into a directory as JSON {path: text in latin-1}, in memory."""
    entries, folders = {}, [""]
    while folders:
        below = folders.pop()
        for entry in os.scandir(f"{root}/{below}"):
            if entry.name.startswith(".."):  # the kubelet's own: it swaps all files at once by these links
                continue
            if entry.is_dir():
                folders.append(f"{below}{entry.name}/")
            elif entry.is_file():
                with open(entry.path, encoding="latin-1", newline="") as source:
                    entries[below + entry.name] = source.read()
    fd = os.memfd_create("secret")
    os.write(fd, json.dumps(entries, ensure_ascii=False).encode())
    return fd


def perform(steps: list[dict], table: dict[str, int]) -> tuple[dict, list[int]]:  # type: ignore[type-arg]
    """Run the steps in order; returns the facts and the descriptors to send."""
    known: dict[str, object] = {}
    secrets = []
    for step in steps:
        if step["do"] == "secret":
            secrets.append(secret(step["root"]))
            continue
        if step["do"] == "folder":  # QEMU inherits it, and the agent copies it from there
            table[f"folder.{step['name']}"] = fd = os.open(step["root"], DIRECTORY)
            known[f"folder.{step['name']}"] = {"number": fd}
            continue
        if device := step.get("device"):  # the volume is either a block device or a file system
            if is_block(device):
                step = {**step, "do": "open", "root": os.path.dirname(device), "path": os.path.basename(device)}
        make(step, known)
        path = step.get("path") or only_file(step["root"])
        fd = open_below(step["root"], path, os.O_RDONLY if step.get("read_only") else os.O_RDWR)
        table[step["name"]] = fd
        known[step["name"]] = {**facts(fd, step.get("probe", False)), "number": fd}
    return known, secrets


def copy_out(copies: list[dict[str, str]], table: dict[str, int]) -> None:
    """Put contents that came as descriptors at their place in the pod and open them there."""
    for item in copies:
        target = f"{item['root']}/{item['path']}"
        os.makedirs(os.path.dirname(target), exist_ok=True)
        source = table.pop(item["source"])
        size, done = os.fstat(source).st_size, 0
        with open(target, "wb") as out:
            while done < size:
                if not (sent := os.sendfile(out.fileno(), source, done, size - done)):
                    raise Refused(f"{target} ended after {done} of {size} bytes")
                done += sent
        os.close(source)
        table[item["name"]] = open_below(
            item["root"], item["path"], os.O_RDONLY if item.get("read_only") else os.O_RDWR
        )
