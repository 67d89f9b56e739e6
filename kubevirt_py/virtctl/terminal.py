"""The user's terminal, raw while a console is open. Works with pipes as well, for scripts."""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread

CHUNK_BYTES = 4096


@contextmanager
def raw_mode(descriptor: int) -> Iterator[None]:
    """Pass every key on as it is typed; put the terminal back whatever happens. Nothing to do for a pipe."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # keep what was typed ahead
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def read(descriptor: int) -> bytes:
    """What was typed or piped next; empty at the end."""
    try:
        await anyio.wait_readable(descriptor)
    except PermissionError:
        pass  # a regular file or /dev/null: it cannot be waited for, and never makes us wait
    return os.read(descriptor, CHUNK_BYTES)


async def write(descriptor: int, data: bytes) -> None:
    """Write all of `data`, off the event loop: a terminal may be held with ^S."""
    await anyio.to_thread.run_sync(_write_all, descriptor, data)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def say(text: str) -> None:
    """A word to the user beside the stream, so that standard output carries the guest's bytes alone."""
    sys.stderr.write(f"{text}\r\n" if os.isatty(sys.stderr.fileno()) else f"{text}\n")
    sys.stderr.flush()
