"""A VMI's spec becomes a Machine, and a Machine becomes QEMU's command line. Pure: host facts come in as arguments."""

from kubevirt_py.render.machine.machine import Machine, argv, machine_from_vmi
from kubevirt_py.render.machine.wiring import Attachments, DiskFile, Facts, NicWire, descriptor

__all__ = ["Attachments", "DiskFile", "Facts", "Machine", "NicWire", "argv", "descriptor", "machine_from_vmi"]
