"""NetworkPlan -> the nftables document (libnftables-json) that makes it so.

One document is one transaction: it replaces the tables of an earlier run. Tables are named `kubevirt`, one per family.
`ip` and `ip6` carry the NAT of masquerade; `bridge` keeps our answers to a guest, and a guest's answers to others,
from crossing the bridge between guest and pod network, and takes what a guest sends to its DHCP server from the frames
that it hands to its router.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubevirt_py.plan import Document
from kubevirt_py.render.network.model import Forwarding, InterfacePlan, NetworkPlan, PortRange

TABLE = "kubevirt"

MESH_PORTS = (15000, 15001, 15004, 15006, 15008, 15020, 15021, 15053, 15090)
"""Of Istio's proxy in the pod: what the pod itself sends there is not for the guest."""
MESH_SOURCES = {"ip": "127.0.0.6", "ip6": "::6"}
"""By which the proxy passes on what arrived."""
UNMESHED_PORT = 22
"""SSH goes to the guest past the proxy."""

_DSTNAT, _SRCNAT, _FILTER, _BRIDGE_DSTNAT = -100, 100, 0, -300
_RAW = -300
"""Before any address is translated (back)."""
_LOOPBACK = {"prefix": {"addr": "127.0.0.0", "len": 8}}
_LINK_LOCAL = {"prefix": {"addr": "fe80::", "len": 10}}
_FEW = {"rate": 20, "per": "second", "burst": 50}
_DHCP_SERVER = 67
_UDP, _ICMPV6 = 17, 58
"""By number: nft looks names up in /etc/protocols, which a small image does not have."""


def ruleset(plan: NetworkPlan, without: Iterable[InterfacePlan] = ()) -> Document:
    """The document for `nft -j -f -`. Empty tables are left out, or removed if `without` had one."""
    commands: list[Document] = []
    for family, loopback in (("ip", "127.0.0.1"), ("ip6", "")):
        forwards = [(i, f) for i in plan.interfaces if (f := i.forward4 if family == "ip" else i.forward6)]
        if forwards:
            commands += _table(family)
            commands += [
                _chain(family, "prerouting", "nat", _DSTNAT),
                _chain(family, "output", "nat", _DSTNAT),
                _chain(family, "postrouting", "nat", _SRCNAT),
            ]
            commands.append(_chain(family, "prerouting", "filter", _RAW, name="arriving"))
            for interface, forward in forwards:
                commands += [_shut_loopback(interface)] if family == "ip" else _known_senders(interface, forward)
            for interface, forward in forwards:
                commands += _nat(family, interface, forward, loopback)
    moved = [(interface, interface.moved.nic) for interface in plan.interfaces if interface.moved]
    if moved:
        commands += _table("bridge")
        commands.append(_chain("bridge", "prerouting", "filter", _BRIDGE_DSTNAT))
        commands += [_chain("bridge", name, "filter", _FILTER) for name in ("input", "forward", "output")]
        for interface, nic in moved:
            commands += [*_diverted(interface), *_guard(interface, nic)]
    stale = {"bridge" for one in without if one.moved} | {"ip" for one in without if one.forward4}
    stale |= {"ip6" for one in without if one.forward6}
    present = {command["add"]["table"]["family"] for command in commands if "table" in command.get("add", {})}
    for family in sorted(stale - present):
        commands += _table(family)[:2]
    return {"nftables": commands}


def _nat(family: str, interface: InterfacePlan, forward: Forwarding, loopback: str) -> list[Document]:
    assert interface.bridge is not None
    inbound = [
        _match(_meta("iifname"), interface.pod_link),
        _match(_payload(family, "daddr"), _any_of(forward.pod_addresses)),
    ]
    local = [_match(_payload(family, "daddr"), _any_of((*forward.pod_addresses, *filter(None, (loopback,)))))]
    dnat = {"dnat": {"addr": forward.guest}}
    rules = []
    if forward.mesh:
        own = _match(_payload("tcp", "dport"), _any_of(MESH_PORTS))
        rules.append(_rule(family, "output", *local, own, {"accept": None}))
        if not forward.ports or any(_covers(port, UNMESHED_PORT) for port in forward.ports):
            direct = _match(_payload("tcp", "dport"), UNMESHED_PORT)
            rules.append(_rule(family, "prerouting", *inbound, direct, dnat))
    for port in _port_matches(forward):
        if not forward.mesh:
            rules.append(_rule(family, "prerouting", *inbound, *port, dnat))
        rules.append(_rule(family, "output", *local, *port, dnat))
    rules.append(
        _rule(
            family,
            "postrouting",
            _match(_meta("oifname"), interface.pod_link),
            _match(_payload(family, "saddr"), forward.guest),
            {"masquerade": None},
        )
    )
    sources = [*filter(None, (loopback,)), *([MESH_SOURCES[family]] if forward.mesh else [])]
    if sources:
        rules.append(
            _rule(
                family,
                "postrouting",
                _match(_meta("oifname"), interface.bridge.name),
                _match(_payload(family, "saddr"), _any_of(sources)),
                {"snat": {"addr": forward.gateway}},
            )
        )
    return rules


def _shut_loopback(interface: InterfacePlan) -> Document:
    """`route_localnet`, by which the pod's loopback reaches the guest, would let the guest reach what listens there."""
    assert interface.bridge is not None
    to_loopback = _match(_payload("ip", "daddr"), _LOOPBACK)
    return _rule("ip", "arriving", _match(_meta("iifname"), interface.bridge.name), to_loopback, {"drop": None})


def _known_senders(interface: InterfacePlan, forward: Forwarding) -> list[Document]:
    """Whoever asks for a neighbour becomes one, and all pods of a node share the room for these.

    A guest has one address, none yet (::), and a link-local one or two that it made itself: of such come few packets.
    """
    assert interface.bridge is not None
    here, sender = _match(_meta("iifname"), interface.bridge.name), _payload("ip6", "saddr")
    return [
        _rule("ip6", "arriving", here, _match(sender, _any_of([forward.guest, "::"])), {"accept": None}),
        _rule("ip6", "arriving", here, _match(sender, _LINK_LOCAL), {"limit": _FEW}, {"accept": None}),
        _rule("ip6", "arriving", here, {"drop": None}),
    ]


def _covers(port: PortRange, number: int) -> bool:
    return port.protocol == "tcp" and port.first <= number <= port.last


def _diverted(interface: InterfacePlan) -> list[Document]:
    """What the guest sends to its DHCP server alone reaches the bridge, whatever hardware address it bears.

    The server's address is in no subnet of the guest, which sends to its router what it does not know.
    """
    if interface.lease4 is None or interface.bridge is None:
        return []
    sent = [
        _match(_meta("iifname"), interface.tap),
        _match(_payload("ether", "type"), "ip"),
        _match(_payload("ip", "daddr"), interface.lease4.server),
        _match(_payload("udp", "dport"), _DHCP_SERVER),
    ]
    here = {"mangle": {"key": _payload("ether", "daddr"), "value": interface.bridge.mac}}
    return [_rule("bridge", "prerouting", *sent, here, {"mangle": {"key": _meta("pkttype"), "value": "host"}})]


def _guard(interface: InterfacePlan, nic: str) -> list[Document]:
    """Drop rules for what we answer ourselves: such talk stays between the guest and the bridge.

    Other guests have servers of the same address: whom the guest asks for its server's, ours alone answers.
    """
    rules = []
    if interface.lease4 is not None:
        rules += _kept_apart(interface, nic, "arp", [_match(_payload("arp", "daddr ip"), interface.lease4.server)])
    families = (("ip", "protocol", {67, 68}, interface.lease4), ("ip6", "nexthdr", {546, 547}, interface.lease6))
    for family, next_header, ports, lease in families:
        if lease is not None:
            udp = _match(_payload(family, next_header), _UDP)
            rules += _kept_apart(
                interface, nic, family, [udp, _match(_payload("udp", "dport"), _any_of(sorted(ports)))]
            )
    if interface.advert is not None:
        icmp = _match(_payload("ip6", "nexthdr"), _ICMPV6)
        types = _any_of(["nd-router-solicit", "nd-router-advert"])
        rules += _kept_apart(interface, nic, "ip6", [icmp, _match(_payload("icmpv6", "type"), types)])
    return rules


def _kept_apart(interface: InterfacePlan, nic: str, ethertype: str, packet: list[Document]) -> list[Document]:
    what = [_match(_payload("ether", "type"), ethertype), *packet, {"drop": None}]
    return [
        _rule("bridge", "input", _match(_meta("iifname"), nic), *what),
        _rule("bridge", "forward", _match(_meta("oifname"), _any_of([nic, interface.tap])), *what),
        _rule("bridge", "output", _match(_meta("oifname"), nic), *what),
    ]


def _port_matches(forward: Forwarding) -> list[list[Document]]:
    if not forward.ports:
        return [[]]
    matches = []
    for protocol in sorted({port.protocol for port in forward.ports}):
        ranges = [(p.first, p.last) for p in forward.ports if p.protocol == protocol]
        values = [first if first == last else {"range": [first, last]} for first, last in _merged(ranges)]
        matches.append([_match(_payload(protocol, "dport"), _any_of(values))])
    return matches


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted ranges with overlaps joined: a set of nftables refuses overlapping intervals."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _table(family: str) -> list[Document]:
    """Add, delete, add: the way to a fresh table whether or not there was one."""
    table = {"table": {"family": family, "name": TABLE}}
    return [{"add": table}, {"delete": table}, {"add": table}]


def _chain(family: str, hook: str, kind: str, priority: int, name: str = "") -> Document:
    chain = {"family": family, "table": TABLE, "name": name or hook, "type": kind, "hook": hook, "prio": priority}
    return {"add": {"chain": {**chain, "policy": "accept"}}}


def _rule(family: str, chain: str, *expressions: Document) -> Document:
    return {"add": {"rule": {"family": family, "table": TABLE, "chain": chain, "expr": list(expressions)}}}


def _match(left: Document, right: Any) -> Document:
    return {"match": {"op": "==", "left": left, "right": right}}


def _meta(key: str) -> Document:
    return {"meta": {"key": key}}


def _payload(protocol: str, field: str) -> Document:
    return {"payload": {"protocol": protocol, "field": field}}


def _any_of(values: Any) -> Any:
    """One value as itself, several as an anonymous set."""
    items = list(values)
    return items[0] if len(items) == 1 and not isinstance(items[0], dict) else {"set": items}
