"""DHCPv4 (RFC 2131, 2132, 3396, 3397, 3442): a client's message and its Lease4 -> the server's answer.

The parser takes what a guest sends: it never raises, and ignores what is not well-formed.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable

from msgspec import Struct

from kubevirt_py.render.network.macs import mac_bytes
from kubevirt_py.render.network.model import Lease4, Route

SERVER_PORT, CLIENT_PORT = 67, 68
DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)

_HEADER = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_COOKIE = b"\x63\x82\x53\x63"
_MAX_MESSAGE = 1500
_LEAST_MESSAGE = 576
"""What every client takes; a value below is none (RFC 2132, 9.10)."""
_MAX_SEARCH = 512
_IP_UDP_BYTES = 28
_FOREVER = 0xFFFFFFFF
_MASK, _ROUTER, _DNS, _HOSTNAME, _DOMAIN, _MTU, _NTP = 1, 3, 6, 12, 15, 26, 42
_REQUESTED, _LEASE_TIME, _TYPE, _SERVER_ID, _MAX_SIZE = 50, 51, 53, 54, 57
_TFTP_SERVER, _BOOT_FILE, _SEARCH, _ROUTES = 66, 67, 119, 121
_PRIVATE = range(224, 255)


class Request4(Struct, frozen=True, kw_only=True):
    """A well-formed client message. Addresses are four bytes; `ciaddr` is zero when the client has none."""

    type: int
    xid: int
    flags: int
    ciaddr: bytes
    giaddr: bytes
    mac: bytes
    options: dict[int, bytes]


def parse(data: bytes) -> Request4 | None:
    """The client message in a UDP payload, or None when it is not one."""
    start = _HEADER.size + len(_COOKIE)
    if not start < len(data) <= _MAX_MESSAGE or data[_HEADER.size : start] != _COOKIE:
        return None
    op, htype, hlen, _, xid, _, flags, ciaddr, _, _, giaddr, chaddr, _, _ = _HEADER.unpack_from(data)
    options = _parse_options(data[start:])
    if (op, htype, hlen) != (1, 1, 6) or options is None or len(options.get(_TYPE, b"")) != 1:
        return None
    return Request4(
        type=options[_TYPE][0],
        xid=xid,
        flags=flags,
        ciaddr=ciaddr,
        giaddr=giaddr,
        mac=chaddr[:6],
        options=options,
    )


def answer(data: bytes, lease: Lease4) -> bytes | None:
    """The reply to a client's UDP payload, None when silence is right (not for us, not valid, needs no answer)."""
    request = parse(data)
    if request is None or request.mac != mac_bytes(lease.mac) or any(request.giaddr):
        return None
    server, address = _packed(lease.server), _packed(_plain(lease.address))
    if request.options.get(_SERVER_ID, server) != server:
        return None
    if request.type == DISCOVER:
        return _reply(request, lease, OFFER, address)
    if request.type == REQUEST:
        wanted = request.options.get(_REQUESTED) or request.ciaddr
        if wanted != address:
            return _message(request, lease, bytes(4), bytes(4), [(_TYPE, bytes([NAK])), (_SERVER_ID, server)])
        return _reply(request, lease, ACK, address)
    if request.type == INFORM:
        return _reply(request, lease, ACK, bytes(4))
    return None


def datagram(payload: bytes, lease: Lease4) -> tuple[bytes, bytes]:
    """The IPv4 packet that carries an answer, and the hardware address to send it to.

    A client without an address hears only what is sent to its hardware address or to all (RFC 2131, 4.1), and a
    client behind the bridge binding has an address that is local to the sender: so packets are made by hand.
    A refusal goes to all: the address that the client has is none that it can be reached by.
    """
    xid_flags, ciaddr, yiaddr = payload[10:12], payload[12:16], payload[16:20]
    client = ciaddr if any(ciaddr) else yiaddr
    broadcast = not any(client) or (xid_flags[0] & 0x80 and not any(ciaddr))
    target = b"\xff" * 4 if broadcast else client
    source = _packed(lease.server)
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", SERVER_PORT, CLIENT_PORT, length, 0) + payload
    pseudo = source + target + struct.pack("!BBH", 0, 17, length)
    checksum = _checksum(pseudo + udp) or 0xFFFF
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0xC0, 20 + length, 0, 0, 64, 17, 0, source, target)
    header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    return header + udp[:6] + struct.pack("!H", checksum) + payload, b"\xff" * 6 if broadcast else mac_bytes(lease.mac)


def _reply(request: Request4, lease: Lease4, kind: int, yiaddr: bytes) -> bytes:
    server = _packed(lease.server)
    options = [(_TYPE, bytes([kind])), (_SERVER_ID, server)]
    if any(yiaddr):
        options.append((_LEASE_TIME, struct.pack("!I", _FOREVER)))
    ciaddr = request.ciaddr if kind == ACK else bytes(4)
    return _message(request, lease, ciaddr, yiaddr, [*options, *_configuration(lease)])


def _configuration(lease: Lease4) -> list[tuple[int, bytes]]:
    """The options that configure the guest; those without a value are left out."""
    network = ipaddress.ip_interface(lease.address).network
    options = [
        (_MASK, network.netmask.packed),
        (_ROUTES, encode_routes(lease.routes)),
        (_ROUTER, _packed(lease.router) if lease.router else b""),
        (_DNS, b"".join(_packed(n) for n in lease.nameservers)),
        (_HOSTNAME, lease.hostname.encode()),
        (_DOMAIN, lease.domain.encode()),
        (_MTU, struct.pack("!H", min(lease.mtu, 65535))),
        (_NTP, b"".join(_packed(n) for n in lease.ntp_servers if _is_ipv4(n))),
        (_TFTP_SERVER, lease.tftp_server.encode()),
        (_BOOT_FILE, lease.boot_file.encode()),
        (_SEARCH, encode_search(lease.search)),
        *((code, value.encode()) for code, value in lease.private if code in _PRIVATE),
    ]
    return [(code, value) for code, value in options if value]


def _message(request: Request4, lease: Lease4, ciaddr: bytes, yiaddr: bytes, options: list[tuple[int, bytes]]) -> bytes:
    """The reply with as many of the options, the most needed first, as one packet holds and the client takes.

    Firmware that boots by TFTP looks for the server's address in the header (`siaddr`), not among the options.
    """
    siaddr = _packed(lease.tftp_server if _is_ipv4(lease.tftp_server) else lease.server)
    message = _HEADER.pack(
        2, 1, 6, 0, request.xid, 0, request.flags, ciaddr, yiaddr, siaddr, request.giaddr, request.mac, b"", b""
    )
    message += _COOKIE
    room = min(lease.mtu, _MAX_MESSAGE, _most(request)) - _IP_UDP_BYTES - len(message) - 1
    for code, value in options:
        encoded = _option(code, value)
        if len(encoded) <= room:
            message += encoded
            room -= len(encoded)
    return (message + b"\xff").ljust(300, b"\0")


def _most(request: Request4) -> int:
    """Bytes of the largest packet that the client says it takes. BusyBox drops larger ones."""
    given = request.options.get(_MAX_SIZE, b"")
    return max(int.from_bytes(given), _LEAST_MESSAGE) if len(given) == 2 else _MAX_MESSAGE


def encode_routes(routes: Iterable[Route]) -> bytes:
    """Option 121: on-link routes first, so that a gateway is reachable when the route through it is set."""
    encoded = b""
    for route in sorted(routes, key=lambda r: r.gateway != ""):
        network = ipaddress.IPv4Network(route.dst, strict=False)
        significant = network.network_address.packed[: (network.prefixlen + 7) // 8]
        encoded += bytes([network.prefixlen]) + significant + _packed(route.gateway or "0.0.0.0")
    return encoded


def encode_search(domains: Iterable[str]) -> bytes:
    """Domain names in DNS wire form, without compression (options 119 of DHCPv4, 24 of DHCPv6, 31 of NDP).

    The first ones that fit into a packet with the rest; a resolver tries them in this order.
    """
    encoded = b""
    for domain in domains:
        labels = [label.encode() for label in domain.split(".")]
        name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        if len(encoded) + len(name) > _MAX_SEARCH:
            break
        encoded += name
    return encoded


def _option(code: int, value: bytes) -> bytes:
    """Values above 255 bytes are split over several options of the same code (RFC 3396)."""
    parts = [value[i : i + 255] for i in range(0, len(value), 255)]
    return b"".join(bytes([code, len(part)]) + part for part in parts)


def _parse_options(data: bytes) -> dict[int, bytes] | None:
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            return None
        code, length = data[at], data[at + 1]
        options[code] = options.get(code, b"") + data[at + 2 : at + 2 + length]
        at += 2 + length
    return options


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed


def _is_ipv4(address: str) -> bool:
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return True


def _plain(cidr: str) -> str:
    return cidr.partition("/")[0]
