"""Wiring of the node controller."""

from __future__ import annotations

from collections.abc import Iterable

from kubevirt_py.api.kinds import KUBEVIRT, LEASE, NODE, POD, VMI
from kubevirt_py.api.names import VIRT_HANDLER
from kubevirt_py.api.views import Lease, VirtualMachineInstance
from kubevirt_py.decide.node import NodeSnapshot, decide
from kubevirt_py.decide.phases import FINAL
from kubevirt_py.decide.pods import is_terminal
from kubevirt_py.live_config import LiveConfig
from kubevirt_py.plan import Failure, Key
from kubevirt_py.reconcile import Manager, mapped
from kubevirt_py.render.cpumodels import older_than
from kubevirt_py.virt_controller.indexes import NODE as NODE_INDEX
from kubevirt_py.virt_controller.indexes import OWNER, by_node, by_owner
from kubevirt_py.virt_controller.settling import Settling
from kubevirt_py.virt_controller.vmi import LAUNCHER_PODS

LEASE_PREFIX = f"{VIRT_HANDLER}-"


def wire(manager: Manager, config: LiveConfig, settling: Settling, namespace: str) -> None:
    """A node is looked at when it or its agent's Lease changes; Leases live in the install namespace."""
    nodes, leases = manager.store(NODE), manager.store(LEASE, namespace=namespace)
    vmis = manager.store(VMI, indexes={NODE_INDEX: by_node})
    pods = manager.store(POD, labels=LAUNCHER_PODS, indexes={OWNER: by_owner})

    def reporter(lease: Lease) -> Iterable[Key]:
        name = lease.metadata.name
        return (Key("", name.removeprefix(LEASE_PREFIX)),) if name.startswith(LEASE_PREFIX) else ()

    def podless(vmi: VirtualMachineInstance) -> bool:
        alive = any(not is_terminal(pod) for pod in pods.by(OWNER, vmi.metadata.uid))
        return vmi.status.phase not in FINAL and not alive

    def snapshot(key: Key, _: Failure | None) -> NodeSnapshot:
        node = nodes.get(key)
        assert node is not None
        settled = settling.left_s() == 0
        return NodeSnapshot(
            node=node,
            now=manager.now(),
            lease=leases.get(Key(namespace, LEASE_PREFIX + key.name)),
            podless=tuple(vmi for vmi in vmis.by(NODE_INDEX, key.name) if podless(vmi)) if settled else (),
            obsolete_models=(*config().obsolete_cpu_models, *older_than(config().min_cpu_model)),
        )

    configured = mapped(manager.store(KUBEVIRT), lambda _: nodes.keys())
    wake = [mapped(leases, reporter), configured]
    manager.add("node", root=nodes, decide=decide, snapshot=snapshot, wake=wake, workers=4)
