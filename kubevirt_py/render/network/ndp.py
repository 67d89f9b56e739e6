"""Router advertisements (RFC 4861, 4191, 8106): "get your address by DHCPv6, and I am your router"."""

from __future__ import annotations

import ipaddress
import struct

from kubevirt_py.render.network.dhcp4 import encode_search
from kubevirt_py.render.network.macs import mac_bytes
from kubevirt_py.render.network.model import RouterAdvert

ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
ROUTER_LIFETIME_S = 65535
"""The longest there is (RFC 8319): a guest keeps its default route through any outage of the agent."""
NO_DEFAULT_ROUTER_S = 0
"""Says "no default route by me" and nothing about prefixes and routes, which hold all the same (RFC 4861, 4.2)."""

_MAX_MESSAGE = 1500
_FOREVER = 0xFFFFFFFF
_HOP_LIMIT = 64
_MANAGED_AND_OTHER = 0xC0
_ON_LINK = 0x80
_SOURCE_LINK_ADDRESS, _PREFIX, _MTU, _ROUTE, _DNS, _SEARCH = 1, 3, 5, 24, 25, 31
_MAX_ROUTES = 16
"""So that an advertisement with all else fits into the smallest MTU."""


def answer(data: bytes, advert: RouterAdvert) -> bytes | None:
    """The advertisement for an ICMPv6 message that is a valid router solicitation, None for any other."""
    return advertisement(advert) if _is_solicitation(data) else None


def advertisement(advert: RouterAdvert) -> bytes:
    """The ICMPv6 message, its checksum left to the kernel."""
    lifetime_s = ROUTER_LIFETIME_S if advert.default else NO_DEFAULT_ROUTER_S
    message = struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, _HOP_LIMIT, _MANAGED_AND_OTHER, lifetime_s, 0, 0)
    message += _option(_SOURCE_LINK_ADDRESS, mac_bytes(advert.mac))
    message += _option(_MTU, struct.pack("!HI", 0, advert.mtu))
    if advert.prefix:
        net = ipaddress.IPv6Network(advert.prefix)
        fields = struct.pack("!BBIII", net.prefixlen, _ON_LINK, _FOREVER, _FOREVER, 0)
        message += _option(_PREFIX, fields + net.network_address.packed)
    for route in advert.routes[:_MAX_ROUTES]:
        net = ipaddress.IPv6Network(route)
        fields = struct.pack("!BBI", net.prefixlen, 0, _FOREVER)
        message += _option(_ROUTE, fields + net.network_address.packed)
    if advert.nameservers:
        servers = b"".join(ipaddress.IPv6Address(n).packed for n in advert.nameservers)
        message += _option(_DNS, struct.pack("!HI", 0, _FOREVER) + servers)
    if advert.search:
        message += _option(_SEARCH, struct.pack("!HI", 0, _FOREVER) + encode_search(advert.search))
    return message


def _is_solicitation(data: bytes) -> bool:
    if not 8 <= len(data) <= _MAX_MESSAGE or data[:2] != bytes([ROUTER_SOLICITATION, 0]):
        return False
    at = 8
    while at < len(data):
        if at + 2 > len(data) or data[at + 1] == 0 or at + data[at + 1] * 8 > len(data):
            return False
        at += data[at + 1] * 8
    return True


def _option(code: int, value: bytes) -> bytes:
    """Length counts units of eight bytes, with the two of the head."""
    units = (2 + len(value) + 7) // 8
    return (bytes([code, units]) + value).ljust(units * 8, b"\0")
