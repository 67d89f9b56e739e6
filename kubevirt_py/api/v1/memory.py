"""Guest memory, hugepages and what the pod reserves."""

from __future__ import annotations

from typing import Literal

from kubevirt_py.api.base import Model, Quantity


class Hugepages(Model):
    """"""

    page_size: str | None = None


class ReservedOverhead(Model):
    """"""

    added_overhead: Quantity | None = None
    mem_lock: Literal["NotRequired", "Required"] | None = None


class Memory(Model):
    """"""

    guest: Quantity | None = None
    hugepages: Hugepages | None = None
    max_guest: Quantity | None = None
    reserved_overhead: ReservedOverhead | None = None


class DomainResources(Model):
    """"""

    limits: dict[str, Quantity] | None = None
    overcommit_guest_overhead: bool | None = None
    requests: dict[str, Quantity] | None = None
