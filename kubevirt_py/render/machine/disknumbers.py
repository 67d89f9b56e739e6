"""What tells disks apart: numbers of media and places on a bus, names of targets."""

from __future__ import annotations

import itertools
import string
from typing import Protocol

import msgspec

from kubevirt_py.render.machine.wiring import DiskFile


class Medium(msgspec.Struct, frozen=True):
    """The number of a medium and where it comes from (`DiskFile.source`); None where the drive is empty."""

    index: int
    source: str | None


class Numbered(Protocol):
    """A disk, as far as its numbers go (machine.disks.Disk)."""

    @property
    def name(self) -> str: ...
    @property
    def bus(self) -> str: ...
    @property
    def unit(self) -> int: ...
    @property
    def target(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def bootindex(self) -> int | None: ...
    @property
    def medium(self) -> Medium: ...
    @property
    def leftovers(self) -> tuple[Medium, ...]: ...


class Numbers:
    """Numbers of disks: those that run keep theirs, newcomers get the lowest free ones, in the order of the spec."""

    def __init__(self, running: tuple[Numbered, ...]) -> None:
        self._kept = {disk.name: disk for disk in running}
        self._media = {disk.index for disk in running} | {one.index for disk in running for one in disk.leftovers}
        self._units = {(disk.bus, disk.unit) for disk in running}
        self._targets = {disk.target for disk in running}
        self._boot = {disk.bootindex for disk in running}

    def medium(self, name: str, bus: str, file: DiskFile | None) -> int:
        """The same as before for the same drive with the same file in it."""
        old, source = self._kept.get(name), file.source if file else None
        if old is not None and old.bus == bus:
            known = [one.index for one in old.leftovers or (old.medium,) if one.source == source]
            if known:
                return known[0]
        found = next(number for number in itertools.count() if number not in self._media)
        self._media.add(found)
        return found

    def unit(self, name: str, bus: str) -> int:
        old = self._kept.get(name)
        if old is not None and old.bus == bus:
            return old.unit
        found = next(number for number in itertools.count() if (bus, number) not in self._units)
        self._units.add((bus, found))
        return found

    def target(self, name: str, prefix: str) -> str:
        old = self._kept.get(name)
        if old is not None and old.target.startswith(prefix):
            return old.target
        names_of = (prefix + letters(number) for number in itertools.count())
        found = next(target for target in names_of if target not in self._targets)
        self._targets.add(found)
        return found

    def boot(self, name: str, wanted: int | None) -> int | None:
        """A newcomer's boot index counts only where no disk of the running machine has it."""
        if old := self._kept.get(name):
            return old.bootindex
        return wanted if wanted not in self._boot else None


def letters(index: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = string.ascii_lowercase[rest] + text
    return text
