"""Sets a guest's clock when it runs on, for that stood still with the guest; NTP follows small differences alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import anyio
import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.virt_handler import guestcommands
from kubevirt_py.virt_handler.agentwatch import AgentWatch
from kubevirt_py.virt_handler.guestagent import AgentRefused, AgentSilent, Channel
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor

PATIENCE_S = 60.0
"""How long an agent is asked that does not answer yet."""
AGAIN_S = 1.0

log = logging.getLogger(__name__)


class GuestClock:
    """Asks the agent in the guest, where there is one; as upstream, what it refuses is no trouble of anybody's."""

    def __init__(self, hosted: Hosted, monitor: Monitor, channel: Channel, agent: AgentWatch) -> None:
        self._hosted = hosted
        self._monitor = monitor
        self._channel = channel
        self._agent = agent
        self._resumed = anyio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        with self._monitor.listening(self._on_event):
            while True:
                await self._resumed.wait()
                self._resumed = anyio.Event()
                with anyio.move_on_after(PATIENCE_S):
                    await self._set()

    def _on_event(self, event: str, _: Mapping[str, Any]) -> None:
        if event == "RESUME":
            self._resumed.set()

    async def _set(self) -> None:
        extra = {"vmi": str(self._hosted.key)}
        while self._agent.connected:
            try:
                await guestcommands.set_time(self._channel, time.time_ns() + int(self._offset_s() * 1e9))
                return
            except AgentRefused as error:
                log.info("the guest's clock cannot be set", extra={**extra, "error": str(error)})
                return
            except AgentSilent as error:
                log.info("the guest's clock is not set yet", extra={**extra, "error": str(error)})
            await anyio.sleep(AGAIN_S)

    def _offset_s(self) -> float:
        """By how much a user wants the guest's clock to differ."""
        vmi = self._hosted.vmi()
        domain: Document = msgspec.json.decode(vmi.spec).get("domain") or {} if vmi is not None else {}
        return float(((domain.get("clock") or {}).get("utc") or {}).get("offsetSeconds") or 0)
