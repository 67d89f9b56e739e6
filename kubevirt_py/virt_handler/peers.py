"""Who is at the other end of a launcher's connection: its process, the pod of its cgroup, its device directory."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from pathlib import Path

import msgspec

SO_PEERPIDFD = 77
_CGROUPFS = re.compile(r"/pod([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")
_SYSTEMD = re.compile(r"-pod([0-9a-f]{8}(?:_[0-9a-f]{4}){3}_[0-9a-f]{12})\.slice/")
_MAX_PROC_BYTES = 256 << 10
_SIGTERM_BIT = 1 << 14


class StrangerError(Exception):
    """The peer is not a process of a pod on this node."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """`pidfd` belongs to whoever got the Peer. `started` is the process's start time in clock ticks since boot."""

    pid: int
    pidfd: int
    started: int
    pod_uid: str
    device_id: str


def pod_uid_of(cgroup: str) -> str | None:
    """The pod's UID from the text of /proc/PID/cgroup.

    The kubelet names a pod's cgroup pod<UID> (cgroupfs driver) or ...-pod<UID with underscores>.slice (systemd
    driver), in every hierarchy of cgroup v1 and in the one of v2; a container's own cgroup is below it.
    """
    found = {match[1] for match in _CGROUPFS.finditer(cgroup)}
    found |= {match[1].replace("_", "-") for match in _SYSTEMD.finditer(cgroup)}
    return found.pop() if len(found) == 1 else None


def device_of(mountinfo: str, target: str) -> str | None:
    """The name of the directory that is mounted at `target`, from the text of /proc/PID/mountinfo."""
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 5 and fields[4] == target:
            return fields[3].rpartition("/")[2]
    return None


def start_time(pid: int) -> int:
    """Start time of a process in clock ticks since boot. Raises ProcessLookupError when it is gone."""
    try:
        stat = _proc(pid, "stat")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(f"process {pid} is gone") from error
    # The command name may hold blanks and parentheses; the last ")" ends it, the start time is field 22.
    return int(stat.rpartition(")")[2].split()[19])


def sigterm_pending(pid: int) -> bool:
    """Whether the process blocks a SIGTERM that was sent: somebody wants the guest to end."""
    try:
        status = _proc(pid, "status")
    except (FileNotFoundError, ProcessLookupError):
        return False
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return any(int(lines.get(key, "0"), 16) & _SIGTERM_BIT for key in ("ShdPnd", "SigPnd"))


def identify(sock: socket.socket, agent_dir: str) -> Peer:
    """The process that called connect() on the other end, taken from the kernel only.

    Raises StrangerError for a process outside any pod.
    """
    pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    if pid <= 0:
        raise StrangerError("the peer's process is not visible; virt-handler must share the host's PID namespace")
    pidfd = _pidfd(sock, pid)
    try:
        pod_uid = pod_uid_of(_proc(pid, "cgroup"))
        if pod_uid is None:
            raise StrangerError(f"process {pid} is not in the cgroup of a pod")
        device = device_of(_proc(pid, "mountinfo"), agent_dir) or ""
        return Peer(pid=pid, pidfd=pidfd, started=start_time(pid), pod_uid=pod_uid, device_id=device)
    except (FileNotFoundError, ProcessLookupError) as error:
        os.close(pidfd)
        raise StrangerError(f"process {pid} is gone") from error
    except BaseException:
        os.close(pidfd)
        raise


def reopen(pid: int, started: int) -> int:
    """A pidfd for the process that had this PID and start time. Raises ProcessLookupError when that one is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):  # the number is that of a mere thread now
            raise ProcessLookupError(f"process {pid} is gone") from error
        raise
    try:
        if start_time(pid) != started:
            raise ProcessLookupError(f"process {pid} is another one now")
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


def _pidfd(sock: socket.socket, pid: int) -> int:
    """Free of races with SO_PEERPIDFD (Linux 6.5); before that the PID may in theory have been reused."""
    try:
        return sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError:
        return os.pidfd_open(pid)


def _proc(pid: int, name: str) -> str:
    with Path(f"/proc/{pid}/{name}").open(encoding="utf-8", errors="replace") as file:
        return file.read(_MAX_PROC_BYTES)
