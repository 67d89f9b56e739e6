"""Wiring of what virt-controller does while virt-operator is away."""

from __future__ import annotations

import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.kinds import (
    API_SERVICE,
    KUBEVIRT,
    LEASE,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
    VM,
    VMI,
)
from kubevirt_py.decide.caretaking import Holding, decide
from kubevirt_py.plan import Failure, Key
from kubevirt_py.reconcile import Manager, mapped
from kubevirt_py.render.install.installation import MANAGED_SELECTOR
from kubevirt_py.render.install.operator_webhooks import BLOCK_UNINSTALL
from kubevirt_py.virt_controller.settling import Settling


def wire(manager: Manager, settling: Settling, namespace: str) -> None:
    """The CR is looked at when it or an APIService changes, and as often as the operator's lease is to be renewed."""
    kubevirts, leases = manager.store(KUBEVIRT), manager.store(LEASE, namespace=namespace)
    apis = manager.store(API_SERVICE, labels=MANAGED_SELECTOR)
    webhooks = {kind: manager.store(kind, labels=MANAGED_SELECTOR) for kind in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)}
    vms, vmis = manager.store(VM), manager.store(VMI)

    def snapshot(key: Key, _: Failure | None) -> Holding:
        kubevirt = kubevirts.get(key)
        assert kubevirt is not None
        spec = msgspec.json.decode(kubevirt.spec)
        return Holding(
            kubevirt=kubevirt,
            now=manager.now(),
            operator=leases.get(Key(namespace, names.VIRT_OPERATOR)),
            apis=tuple(apis.all()),
            webhooks=tuple((kind, one) for kind, store in webhooks.items() for one in store.all()),
            vms=tuple(vms.all()),
            vmis=tuple(vmis.all()),
            blocked=spec.get("uninstallStrategy") == BLOCK_UNINSTALL,
            settled=settling.left_s() == 0,
        )

    wake = [mapped(apis, lambda _: kubevirts.keys())]
    manager.add("caretaking", root=kubevirts, decide=decide, snapshot=snapshot, wake=wake, workers=1)
