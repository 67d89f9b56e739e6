"""What the interfaces of one guest share, and the parts of a plan that no binding changes."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from kubevirt_py.plan import Document
from kubevirt_py.render.network.linknames import pod_link_name, tap_name
from kubevirt_py.render.network.macs import stable_mac
from kubevirt_py.render.network.model import Lease4, Lease6, LinkFacts, ResolvFacts, RouterAdvert
from kubevirt_py.render.network.resolv import guest_hostname, with_subdomain

MAX_QUEUES = 256
"""The kernel's limit of queues of one tap device."""


class Guest:
    """What all interfaces of one VMI share. `mesh`: a service mesh's proxy runs in the pod."""

    def __init__(
        self,
        spec: Document,
        namespace: str,
        name: str,
        uid: str,
        resolv: ResolvFacts,
        vcpus: int,
        *,
        mesh: bool = False,
    ) -> None:
        self.seed = mac_seed(spec, namespace, name, uid)
        self.mesh = mesh
        self.hostname = guest_hostname(name, spec.get("hostname", ""))
        self.search = with_subdomain(resolv.search, spec.get("subdomain", ""))
        self.nameservers4 = tuple(n for n in resolv.nameservers if ipaddress.ip_address(n).version == 4)
        self.nameservers6 = tuple(n for n in resolv.nameservers if ipaddress.ip_address(n).version == 6)
        multiqueue = (spec["domain"].get("devices") or {}).get("networkInterfaceMultiqueue", False)
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
            boot_file=options.get("bootFileName") or "",
            tftp_server=options.get("tftpServerName") or "",
            private=tuple((o["option"], o["value"]) for o in options.get("privateOptions") or ()),
            **where,
        )

    def lease6(self, address: str, server_mac: str) -> Lease6:
        return Lease6(address=address, server_mac=server_mac, nameservers=self.nameservers6, search=self.search)

    def advert(self, mac: str, mtu: int, **where: Any) -> RouterAdvert:
        return RouterAdvert(mac=mac, mtu=mtu, nameservers=self.nameservers6, search=self.search, **where)


def identity(spec: Document, uid: str) -> str:
    """What stays while a VM's VMIs come and go: the firmware's UUID, which admission gives each VM; else the VMI's."""
    return str(((spec.get("domain") or {}).get("firmware") or {}).get("uuid") or uid)


def mac_seed(spec: Document, namespace: str, name: str, uid: str) -> str:
    """What the MAC addresses of a guest come from. A copy of a VM has its UUID, but not its namespace and name."""
    return f"{namespace}/{name}/{identity(spec, uid)}"


def chosen_mac(interface: Document) -> str:
    """spec.macAddress in lower case with colons, however it is written, empty if the spec leaves it open."""
    digits = re.sub(r"[:.-]", "", str(interface.get("macAddress") or "").lower())
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def kept_mac(interface: Document, seed: str) -> str:
    """The MAC of an interface whose address is ours to choose: the spec's, or one that is the same at each start."""
    return chosen_mac(interface) or stable_mac(seed, interface["name"])


def base(interface: Document, network: Document, link: LinkFacts, guest: Guest, mac: str) -> Document:
    """The fields of InterfacePlan that no binding changes."""
    model = interface.get("model") or "virtio"
    return {
        "name": interface["name"],
        "pod_link": pod_link_name(network),
        "mac": mac,
        "mtu": link.mtu,
        "tap": tap_name(network),
        "queues": guest.queues if model.startswith("virtio") else 1,
        "link_down": interface.get("state") == "down",
        "pod_addresses": tuple(plain(address) for address in link.addresses),
    }


def family(link: LinkFacts, version: int) -> tuple[str, ...]:
    """The link's addresses of IP version 4 or 6, without prefixes."""
    return tuple(plain(a) for a in link.addresses if ipaddress.ip_interface(a).version == version)


def first(link: LinkFacts, version: int) -> str:
    """The link's first address of that IP version, with its prefix; empty if it has none."""
    return next((a for a in link.addresses if ipaddress.ip_interface(a).version == version), "")


def plain(cidr: str) -> str:
    return cidr.partition("/")[0]


def bridge_sysctls6(bridge: str) -> list[tuple[str, str]]:
    """No address of the kernel's own making, no redirects past the bridge: the guest's router is this bridge."""
    return [
        (f"net/ipv6/conf/{bridge}/disable_ipv6", "0"),
        (f"net/ipv6/conf/{bridge}/accept_ra", "0"),
        (f"net/ipv6/conf/{bridge}/addr_gen_mode", "1"),
    ]
