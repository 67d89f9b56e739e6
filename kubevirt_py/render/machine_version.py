"""Versions of machine types: `q35` means the newest that a QEMU has, `pc-q35-10.0` the same board for ever.

A guest sees its board. So a VM whose template names a board without its version keeps the version it first ran with,
in an annotation; the template stays as its user wrote it.
"""

from __future__ import annotations

from kubevirt_py.plan import Document

_VERSIONS = {"q35": "pc-q35-", "pc": "pc-i440fx-"}
"""What the versions of a board begin with, by its name without one."""


def is_version(machine: str, board: str) -> bool:
    """Whether `machine` is a version of `board`, which names none itself: ("pc-q35-10.0", "q35")."""
    start = _VERSIONS.get(board)
    return start is not None and machine.startswith(start)


def is_board(machine: str, board: str) -> bool:
    """Whether `machine` is the board, by its name or by that of a version: ("pc-i440fx-10.0", "pc")."""
    return machine == board or is_version(machine, board)


def machine_type(spec: Document) -> str:
    """The machine type that a VMI's spec names; empty where it names none."""
    return str(((spec.get("domain") or {}).get("machine") or {}).get("type") or "")


def with_version(spec: Document, machine: str) -> Document:
    """A VMI's spec with this version where it names the board alone; any other spec stays as it is."""
    if not is_version(machine, machine_type(spec)):
        return spec
    domain = spec["domain"]
    return {**spec, "domain": {**domain, "machine": {**domain["machine"], "type": machine}}}
