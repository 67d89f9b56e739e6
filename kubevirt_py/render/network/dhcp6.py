"""DHCPv6 (RFC 8415, 3646): a client's message and its Lease6 -> the server's answer.

One guest, one address, for ever. The parser takes what a guest sends: it never raises, and ignores what is not
well-formed. Relayed messages and prefix delegation are not answered.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable

from msgspec import Struct

from kubevirt_py.render.network.dhcp4 import encode_search
from kubevirt_py.render.network.macs import mac_bytes
from kubevirt_py.render.network.model import Lease6

SERVER_PORT, CLIENT_PORT = 547, 546
ALL_SERVERS = "ff02::1:2"
SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE = range(1, 10)
INFORMATION_REQUEST = 11

_MAX_MESSAGE = 1500
_MAX_OPTIONS = 64
_MAX_DUID = 130
_FOREVER = 0xFFFFFFFF
_CLIENT_ID, _SERVER_ID, _IA_NA, _IA_ADDRESS, _PREFERENCE = 1, 2, 3, 5, 7
_STATUS, _RAPID_COMMIT, _DNS, _SEARCH = 13, 14, 23, 24
_SUCCESS, _NO_ADDRESS, _NOT_ON_LINK = 0, 2, 4

Option = tuple[int, bytes]


class Association(Struct, frozen=True):
    """An IA_NA of a message: its id and the addresses (16 bytes each) the client names in it."""

    iaid: bytes
    addresses: tuple[bytes, ...]


class Request6(Struct, frozen=True, kw_only=True):
    """A well-formed client message. `client_id` and `server_id` are DUIDs, empty when absent."""

    type: int
    transaction: bytes
    client_id: bytes = b""
    server_id: bytes = b""
    associations: tuple[Association, ...] = ()
    rapid_commit: bool = False


def parse(data: bytes) -> Request6 | None:
    """The client message in a UDP payload, or None when it is not one."""
    if not 4 <= len(data) <= _MAX_MESSAGE:
        return None
    options = _options(data[4:])
    if options is None:
        return None
    client_ids = [value for code, value in options if code == _CLIENT_ID]
    server_ids = [value for code, value in options if code == _SERVER_ID]
    associations = [_association(value) for code, value in options if code == _IA_NA]
    if len(client_ids) > 1 or len(server_ids) > 1 or any(len(i) > _MAX_DUID for i in (*client_ids, *server_ids)):
        return None
    return Request6(
        type=data[0],
        transaction=data[1:4],
        client_id=b"".join(client_ids),
        server_id=b"".join(server_ids),
        associations=tuple(a for a in associations if a is not None),
        rapid_commit=any(code == _RAPID_COMMIT for code, _ in options),
    )


def answer(data: bytes, lease: Lease6) -> bytes | None:
    """The reply to a client's UDP payload, None when silence is right (RFC 8415, section 16)."""
    request = parse(data)
    if request is None:
        return None
    respond = _ANSWERS.get(request.type)
    ours = server_duid(lease)
    if respond is None or (request.server_id and request.server_id != ours):
        return None
    if not request.client_id and request.type != INFORMATION_REQUEST:
        return None
    names_server = request.type in (REQUEST, RENEW, RELEASE, DECLINE)
    if names_server != bool(request.server_id) and request.type != INFORMATION_REQUEST:
        return None
    kind, options = respond(request, lease)
    identity = [(_SERVER_ID, ours)]
    if request.client_id:
        identity.append((_CLIENT_ID, request.client_id))
    return bytes([kind]) + request.transaction + b"".join(_option(*option) for option in (*identity, *options))


def server_duid(lease: Lease6) -> bytes:
    """DUID-LL of the bridge: the same for every agent that serves this guest."""
    return struct.pack("!HH", 3, 1) + mac_bytes(lease.server_mac)


def _solicited(request: Request6, lease: Lease6) -> tuple[int, list[Option]]:
    """The highest preference tells the client that it need not wait for other servers' offers."""
    kind, lead = (REPLY, (_RAPID_COMMIT, b"")) if request.rapid_commit else (ADVERTISE, (_PREFERENCE, b"\xff"))
    return kind, [lead, *_leased(request, lease), *_configuration(lease)]


def _bound(request: Request6, lease: Lease6) -> tuple[int, list[Option]]:
    return REPLY, [*_leased(request, lease), *_configuration(lease)]


def _confirmed(request: Request6, lease: Lease6) -> tuple[int, list[Option]]:
    ours = ipaddress.IPv6Address(lease.address).packed
    known = all(address == ours for association in request.associations for address in association.addresses)
    return REPLY, [_status(_SUCCESS if known else _NOT_ON_LINK), *_configuration(lease)]


def _noted(_request: Request6, _lease: Lease6) -> tuple[int, list[Option]]:
    """The guest gives its address up; it stays reserved for it."""
    return REPLY, [_status(_SUCCESS)]


def _informed(_request: Request6, lease: Lease6) -> tuple[int, list[Option]]:
    return REPLY, _configuration(lease)


_ANSWERS: dict[int, Callable[[Request6, Lease6], tuple[int, list[Option]]]] = {
    SOLICIT: _solicited,
    REQUEST: _bound,
    RENEW: _bound,
    REBIND: _bound,
    CONFIRM: _confirmed,
    RELEASE: _noted,
    DECLINE: _noted,
    INFORMATION_REQUEST: _informed,
}


def _leased(request: Request6, lease: Lease6) -> list[Option]:
    """The address for the first association, "none left" for others; foreign addresses end at once."""
    ours = ipaddress.IPv6Address(lease.address).packed
    options: list[Option] = []
    for position, association in enumerate(request.associations):
        head = association.iaid + struct.pack("!II", _FOREVER, _FOREVER)
        if position:
            options.append((_IA_NA, head + _option(*_status(_NO_ADDRESS))))
            continue
        body = _option(_IA_ADDRESS, ours + struct.pack("!II", _FOREVER, _FOREVER))
        for foreign in dict.fromkeys(association.addresses):
            if foreign != ours and request.type in (RENEW, REBIND):
                body += _option(_IA_ADDRESS, foreign + bytes(8))
        options.append((_IA_NA, head + body))
    return options


def _configuration(lease: Lease6) -> list[Option]:
    servers = b"".join(ipaddress.IPv6Address(n).packed for n in lease.nameservers)
    options = [(_DNS, servers), (_SEARCH, encode_search(lease.search))]
    return [(code, value) for code, value in options if value]


def _association(value: bytes) -> Association | None:
    if len(value) < 12 or (inner := _options(value[12:])) is None:
        return None
    return Association(value[:4], tuple(v[:16] for code, v in inner if code == _IA_ADDRESS and len(v) >= 24))


def _options(data: bytes) -> list[Option] | None:
    options: list[Option] = []
    at = 0
    while at < len(data):
        if len(options) == _MAX_OPTIONS or at + 4 > len(data):
            return None
        code, length = struct.unpack_from("!HH", data, at)
        if at + 4 + length > len(data):
            return None
        options.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + length
    return options


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value


def _status(code: int) -> Option:
    return _STATUS, struct.pack("!H", code)
