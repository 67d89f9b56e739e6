"""Binding masquerade: the guest has fixed addresses of its own behind NAT, the pod keeps its addresses."""

from __future__ import annotations

import ipaddress

from kubevirt_py.plan import Document
from kubevirt_py.render.network.attached import Guest, base, bridge_sysctls6, family, kept_mac
from kubevirt_py.render.network.linknames import bridge_name
from kubevirt_py.render.network.macs import MASQUERADE_BRIDGE_MAC, link_local
from kubevirt_py.render.network.model import BridgePlan, Forwarding, InterfacePlan, LinkFacts, PortRange, Route

VM_CIDR = "10.0.2.0/24"
VM_CIDR6 = "fd10:0:2::/120"


def masquerade(interface: Document, network: Document, link: LinkFacts, guest: Guest) -> InterfacePlan:
    """The plan of an interface with this binding, for the families that the pod's link has."""
    fields = base(interface, network, link, guest, kept_mac(interface, guest.seed))
    pod = network.get("pod") or {}
    bridge, bridge_mac = bridge_name(network), MASQUERADE_BRIDGE_MAC
    ports = _ports(interface)
    addresses: list[str] = []
    routes: list[Route] = []
    sysctls: list[tuple[str, str]] = []
    if pod4 := family(link, 4):
        net4 = ipaddress.ip_network(pod.get("vmNetworkCIDR") or VM_CIDR, strict=False)
        gateway, address = str(net4[1]), str(net4[2])
        addresses.append(f"{gateway}/32")
        routes.append(Route(f"{address}/32"))
        sysctls += [("net/ipv4/ip_forward", "1"), (f"net/ipv4/conf/{bridge}/route_localnet", "1"), *_strict(bridge)]
        fields["forward4"] = Forwarding(
            guest=address, gateway=gateway, pod_addresses=pod4, ports=ports, mesh=guest.mesh
        )
        fields["lease4"] = guest.lease4(
            interface,
            link,
            mac=fields["mac"],
            address=f"{address}/{net4.prefixlen}",
            server=gateway,
            router=gateway,
        )
    if pod6 := family(link, 6):
        net6 = ipaddress.ip_network(pod.get("vmIPv6NetworkCIDR") or VM_CIDR6, strict=False)
        gateway, address = str(net6[1]), str(net6[2])
        addresses += [f"{gateway}/{net6.prefixlen}", f"{link_local(bridge_mac)}/64"]
        sysctls += [*bridge_sysctls6(bridge), ("net/ipv6/conf/all/forwarding", "1")]
        fields["forward6"] = Forwarding(
            guest=address, gateway=gateway, pod_addresses=pod6, ports=ports, mesh=guest.mesh
        )
        fields["lease6"] = guest.lease6(address, bridge_mac)
        fields["advert"] = guest.advert(bridge_mac, link.mtu, prefix=str(net6))
    return InterfacePlan(
        binding="masquerade",
        bridge=BridgePlan(name=bridge, mac=bridge_mac, addresses=tuple(addresses), routes=tuple(routes)),
        sysctls=tuple(sysctls),
        **fields,
    )


def _strict(bridge: str) -> list[tuple[str, str]]:
    """The guest alone is behind the bridge: the kernel notes no neighbour that only the guest's ARP names, for all
    pods of a node share the room for neighbours.
    """
    return [(f"net/ipv4/conf/{bridge}/rp_filter", "1")]


def _ports(interface: Document) -> tuple[PortRange, ...]:
    ports = [(p.get("protocol"), p["port"], p["port"]) for p in interface.get("ports") or ()]
    ports += [(p.get("protocol"), p["start"], p["end"]) for p in interface.get("portRanges") or ()]
    return tuple(sorted({PortRange((protocol or "TCP").lower(), a, b) for protocol, a, b in ports}, key=_port_order))


def _port_order(port: PortRange) -> tuple[str, int, int]:
    return port.protocol, port.first, port.last
