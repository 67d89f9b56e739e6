"""VMI -> the pod it runs in: one container whose stub becomes QEMU.

The pod satisfies Pod Security level "restricted". Its device resources bring
the agent's socket, images arrive as image volumes, so there is no hostPath, no
init container and no service-account token.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from kubevirt_py.api import kinds, names
from kubevirt_py.plan import Document
from kubevirt_py.render import container_paths
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.config_volumes import service_account
from kubevirt_py.render.console_log import log_containers
from kubevirt_py.render.network.annotations import network_annotations
from kubevirt_py.render.overhead import in_guest, overhead_bytes
from kubevirt_py.render.owners import controlled_by
from kubevirt_py.render.passt import SYSCTLS, passt_containers, passt_interface
from kubevirt_py.render.pod_security import container_confinement, pod_confinement, seccomp_profile, selinux_options
from kubevirt_py.render.pod_volumes import PodVolumes, pod_volumes
from kubevirt_py.render.resources import compute_resources
from kubevirt_py.render.scheduling import affinity, apart, node_selector, reservation_labels, tolerations
from kubevirt_py.render.shares import server

DEFAULT_GRACE_S = 30
GRACE_MARGIN_S = 15
"""Beyond the guest's own grace period: time for the agent to end QEMU itself before the kubelet does."""
PROBE_EXTRA_DELAY_S = 10
LAUNCHER = "/usr/bin/virt-launcher"
MAX_POD_NAME = 63
MAX_LABEL_VALUE = 63
COPIED_FIELDS = (
    "dnsConfig",
    "dnsPolicy",
    "priorityClassName",
    "schedulerName",
    "subdomain",
    "topologySpreadConstraints",
)
UNSHARED_ANNOTATIONS = (
    "kubectl.kubernetes.io",
    names.CONTAINER_PATHS_ANNOTATION,
    names.LATEST_API_VERSION_ANNOTATION,
    names.STORAGE_API_VERSION_ANNOTATION,
)


def launcher_pod(
    vmi: Document,
    config: ClusterConfig,
    image: str,
    *,
    attempt: int = 0,
    block_claims: Collection[str] = (),
    state_claim: str = "",
    claim_uids: Mapping[str, str] = MappingProxyType({}),
    limit_cpus: bool = False,
) -> Document:
    """The pod document for a VMI document.

    `attempt` counts pods of this VMI that died before the guest started; it is part of the pod's
    name. `block_claims` are the names of claims with volumeMode Block, `state_claim` that of the
    claim with the firmware's and TPM's state, `claim_uids` the UIDs of the VMI's claims by name.
    `limit_cpus` gives a VMI that names no CPU limit one.
    """
    spec = vmi["spec"]
    volumes = pod_volumes(spec, block_claims, state_claim)
    reserved = reservation_labels(spec, claim_uids)
    resources = compute_resources(spec, config, overhead_bytes(spec, config), limit_cpus=limit_cpus)
    compute = _compute(spec, config, image, volumes, resources)
    pod_spec: Document = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": guest_grace_s(spec) + GRACE_MARGIN_S,
        "hostname": hostname(vmi),
        "nodeSelector": node_selector(spec, config),
        "securityContext": pod_confinement(seccomp_profile(config)) | selinux_options(config),
        "containers": [compute],
        "volumes": volumes.volumes,
    }
    if passt_interface(spec):
        pod_spec["securityContext"]["sysctls"] = list(SYSCTLS)
    pod_spec |= {name: spec[name] for name in COPIED_FIELDS if spec.get(name)}
    optional = {
        "affinity": apart(affinity(spec, config), reserved),
        "tolerations": tolerations(spec, config),
        "runtimeClassName": config.default_runtime_class,
        "serviceAccountName": service_account(spec),
        "initContainers": [
            *log_containers(spec, config, image, resources),
            *passt_containers(vmi, config, image, resources),
            *(server(mount["name"], mount, config, image, resources) for mount in volumes.shares),
        ],
        "imagePullSecrets": [
            {"name": name} for name in dict.fromkeys((*config.image_pull_secrets, *volumes.pull_secrets))
        ],
    }
    pod_spec |= {name: value for name, value in optional.items() if value}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(vmi, config, attempt, reserved), "spec": pod_spec}


def pod_name(vmi_name: str, vmi_uid: str, attempt: int) -> str:
    """Name of the pod of one launch attempt, fixed before it is created: a repeated create meets its own pod."""
    digest = hashlib.sha256(f"{vmi_uid}/{attempt}".encode()).digest()
    suffix = base64.b32encode(digest).decode().lower()[:5]
    head = f"{names.VIRT_LAUNCHER}-{vmi_name}"[: MAX_POD_NAME - len(suffix) - 1].rstrip("-.")
    return f"{head}-{suffix}"


def guest_grace_s(spec: Document) -> int:
    """Seconds a guest gets to shut down."""
    given = spec.get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE_S if given is None else int(given)


def hostname(vmi: Document) -> str:
    """The guest's and the pod's host name: the wanted one or the VMI's name, its first DNS label."""
    wanted = vmi["spec"].get("hostname") or vmi["metadata"]["name"]
    return re.sub(r"[^a-z0-9-]", "-", wanted.split(".")[0].lower())[:MAX_LABEL_VALUE].strip("-")


def vmi_id(name: str) -> str:
    """The VMI's name as a label value; names longer than 63 characters become their hash."""
    return name if len(name) <= MAX_LABEL_VALUE else hashlib.sha256(name.encode()).hexdigest()[:MAX_LABEL_VALUE]


def _metadata(vmi: Document, config: ClusterConfig, attempt: int, reserved: dict[str, str]) -> Document:
    meta = vmi["metadata"]
    annotations = {
        name: value
        for name, value in (meta.get("annotations") or {}).items()
        if not name.startswith(UNSHARED_ANNOTATIONS)
    }
    return {
        "name": pod_name(meta["name"], meta["uid"], attempt),
        "namespace": meta["namespace"],
        "labels": (meta.get("labels") or {})
        | {
            names.APP_LABEL: names.VIRT_LAUNCHER,
            names.CREATED_BY_LABEL: meta["uid"],
            names.VM_NAME_LABEL: hostname(vmi),
            names.VMI_ID_LABEL: vmi_id(meta["name"]),
            **reserved,
        },
        "annotations": annotations
        | container_paths.note(vmi["spec"])
        | network_annotations(vmi["spec"], meta["namespace"], meta["name"], meta["uid"], config.network_bindings)
        | {
            names.DEFAULT_CONTAINER_ANNOTATION: names.COMPUTE,
            names.DOMAIN_ANNOTATION: meta["name"],
            names.LAUNCH_ATTEMPT_ANNOTATION: str(attempt),
            names.MEMORY_OVERHEAD_ANNOTATION: str(overhead_bytes(vmi["spec"], config)),
            names.MIGRATION_TRANSPORT_ANNOTATION: "true",
            names.REQUEST_EVICT_ONLY_ANNOTATION: "",
        },
        "ownerReferences": controlled_by(kinds.VMI, meta),
    }


def _compute(spec: Document, config: ClusterConfig, image: str, volumes: PodVolumes, resources: Document) -> Document:
    container: Document = {
        "name": names.COMPUTE,
        "image": image,
        "imagePullPolicy": config.image_pull_policy,
        "command": [LAUNCHER],
        "lifecycle": {"preStop": {"exec": {"command": [LAUNCHER, "shutdown"]}}},
        "resources": resources,
        "securityContext": container_confinement(seccomp_profile(config), ("NET_BIND_SERVICE",)),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volumes.mounts,
    }
    optional = {
        "ports": _ports(spec),
        "livenessProbe": _probe(spec, "livenessProbe"),
        "readinessProbe": _probe(spec, "readinessProbe"),
        "volumeDevices": volumes.devices,
    }
    return container | {name: value for name, value in optional.items() if value}


def _ports(spec: Document) -> list[Document]:
    """Each port once, though several cards may have it."""
    interfaces = ((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or ()
    ports: list[Document] = []
    for port in (port for interface in interfaces for port in interface.get("ports") or ()):
        entry = {"protocol": port.get("protocol") or "TCP", "containerPort": port["port"]} | _named(port)
        if entry not in ports:
            ports.append(entry)
    return ports


def _named(port: Document) -> Document:
    return {"name": port["name"]} if port.get("name") else {}


def _probe(spec: Document, name: str) -> Document | None:
    """A probe as the kubelet runs it: network probes against the pod's address, which reaches the guest; others ask
    the agent in the guest, by way of the node's agent, for whose answer they wait a second more.
    """
    given: Document | None = spec.get(name)
    if not given:
        return None
    delay = {"initialDelaySeconds": (given.get("initialDelaySeconds") or 0) + PROBE_EXTRA_DELAY_S}
    if not in_guest(given):
        return given | delay
    kept = {key: value for key, value in given.items() if key not in ("exec", "guestAgentPing")}
    patience_s = (given.get("timeoutSeconds") or 1) + 1
    command = [LAUNCHER, "probe", name, str(patience_s)]
    return kept | delay | {"timeoutSeconds": patience_s + 1, "exec": {"command": command}}
