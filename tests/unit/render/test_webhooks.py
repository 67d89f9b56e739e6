"""Documents by which the API server finds virt-api."""

from __future__ import annotations

from typing import Any

import yaml

from kubevirt_py.render import webhooks


def test_golden(golden: Any) -> None:
    documents = [
        *webhooks.webhook_configurations("Q0E=", "kubevirt", container_paths=True),
        *webhooks.api_services("Q0E=", "kubevirt"),
    ]
    golden.check("render/webhooks/virt_api.yaml", yaml.safe_dump_all(documents, sort_keys=False))


def test_pods_are_looked_at_with_the_gate_only() -> None:
    seen = {
        wanted: [
            webhook["name"]
            for webhook in webhooks.mutating_webhooks("", "ns", container_paths=wanted)["webhooks"]
            if webhook["rules"][0]["resources"] == ["pods"]
        ]
        for wanted in (False, True)
    }
    assert seen == {False: [], True: ["virt-launcher-pod-mutator.kubevirt.io"]}


def test_nothing_of_ours_stands_in_the_way_of_deletion() -> None:
    """Every webhook that sees updates is skipped when an object being deleted only loses finalizers."""
    for document in (
        webhooks.mutating_webhooks("", "ns", container_paths=True),
        webhooks.validating_webhooks("", "ns"),
    ):
        for webhook in document["webhooks"]:
            assert all("DELETE" not in rule["operations"] for rule in webhook["rules"])
            updates_objects = any(
                "UPDATE" in rule["operations"] and "/status" not in rule["resources"][0] for rule in webhook["rules"]
            )
            if updates_objects:
                assert any("deletionTimestamp" in each["expression"] for each in webhook["matchConditions"])
