"""Does KVM run code on this host? `python -m kubevirt_py.virt_handler.kvmprobe` exits 0 if so, else 1 and says why.

A /dev/kvm that opens proves little (nested hosts, missing rights, other hypervisors in the way): so a virtual CPU
executes one HLT. A process of its own, because a broken KVM may never return.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import sys

_API_VERSION = 12
_GET_API_VERSION = 0xAE00
_CREATE_VM = 0xAE01
_GET_VCPU_MMAP_SIZE = 0xAE04
_CREATE_VCPU = 0xAE41
_SET_TSS_ADDR = 0xAE47
_SET_USER_MEMORY_REGION = 0x4020AE46
_RUN = 0xAE80
_SET_REGS = 0x4090AE82
_GET_SREGS = 0x8138AE83
_SET_SREGS = 0x4138AE84
_SREGS_BYTES = 0x138
_EXIT_HLT = 5
_CODE_AT = 0x1000
_TSS_AT = 0x7FFB0000
"""Three pages that Intel hosts want for real mode, where this machine has nothing else."""
_HLT = b"\xf4"


def probe(path: str = "/dev/kvm") -> str:
    """Empty if a virtual CPU ran and halted, else what went wrong."""
    try:
        return _run(path)
    except OSError as error:
        return f"{path}: {error.strerror}"


def _run(path: str) -> str:
    kvm = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    if fcntl.ioctl(kvm, _GET_API_VERSION) != _API_VERSION:
        return f"{path} does not speak version {_API_VERSION} of KVM's API"
    machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
    fcntl.ioctl(machine, _SET_TSS_ADDR, _TSS_AT)
    memory = mmap.mmap(-1, mmap.PAGESIZE)
    memory[: len(_HLT)] = _HLT
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(machine, _SET_USER_MEMORY_REGION, struct.pack("=IIQQQ", 0, 0, _CODE_AT, mmap.PAGESIZE, address))
    cpu = fcntl.ioctl(machine, _CREATE_VCPU, 0)
    shared = mmap.mmap(cpu, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE))
    special = bytearray(_SREGS_BYTES)
    fcntl.ioctl(cpu, _GET_SREGS, special)
    struct.pack_into("=Q", special, 0, 0)  # code segment: base 0 ...
    struct.pack_into("=H", special, 12, 0)  # ... and selector 0
    fcntl.ioctl(cpu, _SET_SREGS, bytes(special))
    # Sixteen general registers, then RIP and RFLAGS, whose second bit is always set.
    fcntl.ioctl(cpu, _SET_REGS, struct.pack("=18Q", *[0] * 16, _CODE_AT, 2))
    fcntl.ioctl(cpu, _RUN, 0)
    (reason,) = struct.unpack_from("=I", shared, 8)
    return "" if reason == _EXIT_HLT else f"{path}: the virtual CPU stopped for reason {reason}"


if __name__ == "__main__":
    trouble = probe()
    sys.stderr.write(f"{trouble}\n" if trouble else "")
    sys.exit(1 if trouble else 0)
