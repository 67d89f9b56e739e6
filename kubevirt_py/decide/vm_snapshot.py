"""What one decision about a VM looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.views import PersistentVolumeClaim, VirtualMachine, VirtualMachineInstance
from kubevirt_py.decide import phases
from kubevirt_py.decide.clock import rfc3339
from kubevirt_py.plan import Document, Failure
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.data_volumes import unfilled


@dataclass(frozen=True)
class VmSnapshot:
    """`vmi` is the instance the VM controls (by owner UID), `stranger` one of its name that it does not.

    `waits_for_claim` tells that a claim of the VMI is not bound to a volume yet. `claims` are those of its
    DataVolumes that exist, `dump_claim` the one that a dump of memory goes to.
    """

    vm: VirtualMachine
    now: datetime
    vmi: VirtualMachineInstance | None = None
    stranger: bool = False
    waits_for_claim: bool = False
    claims: Mapping[str, PersistentVolumeClaim] = field(default_factory=dict)
    dump_claim: PersistentVolumeClaim | None = None
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

    @cached_property
    def templates(self) -> list[Document]:
        """spec.dataVolumeTemplates, decoded."""
        found: list[Document] = msgspec.json.decode(self.vm.spec.data_volume_templates) or []
        return [template for template in found if template]

    @property
    def machine_version(self) -> str:
        """The version of its board that the guest had before, if the cluster permits it (still)."""
        found = self.vm.metadata.annotations.get(names.MACHINE_TYPE_ANNOTATION, "")
        return found if self.config.permits_machine(found) else ""

    @property
    def waits_for_data(self) -> tuple[str, ...]:
        """DataVolumes that are not there or not filled yet."""
        return unfilled(self.templates, self.claims) if self.templates else ()

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
