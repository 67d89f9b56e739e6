"""Services, disruption budgets and the priority class of the control plane."""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.install import operator_webhooks

PRIORITY_CLASS = "kubevirt-cluster-critical"
PORTS = {"webhooks": operator_webhooks.PORT}
"""Where pods listen, if not on 8443."""


def services(namespace: str) -> tuple[Document, ...]:
    """virt-api behind the aggregation layer, virt-operator's webhooks, and one metrics Service over all components."""
    return (
        _service(names.VIRT_API, namespace, {names.APP_LABEL: names.VIRT_API}, "https"),
        _service(operator_webhooks.SERVICE, namespace, {names.APP_LABEL: names.VIRT_OPERATOR}, "webhooks"),
        _service("kubevirt-prometheus-metrics", namespace, {names.PROMETHEUS_LABEL: "true"}, "metrics"),
    )


def priority_class() -> Document:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": PRIORITY_CLASS},
        "value": 1_000_000_000,
        "globalDefault": False,
        "description": "For the components of the virtualization platform only.",
    }


def budget(component: str, namespace: str, replicas: int) -> Document:
    """Keeps all but one replica of a component through voluntary disruptions."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": f"{component}-pdb", "namespace": namespace},
        "spec": {
            "minAvailable": replicas - 1,
            "selector": {"matchLabels": {names.APP_LABEL: component}},
        },
    }


def _service(name: str, namespace: str, selector: dict[str, str], port_name: str) -> Document:
    labels = dict(selector)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": selector,
            "ports": [{"name": port_name, "port": 443, "targetPort": PORTS.get(port_name, 8443), "protocol": "TCP"}],
        },
    }
