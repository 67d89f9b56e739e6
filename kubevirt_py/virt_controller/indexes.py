"""How the controllers find what belongs together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubevirt_py.api.names import MACHINE_TYPE_PREFIX, PERSISTENT_STATE
from kubevirt_py.api.views import Node, PersistentVolumeClaim, VirtualMachine, VirtualMachineInstance
from kubevirt_py.decide.references import Named
from kubevirt_py.render.data_volumes import template_names
from kubevirt_py.render.pod_volumes import claims_of

OWNER = "owner"
CLAIM = "claim"
DATA = "data"
DUMP = "dump"
MACHINE = "machine"
NAMESPACE = "namespace"
NODE = "node"
STATE = "state"


def by_owner(view: Named) -> Iterable[str]:
    """UID of the controlling owner."""
    owner = view.metadata.controller
    return (owner.uid,) if owner is not None else ()


def by_claim(vmi: VirtualMachineInstance) -> Iterable[str]:
    """namespace/name of every claim a VMI uses."""
    return (f"{vmi.metadata.namespace}/{claim}" for claim in claims_of(msgspec.json.decode(vmi.spec)))


def by_data(vm: VirtualMachine) -> Iterable[str]:
    """namespace/name of the claims of a VM's DataVolumes."""
    if vm.spec.data_volume_templates in (b"[]", b"null"):
        return ()
    templates = [template for template in msgspec.json.decode(vm.spec.data_volume_templates) if template]
    return (f"{vm.metadata.namespace}/{name}" for name in template_names(templates))


def by_dump(vm: VirtualMachine) -> Iterable[str]:
    """namespace/name of the claim that a VM's memory is dumped into."""
    request = vm.status.memory_dump_request
    return (f"{vm.metadata.namespace}/{request.get('claimName')}",) if request else ()


def by_state(claim: PersistentVolumeClaim) -> Iterable[str]:
    """namespace/name of the VMI whose firmware and TPM state a claim keeps. As upstream, its label says so."""
    vmi = claim.metadata.labels.get(PERSISTENT_STATE)
    return (f"{claim.metadata.namespace}/{vmi}",) if vmi else ()


def by_namespace(vmi: VirtualMachineInstance) -> Iterable[str]:
    return (vmi.metadata.namespace,)


def by_node(vmi: VirtualMachineInstance) -> Iterable[str]:
    """Name of the node a VMI is placed on."""
    return (vmi.status.node_name,) if vmi.status.node_name else ()


def by_machine(node: Node) -> Iterable[str]:
    """Machine types that the QEMU of a node has."""
    return (
        label.removeprefix(MACHINE_TYPE_PREFIX)
        for label in node.metadata.labels
        if label.startswith(MACHINE_TYPE_PREFIX)
    )
