"""The directories that the device plugin mounts into VM pods: one per device, each with the launcher's socket.

A pod sees only its own directory, read-only. There is one listening socket; the directories hold hard links to it,
so that an agent that restarts makes one new socket and links it again.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Collection
from pathlib import Path

SOCKET = "launcher.sock"
SETTLED_S = 60.0
"""A pod whose device was allocated so long ago shows in the API."""
_BACKLOG = 256


class DeviceDirectories:
    """Below `root` (on the host and in the agent the same path)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._socket = root / SOCKET
        self._devices = root / "dev"

    def listen(self) -> socket.socket:
        """A new listening socket in place of an earlier agent's, linked into every directory that exists."""
        self._devices.mkdir(parents=True, exist_ok=True)
        for directory in (self._root, self._devices):
            directory.chmod(0o755)
        self._socket.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        sock.bind(str(self._socket))
        self._socket.chmod(0o666)
        sock.listen(_BACKLOG)
        for entry in os.scandir(self._devices):
            self._link(Path(entry.path))
        return sock

    def make(self, device_id: str) -> str:
        """A fresh directory for a device that a new pod gets; returns its path.

        A directory of an earlier pod is replaced: its mount, should it still exist, keeps the old one alive.
        """
        path, draft, old = (self._devices / f"{prefix}{device_id}" for prefix in ("", ".new-", ".old-"))
        for left_over in (draft, old):
            self._remove(left_over)
        draft.mkdir(mode=0o755, parents=True)
        draft.chmod(0o755)
        self._link(draft)
        # The new directory is there before the old one goes, so their inodes differ.
        if path.exists():
            path.rename(old)
        draft.rename(path)
        self._remove(old)
        return str(path)

    def inode(self, device_id: str) -> int:
        """Tells the directories of successive pods on one device apart; 0 when there is none."""
        try:
            return (self._devices / device_id).stat().st_ino if device_id else 0
        except FileNotFoundError:
            return 0

    def release(self, device_id: str, inode: int) -> None:
        """Remove the directory unless a later pod has its place already."""
        if device_id and inode and self.inode(device_id) == inode:
            self._remove(self._devices / device_id)

    def sweep(self, keep: Collection[str], now: float) -> None:
        """Remove the directories of devices not in `keep` that are a while old. `now` in seconds since 1970."""
        for entry in os.scandir(self._devices) if self._devices.exists() else ():
            if entry.name not in keep and now - entry.stat().st_ctime > SETTLED_S:
                self._remove(Path(entry.path))

    def _link(self, directory: Path) -> None:
        link = directory / SOCKET
        draft = directory / f".{SOCKET}"
        draft.unlink(missing_ok=True)
        try:
            draft.hardlink_to(self._socket)
        except FileNotFoundError:
            return  # the server is not listening yet; it links every directory when it does
        draft.replace(link)

    @staticmethod
    def _remove(path: Path) -> None:
        shutil.rmtree(path, ignore_errors=True)
