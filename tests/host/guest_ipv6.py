"""What a guest's IPv6 client does, on eth0 of its namespace; prints as JSON what it was told.

Built on scapy's codecs, so that ours are read by somebody else's.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator

from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Advertise,
    DHCP6_Rebind,
    DHCP6_Renew,
    DHCP6_Reply,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptDNSDomains,
    DHCP6OptDNSServers,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptServerId,
)
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptRouteInfo,
    ICMPv6NDOptSrcLLAddr,
)

TIMEOUT_S = 5


def advertised(index: int) -> dict[str, object]:
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    raw.settimeout(TIMEOUT_S)
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    raw.sendto(bytes(ICMPv6ND_RS()), ("ff02::2", 0, 0, index))
    while True:
        data, peer = raw.recvfrom(2000)
        if data[0] == 134:
            break
    advert = ICMPv6ND_RA(data)
    return {
        "router": peer[0].partition("%")[0],
        "managed": advert.M,
        "lifetime": advert.routerlifetime,
        "mtu": advert[ICMPv6NDOptMTU].mtu,
        "router_mac": advert[ICMPv6NDOptSrcLLAddr].lladdr,
        "prefix": advert[ICMPv6NDOptPrefixInfo].prefix if ICMPv6NDOptPrefixInfo in advert else "",
        "routes": [option.prefix for option in routes(advert)],
        "dns": advert[ICMPv6NDOptRDNSS].dns,
    }


def routes(advert: ICMPv6ND_RA) -> Iterator[ICMPv6NDOptRouteInfo]:
    number = 1
    while option := advert.getlayer(ICMPv6NDOptRouteInfo, number):
        yield option
        number += 1


def leased(index: int, mac: str) -> dict[str, object]:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.settimeout(TIMEOUT_S)
    sock.bind(("::", 546))
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client = DHCP6OptClientId(duid=DUID_LL(lladdr=mac))

    def exchange(message: object) -> bytes:
        """Sent from any port, as some clients do; heard at the one that clients listen at (RFC 8415, 7.2)."""
        sender.sendto(bytes(message), ("ff02::1:2", 547, 0, index))  # type: ignore[call-overload]
        return sock.recv(2000)

    advertise = DHCP6_Advertise(exchange(DHCP6_Solicit(trid=7) / client / DHCP6OptIA_NA(iaid=1)))
    server = advertise[DHCP6OptServerId]
    reply = DHCP6_Reply(
        exchange(DHCP6_Request(trid=8) / client / DHCP6OptServerId(duid=server.duid) / advertise[DHCP6OptIA_NA])
    )
    address = reply[DHCP6OptIAAddress]
    held = DHCP6OptIA_NA(iaid=1, ianaopts=[DHCP6OptIAAddress(addr=address.addr)])
    renewed = DHCP6_Reply(exchange(DHCP6_Renew(trid=9) / client / DHCP6OptServerId(duid=server.duid) / held))
    rebound = DHCP6_Reply(exchange(DHCP6_Rebind(trid=10) / client / held))
    return {
        "address": address.addr,
        "valid": address.validlft,
        "renewed": {one.trid: one[DHCP6OptIAAddress].addr for one in (renewed, rebound)},
        "dns": reply[DHCP6OptDNSServers].dnsservers,
        "search": reply[DHCP6OptDNSDomains].dnsdomains,
    }


index = socket.if_nametoindex("eth0")
mac = sys.argv[1]
json.dump({"advert": advertised(index), "lease": leased(index, mac)}, sys.stdout)
