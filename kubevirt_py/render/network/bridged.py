"""Bindings that put the guest on the pod's link: bridge, and what network binding plugins make of it.

With bridge the guest has the pod's addresses and hears of them by DHCP. With attachment `managedTap` of a plugin it
is wired alike but gets no answers from us.
"""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.network.attached import Guest, base, bridge_sysctls6, chosen_mac, first, kept_mac, plain
from kubevirt_py.render.network.linknames import bridge_name, is_primary, nic_name
from kubevirt_py.render.network.macs import link_local, stable_mac
from kubevirt_py.render.network.model import BridgePlan, InterfacePlan, LinkFacts, MovedLink, Route

_DHCP_SERVER = "169.254.75.{}"
"""Identity of the DHCP server behind the bridge binding, one per interface: the guest has the pod's own address."""

_AS_NEIGHBOUR = (("arp_ignore", "1"), ("accept_local", "1"), ("rp_filter", "2"))
"""IPv4 settings of the bridge. The kept link holds the guest's address, too: the pod must neither claim it (arp_ignore)
nor drop what the guest sends to its DHCP server from there (accept_local; rp_filter, since that address is elsewhere).
"""


def bridge(interface: Document, network: Document, link: LinkFacts, guest: Guest, index: int) -> InterfacePlan:
    """`index` is the interface's place in the spec, which gives its DHCP server a number of its own.

    What the pod has learned is not the guest's: it hears the network's routers itself.
    """
    link = msgspec.structs.replace(link, addresses=tuple(one for one in link.addresses if one not in link.learned))
    fields = base(interface, network, link, guest, _mac(interface, network, link, guest))
    name = bridge_name(network)
    bridge_mac = stable_mac(guest.seed, f"{interface['name']}/bridge")
    server = _DHCP_SERVER.format(10 + index % 240)
    addresses = [f"{server}/32"]
    sysctls = [(f"net/ipv4/conf/{name}/{setting}", value) for setting, value in _AS_NEIGHBOUR]
    routes6 = tuple(route for route in link.routes if ":" in route.dst)
    if pod4 := first(link, 4):
        routes4 = tuple(route for route in link.routes if ":" not in route.dst)
        router = next((r.gateway for r in routes4 if r.dst == "0.0.0.0/0"), "")
        net = ipaddress.ip_interface(pod4).network
        simple = (not router or ipaddress.ip_address(router) in net) and all(
            r.dst in ("0.0.0.0/0", str(net)) for r in routes4
        )
        fields["lease4"] = guest.lease4(
            interface,
            link,
            mac=fields["mac"],
            address=pod4,
            server=server,
            router=router,
            routes=() if simple else routes4,
        )
    if pod6 := first(link, 6):
        addresses.append(f"{link_local(bridge_mac)}/64")
        sysctls += [*bridge_sysctls6(name), ("net/ipv6/conf/all/forwarding", "1")]
        fields["lease6"] = guest.lease6(plain(pod6), bridge_mac)
        fields["advert"] = guest.advert(bridge_mac, link.mtu, **_reach(network, pod6, routes6))
    return InterfacePlan(
        binding="bridge",
        bridge=BridgePlan(name=name, mac=bridge_mac, addresses=tuple(addresses), routes=routes6 if pod6 else ()),
        moved=MovedLink(
            nic=nic_name(network),
            mac=stable_mac(guest.seed, f"{interface['name']}/nic"),
            addresses=link.addresses,
        ),
        sysctls=tuple(sysctls),
        **fields,
    )


def managed_tap(interface: Document, network: Document, link: LinkFacts, guest: Guest, index: int) -> InterfacePlan:
    """As bridge, but whoever made the network gives the guest its addresses."""
    plan = bridge(interface, network, link, guest, index)
    assert plan.bridge is not None
    return msgspec.structs.replace(
        plan,
        binding="managedTap",
        bridge=msgspec.structs.replace(plan.bridge, addresses=(), routes=()),
        sysctls=(),
        lease4=None,
        lease6=None,
        advert=None,
    )


def _reach(network: Document, pod6: str, routes6: tuple[Route, ...]) -> dict[str, Any]:
    """What the router of an interface with address `pod6` is good for: all there is, or a network without gateway.

    There the guest keeps the default route of another interface, and meets its neighbours without us.
    """
    if is_primary(network) or any(route.dst == "::/0" for route in routes6):
        return {}
    prefix = str(ipaddress.ip_interface(pod6).network)
    return {"prefix": prefix, "default": False, "routes": tuple(r.dst for r in routes6 if r.dst != prefix)}


def _mac(interface: Document, network: Document, link: LinkFacts, guest: Guest) -> str:
    """On the pod's own network other addresses than the link's are often filtered; elsewhere we asked for ours."""
    return chosen_mac(interface) or link.mac if is_primary(network) else kept_mac(interface, guest.seed)
