"""Wiring of the VMI controller."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubevirt_py.api.kinds import NAMESPACE, NODE, POD, PVC, STORAGE_CLASS, VM, VMI
from kubevirt_py.api.names import (
    APP_LABEL,
    DEFAULT_VIRT_CLASS_ANNOTATION,
    HOTPLUG_DISK,
    OWNER_VMI_NAME_ANNOTATION,
    VIRT_LAUNCHER,
)
from kubevirt_py.api.views import Held, PersistentVolumeClaim, Pod, StorageClass
from kubevirt_py.decide.references import key_of
from kubevirt_py.decide.vmi import decide
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.live_config import LiveConfig
from kubevirt_py.plan import Failure, Key
from kubevirt_py.reconcile import Manager, mapped, owns
from kubevirt_py.render.machine_version import machine_type
from kubevirt_py.render.pod_volumes import claims_of
from kubevirt_py.virt_controller.indexes import (
    CLAIM,
    MACHINE,
    OWNER,
    STATE,
    by_claim,
    by_machine,
    by_namespace,
    by_owner,
    by_state,
)
from kubevirt_py.virt_controller.indexes import NAMESPACE as IN_NAMESPACE
from kubevirt_py.virt_controller.settling import Settling

LAUNCHER_PODS = f"{APP_LABEL}={VIRT_LAUNCHER}"
ATTACHMENT_PODS = f"{APP_LABEL}={HOTPLUG_DISK}"
WAIT_FOR_CONSUMER = "WaitForFirstConsumer"
UNREADABLE_S = 60.0


def is_machines_default(found: StorageClass) -> bool:
    return found.metadata.annotations.get(DEFAULT_VIRT_CLASS_ANNOTATION) == "true"


def wire(manager: Manager, config: LiveConfig, settling: Settling, launcher_image: str) -> None:
    """A VMI is looked at when it, its pods, its claims or its namespace change."""
    vmis = manager.store(VMI, indexes={CLAIM: by_claim, IN_NAMESPACE: by_namespace})
    pods = manager.store(POD, labels=LAUNCHER_PODS, indexes={OWNER: by_owner})
    attachments = manager.store(POD, labels=ATTACHMENT_PODS, indexes={OWNER: by_owner})
    claims = manager.store(PVC, indexes={STATE: by_state})
    vms, classes = manager.store(VM), manager.store(STORAGE_CLASS)
    nodes = manager.store(NODE, indexes={MACHINE: by_machine})
    namespaces = manager.store(NAMESPACE)

    def users(claim: PersistentVolumeClaim) -> Iterable[Key]:
        return (key_of(vmi) for vmi in vmis.by(CLAIM, str(key_of(claim))))

    def inhabitants(namespace: Held) -> Iterable[Key]:
        return (key_of(vmi) for vmi in vmis.by(IN_NAMESPACE, namespace.metadata.name))

    def attached_to(pod: Pod) -> Iterable[Key]:
        name = pod.metadata.annotations.get(OWNER_VMI_NAME_ANNOTATION)
        return (Key(pod.metadata.namespace, name),) if name else ()

    def waits_for_pod(claim: PersistentVolumeClaim) -> bool:
        found = classes.get(Key("", claim.spec.storage_class_name))
        return found is not None and found.volume_binding_mode == WAIT_FOR_CONSUMER

    def doubt_s(namespace: str) -> float:
        """A pod that cannot be read looks absent and is not."""
        return UNREADABLE_S if any(key.namespace == namespace for key in pods.unreadable) else 0.0

    def snapshot(key: Key, failure: Failure | None) -> VmiSnapshot:
        vmi = vmis.get(key)
        assert vmi is not None
        owner = vmi.metadata.controller
        vm = vms.get(Key(key.namespace, owner.name)) if owner is not None else None
        spec = msgspec.json.decode(vmi.spec)
        wanted, machine = claims_of(spec), machine_type(spec)
        used = {name: claim for name in wanted if (claim := claims.get(Key(key.namespace, name))) is not None}
        namespace = namespaces.get(Key("", key.namespace))
        own = pods.by(OWNER, vmi.metadata.uid)
        return VmiSnapshot(
            vmi=vmi,
            pods=own,
            attachments=tuple(one for pod in own for one in attachments.by(OWNER, pod.metadata.uid)),
            first_consumer_claims=frozenset(name for name, claim in used.items() if waits_for_pod(claim)),
            now=manager.now(),
            config=config(),
            launcher_image=launcher_image,
            claims=used,
            default_class=next((one.metadata.name for one in classes.all() if is_machines_default(one)), ""),
            namespace_labels=namespace.metadata.labels if namespace is not None else None,
            state=next(iter(claims.by(STATE, str(key))), None),
            owner_exists=vm is not None and owner is not None and vm.metadata.uid == owner.uid,
            machine_known=not machine or bool(nodes.by(MACHINE, machine)),
            settle_s=max(settling.left_s(), doubt_s(key.namespace)),
            failure=failure,
        )

    manager.add(
        "vmi",
        root=vmis,
        decide=decide,
        snapshot=snapshot,
        wake=[owns(pods), mapped(claims, users), mapped(attachments, attached_to), mapped(namespaces, inhabitants)],
    )
