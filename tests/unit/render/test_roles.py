"""What each user role may do, held to the table of the public API."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kubevirt_py.api import subresources
from kubevirt_py.plan import Document
from kubevirt_py.render import roles


def by_name() -> dict[str, Document]:
    return {role["metadata"]["name"]: role for role in roles.cluster_roles()}


def allowed(role: str, verb: str, group: str, resource: str) -> bool:
    """RBAC's own rule: some rule has the group, the resource and the verb."""
    return any(
        group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
        for rule in by_name()[f"kubevirt.io:{role}"]["rules"]
    )


def test_golden(golden: Any) -> None:
    golden.check("render/roles/cluster_roles.yaml", yaml.safe_dump_all(roles.cluster_roles(), sort_keys=False))
    golden.check("render/roles/bindings.yaml", yaml.safe_dump_all(roles.cluster_role_bindings(), sort_keys=False))


@pytest.mark.parametrize(
    ("verb", "resource", "holders"),
    [
        ("update", "virtualmachines/start", {"admin", "edit"}),
        ("update", "virtualmachines/migrate", {"migrate"}),
        ("get", "virtualmachineinstances/console", {"admin", "edit"}),
        ("get", "virtualmachineinstances/vnc", {"admin", "edit"}),
        ("get", "virtualmachineinstances/vnc/screenshot", {"admin"}),
        ("get", "virtualmachineinstances/portforward", {"admin", "edit"}),
        ("get", "virtualmachines/portforward", {"admin", "edit"}),
        ("get", "virtualmachineinstances/guestosinfo", {"admin", "edit", "view"}),
        ("get", "virtualmachineinstances/sev/fetchcertchain", {"admin", "edit", "view"}),
        ("update", "virtualmachineinstances/sev/setupsession", {"admin", "edit"}),
        ("update", "virtualmachineinstances/evacuate/cancel", {"admin", "edit"}),
        ("update", "expand-vm-spec", {"admin", "edit", "view"}),
        ("get", "virtualmachines/expand-spec", {"admin", "edit", "view"}),
        ("get", "virtualmachineinstances/vsock", set()),
        ("update", "virtualmachineinstances/backup", set()),
        ("update", "virtualmachineinstances/redefine-checkpoint", set()),
        ("get", "version", {"default"}),
        ("list", "guestfs", {"default"}),
        ("update", "virtualmachineinstances", set()),
    ],
)
def test_subresources(verb: str, resource: str, holders: set[str]) -> None:
    everyone = ("default", "admin", "edit", "view", "migrate")
    assert {role for role in everyone if allowed(role, verb, subresources.GROUP, resource)} == holders


@pytest.mark.parametrize(
    ("verb", "resource", "holders"),
    [
        ("deletecollection", "virtualmachines", {"admin"}),
        ("create", "virtualmachines", {"admin", "edit"}),
        ("watch", "virtualmachines", {"admin", "edit", "view"}),
        ("create", "virtualmachineinstancemigrations", {"migrate"}),
        ("watch", "virtualmachineinstancemigrations", {"admin", "edit", "view", "migrate"}),
        ("get", "kubevirts", {"default", "admin", "edit", "view"}),
        ("patch", "kubevirts", set()),
    ],
)
def test_kinds(verb: str, resource: str, holders: set[str]) -> None:
    everyone = ("default", "admin", "edit", "view", "migrate")
    assert {role for role in everyone if allowed(role, verb, "kubevirt.io", resource)} == holders


def test_manual_aggregation_leaves_the_labels_out() -> None:
    for role in roles.cluster_roles(aggregate=False):
        assert not [label for label in role["metadata"]["labels"] if "aggregate-to" in label]


def test_migrate_is_never_aggregated() -> None:
    assert list(by_name()["kubevirt.io:migrate"]["metadata"]["labels"]) == ["kubevirt.io"]
