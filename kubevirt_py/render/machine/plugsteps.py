"""QMP commands that bring one device, or take it away: data, so that a list that was cut off is simply begun again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from kubevirt_py.plan import Document

DEVICE_NOT_FOUND = "DeviceNotFound"
Part = Literal["disk", "nic", "cpu", "memory"]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One QMP command.

    `needless` are facts (`!fact`: its absence) of which each says that the step's work is done. `fds` are descriptors
    by the names of `wiring.descriptor`, handed over first. A step of the `guest` is done only when the guest agrees,
    and what follows waits for it. `harmless` is a class of error that means there was nothing to do.
    """

    command: str
    arguments: Document = {}
    needless: tuple[str, ...] = ()
    fds: tuple[str, ...] = ()
    direct: bool = False
    guest: bool = False
    harmless: str = ""


class Change(msgspec.Struct, frozen=True):
    """One device that comes, goes (`leaves`) or becomes another."""

    part: Part
    name: str
    steps: tuple[Step, ...]
    leaves: bool = False


def remaining(change: Change, facts: Collection[str]) -> tuple[Step, ...]:
    """The steps of a change that are still to be taken."""
    return tuple(step for step in change.steps if not any(_holds(fact, facts) for fact in step.needless))


def _holds(fact: str, facts: Collection[str]) -> bool:
    return fact[1:] not in facts if fact.startswith("!") else fact in facts
