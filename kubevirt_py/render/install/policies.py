"""Admission policies the API server evaluates itself, so they hold while virt-api is down.

The node agent's token can be stolen with its node. Advisories CVE-2023-26484 and CVE-2025-64436
show what follows when such a token may write more than its own node's state.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.install.policy import denying

POLICY = "kubevirt-node-restriction"
OWN_LABELS = (names.NODE_NAME_LABEL, names.OUTDATED_LAUNCHER_LABEL, names.MIGRATION_TARGET_NODE_LABEL)


def handler_policy(namespace: str) -> tuple[Document, Document]:
    """The policy that binds virt-handler to its node, and its binding."""
    account = f"system:serviceaccount:{namespace}:kubevirt-handler"
    spec: Document = {
        "matchConstraints": {
            "resourceRules": [
                _rule("kubevirt.io", "virtualmachineinstances", "UPDATE"),
                _rule("coordination.k8s.io", "leases", "CREATE", "UPDATE", "DELETE"),
            ]
        },
        "matchConditions": [{"name": "is-virt-handler", "expression": f"request.userInfo.username == '{account}'"}],
        "variables": [
            {
                "name": "node",
                "expression": "request.userInfo.extra[?'authentication.kubernetes.io/node-name'].orValue([''])[0]",
            },
            {"name": "vmi", "expression": "request.resource.resource == 'virtualmachineinstances'"},
        ],
        "validations": _validations(),
    }
    return denying(POLICY, spec)


def _validations() -> list[Document]:
    """What must hold of each write, and the words where it does not."""
    free = " || ".join(f"k == '{label}'" for label in OWN_LABELS)
    old_label = "oldObject.metadata.?labels.orValue({})[?k].orValue('') == object.metadata.labels[k]"
    kept_label = "object.metadata.?labels.orValue({})[?k].orValue('') == oldObject.metadata.labels[k]"
    return [
        {
            "expression": "variables.node != ''",
            "message": "the token of virt-handler must carry its node's name",
        },
        {
            "expression": "!variables.vmi || oldObject.?status.nodeName.orValue('') == variables.node",
            "message": "virt-handler may only change VMIs of its own node",
        },
        {
            "expression": "!variables.vmi || object.spec == oldObject.spec",
            "message": "virt-handler may not change the spec of a VMI",
        },
        {
            "expression": "!variables.vmi || object.?status.nodeName == oldObject.?status.nodeName"
            " && object.?status.activePods == oldObject.?status.activePods",
            "message": "virt-handler may not choose the node or the pods of a VMI",
        },
        {
            "expression": "!variables.vmi"
            " || object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences"
            " && object.metadata.?finalizers == oldObject.metadata.?finalizers",
            "message": "virt-handler may not change owners or finalizers of a VMI",
        },
        {
            "expression": "!variables.vmi"
            f" || oldObject.metadata.?labels.orValue({{}}).all(k, {free} || {kept_label})"
            f" && object.metadata.?labels.orValue({{}}).all(k, {free} || {old_label})",
            "message": "virt-handler may only change its own labels of a VMI",
        },
        {
            "expression": "!variables.vmi || object.metadata.?annotations == oldObject.metadata.?annotations",
            "message": "virt-handler may not change annotations of a VMI",
        },
        {
            "expression": "variables.vmi || request.name == 'virt-handler-' + variables.node",
            "message": "virt-handler may only write its own heartbeat",
        },
    ]


def _rule(group: str, resource: str, *operations: str) -> Document:
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": list(operations), "resources": [resource]}
