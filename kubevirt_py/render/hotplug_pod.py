"""The pod that brings hotpluggable volumes to the node of a VM.

It is as unprivileged as the VM's own pod: its process opens the claims as uid 107, hands the descriptors to the
node's agent and waits. No file system is mounted into another pod, no device permitted to another one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Mapping

from kubevirt_py.api import kinds, names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.launcher_pod import LAUNCHER
from kubevirt_py.render.owners import controlled_by
from kubevirt_py.render.pod_security import container_confinement, pod_confinement
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.scheduling import tolerations
from kubevirt_py.render.support_resources import HOTPLUG_DISK, support_resources

CONTAINER = "hotplug-disk"
RESOURCES = {"requests": {"cpu": "10m", "memory": "16M"}, "limits": {"cpu": "1", "memory": "80M"}}
"""Of CPU enough for an interpreter to start in a moment; after that the process only waits."""
BORNE = ("not-ready", "unreachable", "network-unavailable", "disk-pressure", "memory-pressure", "pid-pressure")
"""A guest that runs on a node in trouble gets its volumes nevertheless."""


def hotplug_pod(
    vmi: Document,
    owner: Document,
    node: str,
    volumes: Mapping[str, Document],
    config: ClusterConfig,
    image: str,
    *,
    block_claims: Collection[str] = (),
) -> Document:
    """The pod document that brings `volumes` (of the VMI's spec, by name) to `node`.

    `owner` has name and uid of the VM's own pod, which controls this one.
    """
    meta, mounts, devices, sources = vmi["metadata"], [], [], []
    for name, volume in sorted(volumes.items()):
        claim = claim_of(volume)
        read_only = bool((volume.get("persistentVolumeClaim") or {}).get("readOnly"))
        option = {"readOnly": True} if read_only else {}
        sources.append({"name": name, "persistentVolumeClaim": {"claimName": claim, **option}})
        if claim in block_claims:
            devices.append({"name": name, "devicePath": f"/dev/{name}"})
        else:
            mounts.append({"name": name, "mountPath": f"{names.VMI_DISK_DIR}/{name}", **option})
    container: Document = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": config.image_pull_policy,
        "command": [LAUNCHER, "attach"],
        "resources": _resources(config),
        "securityContext": container_confinement(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    container |= {key: value for key, value in (("volumeMounts", mounts), ("volumeDevices", devices)) if value}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": hotplug_pod_name(owner["uid"], volumes),
            "namespace": meta["namespace"],
            "labels": {names.APP_LABEL: names.HOTPLUG_DISK},
            "annotations": {
                names.HOTPLUG_VOLUMES_ANNOTATION: ",".join(sorted(volumes)),
                names.OWNER_VMI_NAME_ANNOTATION: meta["name"],
                names.OWNER_VMI_UID_ANNOTATION: meta["uid"],
            },
            "ownerReferences": controlled_by(kinds.POD, owner),
        },
        "spec": _pod_spec(vmi["spec"], node, container, sources, config),
    }


def hotplug_pod_name(owner_uid: str, volumes: Mapping[str, Document]) -> str:
    """Fixed by the VM's pod and the set of volumes: a repeated create meets its own pod, another set another one."""
    parts = [owner_uid, *(f"{name}={claim_of(volume)}" for name, volume in sorted(volumes.items()))]
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return f"{names.HOTPLUG_POD_PREFIX}{base64.b32encode(digest).decode().lower()[:8]}"


def _resources(config: ClusterConfig) -> Document:
    asked = support_resources(config.support_resources.get(HOTPLUG_DISK), RESOURCES)
    return {**asked, "limits": {**asked["limits"], names.ATTACHMENT_DEVICE: "1"}}


def _pod_spec(
    spec: Document, node: str, container: Document, sources: list[Document], config: ClusterConfig
) -> Document:
    # By its name: in many clusters the label kubernetes.io/hostname says something else.
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    borne = [{"key": f"node.kubernetes.io/{trouble}", "operator": "Exists"} for trouble in BORNE]
    pod_spec: Document = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}},
        "automountServiceAccountToken": False,
        "containers": [container],
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "securityContext": pod_confinement(),
        "terminationGracePeriodSeconds": 0,
        "tolerations": [*borne, *tolerations(spec, config)],
        "volumes": sources,
    }
    secrets = [{"name": name} for name in config.image_pull_secrets]
    return pod_spec | ({"imagePullSecrets": secrets} if secrets else {})
