"""What one decision about a VM looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from kubevirt_py.api.views import VirtualMachine, VirtualMachineInstance
from kubevirt_py.decide import phases
from kubevirt_py.decide.clock import rfc3339
from kubevirt_py.plan import Document, Failure
from kubevirt_py.render.config import ClusterConfig


@dataclass(frozen=True)
class VmSnapshot:
    """`vmi` is the instance the VM controls (by owner UID), `stranger` one of its name that it does not.

    `waits_for_claim` tells that a claim of the VMI is not bound to a volume yet.
    """

    vm: VirtualMachine
    now: datetime
    vmi: VirtualMachineInstance | None = None
    stranger: bool = False
    waits_for_claim: bool = False
    config: ClusterConfig = field(default_factory=ClusterConfig)
    failure: Failure | None = None

    @cached_property
    def document(self) -> Document:
        """The VM as far as rendering its VMI needs it."""
        meta = self.vm.metadata
        return {
            "metadata": {
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
                "generation": meta.generation,
            },
            "spec": {"template": msgspec.json.decode(self.vm.spec.template)},
        }

    @property
    def strategy(self) -> str:
        """The run strategy; `running` is its older spelling."""
        spec = self.vm.spec
        return spec.run_strategy or ("Always" if spec.running else "Halted")

    @property
    def final(self) -> bool:
        """The VMI exists and has ended."""
        return self.vmi is not None and self.vmi.status.phase in phases.FINAL

    @property
    def timestamp(self) -> str:
        """`now` as Kubernetes writes it."""
        return rfc3339(self.now)
