"""Keeps track of a guest whose file systems are frozen, and thaws them when nobody else does.

The record is written before the guest is frozen, so an agent that dies in between thaws it in its next life.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import anyio

from kubevirt_py.virt_handler import guestcommands
from kubevirt_py.virt_handler.guestagent import AgentError, AgentRefused, AgentSilent, Channel
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Freeze

LOOK_S = 5.0
"""How often a frozen guest is asked whether it still is."""
THAW_S = 300.0
"""When a freeze ends by itself if its request does not say."""

log = logging.getLogger(__name__)


class Freezer:
    """Freezes and thaws one guest."""

    def __init__(self, hosted: Hosted, monitor: Monitor, channel: Channel) -> None:
        self._hosted = hosted
        self._monitor = monitor
        self._channel = channel
        self._lock = anyio.Lock()
        self._poke = anyio.Event()

    @property
    def frozen(self) -> bool:
        return self._hosted.record.freeze is not None

    async def freeze(self, timeout_s: float | None) -> None:
        """Freeze; thawed again after `timeout_s`, by default five minutes, never for 0. Raises AgentError.

        A guest that is frozen stays so, with its first deadline.
        """
        async with self._lock:
            if self.frozen and await guestcommands.is_frozen(self._channel):
                return
            after_s = THAW_S if timeout_s is None else timeout_s
            begun = Freeze(thaw_at=time.time() + after_s if after_s else None)
            try:
                frozen = await guestcommands.freeze(self._channel, lambda: self._note(begun))
            except AgentRefused:
                self._note(None)
                raise
            except AgentSilent:
                if self.frozen:
                    # Whether it froze is not known: the next looks find out, and thaw it.
                    self._note(Freeze(thaw_at=time.time()))
                raise
            log.info("froze a guest", extra={"vmi": str(self._hosted.key), "filesystems": frozen})

    async def thaw(self) -> None:
        """Thaw, also a guest that is not known to be frozen. Raises AgentError."""
        async with self._lock:
            await self._thaw()

    async def run(self) -> None:
        """Watch over a frozen guest, until cancelled."""
        with self._monitor.listening(self._on_event):
            while True:
                self._poke = anyio.Event()
                again_s = None
                if self.frozen:
                    async with self._lock:
                        again_s = await self._look()
                with anyio.move_on_after(again_s):
                    await self._poke.wait()

    def _on_event(self, event: str, _data: Mapping[str, Any]) -> None:
        """A guest that begins anew is not frozen, and may have no agent that says so."""
        if event == "RESET" and self.frozen:
            self._note(None)

    async def _look(self) -> float | None:
        """Seconds until the next look, None when there is nothing to look after any more."""
        freeze = self._hosted.record.freeze
        if freeze is None:
            return None
        try:
            if not await guestcommands.is_frozen(self._channel):
                self._note(None)
                return None
            if freeze.thaw_at is not None and freeze.thaw_at <= time.time():
                log.warning("thawing a guest that nobody thawed", extra={"vmi": str(self._hosted.key)})
                await self._thaw()
                return None
        except AgentError as error:
            log.info("cannot look after a frozen guest", extra={"vmi": str(self._hosted.key), "error": str(error)})
            return LOOK_S
        return LOOK_S if freeze.thaw_at is None else max(0.1, min(LOOK_S, freeze.thaw_at - time.time()))

    async def _thaw(self) -> None:
        await guestcommands.thaw(self._channel)
        self._note(None)

    def _note(self, freeze: Freeze | None) -> None:
        self._hosted.record.freeze = freeze
        self._hosted.save()
        self._hosted.changed()
        self._poke.set()
