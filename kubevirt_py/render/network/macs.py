"""Hardware addresses that stay the same over restarts of an agent and moves between nodes."""

from __future__ import annotations

import hashlib
import ipaddress

MASQUERADE_BRIDGE_MAC = "02:00:00:00:00:00"
"""KubeVirt's address of every masquerade gateway: a guest that migrates keeps its neighbour entry."""


def stable_mac(uid: str, purpose: str) -> str:
    """A locally administered unicast address for `purpose` (an interface name) of the object with `uid`."""
    digest = hashlib.sha256(f"{uid}/{purpose}".encode()).digest()
    return ":".join(f"{byte:02x}" for byte in b"\x02" + digest[:5])


def link_local(mac: str) -> str:
    """The modified EUI-64 link-local address of `mac` (RFC 4291), without prefix."""
    raw = mac_bytes(mac)
    identifier = bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))


def mac_bytes(mac: str) -> bytes:
    """The six bytes of `aa:bb:cc:dd:ee:ff`."""
    return bytes.fromhex(mac.replace(":", "").replace("-", ""))
