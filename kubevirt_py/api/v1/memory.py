"""Guest memory, hugepages and what the pod reserves."""

from __future__ import annotations

from typing import Literal

from kubevirt_py.api.base import Model, Quantity


class Hugepages(Model):
    """Huge pages of one size."""

    page_size: str | None = None
    """2Mi or 1Gi on amd64."""


class ReservedOverhead(Model):
    """Extra memory of the pod."""

    added_overhead: Quantity | None = None
    """Added to the computed overhead."""
    mem_lock: Literal["NotRequired", "Required"] | None = None
    """Whether guest memory must be locked in RAM."""


class Memory(Model):
    """Guest memory."""

    guest: Quantity | None = None
    """Memory the guest sees."""
    hugepages: Hugepages | None = None
    """Back guest memory with huge pages."""
    max_guest: Quantity | None = None
    """Size up to which memory can be added while running."""
    reserved_overhead: ReservedOverhead | None = None
    """Memory the pod reserves besides the computed overhead."""


class DomainResources(Model):
    """Requests and limits of the pod; guest overhead is added to them."""

    limits: dict[str, Quantity] | None = None
    """Most the pod may use."""
    overcommit_guest_overhead: bool | None = None
    """Leave the overhead out of the request, so that more guests fit."""
    requests: dict[str, Quantity] | None = None
    """What the scheduler sets aside."""
