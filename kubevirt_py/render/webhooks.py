"""How the API server reaches virt-api: webhook configurations and APIServices.

Match conditions keep virt-api out of the way of deletion, of the removal of finalizers and of our own
components' writes, so that all of these work while virt-api is down.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kubevirt_py.api import names, subresources
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.plan import Document

TIMEOUT_S = 10

CREATE = ("CREATE",)
UPDATE = ("UPDATE",)
BOTH = (*CREATE, *UPDATE)

_NOT_DELETING = {"name": "not-deleting", "expression": "!has(object.metadata.deletionTimestamp)"}
_NOT_FINALIZING = {
    "name": "not-finalizing",
    "expression": (
        "!has(object.metadata.deletionTimestamp) || object.spec != oldObject.spec"
        " || object.?status.orValue({}) != oldObject.?status.orValue({})"
    ),
}
_CHANGING = {
    "name": "spec-changes",
    "expression": (
        "request.operation == 'CREATE' || !has(object.metadata.deletionTimestamp) && object.?spec != oldObject.?spec"
    ),
}


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook: which writes of `resources` (of one API group) go to which path of virt-api, and when.

    `others` spares the writes of our own components.
    """

    name: str
    path: str
    resources: tuple[str, ...]
    operations: tuple[str, ...]
    conditions: tuple[Document, ...] = ()
    others: bool = False
    failure_policy: str = "Fail"
    side_effects: str = "None"
    optional: Document = field(default_factory=dict)
    """Fields of the webhook that others leave to the API server."""

    @property
    def group(self) -> str:
        """The API group of the resources."""
        return _place(self.resources[0])[0]

    @property
    def version(self) -> str:
        """The version clients prefer; requests in another one are converted to it."""
        return _place(self.resources[0])[1]


def _place(resource: str) -> tuple[str, str]:
    plural = resource.partition("/")[0]
    if plural == "pods":
        return "", "v1"
    kind = next(kind for kind in KINDS if kind.plural == plural)
    return kind.group, kind.versions[0].name


MUTATING = (
    Hook("virtualmachines-mutator", "/virtualmachines-mutate", ("virtualmachines",), BOTH, (_NOT_DELETING,)),
    Hook(
        "virtualmachineinstances-mutator",
        "/virtualmachineinstances-mutate",
        ("virtualmachineinstances",),
        BOTH,
        (_NOT_FINALIZING,),
        others=True,
    ),
    Hook("migrations-mutator", "/migration-mutate-create", ("virtualmachineinstancemigrations",), CREATE),
    Hook("vm-clone-mutator", "/vm-clone-mutate-create", ("virtualmachineclones",), CREATE),
)

POD_MUTATOR = Hook(
    "virt-launcher-pod-mutator",
    "/virt-launcher-pod-mutate",
    ("pods",),
    CREATE,
    (
        {
            "name": "shares-container-paths",
            "expression": f"'{names.CONTAINER_PATHS_ANNOTATION}' in object.metadata.?annotations.orValue({{}})",
        },
    ),
    failure_policy="Ignore",
    optional={
        "objectSelector": {"matchLabels": {names.APP_LABEL: names.VIRT_LAUNCHER}},
        "reinvocationPolicy": "IfNeeded",
    },
)
"""Registered with the gate ContainerPathVolumes only; asked again where others add volumes after it."""


def _judging(name: str, path: str, resource: str) -> Hook:
    """Judges each spec that is new or changes."""
    return Hook(name, path, (resource,), BOTH, (_CHANGING,))


def _status(name: str, *resources: str) -> Hook:
    return Hook(name, "/status-validate", tuple(f"{each}/status" for each in resources), UPDATE, others=True)


def _eviction(name: str, prefix: str) -> Hook:
    """An evicted pod that virt-api cannot be asked about goes: Kubernetes' nodes must stay drainable."""
    condition = {"name": "name-of-pod", "expression": f"request.name.startsWith('{prefix}')"}
    return Hook(
        name,
        "/pod-eviction-validate",
        ("pods/eviction",),
        CREATE,
        (condition,),
        failure_policy="Ignore",
        side_effects="NoneOnDryRun",
    )


VALIDATING = (
    _eviction("virt-launcher-eviction-interceptor", names.VIRT_LAUNCHER),
    _eviction("hotplug-pod-eviction-interceptor", names.HOTPLUG_POD_PREFIX),
    Hook("virtualmachine-validator", "/virtualmachines-validate", ("virtualmachines",), BOTH, (_NOT_DELETING,)),
    Hook(
        "virtualmachineinstances-create-validator",
        "/virtualmachineinstances-validate-create",
        ("virtualmachineinstances",),
        CREATE,
    ),
    Hook(
        "virtualmachineinstances-update-validator",
        "/virtualmachineinstances-validate-update",
        ("virtualmachineinstances",),
        UPDATE,
        (_NOT_FINALIZING,),
        others=True,
    ),
    _judging(
        "virtualmachinereplicaset-validator", "/virtualmachinereplicaset-validate", "virtualmachineinstancereplicasets"
    ),
    _judging("virtualmachinepool-validator", "/virtualmachinepool-validate", "virtualmachinepools"),
    _judging("virtualmachinepreset-validator", "/vmipreset-validate", "virtualmachineinstancepresets"),
    Hook("migration-create-validator", "/migration-validate-create", ("virtualmachineinstancemigrations",), CREATE),
    Hook(
        "migration-update-validator",
        "/migration-validate-update",
        ("virtualmachineinstancemigrations",),
        UPDATE,
        (_NOT_DELETING,),
        others=True,
    ),
    _judging("virtualmachinesnapshot-validator", "/virtualmachinesnapshots-validate", "virtualmachinesnapshots"),
    _judging("virtualmachinerestore-validator", "/virtualmachinerestores-validate", "virtualmachinerestores"),
    _judging("virtualmachinebackup-validator", "/virtualmachinebackups-validate", "virtualmachinebackups"),
    _judging(
        "virtualmachinebackuptracker-validator",
        "/virtualmachinebackuptrackers-validate",
        "virtualmachinebackuptrackers",
    ),
    _judging("virtualmachineexport-validator", "/virtualmachineexports-validate", "virtualmachineexports"),
    *(
        _judging(f"{plural.removesuffix('s')}-validator", f"/{plural}-validate", plural)
        for plural in (
            "virtualmachineinstancetypes",
            "virtualmachineclusterinstancetypes",
            "virtualmachinepreferences",
            "virtualmachineclusterpreferences",
        )
    ),
    _judging("migration-policy-validator", "/migration-policy-validate-create", "migrationpolicies"),
    _judging("vm-clone-validator", "/vm-clone-validate-create", "virtualmachineclones"),
    _judging("plugin-validator", "/plugin-validate", "plugins"),
    _status(
        "kubevirt-crd-status-validator",
        "virtualmachines",
        "virtualmachineinstancereplicasets",
        "virtualmachineinstancemigrations",
    ),
    _status("kubevirt-pool-status-validator", "virtualmachinepools"),
)


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


def _webhook(hook: Hook, ca_bundle: str, namespace: str) -> Document:
    conditions = [_written_by_others(namespace)] if hook.others and "UPDATE" in hook.operations else []
    return {
        "name": f"{hook.name}.kubevirt.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": _client(ca_bundle, namespace, hook.path),
        "failurePolicy": hook.failure_policy,
        "matchPolicy": "Equivalent",
        "matchConditions": [*conditions, *hook.conditions],
        "rules": [
            {
                "apiGroups": [hook.group],
                "apiVersions": [hook.version],
                "operations": list(hook.operations),
                "resources": list(hook.resources),
                "scope": "*",
            }
        ],
        "sideEffects": hook.side_effects,
        "timeoutSeconds": TIMEOUT_S,
        **hook.optional,
    }


def _configuration(kind: str, name: str, webhooks: list[Document]) -> Document:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {names.APP_LABEL: names.VIRT_API}},
        "webhooks": webhooks,
    }


def mutating_webhooks(ca_bundle: str, namespace: str, *, container_paths: bool = False) -> Document:
    """`virt-api-mutator`: defaults. `ca_bundle` is base64 PEM, `namespace` where virt-api runs.

    `container_paths` tells whether pods of machines are to be given servers of containerPath volumes.
    """
    wanted = (*MUTATING, POD_MUTATOR) if container_paths else MUTATING
    hooks = [_webhook(hook, ca_bundle, namespace) for hook in wanted]
    return _configuration("MutatingWebhookConfiguration", "virt-api-mutator", hooks)


def validating_webhooks(ca_bundle: str, namespace: str) -> Document:
    """`virt-api-validator`: checks. `ca_bundle` is base64 PEM, `namespace` where virt-api runs."""
    hooks = [_webhook(hook, ca_bundle, namespace) for hook in VALIDATING]
    return _configuration("ValidatingWebhookConfiguration", "virt-api-validator", hooks)


def webhook_configurations(ca_bundle: str, namespace: str, *, container_paths: bool = False) -> list[Document]:
    """Both configurations of virt-api."""
    mutating = mutating_webhooks(ca_bundle, namespace, container_paths=container_paths)
    return [mutating, validating_webhooks(ca_bundle, namespace)]


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
