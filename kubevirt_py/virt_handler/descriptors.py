"""Descriptors on their way to the stub, which gives them to its QEMU."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from kubevirt_py.virt_handler.seqpacket import MAX_SENT, close_all


class Descriptors:
    """Descriptors by name, to be handed to the stub; all are closed here at the end."""

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}

    def add(self, name: str, fd: int) -> None:
        self._fds[name] = fd

    def batches(self) -> Iterator[tuple[list[str], list[int]]]:
        """As many as fit into one message at a time."""
        entries = list(self._fds.items())
        for start in range(0, len(entries), MAX_SENT):
            part = entries[start : start + MAX_SENT]
            yield [name for name, _ in part], [fd for _, fd in part]

    def close(self) -> None:
        close_all(list(self._fds.values()))
        self._fds.clear()


@contextmanager
def descriptors() -> Iterator[Descriptors]:
    held = Descriptors()
    try:
        yield held
    finally:
        held.close()


def listening(path: str) -> int:
    """A listening socket at a path of ours: the holder of the descriptor accepts there, we connect to the path."""
    if os.path.lexists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.bind(path)
        sock.listen(4)
        return sock.detach()
