"""The preStop hooks of a pod: callers that wait until its guest is off."""

from __future__ import annotations

import logging

from kubevirt_py.virt_handler.seqpacket import Connection, PeerGone, ProtocolError

MAX_HOOKS = 8
"""Callers from one pod that may wait; the kubelet sends one."""

log = logging.getLogger(__name__)


class Hooks:
    """Owns the connections; the oldest goes when there are too many."""

    def __init__(self, vmi: str) -> None:
        self._vmi = vmi
        self._waiting: list[Connection] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, hook: Connection) -> None:
        """One more that waits."""
        self._waiting.append(hook)
        if len(self._waiting) > MAX_HOOKS:
            self._waiting.pop(0).close()

    async def answer(self) -> bool:
        """Tell all that the guest is off; whether there were any."""
        waited = bool(self._waiting)
        while self._waiting:
            with self._waiting.pop() as hook:
                try:
                    await hook.send({"done": 1})
                except (PeerGone, ProtocolError, TimeoutError) as error:
                    log.info("preStop hook has gone", extra={"vmi": self._vmi, "error": str(error)})
        return waited

    def close(self) -> None:
        """Hang up on all; who still wants something calls again."""
        while self._waiting:
            self._waiting.pop().close()
