"""What one decision about a VMI looks at: one consistent instant of the stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from kubevirt_py.api.views import PersistentVolumeClaim, Pod, VirtualMachineInstance
from kubevirt_py.decide.clock import rfc3339
from kubevirt_py.plan import Document, Failure
from kubevirt_py.render.config import ClusterConfig


@dataclass(frozen=True)
class VmiSnapshot:
    """`pods` are those the VMI controls (by owner UID); `claims` holds every claim it names that exists.

    `settle_s` is how many seconds must still pass before a pod that is not seen may be taken for
    gone: stores filled a moment ago may lag behind each other.
    """

    vmi: VirtualMachineInstance
    pods: tuple[Pod, ...]
    now: datetime
    config: ClusterConfig
    launcher_image: str
    claims: Mapping[str, PersistentVolumeClaim] = field(default_factory=dict)
    owner_exists: bool = False
    settle_s: float = 0.0
    failure: Failure | None = None

    @cached_property
    def spec(self) -> Document:
        """The VMI's spec, decoded."""
        spec: Document = msgspec.json.decode(self.vmi.spec)
        return spec

    @property
    def timestamp(self) -> str:
        """`now` as Kubernetes writes it."""
        return rfc3339(self.now)
