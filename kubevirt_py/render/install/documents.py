"""All objects of an installation, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from kubevirt_py.api import crd, names
from kubevirt_py.plan import Document, Kind
from kubevirt_py.render import container_paths, roles, webhooks
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.install import fixed_specs, operator_webhooks, policies, rbac, services, unserved, workloads
from kubevirt_py.render.install.customize import customized
from kubevirt_py.render.install.installation import Installation

_PLURALS = {
    "APIService": "apiservices",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "CustomResourceDefinition": "customresourcedefinitions",
    "DaemonSet": "daemonsets",
    "Deployment": "deployments",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "PriorityClass": "priorityclasses",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}
KUBEVIRT_CRD = "kubevirts.kubevirt.io"


def kind_of(document: Document) -> Kind[dict[str, object]]:
    """The served type of a document. Raises KeyError for a kind the operator never applies."""
    group, _, version = document["apiVersion"].rpartition("/")
    namespaced = "namespace" in document["metadata"]
    return Kind(group, version, document["kind"], _PLURALS[document["kind"]], dict, namespaced=namespaced)


def documents(inst: Installation) -> tuple[Document, ...]:
    """Everything the operator keeps. Admission and workloads need `inst.ca_bundle`."""
    found: list[Document] = [*definitions()]
    found += rbac.component_rbac(inst.namespace)
    found += [*roles.cluster_roles(aggregate=_aggregate(inst.spec)), *roles.cluster_role_bindings()]
    found += [*policies.handler_policy(inst.namespace), *unserved.unserved_policy()]
    found += fixed_specs.fixed_specs_policy()
    found += [services.priority_class(), *services.services(inst.namespace)]
    found += [workloads.virt_api(inst), workloads.virt_controller(inst), workloads.virt_handler(inst)]
    if inst.replicas > 1:
        found += [
            services.budget(component, inst.namespace, inst.replicas)
            for component in (names.VIRT_API, names.VIRT_CONTROLLER)
        ]
    found.append(operator_webhooks.operator_webhooks(inst.ca_bundle, inst.namespace))
    return customized(map(inst.stamp, found), inst.spec)


def admission(inst: Installation) -> tuple[Document, ...]:
    """virt-api's webhooks: applied once it answers, removed before it goes."""
    wanted = ClusterConfig.from_kubevirt(inst.spec).gate(container_paths.GATE)
    found = webhooks.webhook_configurations(inst.ca_bundle, inst.namespace, container_paths=wanted)
    return customized(map(inst.stamp, found), inst.spec)


def aggregation(inst: Installation) -> tuple[Document, ...]:
    """The aggregated APIs: registered only as long as virt-api answers."""
    return customized(map(inst.stamp, webhooks.api_services(inst.ca_bundle, inst.namespace)), inst.spec)


@cache
def definitions() -> tuple[Document, ...]:
    """The CRDs the operator keeps; the one of KubeVirt itself comes with the operator's own manifests."""
    return tuple(document for document in crd.crds() if document["metadata"]["name"] != KUBEVIRT_CRD)


def render_base(inst: Installation) -> tuple[Document, ...]:
    """What a user applies before the KubeVirt CR: namespace, the KubeVirt CRD and the operator."""
    namespace: Document = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": inst.namespace,
            "labels": {names.APP_LABEL: "", "pod-security.kubernetes.io/enforce": "privileged"},
        },
    }
    definition = next(document for document in crd.crds() if document["metadata"]["name"] == KUBEVIRT_CRD)
    operator_rbac = rbac.account_rbac(inst.namespace, "kubevirt-operator", rbac.OPERATOR)
    return (namespace, definition, *operator_rbac, workloads.virt_operator(inst))


def managed_kinds(found: Iterable[Document]) -> tuple[Kind[dict[str, object]], ...]:
    """The distinct kinds among documents, in order of first appearance."""
    return tuple(dict.fromkeys(kind_of(document) for document in found))


def _aggregate(spec: Document) -> bool:
    return (spec.get("configuration") or {}).get("roleAggregationStrategy") != "Manual"
