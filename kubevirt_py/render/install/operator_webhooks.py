"""How the API server asks virt-operator about the KubeVirt resource.

Deletion is asked about only where the CR itself wants it blocked, and never the removal of a finalizer or a change
that leaves the spec alone: so an installation can be taken down while virt-operator is away.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document

SERVICE = "kubevirt-operator-webhook"
PORT = 8444
TIMEOUT_S = 10
BLOCK_UNINSTALL = "BlockUninstallIfWorkloadsExist"
CREATE, UPDATE, DELETE = "/kubevirt-validate-create", "/kubevirt-validate-update", "/kubevirt-validate-delete"

_CHANGED = {
    "name": "spec-changed",
    "expression": "!has(object.metadata.deletionTimestamp) && object.spec != oldObject.spec",
}
_BLOCKED = {
    "name": "uninstall-blocked",
    "expression": f"oldObject.spec.?uninstallStrategy.orValue('') == '{BLOCK_UNINSTALL}'",
}


def operator_webhooks(ca_bundle: str, namespace: str) -> Document:
    """`virt-operator-validator`. `ca_bundle` is base64 PEM, `namespace` where virt-operator runs."""

    def webhook(name: str, path: str, operation: str, *conditions: Document) -> Document:
        return {
            "name": f"{name}.kubevirt.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "caBundle": ca_bundle,
                "service": {"name": SERVICE, "namespace": namespace, "path": path, "port": 443},
            },
            "failurePolicy": "Fail",
            "matchConditions": list(conditions),
            "rules": [
                {
                    "apiGroups": ["kubevirt.io"],
                    "apiVersions": ["*"],
                    "operations": [operation],
                    "resources": ["kubevirts"],
                    "scope": "Namespaced",
                }
            ],
            "sideEffects": "None",
            "timeoutSeconds": TIMEOUT_S,
        }

    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "virt-operator-validator", "labels": {names.APP_LABEL: names.VIRT_OPERATOR}},
        "webhooks": [
            webhook("kubevirt-validator", DELETE, "DELETE", _BLOCKED),
            webhook("kubevirt-update-validator", UPDATE, "UPDATE", _CHANGED),
            webhook("kubevirt-create-validator", CREATE, "CREATE"),
        ],
    }
