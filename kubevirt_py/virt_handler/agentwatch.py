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
AGAIN_S = 10.0
"""Until an agent is asked again that has its port open and has told nothing yet: a guest that boots is busy."""
HASTE_S = 60.0
CALM_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Pauses after looks that follow one another within HASTE_S: a guest that opens and closes its port without end
costs one look and a report or two a minute."""
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
        self._fresh = False
        self._resting = False
        self._heard = 0
        self._poke = anyio.Event()
        self._appearance = anyio.Event()

    @property
    def appearance(self) -> anyio.Event:
        """Set when an agent appears next, also one that was away only for the time of a reboot."""
        return self._appearance

    def set_open(self, is_open: bool) -> None:
        """Whether the agent has its port open.

        That there is an agent is known at once even where the next look is some time off; that there is none only then.
        """
        self._open = is_open
        self._fresh = self._fresh or is_open
        self._poke.set()
        if is_open and self._resting and not self.connected:
            self.connected = True
            self._hosted.changed()

    def found(self, *, is_open: bool) -> None:
        """As set_open, when QEMU has just been asked: an agent that is there was there before this process was, and the
        VMI says so already.
        """
        self.set_open(is_open)
        if is_open and not self.connected:
            self.connected = True
            self._hosted.changed()

    @property
    def heard(self) -> int:
        """How often QEMU has told of the port by itself: it is asked only for what was before."""
        return self._heard

    async def run(self) -> None:
        """Follow, until cancelled."""
        haste = 0
        with self._monitor.listening(self._on_event):
            while True:
                self._poke = anyio.Event()
                await self._look()
                looked_at = anyio.current_time()
                self._resting = True
                await anyio.sleep(CALM_S[min(haste, len(CALM_S) - 1)])
                self._resting = False
                with anyio.move_on_after(self._patience_s()) as waiting:
                    await self._poke.wait()
                if not waiting.cancelled_caught or self.info is not None:
                    haste = haste + 1 if anyio.current_time() - looked_at < HASTE_S + CALM_S[-1] else 0

    def _patience_s(self) -> float | None:
        if not self._open:
            return None
        return POLL_S if self.info is not None else AGAIN_S

    async def _look(self) -> None:
        if not self._open:
            self._note(connected=False, info=None)
        elif self._hosted.record.freeze is not None:
            self._note(connected=True, info=self.info)  # a frozen guest's agent answers next to nothing
        else:
            info = await guestfacts.inform(self._channel)
            self._note(connected=self._open, info=info or self.info)

    def _on_event(self, event: str, data: Mapping[str, Any]) -> None:
        if event == "VSERPORT_CHANGE" and data.get("id") == CHANNEL:
            self._heard += 1
            self.set_open(bool(data.get("open")))

    def _note(self, *, connected: bool, info: GuestInfo | None) -> None:
        if (connected, info) != (self.connected, self.info):
            self.connected, self.info = connected, info
            self._hosted.changed()
        if connected and self._fresh:
            self._fresh = False
            self._appearance.set()
            self._appearance = anyio.Event()
