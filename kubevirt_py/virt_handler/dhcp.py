"""Answers a guest's DHCP and router solicitations on its bridge; the answers themselves are render.network's."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import anyio

from kubevirt_py.render.network import dhcp4, dhcp6, ndp
from kubevirt_py.render.network.model import InterfacePlan, Lease4, Lease6, NetworkPlan, RouterAdvert
from kubevirt_py.virt_handler.netns import in_netns

log = logging.getLogger(__name__)

_ETH_P_IP = 0x0800
_ICMP6_FILTER = 1
_DATAGRAM_BYTES = 2048
_PAUSE_S = 0.02
"""Rest after each datagram: a guest gets at most 50 answers a second, the kernel drops what it sends beyond."""
_UNASKED_S = 300
"""Between router advertisements that nobody asked for."""

_Peer = Any
"""A socket address as recvfrom gives it."""


async def serve(pidfd: int, plan: NetworkPlan) -> None:
    """Answer the guest's DHCPv4, DHCPv6 and router solicitations until cancelled or the process is gone.

    Interfaces whose bridge is not there are left out: one that joins a running guest is planned before it is plumbed.
    May be called again, with another plan or by an agent that has restarted. Raises OSError.
    """
    try:
        responders = await in_netns(pidfd, lambda: _open_all(plan))
    except ProcessLookupError:
        return
    alive = os.dup(pidfd)
    try:
        async with anyio.create_task_group() as tasks:
            for responder in responders:
                tasks.start_soon(responder.run)
            await anyio.wait_readable(alive)
            tasks.cancel_scope.cancel()
    finally:
        os.close(alive)
        for responder in responders:
            responder.close()


class _Responder:
    """One socket and what to do with each datagram that arrives on it, and now and then without one."""

    def __init__(
        self,
        sock: socket.socket,
        answer: Callable[[bytes, _Peer], None],
        *others: socket.socket,
        unasked: Callable[[], None] | None = None,
    ) -> None:
        self._sock = sock
        self._answer = answer
        self._unasked = unasked
        self._sockets = (sock, *others)

    async def run(self) -> None:
        if self._unasked is not None:
            self._attempt(self._unasked)
        while True:
            with anyio.move_on_after(_UNASKED_S if self._unasked else None) as waiting:
                await anyio.wait_readable(self._sock)
            if waiting.cancelled_caught and self._unasked is not None:
                self._attempt(self._unasked)
            else:
                self._attempt(lambda: self._answer(*self._sock.recvfrom(_DATAGRAM_BYTES)))
            await anyio.sleep(_PAUSE_S)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()

    @staticmethod
    def _attempt(work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            log.warning("a guest could not be answered", extra={"error": str(error)})


def _open_all(plan: NetworkPlan) -> list[_Responder]:
    responders: list[_Responder] = []
    try:
        present = {name for _, name in socket.if_nameindex()}
        for interface in plan.interfaces:
            if interface.bridge is not None and interface.bridge.name in present:
                responders.extend(_open(interface, interface.bridge.name))
    except BaseException:
        for responder in responders:
            responder.close()
        raise
    return responders


def _open(interface: InterfacePlan, bridge: str) -> Iterator[_Responder]:
    if interface.lease4 is not None:
        yield _dhcp4(bridge, interface.lease4)
    if interface.lease6 is not None:
        yield _dhcp6(bridge, interface.lease6)
    if interface.advert is not None:
        yield _router(bridge, interface.advert)


def _dhcp4(bridge: str, lease: Lease4) -> _Responder:
    incoming = _on_bridge(bridge, socket.AF_INET, socket.SOCK_DGRAM, 0, ("0.0.0.0", dhcp4.SERVER_PORT))
    outgoing = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    outgoing.setblocking(False)

    def answer(data: bytes, _peer: _Peer) -> None:
        if reply := dhcp4.answer(data, lease):
            packet, target = dhcp4.datagram(reply, lease)
            outgoing.sendto(packet, (bridge, _ETH_P_IP, 0, 0, target))

    return _Responder(incoming, answer, outgoing)


def _dhcp6(bridge: str, lease: Lease6) -> _Responder:
    sock = _on_bridge(bridge, socket.AF_INET6, socket.SOCK_DGRAM, 0, ("::", dhcp6.SERVER_PORT))
    _join(sock, bridge, dhcp6.ALL_SERVERS)

    def answer(data: bytes, peer: _Peer) -> None:
        if peer[0].startswith("fe80:") and (reply := dhcp6.answer(data, lease)):
            sock.sendto(reply, (peer[0], dhcp6.CLIENT_PORT, *peer[2:]))  # wherever the client sends from

    return _Responder(sock, answer)


def _router(bridge: str, advert: RouterAdvert) -> _Responder:
    sock = _on_bridge(bridge, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6, None)
    _join(sock, bridge, ndp.ALL_ROUTERS)
    sock.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _only(ndp.ROUTER_SOLICITATION))
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    everyone = (ndp.ALL_NODES, 0, 0, socket.if_nametoindex(bridge))

    def answer(data: bytes, _peer: _Peer) -> None:
        if reply := ndp.answer(data, advert):
            sock.sendto(reply, everyone)

    def unasked() -> None:
        sock.sendto(ndp.advertisement(advert), everyone)

    return _Responder(sock, answer, unasked=unasked)


def _on_bridge(bridge: str, family: int, kind: int, protocol: int, address: tuple[str, int] | None) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        if address is not None:
            sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _join(sock: socket.socket, bridge: str, group: str) -> None:
    request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", socket.if_nametoindex(bridge))
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)


def _only(icmp_type: int) -> bytes:
    """A filter (struct icmp6_filter: one bit per type, set to block) that lets one type through."""
    words = [0xFFFFFFFF] * 8
    words[icmp_type >> 5] &= ~(1 << (icmp_type & 31))
    return struct.pack("@8I", *words)
