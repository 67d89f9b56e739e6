"""Service accounts and rights of our own components. Users' roles are in render.roles.

The node agent may read VMIs, the pods on its node and the configuration, and patch VMIs;
render.install.policies narrows that to the status of VMIs of its own node.
"""

from __future__ import annotations

from typing import Any

from kubevirt_py.api import subresources
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.plan import Document

Rule = tuple[str, ...]
"""API group, resources, verbs, and the names it is limited to; all but the first as blank-separated words."""

READ = "get list watch"
RBAC = "rbac.authorization.k8s.io"

CUSTOM_GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS))
"""The groups whose objects go with an installation."""

OPERATOR: tuple[Rule, ...] = (
    ("kubevirt.io", "kubevirts kubevirts/status kubevirts/finalizers", "get list watch patch update"),
    *((group, "*", "get list delete patch") for group in CUSTOM_GROUPS),
    ("", "serviceaccounts services secrets configmaps", "get list watch create patch update delete"),
    ("", "nodes", READ),
    ("events.k8s.io", "events", "create patch"),
    ("", "events", "create patch"),
    ("apps", "deployments daemonsets", "get list watch create patch update delete"),
    ("policy", "poddisruptionbudgets", "get list watch create patch update delete"),
    ("coordination.k8s.io", "leases", "get list watch create patch update delete"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "get list watch create patch update delete"),
    ("apiregistration.k8s.io", "apiservices", "get list watch create patch update delete"),
    ("scheduling.k8s.io", "priorityclasses", "get list watch create patch update delete"),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations mutatingwebhookconfigurations",
        "get list watch create patch update delete",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies validatingadmissionpolicybindings",
        "get list watch create patch update delete",
    ),
    (RBAC, "roles rolebindings clusterroles clusterrolebindings", f"{READ} create patch update delete escalate bind"),
)
API: tuple[Rule, ...] = (
    ("kubevirt.io", "kubevirts virtualmachineinstancepresets", READ),
    ("kubevirt.io", "virtualmachineinstancemigrations", "get list"),
    ("kubevirt.io", "virtualmachines", "get list watch patch"),
    ("kubevirt.io", "virtualmachines/status", "patch"),
    ("kubevirt.io", "virtualmachineinstances", "get list watch patch"),
    ("", "pods", READ),
    ("", "nodes persistentvolumeclaims", "get list"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),
)
WEBHOOKS = "validatingwebhookconfigurations mutatingwebhookconfigurations"
DOORS = " ".join(f"{version}.{subresources.GROUP}" for version in subresources.VERSIONS)
CONTROLLER: tuple[Rule, ...] = (
    ("kubevirt.io", "kubevirts kubevirts/status", f"{READ} patch"),
    ("kubevirt.io", "virtualmachines", "get list watch patch delete"),
    ("apiregistration.k8s.io", "apiservices", READ),
    ("apiregistration.k8s.io", "apiservices", "delete", DOORS),
    ("admissionregistration.k8s.io", WEBHOOKS, READ),
    ("admissionregistration.k8s.io", WEBHOOKS, "delete", "virt-api-mutator virt-api-validator virt-operator-validator"),
    ("kubevirt.io", "virtualmachines/status virtualmachines/finalizers", "patch update"),
    ("kubevirt.io", "virtualmachineinstances", "get list watch create patch delete"),
    ("kubevirt.io", "virtualmachineinstances/finalizers", "update"),
    ("", "pods", "get list watch create patch delete"),
    ("", "pods/finalizers", "update"),
    ("", "pods/resize", "patch"),
    ("", "namespaces", READ),
    ("", "persistentvolumeclaims", f"{READ} create patch"),
    ("storage.k8s.io", "storageclasses", READ),
    ("cdi.kubevirt.io", "datavolumes", "get create"),
    ("k8s.cni.cncf.io", "network-attachment-definitions", "get"),
    ("", "nodes", "get list watch patch"),
    ("apps", "controllerrevisions", "get list watch create delete"),
    ("events.k8s.io", "events", "create patch"),
    ("", "events", "create patch"),
)
HANDLER: tuple[Rule, ...] = (
    ("kubevirt.io", "kubevirts", READ),
    ("kubevirt.io", "virtualmachineinstances", "get list watch patch"),
    ("", "pods", READ),
    ("events.k8s.io", "events", "create patch"),
    ("", "events", "create patch"),
)
LEASES: tuple[Rule, ...] = (("coordination.k8s.io", "leases", "get list watch create patch update delete"),)

ACCOUNTS: dict[str, tuple[Rule, ...]] = {
    "kubevirt-apiserver": API,
    "kubevirt-controller": CONTROLLER,
    "kubevirt-handler": HANDLER,
}


def component_rbac(namespace: str) -> tuple[Document, ...]:
    """Service accounts, cluster roles and bindings of virt-api, virt-controller and virt-handler."""
    found: list[Document] = []
    for account, rules in ACCOUNTS.items():
        found += account_rbac(namespace, account, rules)
        found += [_role(account, namespace, LEASES), _binding(account, namespace, account, "Role")]
    found.append(_auth_reader(namespace, "kubevirt-apiserver"))
    return tuple(found)


def account_rbac(namespace: str, account: str, rules: tuple[Rule, ...]) -> list[Document]:
    """A service account with a cluster role of the same name."""
    role = {**_object(RBAC, "ClusterRole", account), "rules": [_rule(rule) for rule in rules]}
    service_account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(account, namespace)}
    return [service_account, role, _binding(account, "", account, "ClusterRole", namespace)]


def _auth_reader(namespace: str, account: str) -> Document:
    """virt-api reads the front proxy's CA and allowed names from kube-system."""
    binding = _object(RBAC, "RoleBinding", "kubevirt-apiserver-auth-reader", "kube-system")
    binding["roleRef"] = {"apiGroup": RBAC, "kind": "Role", "name": "extension-apiserver-authentication-reader"}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
    return binding


def _role(name: str, namespace: str, rules: tuple[Rule, ...]) -> Document:
    return {**_object(RBAC, "Role", name, namespace), "rules": [_rule(rule) for rule in rules]}


def _binding(name: str, namespace: str, account: str, role_kind: str, account_namespace: str = "") -> Document:
    binding = _object(RBAC, "RoleBinding" if namespace else "ClusterRoleBinding", name, namespace)
    binding["roleRef"] = {"apiGroup": RBAC, "kind": role_kind, "name": name}
    binding["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": namespace or account_namespace}]
    return binding


def _rule(rule: Rule) -> Document:
    group, resources, verbs, *limits = rule
    found: Document = {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}
    return found | ({"resourceNames": limits[0].split()} if limits else {})


def _meta(name: str, namespace: str = "") -> Document:
    return {"name": name, "namespace": namespace} if namespace else {"name": name}


def _object(group: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": kind, "metadata": _meta(name, namespace)}
