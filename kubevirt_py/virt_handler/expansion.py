"""Lets a guest's disks grow with their claims: QEMU enlarges the file through its descriptor, and tells the guest."""

from __future__ import annotations

import logging
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

log = logging.getLogger(__name__)


class Expansion:
    """Looks whenever the VMI's status of its volumes has changed."""

    def __init__(self, hosted: Hosted, monitor: Monitor) -> None:
        self._hosted = hosted
        self._monitor = monitor
        self._poke = anyio.Event()
        self._settled: Any = None

    def poke(self) -> None:
        self._poke.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                with anyio.fail_after(LOOK_S):
                    await self._look()
            except (qmp.MonitorGone, qmp.MonitorError, TimeoutError) as error:
                log.warning("a disk could not grow", extra={"vmi": str(self._hosted.key), "error": str(error)})
            await anyio.sleep(CALM_S)
            await self._poke.wait()
            self._poke = anyio.Event()

    async def _look(self) -> None:
        vmi, machine = self._hosted.vmi(), self._hosted.record.machine
        if vmi is None or machine is None or not self._monitor.connected:
            return
        status = vmi.status.get("volumeStatus") or []
        if (state := (status, self._monitor.connects)) == self._settled:
            return
        spec: Document = msgspec.json.decode(vmi.spec)
        nodes = await self._monitor.execute("query-named-block-nodes", {"flat": True})
        sizes = {str(node["node-name"]): int(node["image"]["virtual-size"]) for node in nodes}
        for node, size in growth(spec, status, machine, sizes).items():
            await self._monitor.execute("block_resize", {"node-name": node, "size": size})
            log.info("a disk has grown", extra={"vmi": str(self._hosted.key), "node": node, "bytes": size})
        self._settled = state
