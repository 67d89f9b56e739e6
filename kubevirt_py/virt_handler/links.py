"""Links of a pod: what is there, and making it as a NetworkPlan says."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from kubevirt_py.render.network.model import BridgePlan, InterfacePlan, LinkFacts, NetworkPlan, NetworkPlanError, Route
from kubevirt_py.render.network.nft import ruleset
from kubevirt_py.virt_handler import nft
from kubevirt_py.virt_handler.netlink import IPRoute
from kubevirt_py.virt_handler.netlink import NetlinkError as NetlinkError
from kubevirt_py.virt_handler.netns import in_netns

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
_IFA_F_NODAD, _IFA_F_PERMANENT, _IFA_F_NOPREFIXROUTE = 0x02, 0x80, 0x200
_NTF_MASTER, _NUD_NOARP = 0x04, 0x40
_SCOPE_GLOBAL = 0
_MAIN_TABLE = 254
_SYSCTL = Path("/proc/sys")


class TapHandle(Struct, frozen=True, kw_only=True):
    """An open tap: one descriptor per queue, blocking and close-on-exec. Whoever gets it closes it."""

    name: str
    tap: str
    fds: tuple[int, ...]


class TapBusy(RuntimeError):
    """A tap of the plan exists, so some process holds it: a machine already runs in this pod."""


async def read_links(pidfd: int) -> tuple[LinkFacts, ...]:
    """The pod's links but `lo`, with global addresses and the routes of the main table."""
    return await in_netns(pidfd, _read)


async def plumb(pidfd: int, plan: NetworkPlan, only: Collection[str] | None = None) -> tuple[TapHandle, ...]:
    """Make the pod's network as `plan` says and open its taps, in the order of the plan.

    `only` names the interfaces to make in a pod where the others are in use.
    May be repeated, also after a run that was cut short, as long as no machine holds the taps (TapBusy).
    Keep the plan before the first call: bridge binding moves what it was made from.
    """
    return await in_netns(pidfd, lambda: _plumb(plan, only))


async def unplumb(pidfd: int, gone: Sequence[InterfacePlan], left: NetworkPlan) -> None:
    """Take the interfaces `gone`, whose taps no machine holds any more, out of the pod and give its links back.

    May be repeated.
    """
    await in_netns(pidfd, lambda: _unplumb(gone, left))


def _read() -> tuple[LinkFacts, ...]:
    with IPRoute() as netlink:
        addresses: dict[int, list[str]] = {}
        learned: dict[int, list[str]] = {}
        for message in netlink.get_addr():
            if message["scope"] == _SCOPE_GLOBAL:
                address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
                cidr = f"{address}/{message['prefixlen']}"
                addresses.setdefault(message["index"], []).append(cidr)
                if message["family"] == socket.AF_INET6 and not message.get_attr("IFA_FLAGS") & _IFA_F_PERMANENT:
                    learned.setdefault(message["index"], []).append(cidr)
        routes: dict[int, list[Route]] = {}
        for message in netlink.get_routes(table=_MAIN_TABLE):
            if (route := _route(message)) is not None:
                routes.setdefault(message.get_attr("RTA_OIF"), []).append(route)
        return tuple(
            LinkFacts(
                name=message.get_attr("IFLA_IFNAME"),
                mac=message.get_attr("IFLA_ADDRESS") or "",
                mtu=message.get_attr("IFLA_MTU"),
                addresses=tuple(addresses.get(message["index"], ())),
                routes=tuple(routes.get(message["index"], ())),
                kind=message.get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND") or "",
                learned=tuple(learned.get(message["index"], ())),
            )
            for message in netlink.get_links()
            if message.get_attr("IFLA_IFNAME") != "lo"
        )


def _route(message: Any) -> Route | None:
    """A unicast route of one link to a global destination, None for others."""
    if message.get_attr("RTA_OIF") is None or message["type"] != 1:
        return None
    anywhere = "0.0.0.0" if message["family"] == 2 else "::"
    dst = message.get_attr("RTA_DST") or anywhere
    if dst.startswith(("fe80:", "ff")):
        return None
    return Route(f"{dst}/{message['dst_len']}", message.get_attr("RTA_GATEWAY") or "")


def _plumb(plan: NetworkPlan, only: Collection[str] | None) -> tuple[TapHandle, ...]:
    handles: list[TapHandle] = []
    made = [one for one in plan.interfaces if one.tap and (only is None or one.name in only)]
    try:
        with IPRoute() as netlink:
            for interface in made:
                if interface.bridge is not None and _index(netlink, interface.tap):
                    raise TapBusy(f"{interface.tap} exists: a machine already runs in this pod")
            for interface in made:
                if interface.bridge is None:
                    handles.append(_ready_tap(netlink, interface))
                    continue
                _bridge(netlink, interface, interface.bridge)
                handles.append(_tap(netlink, interface, interface.bridge.name))
                _routes(netlink, interface.bridge)
        nft.load(ruleset(plan))
    except BaseException:
        for fd in (fd for handle in handles for fd in handle.fds):
            os.close(fd)
        raise
    return tuple(handles)


def _unplumb(gone: Sequence[InterfacePlan], left: NetworkPlan) -> None:
    with IPRoute() as netlink:
        for interface in gone:
            if interface.bridge is None:
                continue
            _remove(netlink, interface.tap)
            _remove(netlink, interface.bridge.name)
            if interface.moved is not None and (nic := _index(netlink, interface.moved.nic)):
                _remove(netlink, interface.pod_link)
                netlink.link("set", index=nic, state="down")
                netlink.link("set", index=nic, ifname=interface.pod_link)
    nft.load(ruleset(left, without=gone))


def _remove(netlink: Any, name: str) -> None:
    if index := _index(netlink, name):
        netlink.link("del", index=index)


def _bridge(netlink: Any, interface: InterfacePlan, bridge: BridgePlan) -> None:
    if not _index(netlink, bridge.name):
        netlink.link("add", ifname=bridge.name, kind="bridge", address=bridge.mac, br_mcast_snooping=0)
    index = _index(netlink, bridge.name)
    netlink.link("set", index=index, mtu=interface.mtu, address=bridge.mac)
    if interface.advert is None:
        _without_ipv6(bridge.name)
    for path, value in interface.sysctls:
        _sysctl(path, value)
    netlink.link("set", index=index, state="up")
    for address in bridge.addresses:
        _add_address(netlink, index, address)
    if interface.moved is not None:
        _move(netlink, interface, index)


def _move(netlink: Any, interface: InterfacePlan, bridge: int) -> None:
    """Give the pod's link to the bridge, and its name and addresses to a link without ports.

    That link is a bridge too: kernels that can do this at all have that kind, dummy is often left out.
    """
    moved = interface.moved
    assert moved is not None
    nic = _index(netlink, moved.nic)
    if not nic:
        nic = _index(netlink, interface.pod_link)
        if not nic:
            raise NetworkPlanError(f"the pod has neither a link {interface.pod_link} nor {moved.nic}")
        netlink.link("set", index=nic, state="down")
        netlink.link("set", index=nic, ifname=moved.nic)
    netlink.flush_addr(index=nic)
    _without_ipv6(moved.nic)
    netlink.link("set", index=nic, address=moved.mac, master=bridge, mtu=interface.mtu)
    netlink.brport("set", index=nic, learning=0)
    netlink.link("set", index=nic, state="up")
    if not _index(netlink, interface.pod_link):
        netlink.link("add", ifname=interface.pod_link, kind="bridge", mtu=interface.mtu)
    kept = _index(netlink, interface.pod_link)
    if interface.advert is not None:
        _sysctl(f"net/ipv6/conf/{interface.pod_link}/addr_gen_mode", "1")
    for address in moved.addresses:
        _add_address(netlink, kept, address, _IFA_F_NOPREFIXROUTE)
    netlink.link("set", index=kept, state="up")


def _ready_tap(netlink: Any, interface: InterfacePlan) -> TapHandle:
    """Open a device that a network plugin has made: a tap by its name, a macvtap by the number of its link."""
    index = _index(netlink, interface.tap)
    if not index:
        raise NetworkPlanError(f"the pod has no link {interface.tap}, which its network plugin should have made")
    kind = netlink.get_links(index)[0].get_nested("IFLA_LINKINFO", "IFLA_INFO_KIND")
    if kind not in ("tun", "macvtap"):
        raise NetworkPlanError(f"link {interface.tap} of the pod is of kind {kind}; a tap or macvtap is needed")
    fd = os.open("/dev/net/tun" if kind == "tun" else f"/dev/tap{index}", os.O_RDWR | os.O_CLOEXEC)
    try:
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", interface.tap.encode() if kind == "tun" else b"", flags))
        netlink.link("set", index=index, state="up")
    except BaseException:
        os.close(fd)
        raise
    return TapHandle(name=interface.name, tap=interface.tap, fds=(fd,))


def _tap(netlink: Any, interface: InterfacePlan, bridge: str) -> TapHandle:
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | (_IFF_MULTI_QUEUE if interface.queues > 1 else 0)
    request = struct.pack("16sH22x", interface.tap.encode(), flags)
    fds: list[int] = []
    try:
        for _ in range(interface.queues):
            fds.append(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
            fcntl.ioctl(fds[-1], _TUNSETIFF, request)
        _without_ipv6(interface.tap)
        index = _index(netlink, interface.tap)
        master = _index(netlink, bridge)
        netlink.link("set", index=index, mtu=interface.mtu, master=master, state="up")
        _know_only(netlink, index, interface.mac)
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return TapHandle(name=interface.name, tap=interface.tap, fds=tuple(fds))


def _know_only(netlink: Any, tap: int, mac: str) -> None:
    """The guest's own address is behind the tap. A bridge that learns would note, in the node's memory, every address
    that a guest cares to make up.
    """
    netlink.brport("set", index=tap, learning=0)
    netlink.fdb("replace", ifindex=tap, lladdr=mac, flags=_NTF_MASTER, state=_NUD_NOARP)


def _routes(netlink: Any, bridge: BridgePlan) -> None:
    """Routes on the bridge, on-link ones first so that the gateways of the others are reachable."""
    index = _index(netlink, bridge.name)
    for route in sorted(bridge.routes, key=lambda r: r.gateway != ""):
        where = {"gateway": route.gateway} if route.gateway else {}
        netlink.route("replace", dst=route.dst, oif=index, **where)


def _add_address(netlink: Any, index: int, cidr: str, flags: int = 0) -> None:
    address, _, prefix = cidr.partition("/")
    flags |= _IFA_F_NODAD if ":" in address else 0
    try:
        netlink.addr("add", index=index, address=address, prefixlen=int(prefix), flags=flags)
    except NetlinkError as error:
        if error.code != errno.EEXIST:
            raise


def _index(netlink: Any, name: str) -> int:
    """The link's index, 0 when there is none."""
    found: list[int] = netlink.link_lookup(ifname=name)
    return found[0] if found else 0


def _without_ipv6(link: str) -> None:
    """No link-local address and so no chatter of the kernel's own; a kernel without IPv6 has no such setting."""
    setting = f"net/ipv6/conf/{link}/disable_ipv6"
    if (_SYSCTL / setting).exists():
        _sysctl(setting, "1")


def _sysctl(path: str, value: str) -> None:
    (_SYSCTL / path).write_text(value)
