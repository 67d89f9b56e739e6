"""Traps that a tenant sets in its storage. Run in pods, by its source alone: traps.py WORD FUNCTION.

Every claim is at its place below DISKS, in the tenant's pod as in QEMU's. In each, `disk.img` is the trap.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
import time

DISKS = "/var/run/kubevirt-private/vmi-disks"
TREASURE = f"{DISKS}/treasure/disk.img"
LINKS = {
    "absolute": "/etc/passwd",
    "process": "/proc/1/root/etc/passwd",
    "neighbour": TREASURE,
    "upwards": "../treasure/disk.img",
}
ODD = ("of-another", "fifo", "folder", "socket")
AS_JSON = f'json:{{"driver": "raw", "file": {{"driver": "file", "filename": "{TREASURE}"}}}}'
DISGUISED = {"backed": TREASURE, "backed-json": AS_JSON, "elsewhere": "", "plugged-backed": TREASURE}
"""Images in a format that lets them name other files: that below, or without one that which has the data."""
RACES = ("race0", "race1", "race2")
CLAIMS = ("treasure", "known", *LINKS, *ODD, *DISGUISED, "sparse", *RACES, "core", "state")
CLUSTER, IMAGE_BYTES = 1 << 16, 1 << 20
GOOD = b"harmless"
COUNT_EVERY = 100
GO, COUNT = "/tmp/go", "/tmp/count"


def qcow2(backing: bytes, data: bytes) -> bytes:
    """A valid image without content of its own: all is in the file below it, or in a data file."""
    named = struct.pack(">II", 0x44415441, len(data)) + data + bytes(-len(data) % 8) if data else b""
    place = (512 if backing else 0, len(backing), 16, IMAGE_BYTES, 0)
    tables = (1, 3 * CLUSTER, CLUSTER, 1, 0, 0, 4 if data else 0, 0, 0, 4, 104)
    head = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, *place, *tables) + named + bytes(8)
    own = 1 << 63
    counts = struct.pack(">Q", 2 * CLUSTER), struct.pack(">5H", *[1] * 5)
    maps = struct.pack(">Q", own | 4 * CLUSTER), struct.pack(">Q", own if data else 0)
    return b"".join(part.ljust(CLUSTER, b"\0") for part in (head.ljust(512, b"\0") + backing, *counts, *maps))


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")


def write(claim: str, content: bytes) -> None:
    with open(f"{claim}/disk.img", "wb") as file:
        file.write(content)


def treasure(word: str) -> bytes:
    """The word, all over a disk."""
    return (f"{word}\n".encode() * (IMAGE_BYTES // len(word)))[:IMAGE_BYTES]


def prepare(word: str) -> None:
    """Set all traps but that of another user; prints what the kernel forbids."""
    for claim in ("treasure", "known"):
        write(claim, treasure(word))
    for claim, target in LINKS.items():
        os.symlink(target, f"{claim}/disk.img")
    os.mkfifo("fifo/disk.img")
    os.mkdir("folder/disk.img")
    os.mknod("socket/disk.img", stat.S_IFSOCK | 0o600)
    for claim, backing in DISGUISED.items():
        write(claim, qcow2(backing.encode(), b"" if backing else TREASURE.encode()))
    write("sparse", b"begin")
    for bits in range(62, 40, -1):
        try:
            os.truncate("sparse/disk.img", 1 << bits)
            break
        except OSError:  # more than this file system can
            continue
    for claim in RACES:
        write(claim, GOOD.ljust(IMAGE_BYTES, b"."))
        os.symlink(TREASURE, f"{claim}/evil")
    os.symlink(TREASURE, "state/tpm2.state")
    forbidden("device", lambda: os.mknod("core/null", stat.S_IFCHR | 0o600, os.makedev(1, 3)))
    forbidden("link", lambda: os.link("of-another/theirs", "of-another/mine"))


def forbidden(what, attempt) -> None:  # type: ignore[no-untyped-def]
    try:
        attempt()
    except PermissionError:
        say(what)


def share(word: str) -> None:
    """As another user: a file that is nobody else's, under the name of a disk."""
    with open("of-another/theirs", "w") as file:
        file.write(word)
    os.chmod("of-another/theirs", 0o600)
    os.link("of-another/theirs", "of-another/disk.img")


def swap(word: str) -> None:
    """Exchange disks with links and back for as long as GO exists; COUNT tells how often.

    The disks stay for longer than the links, since a stub looks twice: it runs about as often as it is refused.
    """
    import ctypes

    rename, count = ctypes.CDLL(None).renameat2, 0

    def exchange() -> None:
        for claim in RACES:
            if rename(-100, f"{claim}/disk.img".encode(), -100, f"{claim}/evil".encode(), 2):
                sys.exit("the kernel does not exchange names here")

    def tell() -> None:
        with open(f"{COUNT}.new", "w") as file:
            file.write(str(count))
        os.rename(f"{COUNT}.new", COUNT)

    tell()
    while True:
        while not os.path.exists(GO):
            time.sleep(0.01)
        exchange()
        exchange()
        for _ in range(4):
            for claim in RACES:
                os.stat(claim)
        count += 1
        if not count % COUNT_EVERY:
            tell()


def go(word: str) -> None:
    """Let `swap` begin."""
    open(GO, "w").close()


def rest(word: str) -> None:
    """Let `swap` end."""
    os.unlink(GO)


def follow(word: str) -> None:
    """Open the traps by name, as nobody should: prints which lead to the word."""
    for claim in LINKS:
        with open(f"{claim}/disk.img") as file:
            if word in file.read():
                say(claim)


def occupy(word: str) -> None:
    """Folders that have the names of the memory dumps to come, and links that have those of some that were."""
    for second in range(-60, 300):
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() + second))
        name = f"core/reader-core-{moment}.memory.dump"
        os.mkdir(name) if second > -30 else os.symlink(TREASURE, name)


def unharmed(word: str) -> None:
    """Whether nobody wrote to what the links name."""
    with open(TREASURE, "rb") as file:
        if file.read() != treasure(word):
            say("another content")


def held(word: str) -> None:
    """What the first process of this pod has open, as far as it is told apart: `word`, `good`."""
    for number in os.listdir("/proc/1/fd"):
        name = f"/proc/1/fd/{number}"
        try:
            if not stat.S_ISREG(os.stat(name).st_mode):
                continue
            with open(name, "rb") as file:
                head = file.read(IMAGE_BYTES)
        except FileNotFoundError:  # closed meanwhile
            continue
        if word.encode() in head or GOOD in head:
            say("word" if word.encode() in head else "good")


if __name__ == "__main__":
    _, word, what = sys.argv
    os.chdir(DISKS)
    {one.__name__: one for one in (prepare, share, swap, go, rest, follow, occupy, unharmed, held)}[what](word)
