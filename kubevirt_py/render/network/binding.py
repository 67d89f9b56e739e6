"""VMI spec + what the pod's links look like -> NetworkPlan.

Behaviour of KubeVirt's masquerade and bridge bindings: link names (`k6t-eth0`, `tap0`, `eth0-nic`), the guest's
fixed addresses behind masquerade, and the pod's own address moved to the guest by bridge.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from kubevirt_py.plan import Document
from kubevirt_py.render.network.macs import MASQUERADE_BRIDGE_MAC, link_local, stable_mac
from kubevirt_py.render.network.model import (
    BridgePlan,
    Forwarding,
    InterfacePlan,
    Lease4,
    Lease6,
    LinkFacts,
    MovedLink,
    NetworkPlan,
    NetworkPlanError,
    PortRange,
    ResolvFacts,
    RouterAdvert,
)
from kubevirt_py.render.network.resolv import guest_hostname, with_subdomain

POD_LINK = "eth0"
VM_CIDR = "10.0.2.0/24"
VM_CIDR6 = "fd10:0:2::/120"
MAX_QUEUES = 256
"""The kernel's limit of queues of one tap device."""

_DHCP_SERVER = "169.254.75.{}"
"""Identity of the DHCP server behind the bridge binding, one per interface: the guest has the pod's own address."""


class _Guest:
    """What all interfaces of one VMI share."""

    def __init__(self, spec: Document, name: str, uid: str, resolv: ResolvFacts, vcpus: int) -> None:
        self.uid = uid
        self.hostname = guest_hostname(name, spec.get("hostname", ""))
        self.search = with_subdomain(resolv.search, spec.get("subdomain", ""))
        self.nameservers4 = tuple(n for n in resolv.nameservers if ipaddress.ip_address(n).version == 4)
        self.nameservers6 = tuple(n for n in resolv.nameservers if ipaddress.ip_address(n).version == 6)
        multiqueue = spec["domain"].get("devices", {}).get("networkInterfaceMultiqueue", False)
        self.queues = min(max(vcpus, 1), MAX_QUEUES) if multiqueue else 1

    def lease4(self, interface: Document, link: LinkFacts, **where: Any) -> Lease4:
        options = interface.get("dhcpOptions") or {}
        return Lease4(
            mtu=link.mtu,
            hostname=self.hostname,
            domain=self.search[0] if self.search else "",
            nameservers=self.nameservers4,
            search=self.search,
            ntp_servers=tuple(options.get("ntpServers") or ()),
            boot_file=options.get("bootFileName", ""),
            tftp_server=options.get("tftpServerName", ""),
            private=tuple((o["option"], o["value"]) for o in options.get("privateOptions") or ()),
            **where,
        )

    def lease6(self, address: str, server_mac: str) -> Lease6:
        return Lease6(address=address, server_mac=server_mac, nameservers=self.nameservers6, search=self.search)

    def advert(self, mac: str, mtu: int, prefix: str = "") -> RouterAdvert:
        return RouterAdvert(mac=mac, mtu=mtu, prefix=prefix, nameservers=self.nameservers6, search=self.search)


def plan_links(
    spec: Document,
    links: tuple[LinkFacts, ...],
    resolv: ResolvFacts,
    *,
    name: str,
    uid: str,
    vcpus: int = 1,
) -> NetworkPlan:
    """The plan for a VMI's `spec` on the pod's untouched `links`.

    `name` and `uid` are the VMI's; `vcpus` sizes the queues under networkInterfaceMultiqueue.
    Raises NetworkPlanError when a network, its link or a supported binding is missing.
    """
    guest = _Guest(spec, name, uid, resolv, vcpus)
    networks = {network["name"]: network for network in spec.get("networks") or ()}
    by_name = {link.name: link for link in links}
    plans = []
    for index, interface in enumerate(spec["domain"].get("devices", {}).get("interfaces") or ()):
        if interface.get("state") == "absent":
            continue
        field = f"spec.domain.devices.interfaces[{index}]"
        network = networks.get(interface["name"])
        if network is None:
            raise NetworkPlanError(f"{field}.name: spec.networks has no network {interface['name']!r}")
        link = by_name.get(pod_link_name(network))
        if link is None:
            raise NetworkPlanError(
                f"network {interface['name']!r}: the pod has no link {pod_link_name(network)}; it has "
                f"{', '.join(sorted(by_name)) or 'none'}; check the CNI plugin's answer for this pod"
            )
        if "masquerade" in interface:
            plans.append(_masquerade(interface, network, link, guest))
        elif "bridge" in interface:
            plans.append(_bridge(interface, network, link, guest, index))
        else:
            raise NetworkPlanError(f"{field}: the binding is not supported; use masquerade or bridge")
    return NetworkPlan(tuple(plans))


def pod_link_name(network: Document) -> str:
    """The link of the pod that carries `network` (an entry of spec.networks): eth0, or `pod<hash>` of Multus."""
    multus = network.get("multus")
    return POD_LINK if multus is None or multus.get("default") else f"pod{_hash(network)}"


def _hash(network: Document) -> str:
    return hashlib.sha256(str(network["name"]).encode()).hexdigest()[:11]


def _base(interface: Document, network: Document, link: LinkFacts, guest: _Guest, mac: str) -> Document:
    """The fields of InterfacePlan that no binding changes."""
    model = interface.get("model") or "virtio"
    return {
        "name": interface["name"],
        "pod_link": link.name,
        "mac": (interface.get("macAddress") or mac).lower().replace("-", ":"),
        "mtu": link.mtu,
        "tap": "tap0" if link.name == POD_LINK else f"tap{_hash(network)}",
        "queues": guest.queues if model.startswith("virtio") else 1,
        "link_down": interface.get("state") == "down",
        "pod_addresses": tuple(_plain(address) for address in link.addresses),
    }


def _bridge_name(network: Document, link: LinkFacts) -> str:
    return f"k6t-{link.name if link.name == POD_LINK else _hash(network)}"


def _masquerade(interface: Document, network: Document, link: LinkFacts, guest: _Guest) -> InterfacePlan:
    base = _base(interface, network, link, guest, stable_mac(guest.uid, interface["name"]))
    pod = network.get("pod") or {}
    bridge, bridge_mac = _bridge_name(network, link), MASQUERADE_BRIDGE_MAC
    ports = _ports(interface)
    addresses: list[str] = []
    sysctls: list[tuple[str, str]] = []
    if pod4 := _family(link, 4):
        net4 = ipaddress.ip_network(pod.get("vmNetworkCIDR") or VM_CIDR, strict=False)
        gateway, address = str(net4[1]), str(net4[2])
        addresses.append(f"{gateway}/{net4.prefixlen}")
        sysctls += [("net/ipv4/ip_forward", "1"), (f"net/ipv4/conf/{bridge}/route_localnet", "1")]
        base["forward4"] = Forwarding(guest=address, gateway=gateway, pod_addresses=pod4, ports=ports)
        base["lease4"] = guest.lease4(
            interface,
            link,
            mac=base["mac"],
            address=f"{address}/{net4.prefixlen}",
            server=gateway,
            router=gateway,
        )
    if pod6 := _family(link, 6):
        net6 = ipaddress.ip_network(pod.get("vmIPv6NetworkCIDR") or VM_CIDR6, strict=False)
        gateway, address = str(net6[1]), str(net6[2])
        addresses += [f"{gateway}/{net6.prefixlen}", f"{link_local(bridge_mac)}/64"]
        sysctls += [*_bridge_sysctls6(bridge), ("net/ipv6/conf/all/forwarding", "1")]
        base["forward6"] = Forwarding(guest=address, gateway=gateway, pod_addresses=pod6, ports=ports)
        base["lease6"] = guest.lease6(address, bridge_mac)
        base["advert"] = guest.advert(bridge_mac, link.mtu, str(net6))
    return InterfacePlan(
        binding="masquerade",
        bridge=BridgePlan(name=bridge, mac=bridge_mac, addresses=tuple(addresses)),
        sysctls=tuple(sysctls),
        **base,
    )


def _bridge(interface: Document, network: Document, link: LinkFacts, guest: _Guest, index: int) -> InterfacePlan:
    base = _base(interface, network, link, guest, link.mac)
    bridge = _bridge_name(network, link)
    bridge_mac = stable_mac(guest.uid, f"{interface['name']}/bridge")
    server = _DHCP_SERVER.format(10 + index % 240)
    addresses = [f"{server}/32"]
    # Without arp_ignore the pod would claim the guest's address, which the kept link still holds.
    sysctls = [(f"net/ipv4/conf/{bridge}/arp_ignore", "1")]
    routes6 = tuple(route for route in link.routes if ":" in route.dst)
    if pod4 := _first(link, 4):
        routes4 = tuple(route for route in link.routes if ":" not in route.dst)
        router = next((r.gateway for r in routes4 if r.dst == "0.0.0.0/0"), "")
        net = ipaddress.ip_interface(pod4).network
        plain = (not router or ipaddress.ip_address(router) in net) and all(
            r.dst in ("0.0.0.0/0", str(net)) for r in routes4
        )
        base["lease4"] = guest.lease4(
            interface,
            link,
            mac=base["mac"],
            address=pod4,
            server=server,
            router=router,
            routes=() if plain else routes4,
        )
    if pod6 := _first(link, 6):
        addresses.append(f"{link_local(bridge_mac)}/64")
        sysctls += [*_bridge_sysctls6(bridge), ("net/ipv6/conf/all/forwarding", "1")]
        base["lease6"] = guest.lease6(_plain(pod6), bridge_mac)
        base["advert"] = guest.advert(bridge_mac, link.mtu)
    return InterfacePlan(
        binding="bridge",
        bridge=BridgePlan(name=bridge, mac=bridge_mac, addresses=tuple(addresses), routes=routes6 if pod6 else ()),
        moved=MovedLink(
            nic=f"{link.name}-nic" if link.name == POD_LINK else f"{_hash(network)}-nic",
            mac=stable_mac(guest.uid, f"{interface['name']}/nic"),
            addresses=link.addresses,
        ),
        sysctls=tuple(sysctls),
        **base,
    )


def _bridge_sysctls6(bridge: str) -> list[tuple[str, str]]:
    """No address of the kernel's own making, no redirects past the bridge: the guest's router is this bridge."""
    return [
        (f"net/ipv6/conf/{bridge}/disable_ipv6", "0"),
        (f"net/ipv6/conf/{bridge}/accept_ra", "0"),
        (f"net/ipv6/conf/{bridge}/addr_gen_mode", "1"),
    ]


def _ports(interface: Document) -> tuple[PortRange, ...]:
    ports = [(p.get("protocol"), p["port"], p["port"]) for p in interface.get("ports") or ()]
    ports += [(p.get("protocol"), p["start"], p["end"]) for p in interface.get("portRanges") or ()]
    return tuple(sorted({PortRange((protocol or "TCP").lower(), a, b) for protocol, a, b in ports}, key=_port_order))


def _port_order(port: PortRange) -> tuple[str, int, int]:
    return port.protocol, port.first, port.last


def _family(link: LinkFacts, version: int) -> tuple[str, ...]:
    return tuple(_plain(a) for a in link.addresses if ipaddress.ip_interface(a).version == version)


def _first(link: LinkFacts, version: int) -> str:
    return next((a for a in link.addresses if ipaddress.ip_interface(a).version == version), "")


def _plain(cidr: str) -> str:
    return cidr.partition("/")[0]
