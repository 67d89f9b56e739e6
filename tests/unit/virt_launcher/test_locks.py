"""Disks that others have, told by locks as QEMU sets them."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from kubevirt_py.virt_launcher.files import Refused
from kubevirt_py.virt_launcher.locks import BEARS_NO_WRITER, WRITES, check_unused

ALONE, SHARING, READING, NOBODY = (WRITES, BEARS_NO_WRITER), (WRITES,), (BEARS_NO_WRITER,), ()
TOLD = "volume data is in use by another machine; .* set shareable: true"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """One file opened twice: by the other machine and by ours."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(1024))
    fds = os.open(path, os.O_RDWR), os.open(path, os.O_RDWR)
    yield fds
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize(
    ("others", "step", "refused"),
    [
        (NOBODY, {}, False),
        (NOBODY, {"shareable": True}, False),
        (ALONE, {}, True),
        (ALONE, {"shareable": True}, True),
        (ALONE, {"read_only": True}, True),
        (ALONE, {"read_only": True, "shareable": True}, False),
        (READING, {}, True),
        (READING, {"shareable": True}, True),
        (READING, {"read_only": True}, False),
        (NOBODY, {"read_only": True}, False),
        (SHARING, {}, True),
        (SHARING, {"shareable": True}, False),
    ],
)
def test_a_disk_is_had_by_one_machine_or_by_those_that_share_it(
    others: tuple[int, ...], step: dict[str, object], refused: bool, image: tuple[int, int]
) -> None:
    theirs, ours = image
    for byte in others:
        fcntl.fcntl(theirs, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, byte, 1, 0))
    for name in ("disk.data", "base.data"):
        steps = [{"do": "secret", "name": "seed"}, {"do": "create", "name": name, **step}]
        with pytest.raises(Refused, match=TOLD) if refused else nullcontext():
            check_unused(steps, {name: ours})
