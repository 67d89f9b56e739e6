"""The network side of one running guest: answers to its DHCP, and interfaces that come and go."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import anyio
import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.machine import NicWire
from kubevirt_py.render.network.annotations import arrived_links
from kubevirt_py.render.network.binding import extended, leaving
from kubevirt_py.render.network.model import InterfacePlan, NetworkPlan, NetworkPlanError
from kubevirt_py.render.network.unplumbed import PASST
from kubevirt_py.render.passt import SOCKET_PATH
from kubevirt_py.virt_handler import dhcp
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.links import NetlinkError, TapBusy, plumb, read_links, unplumb
from kubevirt_py.virt_handler.nft import NftError
from kubevirt_py.virt_handler.seqpacket import close_all

VHOST = "/dev/vhost-net"
RETRY_S = (0.05, 0.2, 1.0, 2.0)

log = logging.getLogger(__name__)


class NotWired(Exception):
    """An interface cannot be wired, or given back, now; the text says why."""


def nic_wires(plan: NetworkPlan, *, vhost: bool) -> tuple[NicWire, ...]:
    """What the cards of the machine are on. `vhost`: the kernel carries the packets of taps."""
    return tuple(
        NicWire(
            name=one.name,
            mac=one.mac,
            mtu=one.mtu,
            queues=one.queues,
            vhost=vhost and bool(one.tap),
            socket=SOCKET_PATH if one.binding == PASST else "",
        )
        for one in plan.interfaces
    )


class Wiring:
    """Keeps record.network in step with the links of the pod and the cards of the machine."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self._other_plan = anyio.Event()

    async def serve(self) -> None:
        """Answer DHCP and router solicitations until cancelled, again after trouble: guests renew for ever."""
        attempt = 0
        while True:
            changed = self._other_plan = anyio.Event()
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(dhcp.serve, self._hosted.pidfd, self._plan)
                    await changed.wait()
                    tasks.cancel_scope.cancel()
                attempt = 0
            except* OSError as group:
                error = str(group.exceptions[0])
                log.warning("cannot serve DHCP", extra={"vmi": str(self._hosted.key), "error": error})
                await anyio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1

    async def follow(self, spec: Document) -> tuple[NicWire, ...]:
        """Take in links that have arrived and give back those of cards that have left; all wires there are now.

        Raises NotWired when something stands in the way.
        """
        try:
            await self._take_in(spec)
            await self._give_back(spec)
        except (OSError, NetlinkError, NftError, NetworkPlanError) as error:
            raise NotWired(f"the pod's network does not follow the VMI: {error}") from error
        machine = self._hosted.record.machine
        vhost = machine is not None and machine.platform.kvm and os.access(VHOST, os.R_OK | os.W_OK)
        return nic_wires(self._plan, vhost=vhost)

    async def open(self, names: Sequence[str]) -> dict[str, int]:
        """Descriptors of one new card, by names such as `tap.blue.0` and `vhost.blue.0`. The caller closes them.

        Raises NotWired when something stands in the way.
        """
        interface = names[0].split(".")[1]
        found: dict[str, int] = {}
        try:
            for tap in await plumb(self._hosted.pidfd, self._plan, {interface}):
                found |= {f"tap.{tap.name}.{queue}": fd for queue, fd in enumerate(tap.fds)}
            for name in names:
                if name.startswith("vhost."):
                    found[name] = os.open(VHOST, os.O_RDWR | os.O_CLOEXEC)
        except (OSError, NetlinkError, NftError, NetworkPlanError, TapBusy) as error:
            close_all(list(found.values()))
            raise NotWired(f"interface {interface} cannot be wired: {error}") from error
        self._other_plan.set()
        return found

    @property
    def _plan(self) -> NetworkPlan:
        return self._hosted.record.network or NetworkPlan()

    async def _take_in(self, spec: Document) -> None:
        known = {interface.name for interface in self._plan.interfaces}
        if not _names(spec) - known:
            return
        record = self._hosted.record
        pod = self._hosted.pod()
        # A link is there before its addresses are: the report comes when both are.
        arrived = arrived_links(spec, record.namespace, pod.metadata.annotations) if pod is not None else frozenset()
        if not arrived:
            return
        links = tuple(link for link in await read_links(self._hosted.pidfd) if link.name in arrived)
        vcpus = record.machine.cpu.count if record.machine is not None else 1
        bindings = self._hosted.network_bindings()
        whose = {"namespace": record.namespace, "name": record.name, "uid": record.uid}
        plan = extended(self._plan, spec, links, **whose, vcpus=vcpus, plugins=bindings)
        if plan != self._plan:
            self._keep(plan)

    async def _give_back(self, spec: Document) -> None:
        """Only links whose card QEMU has not, nor is about to get."""
        record = self._hosted.record
        held = {nic.name for one in (record.machine, record.wanted) if one is not None for nic in one.nics}
        gone = [interface for interface in leaving(self._plan, spec) if interface.name not in held]
        if not gone:
            return
        left = _without(self._plan, gone)
        await unplumb(self._hosted.pidfd, gone, left)
        self._keep(left)
        self._other_plan.set()

    def _keep(self, plan: NetworkPlan) -> None:
        self._hosted.record.network = plan
        self._hosted.save()
        self._hosted.changed()


def _names(spec: Document) -> set[str]:
    return {item["name"] for item in (spec["domain"].get("devices") or {}).get("interfaces") or ()}


def _without(plan: NetworkPlan, gone: Sequence[InterfacePlan]) -> NetworkPlan:
    kept = tuple(interface for interface in plan.interfaces if interface not in gone)
    return msgspec.structs.replace(plan, interfaces=kept)
