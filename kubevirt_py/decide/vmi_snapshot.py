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
from kubevirt_py.render.selectors import matches


@dataclass(frozen=True)
class VmiSnapshot:
    """`pods` are those the VMI controls (by owner UID); `claims` holds every claim it names that exists.

    `attachments` are pods that bring hotplugged volumes; `first_consumer_claims` names claims that are bound only
    when a pod uses them. `state` is the claim that keeps firmware and TPM state, if there is one; `default_class` the
    storage class that is the default for machines.

    `machine_known` tells that some node's QEMU has the machine type that the VMI names.

    `namespace_labels` are those of the VMI's namespace, None while that is not known yet.

    `settle_s` is how many seconds must still pass before a pod that is not seen may be taken for
    gone: stores filled a moment ago may lag behind each other.
    """

    vmi: VirtualMachineInstance
    pods: tuple[Pod, ...]
    now: datetime
    config: ClusterConfig
    launcher_image: str
    claims: Mapping[str, PersistentVolumeClaim] = field(default_factory=dict)
    state: PersistentVolumeClaim | None = None
    default_class: str = ""
    namespace_labels: Mapping[str, str] | None = None
    attachments: tuple[Pod, ...] = ()
    first_consumer_claims: frozenset[str] = frozenset()
    owner_exists: bool = False
    machine_known: bool = True
    settle_s: float = 0.0
    failure: Failure | None = None

    @cached_property
    def spec(self) -> Document:
        """The VMI's spec, decoded."""
        spec: Document = msgspec.json.decode(self.vmi.spec)
        return spec

    @cached_property
    def volume_status(self) -> list[Document]:
        """status.volumeStatus, decoded."""
        found: list[Document] = msgspec.json.decode(self.vmi.status.volume_status) or []
        return found

    @property
    def limits_cpus(self) -> bool | None:
        """Whether a VMI that names no CPU limit gets one here; None while its namespace is not known."""
        selector = self.config.cpu_limit_namespaces
        if selector is None:
            return False
        return None if self.namespace_labels is None else matches(selector, self.namespace_labels)

    @property
    def timestamp(self) -> str:
        """`now` as Kubernetes writes it."""
        return rfc3339(self.now)
