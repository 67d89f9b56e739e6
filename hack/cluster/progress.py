"""Lines that tell what is going on: one per step, stamped with the seconds since the command began."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_BEGIN = time.monotonic()
_PRINTING = threading.Lock()


class ClusterError(Exception):
    """Something a user can act on; its text says what to do and is printed without a traceback."""


def elapsed_s() -> float:
    """Seconds since the command began."""
    return time.monotonic() - _BEGIN


def say(text: str) -> None:
    """Print one whole line, also when several threads report at once."""
    with _PRINTING:
        print(f"[{elapsed_s():6.1f}s] {text}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str, *, heartbeat_s: float = 0) -> Iterator[None]:
    """Report the end of a step and how long it took; with `heartbeat_s`, also its beginning and that it still runs."""
    begin = time.monotonic()
    over = threading.Event()

    def beat() -> None:
        while not over.wait(heartbeat_s):
            say(f"{what}: still at it after {time.monotonic() - begin:.0f} s")

    if heartbeat_s:
        say(f"{what} ...")
        threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    say(f"{what}: done in {time.monotonic() - begin:.1f} s")
