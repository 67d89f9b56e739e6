"""NetworkPlan + what the guest agent reports -> status.interfaces of the VMI."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from kubevirt_py.plan import Document
from kubevirt_py.render.network.model import InterfacePlan, NetworkPlan

_MAX_GUEST_INTERFACES = 32
_MAX_ADDRESSES = 16
_MAX_NAME = 64


def status_interfaces(plan: NetworkPlan, agent: Sequence[Document] = ()) -> list[Document]:
    """Entries in spec order, then interfaces only the guest knows.

    `agent` is the answer of `guest-network-get-interfaces`, already JSON but otherwise untrusted. As in KubeVirt,
    masquerade reports the pod's addresses and bridge the guest's own, the pod's as long as nobody tells.
    """
    reported = [r for r in agent[:_MAX_GUEST_INTERFACES] if isinstance(r, dict) and r.get("name") != "lo"]
    by_mac = {str(r.get("hardware-address", "")).lower(): r for r in reported}
    entries = [_planned(interface, by_mac.get(interface.mac)) for interface in plan.interfaces]
    planned = {interface.mac for interface in plan.interfaces}
    return entries + [_guest_only(r) for mac, r in by_mac.items() if mac and mac not in planned]


def _planned(interface: InterfacePlan, reported: Document | None) -> Document:
    addresses = list(interface.pod_addresses)
    if reported is not None and interface.binding == "bridge":
        addresses = _addresses(reported) or addresses
    entry: Document = {
        "name": interface.name,
        "mac": interface.mac,
        "infoSource": "domain" if reported is None else "domain, guest-agent",
        "podInterfaceName": interface.pod_link,
        "queueCount": interface.queues,
        "linkState": "down" if interface.link_down else "up",
        **_ip_fields(addresses),
    }
    if reported is not None:
        entry["interfaceName"] = _name(reported)
    return entry


def _guest_only(reported: Document) -> Document:
    mac = str(reported.get("hardware-address", "")).lower()[:_MAX_NAME]
    return {
        "interfaceName": _name(reported),
        "mac": mac,
        "infoSource": "guest-agent",
        **_ip_fields(_addresses(reported)),
    }


def _ip_fields(addresses: list[str]) -> Document:
    return {"ipAddress": addresses[0], "ipAddresses": addresses} if addresses else {}


def _addresses(reported: Document) -> list[str]:
    """The valid addresses, those a peer can use before link-local ones."""
    listed = reported.get("ip-addresses")
    values = (str(a.get("ip-address", "")) for a in listed if isinstance(a, dict)) if isinstance(listed, list) else ()
    parsed = list(_parsed(values))[:_MAX_ADDRESSES]
    return [str(a) for a in sorted(parsed, key=lambda a: a.is_link_local)]


def _parsed(values: Iterable[str]) -> Iterable[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    for value in values:
        try:
            yield ipaddress.ip_address(value)
        except ValueError:
            continue


def _name(reported: Document) -> str:
    return str(reported.get("name", ""))[:_MAX_NAME]
