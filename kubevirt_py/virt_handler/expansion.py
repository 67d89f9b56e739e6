"""Lets a guest's disks grow with their claims: QEMU enlarges the file through its descriptor, and tells the guest."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import anyio
import msgspec

from kubevirt_py.decide.expansion import growth
from kubevirt_py.plan import Document
from kubevirt_py.virt_handler import qmp
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor

CALM_S = 5.0
"""Least time between two looks, also after trouble."""
LOOK_S = 30.0
RETRY_S = 60.0
"""Until a disk that could not grow is tried again: its device may be enlarged later than its claim."""

log = logging.getLogger(__name__)


class Expansion:
    """Looks whenever the VMI's status of its volumes has changed, and when QEMU is reached again."""

    def __init__(self, hosted: Hosted, monitor: Monitor) -> None:
        self._hosted = hosted
        self._monitor = monitor
        self._poke = anyio.Event()
        self._settled: Any = None
        self._troubles: dict[str, str] = {}
        """Why disks could not grow, by their block nodes: each is told once."""

    def poke(self) -> None:
        self._poke.set()

    async def run(self) -> None:
        """Until cancelled."""
        with self._monitor.listening(self._on_event):
            while True:
                try:
                    with anyio.fail_after(LOOK_S):
                        await self._look()
                except (qmp.MonitorGone, qmp.MonitorError, TimeoutError) as error:
                    log.warning("disks cannot be looked at", extra={"vmi": str(self._hosted.key), "error": str(error)})
                await anyio.sleep(CALM_S)
                with anyio.move_on_after(RETRY_S if self._troubles else math.inf):
                    await self._poke.wait()
                self._poke = anyio.Event()

    def _on_event(self, event: str, _: Mapping[str, Any]) -> None:
        if event == "CONNECTED":
            self.poke()

    async def _look(self) -> None:
        vmi, machine = self._hosted.vmi(), self._hosted.record.machine
        if vmi is None or machine is None or not self._monitor.connected:
            return
        status = vmi.status.get("volumeStatus") or []
        if (state := (status, self._monitor.connects)) == self._settled and not self._troubles:
            return
        spec: Document = msgspec.json.decode(vmi.spec)
        nodes = await self._monitor.execute("query-named-block-nodes", {"flat": True})
        sizes = {str(node["node-name"]): int(node["image"]["virtual-size"]) for node in nodes}
        wanted = growth(spec, status, machine, sizes)
        self._troubles = {node: text for node, text in self._troubles.items() if node in wanted}
        for node, size in wanted.items():
            await self._grow(node, size)
        self._settled = state

    async def _grow(self, node: str, size: int) -> None:
        """One disk; what keeps it from growing keeps no other."""
        extra = {"vmi": str(self._hosted.key), "node": node, "bytes": size}
        try:
            await self._monitor.execute("block_resize", {"node-name": node, "size": size})
        except qmp.MonitorError as error:
            if self._troubles.get(node) != str(error):
                log.warning("a disk could not grow", extra=extra | {"error": str(error)})
            self._troubles[node] = str(error)
        else:
            self._troubles.pop(node, None)
            log.info("a disk has grown", extra=extra)
