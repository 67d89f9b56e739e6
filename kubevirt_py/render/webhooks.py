"""How the API server reaches virt-api: webhook configurations and APIServices.

Match conditions keep virt-api out of the way of deletion, of the removal of finalizers and of our own
components' writes, so that all of these work while virt-api is down.
"""

from __future__ import annotations

from kubevirt_py.api import names, subresources
from kubevirt_py.plan import Document

TIMEOUT_S = 10

_NOT_DELETING = {"name": "not-deleting", "expression": "!has(object.metadata.deletionTimestamp)"}
_NOT_FINALIZING = {
    "name": "not-finalizing",
    "expression": (
        "!has(object.metadata.deletionTimestamp) || object.spec != oldObject.spec"
        " || object.?status.orValue({}) != oldObject.?status.orValue({})"
    ),
}


def service_account_user(namespace: str, account: str) -> str:
    """The user name under which the API server knows a service account."""
    return f"system:serviceaccount:{namespace}:{account}"


def component_users(namespace: str) -> tuple[str, ...]:
    """User names of our own components, which alone may write status."""
    return tuple(service_account_user(namespace, account) for account in names.COMPONENT_ACCOUNTS)


def _written_by_others(namespace: str) -> Document:
    users = ", ".join(f"'{user}'" for user in component_users(namespace))
    return {
        "name": "written-by-others",
        "expression": f"request.operation == 'CREATE' || !(request.userInfo.username in [{users}])",
    }


def _client(ca_bundle: str, namespace: str, path: str) -> Document:
    return {
        "caBundle": ca_bundle,
        "service": {"name": names.VIRT_API, "namespace": namespace, "path": path, "port": 443},
    }


def _webhook(name: str, client: Document, resource: str, operations: list[str], conditions: list[Document]) -> Document:
    return {
        "name": f"{name}.kubevirt.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": client,
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "matchConditions": conditions,
        "rules": [
            {
                "apiGroups": ["kubevirt.io"],
                "apiVersions": ["v1"],
                "operations": operations,
                "resources": [resource],
                "scope": "Namespaced",
            }
        ],
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_S,
    }


def _configuration(kind: str, name: str, webhooks: list[Document]) -> Document:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {names.APP_LABEL: names.VIRT_API}},
        "webhooks": webhooks,
    }


def mutating_webhooks(ca_bundle: str, namespace: str) -> Document:
    """`virt-api-mutator`: defaults. `ca_bundle` is base64 PEM, `namespace` where virt-api runs."""
    others = _written_by_others(namespace)
    return _configuration(
        "MutatingWebhookConfiguration",
        "virt-api-mutator",
        [
            _webhook(
                "virtualmachines-mutator",
                _client(ca_bundle, namespace, "/virtualmachines-mutate"),
                "virtualmachines",
                ["CREATE", "UPDATE"],
                [_NOT_DELETING],
            ),
            _webhook(
                "virtualmachineinstances-mutator",
                _client(ca_bundle, namespace, "/virtualmachineinstances-mutate"),
                "virtualmachineinstances",
                ["CREATE", "UPDATE"],
                [others, _NOT_FINALIZING],
            ),
        ],
    )


def validating_webhooks(ca_bundle: str, namespace: str) -> Document:
    """`virt-api-validator`: checks. `ca_bundle` is base64 PEM, `namespace` where virt-api runs."""
    others = _written_by_others(namespace)
    return _configuration(
        "ValidatingWebhookConfiguration",
        "virt-api-validator",
        [
            _webhook(
                "virtualmachine-validator",
                _client(ca_bundle, namespace, "/virtualmachines-validate"),
                "virtualmachines",
                ["CREATE", "UPDATE"],
                [_NOT_DELETING],
            ),
            _webhook(
                "virtualmachineinstances-create-validator",
                _client(ca_bundle, namespace, "/virtualmachineinstances-validate-create"),
                "virtualmachineinstances",
                ["CREATE"],
                [],
            ),
            _webhook(
                "virtualmachineinstances-update-validator",
                _client(ca_bundle, namespace, "/virtualmachineinstances-validate-update"),
                "virtualmachineinstances",
                ["UPDATE"],
                [others, _NOT_FINALIZING],
            ),
            _webhook(
                "kubevirt-crd-status-validator",
                _client(ca_bundle, namespace, "/status-validate"),
                "virtualmachines/status",
                ["UPDATE"],
                [others],
            ),
        ],
    )


def webhook_configurations(ca_bundle: str, namespace: str) -> list[Document]:
    """Both configurations of virt-api."""
    return [mutating_webhooks(ca_bundle, namespace), validating_webhooks(ca_bundle, namespace)]


def api_services(ca_bundle: str, namespace: str) -> list[Document]:
    """Registers `subresources.kubevirt.io` with the API server's aggregator, the first version preferred."""
    return [
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {
                "name": f"{version}.{subresources.GROUP}",
                "labels": {names.APP_LABEL: names.VIRT_API},
            },
            "spec": {
                "caBundle": ca_bundle,
                "group": subresources.GROUP,
                "groupPriorityMinimum": 1000,
                "service": {"name": names.VIRT_API, "namespace": namespace, "port": 443},
                "version": version,
                "versionPriority": 15 - rank,
            },
        }
        for rank, version in enumerate(subresources.VERSIONS)
    ]
