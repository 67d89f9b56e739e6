"""Deployments of virt-operator, virt-api and virt-controller, and the DaemonSet of virt-handler."""

from __future__ import annotations

from typing import Any

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.install import operator_webhooks
from kubevirt_py.render.install.installation import Installation
from kubevirt_py.render.install.pr_helper import add_pr_helper
from kubevirt_py.render.install.services import PRIORITY_CLASS
from kubevirt_py.render.seccomp import KUBELET_SECCOMP_DIR

CA_DIR = "/etc/kubevirt/ca"
METRICS_PORT = 8443
ROOT_FREE: Document = {
    "runAsNonRoot": True,
    "runAsUser": 1001,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def virt_api(inst: Installation) -> Document:
    mounts = {
        "kubevirt-virt-api-certs": "/etc/virt-api/certificates",
        "kubevirt-virt-handler-certs": "/etc/virt-handler/clientcertificates",
    }
    container = _container(inst, names.VIRT_API, mounts, memory="150Mi")
    container["readinessProbe"] = _probe("/apis/subresources.kubevirt.io/v1/healthz", period_s=2)
    return _deployment(inst, names.VIRT_API, "kubevirt-apiserver", container, mounts)


def virt_controller(inst: Installation) -> Document:
    mounts = {"kubevirt-controller-certs": "/etc/virt-controller/certificates"}
    container = _container(inst, names.VIRT_CONTROLLER, mounts, memory="275Mi")
    container["env"] += [
        {"name": "LAUNCHER_IMAGE", "value": inst.virt_launcher_image},
    ]
    container["readinessProbe"] = _probe("/readyz", period_s=2)
    container["livenessProbe"] = _probe("/healthz", period_s=10, delay_s=15)
    return _deployment(inst, names.VIRT_CONTROLLER, "kubevirt-controller", container, mounts)


def virt_handler(inst: Installation) -> Document:
    """The node agent: the only privileged component."""
    mounts = {"kubevirt-virt-handler-server-certs": "/etc/virt-handler/servercertificates"}
    container = _container(inst, names.VIRT_HANDLER, mounts, memory="80Mi")
    container["securityContext"] = {"privileged": True, "runAsUser": 0}
    container["env"].append({"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}})
    container["env"].append({"name": "VIRT_HANDLER_PORT", "value": str(names.HANDLER_PORT)})
    container["ports"].append({"containerPort": names.HANDLER_PORT, "name": "console", "protocol": "TCP"})
    container["readinessProbe"] = _probe("/readyz", period_s=2)
    container["livenessProbe"] = _probe("/healthz", period_s=10, delay_s=15)
    pod = _pod_spec(inst, "kubevirt-handler", container, mounts, "workloads")
    pod["hostPID"] = True
    pod["securityContext"] = {"runAsNonRoot": False}
    pod["tolerations"] = [{"operator": "Exists"}, *pod.get("tolerations", ())]
    host_paths = {
        "agent-dir": (names.AGENT_DIR, "DirectoryOrCreate"),
        "device-plugins": ("/var/lib/kubelet/device-plugins", "Directory"),
        "devices": ("/dev", "Directory"),
        "seccomp-profiles": (KUBELET_SECCOMP_DIR, "DirectoryOrCreate"),
    }
    for name, (path, kind) in host_paths.items():
        pod["volumes"].append({"name": name, "hostPath": {"path": path, "type": kind}})
        container["volumeMounts"].append({"name": name, "mountPath": path})
    if inst.persistent_reservations:
        add_pr_helper(pod, inst)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": names.VIRT_HANDLER, "namespace": inst.namespace},
        "spec": {
            "selector": {"matchLabels": {names.APP_LABEL: names.VIRT_HANDLER}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": _template(inst, names.VIRT_HANDLER, pod),
        },
    }


def virt_operator(inst: Installation) -> Document:
    """The one workload a user applies; it installs the others."""
    container = _container(inst, names.VIRT_OPERATOR, {}, memory="150Mi")
    container["env"] += [
        {"name": "CONTROL_PLANE_IMAGE", "value": inst.control_plane_image},
        {"name": "LAUNCHER_IMAGE", "value": inst.virt_launcher_image},
    ]
    container["ports"].append({"containerPort": operator_webhooks.PORT, "name": "webhooks", "protocol": "TCP"})
    container["readinessProbe"] = _probe("/readyz", period_s=2)
    container["livenessProbe"] = _probe("/healthz", period_s=5, delay_s=2)
    container["volumeMounts"].append({"name": "tmp", "mountPath": "/tmp"})
    deployment = _deployment(inst, names.VIRT_OPERATOR, "kubevirt-operator", container, {}, ca=False)
    pod = deployment["spec"]["template"]["spec"]
    pod["volumes"].append({"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}})
    pod.pop("priorityClassName")
    return deployment


def _deployment(
    inst: Installation, name: str, account: str, container: Document, secrets: dict[str, str], *, ca: bool = True
) -> Document:
    pod = _pod_spec(inst, account, container, secrets, "infra", ca=ca)
    pod.setdefault("affinity", {}).setdefault("podAntiAffinity", _spread(name))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": inst.namespace, "labels": {names.APP_LABEL: name}},
        "spec": {
            "replicas": inst.replicas,
            "selector": {"matchLabels": {names.APP_LABEL: name}},
            "template": _template(inst, name, pod),
        },
    }


def _template(inst: Installation, name: str, pod: Document) -> Document:
    labels = {names.APP_LABEL: name, names.PROMETHEUS_LABEL: "true"}
    return inst.stamp({"metadata": {"labels": labels}, "spec": pod})


def _pod_spec(
    inst: Installation, account: str, container: Document, secrets: dict[str, str], part: str, *, ca: bool = True
) -> dict[str, Any]:
    volumes: list[Document] = [{"name": name, "secret": {"secretName": name}} for name in secrets]
    if ca:
        volumes.append({"name": "kubevirt-ca", "configMap": {"name": "kubevirt-ca"}})
        container["volumeMounts"].append({"name": "kubevirt-ca", "mountPath": CA_DIR, "readOnly": True})
    pod: dict[str, Any] = {
        "serviceAccountName": account,
        "priorityClassName": PRIORITY_CLASS,
        "containers": [container],
        "volumes": volumes,
        "terminationGracePeriodSeconds": 30,
        **inst.placement(part),
    }
    pod["tolerations"] = [{"key": "CriticalAddonsOnly", "operator": "Exists"}, *pod.get("tolerations", ())]
    if inst.spec.get("imagePullSecrets"):
        pod["imagePullSecrets"] = inst.spec["imagePullSecrets"]
    return pod


def _container(inst: Installation, role: str, secrets: dict[str, str], *, memory: str) -> dict[str, Any]:
    return {
        "name": role,
        "image": inst.control_plane_image,
        "imagePullPolicy": inst.pull_policy,
        "command": ["python3", "-m", "kubevirt_py", role],
        "env": [
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "PYTHONUNBUFFERED", "value": "1"},
            {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"},
        ],
        "ports": [{"containerPort": METRICS_PORT, "name": "metrics", "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "10m", "memory": memory}},
        "securityContext": dict(ROOT_FREE),
        "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, path in secrets.items()],
    }


def _probe(path: str, *, period_s: int, delay_s: int = 1) -> Document:
    return {
        "httpGet": {"path": path, "port": METRICS_PORT, "scheme": "HTTPS"},
        "initialDelaySeconds": delay_s,
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": 6,
    }


def _spread(name: str) -> Document:
    term = {"labelSelector": {"matchLabels": {names.APP_LABEL: name}}, "topologyKey": "kubernetes.io/hostname"}
    return {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}
