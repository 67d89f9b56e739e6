"""Downward metrics as a guest reads them, in the format of vhostmd."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

from e2e.console import Console
from e2e.kubectl import eventually


def metrics_of(text: bytes) -> dict[tuple[str, str], str]:
    """Values by context (host or vm) and name."""
    found = {}
    for one in ElementTree.fromstring(text):
        found[one.get("context", ""), one.findtext("name", "")] = one.findtext("value", "")
    return found


def metrics_on_disk(guest: Console, disk: str) -> dict[tuple[str, str], str]:
    """What the disk says; a reader that comes while it is written comes again."""
    command = f"dd if={disk} bs=4096 count=1 iflag=direct 2>/dev/null | od -An -v -tx1"
    body = b""

    def whole() -> bool:
        nonlocal body
        data = bytes.fromhex("".join(guest.run(command).split()))
        signature, busy, checksum, length = struct.unpack_from(">4siii", data)
        body = data[16 : 16 + length]
        assert signature == b"mvbd"
        return not busy and checksum == sum(body)

    assert eventually(whole, 30), "the disk of metrics is never whole"
    return metrics_of(body)
