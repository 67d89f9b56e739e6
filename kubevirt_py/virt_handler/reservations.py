"""The helper that executes SCSI persistent reservations: QEMU does not start without it."""

from __future__ import annotations

from pathlib import Path

import anyio

from kubevirt_py.render.reservations import FOLDER, SOCKET

HELPER_S = 20.0
"""For a helper that starts, or starts again."""
RETRY_S = 0.2


async def helper_answers(directory: Path) -> None:
    """Returns when the helper below the agent's directory takes connections. Raises OSError when it does not."""
    path = directory / FOLDER / SOCKET
    problem: OSError | None = None
    with anyio.move_on_after(HELPER_S):
        while True:
            try:
                async with await anyio.connect_unix(path):
                    return
            except OSError as error:
                problem = error
            await anyio.sleep(RETRY_S)
    raise OSError(
        f"container pr-helper of this node's virt-handler, which SCSI reservations need, does not answer: {problem}"
    )
