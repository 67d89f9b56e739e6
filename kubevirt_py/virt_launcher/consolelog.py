"""Prints the serial log that QEMU writes as it grows, and cuts off what is printed.

QEMU's file keeps its position: what it writes after a cut lies behind a hole, which takes no memory. A byte written
between the last look and the cut is lost; cuts are rare and happen when the log is quiet.
"""

from __future__ import annotations

import contextlib
import os
import time

LOG = "/var/run/kubevirt-serial-log/serial.log"
CHUNK_BYTES = 64 << 10
CUT_BYTES = 256 << 10
"""Of printed log are kept at most (the file may take 1 MiB), so that a cut is rare."""
LOOK_S = 0.25


def follow(path: str = LOG, out: int = 1) -> None:
    """Until somebody ends this process. What was cut off before, by this or an earlier process, is not repeated."""
    while True:
        try:
            log = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            break
        except FileNotFoundError:
            time.sleep(LOOK_S)
    done = cut = begin(log)
    while True:
        done, cut = look(log, out, done, cut)
        time.sleep(LOOK_S)


def look(log: int, out: int, done: int, cut: int) -> tuple[int, int]:
    """Print what is new after `done`; returns how far the log is printed and cut off."""
    while data := os.pread(log, CHUNK_BYTES, done):
        done += len(data)
        data = data.replace(b"\0", b"")  # of the holes
        while data:
            data = data[os.write(out, data) :]
    if done - cut > CUT_BYTES and os.fstat(log).st_size == done:
        os.ftruncate(log, 0)
        cut = done
    return done, cut


def begin(log: int) -> int:
    """Where the part of the log begins that is still there."""
    with contextlib.suppress(OSError):
        return os.lseek(log, 0, os.SEEK_DATA)
    return os.fstat(log).st_size
