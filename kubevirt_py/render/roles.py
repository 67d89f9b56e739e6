"""The roles of people who use virtual machines, and who gets them by default.

`kubevirt.io:admin|edit|view` extend Kubernetes' own roles of the same names by aggregation.
Their rules about subresources are read from the route table of `subresources.kubevirt.io`.
"""

from __future__ import annotations

from kubevirt_py.api import names, subresources
from kubevirt_py.plan import Document

_ALL = ["get", "list", "watch", "create", "update", "patch", "delete"]
_READ = ["get", "list", "watch"]

_USER_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "kubevirt.io",
        (
            "virtualmachines",
            "virtualmachineinstances",
            "virtualmachineinstancepresets",
            "virtualmachineinstancereplicasets",
        ),
    ),
    ("snapshot.kubevirt.io", ("virtualmachinesnapshots", "virtualmachinesnapshotcontents", "virtualmachinerestores")),
    ("export.kubevirt.io", ("virtualmachineexports",)),
    ("clone.kubevirt.io", ("virtualmachineclones",)),
    (
        "instancetype.kubevirt.io",
        (
            "virtualmachineinstancetypes",
            "virtualmachineclusterinstancetypes",
            "virtualmachinepreferences",
            "virtualmachineclusterpreferences",
        ),
    ),
    ("pool.kubevirt.io", ("virtualmachinepools",)),
    ("backup.kubevirt.io", ("virtualmachinebackups", "virtualmachinebackuptrackers")),
)


def _rule(group: str, resources: list[str], verbs: list[str]) -> Document:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}


def _subresource_rules(role: str) -> list[Document]:
    """One rule per verb. The default role also lists, which `kubectl get --raw` style discovery asks for."""
    rules = []
    for verb in ("get", "update"):
        resources = list(subresources.granted(role, verb))
        if resources:
            verbs = ["get", "list"] if role == subresources.DEFAULT else [verb]
            rules.append(_rule(subresources.GROUP, resources, verbs))
    return rules


def _kind_rules(verbs: list[str]) -> list[Document]:
    return [
        *(_rule(group, list(resources), verbs) for group, resources in _USER_KINDS),
        _rule("kubevirt.io", ["virtualmachineinstancemigrations"], _READ),
        _rule("migrations.kubevirt.io", ["migrationpolicies"], _READ),
        _rule("kubevirt.io", ["kubevirts"], ["get", "list"]),
    ]


def _role(name: str, rules: list[Document], *, aggregate_to: str = "") -> Document:
    labels = {names.APP_LABEL: ""}
    if aggregate_to:
        labels[f"rbac.authorization.k8s.io/aggregate-to-{aggregate_to}"] = "true"
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels},
        "rules": rules,
    }


def cluster_roles(*, aggregate: bool = True) -> list[Document]:
    """ClusterRoles for users. `aggregate` is false where the KubeVirt CR asks for roleAggregationStrategy Manual."""
    admin, edit, view = subresources.ADMIN, subresources.EDIT, subresources.VIEW
    return [
        _role(
            "kubevirt.io:default",
            [_rule("kubevirt.io", ["kubevirts"], ["get", "list"]), *_subresource_rules(subresources.DEFAULT)],
        ),
        _role(
            "kubevirt.io:admin",
            [*_subresource_rules(admin), *_kind_rules([*_ALL, "deletecollection"])],
            aggregate_to="admin" if aggregate else "",
        ),
        _role(
            "kubevirt.io:edit",
            [*_subresource_rules(edit), *_kind_rules(_ALL)],
            aggregate_to="edit" if aggregate else "",
        ),
        _role(
            "kubevirt.io:view",
            [*_subresource_rules(view), *_kind_rules(_READ)],
            aggregate_to="view" if aggregate else "",
        ),
        _role(
            "kubevirt.io:migrate",
            [
                *_subresource_rules(subresources.MIGRATE),
                _rule("kubevirt.io", ["virtualmachineinstancemigrations"], [*_ALL, "deletecollection"]),
            ],
        ),
        _role(
            "instancetype.kubevirt.io:view",
            [
                _rule(
                    "instancetype.kubevirt.io",
                    ["virtualmachineclusterinstancetypes", "virtualmachineclusterpreferences"],
                    _READ,
                )
            ],
        ),
    ]


def cluster_role_bindings() -> list[Document]:
    """What every signed-in user gets: versions, and the instance types the cluster offers."""
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role, "labels": {names.APP_LABEL: ""}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
        }
        for role in ("kubevirt.io:default", "instancetype.kubevirt.io:view")
    ]
