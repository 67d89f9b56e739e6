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


def flatten(image: bytes, enter: bytes, least_memory: int = 0) -> bytes:
    """Return the uncompressed bzImage.

    `enter` is the assembled enter.S; `least_memory` (bytes) makes boot loaders refuse the kernel on smaller
    machines. Raises ValueError for what is not a bzImage in a known compression.
    """
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("no boot protocol header: not a bzImage")
    real_mode = bytearray(image[: (image[SETUP_SECTS[0]] + 1) * 512])
    offset, length = struct.unpack_from(PAYLOAD[1], image, PAYLOAD[0])
    start = len(real_mode) + offset
    kernel = layout(decompress(image[start : start + length]))
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


def layout(elf: bytes) -> Kernel:
    """Lay an ELF kernel out as in memory, up to the data that starts as zeros (the kernel clears it itself)."""
    program_offset, section_offset = struct.unpack_from("<QQ", elf, 32)
    program_size, program_count, section_size, section_count, names_index = struct.unpack_from("<HHHHH", elf, 54)
    programs = [struct.unpack_from("<IIQQQQ", elf, program_offset + i * program_size) for i in range(program_count)]
    sections = [struct.unpack_from("<IIQQQQ", elf, section_offset + i * section_size) for i in range(section_count)]
    loads = [(paddr, virtual, offset, size) for kind, _, offset, virtual, paddr, size in programs if kind == LOAD]
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
