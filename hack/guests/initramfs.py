"""Write initramfs archives (cpio, newc) with the same bytes for the same files."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path


def write_initramfs(target: Path, root: Path) -> None:
    """Pack a folder; owners become root, times zero."""
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as archive:
        for number, path in enumerate(sorted(root.rglob("*")), start=1):
            status = path.lstat()
            content = b""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path).encode()
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            archive.write(entry(str(path.relative_to(root)), number, status.st_mode, content))
        archive.write(entry("TRAILER!!!", 0, 0, b""))


def entry(name: str, inode: int, mode: int, content: bytes) -> bytes:
    """One file of the archive: header, name and content, each padded to four bytes."""
    encoded = name.encode() + b"\0"
    #        inode  mode  uid gid links mtime size      major minor (device) major minor (node) name's length, checksum
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
    return header + bytes(-len(header) % 4) + content + bytes(-len(content) % 4)
