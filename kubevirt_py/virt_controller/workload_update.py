"""Wiring of the watch over guests in older launcher images."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from kubevirt_py.api.kinds import KUBEVIRT, POD, VMI
from kubevirt_py.api.views import Pod, VirtualMachineInstance
from kubevirt_py.decide.pods import is_terminal
from kubevirt_py.decide.workload_update import Fleet, decide, outdated
from kubevirt_py.plan import Delete, Failure, Key, Plan
from kubevirt_py.reconcile import Manager, mapped
from kubevirt_py.virt_controller.indexes import OWNER, by_owner
from kubevirt_py.virt_controller.vmi import LAUNCHER_PODS

OLD, YES = "outdated", "yes"


def wire(manager: Manager, launcher_image: str) -> None:
    """The CR is looked at when it changes, or when a guest becomes or ceases to be outdated."""
    kubevirts = manager.store(KUBEVIRT)

    def by_age(vmi: VirtualMachineInstance) -> Iterable[str]:
        return (YES,) if outdated(vmi, launcher_image) else ()

    vmis = manager.store(VMI, indexes={OLD: by_age})
    pods = manager.store(POD, labels=LAUNCHER_PODS, indexes={OWNER: by_owner})
    last_batch: datetime | None = None

    def pod_of(vmi: VirtualMachineInstance) -> Pod | None:
        return next((pod for pod in pods.by(OWNER, vmi.metadata.uid) if not is_terminal(pod)), None)

    def snapshot(key: Key, _: Failure | None) -> Fleet:
        kubevirt = kubevirts.get(key)
        assert kubevirt is not None
        return Fleet(
            kubevirt=kubevirt,
            spec=msgspec.json.decode(kubevirt.spec),
            counted=msgspec.json.decode(kubevirt.status).get("outdatedVirtualMachineInstanceWorkloads"),
            old=tuple((vmi, pod_of(vmi)) for vmi in vmis.by(OLD, YES)),
            now=manager.now(),
            last_batch=last_batch,
        )

    def remembering(fleet: Fleet) -> Plan:
        nonlocal last_batch
        plan = decide(fleet)
        if any(isinstance(action, Delete) for action in plan.do):
            last_batch = fleet.now
        return plan

    wake = [mapped(vmis, lambda vmi: kubevirts.keys() if outdated(vmi, launcher_image) else ())]
    manager.add("workload-update", root=kubevirts, decide=remembering, snapshot=snapshot, wake=wake, workers=1)
