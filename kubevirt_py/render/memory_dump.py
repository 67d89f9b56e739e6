"""A dump of a guest's memory: the file, the claim it needs, and how long it may take. Names and sizes as KubeVirt's."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.quantity import quantity_bytes
from kubevirt_py.plan import Document

SUFFIX = ".memory.dump"
OVERHEAD_BYTES = 100 << 20
"""What a dump holds beside the guest's memory, at most."""
FILE_SYSTEM_SHARE = Fraction(55, 1000)
"""What a file system takes for itself."""
LEAST_S = 60.0
BYTES_PER_S = 8 << 20
"""A storage that is slower than this is as good as stuck."""


def file_name(machine: str, volume: str, now: datetime) -> str:
    """<machine>-<volume>-YYYYMMDD-HHMMSS.memory.dump, in UTC."""
    return f"{machine}-{volume}-{now.astimezone(UTC):%Y%m%d-%H%M%S}{SUFFIX}"


class DumpFile(msgspec.Struct, frozen=True):
    """A new file in the directory `root` with room for `size` bytes.

    It takes the place of earlier dumps: names as long as its own that begin and end as `older` says.
    """

    root: str
    file: str
    size: int
    older: tuple[str, str]


def dump_file(machine: str, volume: str, file: str, memory: int) -> DumpFile:
    """What the attachment pod is to make for a dump of `memory` bytes."""
    return DumpFile(f"{names.VMI_DISK_DIR}/{volume}", file, memory, (f"{machine}-{volume}-", SUFFIX))


def allowed_s(memory: int) -> float:
    """After how many seconds a dump of `memory` bytes has failed."""
    return LEAST_S + memory / BYTES_PER_S


def guest_memory(spec: Document) -> int:
    """Bytes of memory a VMI's spec gives to the guest, 0 where it does not say."""
    domain = spec.get("domain") or {}
    resources = domain.get("resources") or {}
    given = (
        (domain.get("memory") or {}).get("guest")
        or (resources.get("requests") or {}).get("memory")
        or (resources.get("limits") or {}).get("memory")
    )
    return quantity_bytes(given) if given else 0


def claim_bytes(memory: int) -> int:
    """Size of a claim with a file system that takes a dump of so much memory, in whole MiB."""
    needed = (memory + OVERHEAD_BYTES) * (1 + FILE_SYSTEM_SHARE)
    return -(-needed.numerator // (needed.denominator << 20)) << 20


def with_dump_volume(spec: Document, claim: str) -> Document:
    """A VMI's spec with the volume that takes the dump, which has the claim's name."""
    volumes = spec.get("volumes") or []
    if any(volume["name"] == claim for volume in volumes):
        return spec
    added = {"name": claim, "memoryDump": {"claimName": claim, "hotpluggable": True}}
    return {**spec, "volumes": [*volumes, added]}


def without_dump_volume(spec: Document, claim: str) -> Document:
    """A VMI's spec without the volume that takes dumps into `claim`; no other volume of that name goes."""
    volumes = spec.get("volumes") or []
    kept = [volume for volume in volumes if volume["name"] != claim or "memoryDump" not in volume]
    return {**spec, "volumes": kept} if len(kept) < len(volumes) else spec


def has_dump_volume(spec: Document, claim: str) -> bool:
    """Whether dumps into `claim` have their volume."""
    return without_dump_volume(spec, claim) is not spec
