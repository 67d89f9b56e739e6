"""Answers a guest's DHCP and router solicitations on its bridge; the answers themselves are render.network's."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable

import anyio

from kubevirt_py.render.network import dhcp4
from kubevirt_py.render.network.model import Lease4, NetworkPlan
from kubevirt_py.virt_handler.netns import in_netns

log = logging.getLogger(__name__)

_ETH_P_IP = 0x0800
_DATAGRAM_BYTES = 2048
_PAUSE_S = 0.02
"""Rest after each datagram: a guest gets at most 50 answers a second, the kernel drops what it sends beyond."""


async def serve(pidfd: int, plan: NetworkPlan) -> None:
    """Answer the guest's DHCPv4, DHCPv6 and router solicitations until cancelled or the process is gone.

    The namespace must be plumbed. May be called again by an agent that has restarted.
    Raises OSError when a bridge of the plan is missing.
    """
    responders = await in_netns(pidfd, lambda: _open_all(plan))
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
    """One socket and what to do with each datagram that arrives on it."""

    def __init__(self, sock: socket.socket, answer: Callable[[bytes], None], *others: socket.socket) -> None:
        self._sock = sock
        self._answer = answer
        self._sockets = (sock, *others)

    async def run(self) -> None:
        while True:
            await anyio.wait_readable(self._sock)
            try:
                self._answer(self._sock.recv(_DATAGRAM_BYTES))
            except OSError as error:
                log.warning("a guest's request could not be answered", extra={"error": str(error)})
            await anyio.sleep(_PAUSE_S)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


def _open_all(plan: NetworkPlan) -> list[_Responder]:
    responders: list[_Responder] = []
    try:
        for interface in plan.interfaces:
            if interface.lease4 is not None:
                responders.append(_dhcp4(interface.bridge.name, interface.lease4))
    except BaseException:
        for responder in responders:
            responder.close()
        raise
    return responders


def _dhcp4(bridge: str, lease: Lease4) -> _Responder:
    incoming = _bound(socket.AF_INET, bridge, ("0.0.0.0", dhcp4.SERVER_PORT))
    outgoing = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    outgoing.setblocking(False)

    def answer(data: bytes) -> None:
        if reply := dhcp4.answer(data, lease):
            packet, target = dhcp4.datagram(reply, lease)
            outgoing.sendto(packet, (bridge, _ETH_P_IP, 0, 0, target))

    return _Responder(incoming, answer, outgoing)


def _bound(family: int, bridge: str, address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
