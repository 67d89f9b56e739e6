"""The serial log: printed as it grows, cut off when printed, taken up again by a new process."""

from __future__ import annotations

import os
from pathlib import Path

from kubevirt_py.virt_launcher.consolelog import CUT_BYTES, begin, look


def test_the_log_is_printed_once_and_its_file_stays_small(tmp_path: Path) -> None:
    log, out = tmp_path / "serial.log", tmp_path / "out"
    qemu = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    reader = os.open(log, os.O_RDWR)
    target = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = b"x" * 1023 + b"\n"
    done = cut = begin(reader)
    for number in range(8):
        for _ in range(100):
            os.write(qemu, line)
        if number == 5:  # as a reader that was started again
            os.close(reader)
            reader = os.open(log, os.O_RDWR)
            done = cut = begin(reader)
        done, cut = look(reader, target, done, cut)
        assert os.fstat(reader).st_blocks * 512 <= CUT_BYTES + 200 * len(line)
    printed = out.read_bytes()
    for fd in (qemu, reader, target):
        os.close(fd)
    assert printed.endswith(line * 200)
    assert set(printed.splitlines(keepends=True)) == {line}
    assert len(printed) >= 800 * len(line)
