"""Follows the agent inside one guest: whether it is there, and what it tells of the guest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from kubevirt_py.decide.guest_state import GuestInfo
from kubevirt_py.virt_handler import guestfacts
from kubevirt_py.virt_handler.guestagent import Channel
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor

POLL_S = 120.0
CHANNEL = "channel0"
"""Name of the guest agent's port in QEMU's events."""


class AgentWatch:
    """Asks the guest's agent when it appears and every two minutes; knows at once when it has gone."""

    def __init__(self, hosted: Hosted, monitor: Monitor, channel: Channel) -> None:
        self.connected = False
        self.info: GuestInfo | None = None
        self._hosted = hosted
        self._monitor = monitor
        self._channel = channel
        self._open = False
        self._poke = anyio.Event()

    def set_open(self, is_open: bool) -> None:
        """Whether the agent has its port open."""
        self._open = is_open
        self._poke.set()

    async def run(self) -> None:
        """Follow, until cancelled."""
        with self._monitor.listening(self._on_event):
            while True:
                self._poke = anyio.Event()
                if self._open and self._hosted.record.freeze is not None:
                    self._note(connected=True, info=self.info)  # a frozen guest's agent answers next to nothing
                elif self._open:
                    info = await guestfacts.inform(self._channel)
                    self._note(connected=self._open, info=info or self.info)
                else:
                    self._note(connected=False, info=None)
                with anyio.move_on_after(POLL_S if self._open else None):
                    await self._poke.wait()

    def _on_event(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "VSERPORT_CHANGE" and data.get("id") == CHANNEL:
            self.set_open(bool(data.get("open")))

    def _note(self, *, connected: bool, info: GuestInfo | None) -> None:
        if (connected, info) != (self.connected, self.info):
            self.connected, self.info = connected, info
            self._hosted.changed()
