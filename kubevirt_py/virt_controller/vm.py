"""Wiring of the VM controller."""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.api.kinds import PVC, VM, VMI
from kubevirt_py.api.views import PersistentVolumeClaim
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vm import decide
from kubevirt_py.decide.vm_snapshot import VmSnapshot
from kubevirt_py.live_config import LiveConfig
from kubevirt_py.plan import Failure, Key
from kubevirt_py.reconcile import Manager, mapped
from kubevirt_py.virt_controller.indexes import CLAIM, DATA, DUMP, by_claim, by_data, by_dump

PENDING = "Pending"


def wire(manager: Manager, config: LiveConfig) -> None:
    """A VM is looked at when it or the VMI of its name changes."""
    vms, claims = manager.store(VM, indexes={DATA: by_data, DUMP: by_dump}), manager.store(PVC)
    vmis = manager.store(VMI, indexes={CLAIM: by_claim})

    def of_claim(claim: PersistentVolumeClaim) -> Iterable[Key]:
        return (key_of(vm) for index in (DATA, DUMP) for vm in vms.by(index, str(key_of(claim))))

    def snapshot(key: Key, failure: Failure | None) -> VmSnapshot:
        vm, found = vms.get(key), vmis.get(key)
        assert vm is not None
        owner = found.metadata.controller if found is not None else None
        owned = owner is not None and owner.uid == vm.metadata.uid
        used = (claims.get(Key(key.namespace, name.partition("/")[2])) for name in by_claim(found)) if found else ()
        return VmSnapshot(
            vm=vm,
            now=manager.now(),
            config=config(),
            vmi=found if owned else None,
            stranger=found is not None and not owned,
            claims={claim.metadata.name: claim for name in by_data(vm) if (claim := claims.get(Key(*name.split("/"))))},
            dump_claim=next((claims.get(Key(*name.split("/"))) for name in by_dump(vm)), None),
            waits_for_claim=any(claim is not None and claim.status.phase == PENDING for claim in used),
            failure=failure,
        )

    manager.add(
        "vm",
        root=vms,
        decide=decide,
        snapshot=snapshot,
        wake=[mapped(vmis, lambda vmi: (key_of(vmi),)), mapped(claims, of_claim)],
    )
