"""Words of the network side: facts read in a pod's network namespace and the plan made from them.

All are frozen and JSON-codable (`msgspec.json`): an agent keeps the plan of a running guest, since a
namespace that is plumbed no longer shows what the pod looked like before.
Addresses with a prefix are written `10.0.2.1/24`, MTUs are in bytes.
"""

from __future__ import annotations

from msgspec import Struct


class Route(Struct, frozen=True):
    """One route of a link. `dst` is a CIDR (`0.0.0.0/0` for the default), `gateway` is empty when on-link."""

    dst: str
    gateway: str = ""


class LinkFacts(Struct, frozen=True, kw_only=True):
    """A link of the pod as the CNI plugin left it. `addresses` are global-scope CIDRs, `kind` is e.g. `veth`.

    `learned` are those of the addresses that the pod's kernel has from a router's advertisements.
    """

    name: str
    mac: str
    mtu: int
    addresses: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    kind: str = ""
    learned: tuple[str, ...] = ()


class ResolvFacts(Struct, frozen=True):
    """The pod's resolver configuration."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


class Lease4(Struct, frozen=True, kw_only=True):
    """What DHCPv4 tells the one client with `mac`. The lease never ends: the address is the guest's for its life."""

    mac: str
    address: str
    server: str
    router: str = ""
    mtu: int = 1500
    hostname: str = ""
    domain: str = ""
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    ntp_servers: tuple[str, ...] = ()
    boot_file: str = ""
    tftp_server: str = ""
    private: tuple[tuple[int, str], ...] = ()


class Lease6(Struct, frozen=True, kw_only=True):
    """What DHCPv6 tells the client on the link. `address` has no prefix; `server_mac` makes the server's DUID."""

    address: str
    server_mac: str
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


class RouterAdvert(Struct, frozen=True, kw_only=True):
    """What router advertisements say: use DHCPv6, and send by this router, all there is or `routes` (CIDRs) alone.

    `prefix` is on-link, never for SLAAC.
    """

    mac: str
    mtu: int
    prefix: str = ""
    default: bool = True
    routes: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


class BridgePlan(Struct, frozen=True, kw_only=True):
    """The bridge between the guest's tap and the rest of the pod."""

    name: str
    mac: str
    addresses: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


class MovedLink(Struct, frozen=True, kw_only=True):
    """A pod link whose address goes to the guest.

    It is renamed to `nic`, gets `mac` and becomes a port of the bridge; a link with the old name keeps
    `addresses`, so that the CNI plugin and whoever looks into the pod still find the pod's address there.
    """

    nic: str
    mac: str
    addresses: tuple[str, ...] = ()


class PortRange(Struct, frozen=True):
    """Forwarded ports, both ends included. `protocol` is `tcp` or `udp`."""

    protocol: str
    first: int
    last: int


class Forwarding(Struct, frozen=True, kw_only=True):
    """NAT of one address family between the pod's addresses and the guest. No `ports` means all traffic.

    `mesh`: what arrives at the pod is for the mesh's proxy, which passes it on to the guest.
    """

    guest: str
    gateway: str
    pod_addresses: tuple[str, ...]
    ports: tuple[PortRange, ...] = ()
    mesh: bool = False


class InterfacePlan(Struct, frozen=True, kw_only=True):
    """One guest interface, from the pod's link to what the guest hears about it.

    `bridge` is None where the tap is there already and belongs to no bridge of ours; `tap` is empty where a process of
    the pod is the guest's network and answers its DHCP.
    `sysctls` are (path below /proc/sys, value) in order. `moved` is set by the bridge binding, `forward4` and
    `forward6` by masquerade. `pod_addresses` (no prefix) are what others reach the guest by.
    """

    name: str
    binding: str
    pod_link: str
    mac: str
    mtu: int
    tap: str
    queues: int
    bridge: BridgePlan | None
    link_down: bool = False
    moved: MovedLink | None = None
    forward4: Forwarding | None = None
    forward6: Forwarding | None = None
    lease4: Lease4 | None = None
    lease6: Lease6 | None = None
    advert: RouterAdvert | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    pod_addresses: tuple[str, ...] = ()


class NetworkPlan(Struct, frozen=True):
    """All guest interfaces, in the order of the VMI's spec, those that came later last.

    `resolv` is what later ones are told of the pod's resolvers.
    """

    interfaces: tuple[InterfacePlan, ...] = ()
    resolv: ResolvFacts = ResolvFacts()


class NetworkPlanError(ValueError):
    """The pod's network cannot give what the VMI asks for; the message names the field or link."""
