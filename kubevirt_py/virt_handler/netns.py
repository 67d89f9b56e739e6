"""Work inside the network namespace of a pod's process, named by its pidfd."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


async def in_netns(pidfd: int, work: Callable[[], T]) -> T:
    """What `work` returns when run in the network namespace of the process behind `pidfd`.

    `work` runs in a thread of its own which ends with it, so no thread of a pool is left in a foreign namespace;
    children it starts are in the namespace too. It blocks, so it bounds its own time. Sockets it opens stay in the
    namespace. Raises ProcessLookupError when the process is gone, and whatever `work` raises.
    """
    return await to_thread.run_sync(_run, pidfd, work)


def _run(pidfd: int, work: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            _enter(pidfd)
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name="netns", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _enter(pidfd: int) -> None:
    if _libc.setns(pidfd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"entering the pod's network namespace: {os.strerror(number)}")
