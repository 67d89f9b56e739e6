"""Turn a Linux bzImage for x86-64 into one that is not compressed and lies at 2 MiB.

Debian's kernels unpack themselves to 16 MiB and above and want room beside for it, so they do not even start with
64 MiB of memory, and under emulation unpacking takes longer than reading the bigger file. The image made here
needs just what the running kernel occupies. It is for BIOS boot loaders: the 64-bit and EFI entries are gone.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BASE, KERNEL = 0x100000, 0x200000  # as in enter.S
LOAD = 1  # an ELF segment that belongs into memory

# Fields of the boot protocol's header (Documentation/arch/x86/boot.rst): offset and struct format
SETUP_SECTS = (0x1F1, "<B")
SYSSIZE = (0x1F4, "<I")
ALIGNMENT = (0x230, "<I")
RELOCATABLE = (0x234, "<B")
XLOADFLAGS = (0x236, "<H")
PAYLOAD = (0x248, "<II")
PREF_ADDRESS = (0x258, "<Q")
INIT_SIZE = (0x260, "<I")


@dataclass(frozen=True)
class Kernel:
    """A kernel as it lies in memory from its first byte on: what is loaded, and the room it takes with its zeros."""

    content: bytes
    room: int


def flatten(image: bytes, enter: bytes, least_memory: int = 0, sysctls: Mapping[str, int] | None = None) -> bytes:
    """Return the uncompressed bzImage.

    `enter` is the assembled enter.S; `least_memory` (bytes) makes boot loaders refuse the kernel on smaller
    machines; `sysctls` have these values from the first instruction on, where the command line sets them only when
    the kernel has started. Raises ValueError for what is not a bzImage in a known compression, and for a sysctl that
    the kernel does not have.
    """
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("no boot protocol header: not a bzImage")
    real_mode = bytearray(image[: (image[SETUP_SECTS[0]] + 1) * 512])
    offset, length = struct.unpack_from(PAYLOAD[1], image, PAYLOAD[0])
    start = len(real_mode) + offset
    elf = bytearray(decompress(image[start : start + length]))
    for name, value in (sysctls or {}).items():
        preset(elf, name, value)
    kernel = layout(bytes(elf))
    protected = enter.ljust(KERNEL - BASE, b"\0") + kernel.content
    protected += bytes(-len(protected) % 16)
    fields = {
        SYSSIZE: (len(protected) // 16,),
        ALIGNMENT: (BASE,),
        RELOCATABLE: (0,),
        XLOADFLAGS: (0,),
        PAYLOAD: (0, 0),
        PREF_ADDRESS: (BASE,),
        INIT_SIZE: (max(KERNEL - BASE + kernel.room, least_memory - BASE),),
    }
    for (position, fmt), values in fields.items():
        struct.pack_into(fmt, real_mode, position, *values)
    real_mode[:2] = b"\xea\x05"  # no longer "MZ": firmware must not take it for an EFI program
    return bytes(real_mode) + protected


def decompress(payload: bytes) -> bytes:
    """Unpack a kernel's payload; its last four bytes are the unpacked size."""
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.LZMADecompressor().decompress(payload)
    tools = {b"\x02\x21\x4c\x18": "lz4", b"\x28\xb5\x2f\xfd": "zstd"}
    if payload[:4] not in tools:
        raise ValueError(f"unknown kernel compression: {payload[:4].hex()}")
    with tempfile.NamedTemporaryFile() as packed:
        Path(packed.name).write_bytes(payload[:-4])
        return subprocess.run([tools[payload[:4]], "-dc", packed.name], check=True, stdout=subprocess.PIPE).stdout


def segments(elf: bytes) -> list[tuple[int, int, int, int]]:
    """What is loaded of an ELF file: physical and virtual address, offset in the file, size."""
    (start,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    programs = [struct.unpack_from("<IIQQQQ", elf, start + i * size) for i in range(count)]
    return [(physical, virtual, offset, size) for kind, _, offset, virtual, physical, size in programs if kind == LOAD]


def preset(elf: bytearray, name: str, value: int) -> None:
    """Change the first value of a sysctl that is an int.

    Its `struct ctl_table` begins with a pointer to its name, a pointer to the int, and the int's size.
    """
    loads = segments(elf)
    name_at = elf.find(b"\0" + name.encode() + b"\0") + 1
    pointers = [virtual + name_at - offset for _, virtual, offset, size in loads if offset <= name_at < offset + size]
    table = elf.find(struct.pack("<Q", pointers[0])) if name_at and pointers else -1
    if table < 0:
        raise ValueError(f"kernel without sysctl {name}")
    data, size = struct.unpack_from("<Qi", elf, table + 8)
    places = [offset + data - virtual for _, virtual, offset, length in loads if virtual <= data < virtual + length]
    if size != 4 or not places:
        raise ValueError(f"sysctl {name} is no int with a first value")
    struct.pack_into("<i", elf, places[0], value)


def layout(elf: bytes) -> Kernel:
    """Lay an ELF kernel out as in memory, up to the data that starts as zeros (the kernel clears it itself)."""
    (section_offset,) = struct.unpack_from("<Q", elf, 40)
    section_size, section_count, names_index = struct.unpack_from("<HHH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQ", elf, section_offset + i * section_size) for i in range(section_count)]
    loads = segments(elf)
    names_at = sections[names_index][4]

    def address(name: bytes, end: bool = False) -> int:
        """Physical start, or end, of a section of the last segment, which holds them all from the first zeros on."""
        physical, virtual, _, _ = loads[-1]
        for name_at, _, _, start, _, size in sections:
            if elf[names_at + name_at :].startswith(name + b"\0"):
                return start - virtual + physical + (size if end else 0)
        raise ValueError(f"kernel without section {name.decode()}")

    first = loads[0][0]
    zeros = address(b".bss")
    content = bytearray(zeros - first)
    for physical, _, offset, size in loads:
        part = elf[offset : offset + min(size, zeros - physical)]
        content[physical - first : physical - first + len(part)] = part
    return Kernel(bytes(content), address(b".brk", end=True) - first)
