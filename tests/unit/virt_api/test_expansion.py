"""expand-spec and expand-vm-spec: machines that name no instance type are their own expansion."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.unit.virt_api.apilab import BASE, Cloud

STORED = f"{BASE}/namespaces/default/virtualmachines/vm1/expand-spec"
GIVEN = f"{BASE}/namespaces/default/expand-vm-spec"
DOCUMENT: dict[str, Any] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "metadata": {"name": "vm1"},
    "spec": {"runStrategy": "Always", "template": {"spec": {"domain": {"devices": {}}}}},
}


async def test_a_stored_machine(cloud: Cloud) -> None:
    cloud.add_vm()
    async with cloud.session.get(STORED) as response:
        assert response.status == 200
        found = await response.json()
    assert (found["kind"], found["metadata"]["name"]) == ("VirtualMachine", "vm1")
    assert found["spec"] == {"runStrategy": "Always", "template": {}}


async def test_a_given_machine(cloud: Cloud) -> None:
    for body in (yaml.safe_dump(DOCUMENT), None):
        sent: dict[str, Any] = {"data": body} if body else {"json": DOCUMENT}
        async with cloud.session.put(GIVEN, **sent) as response:
            assert (response.status, await response.json()) == (200, DOCUMENT)
    assert cloud.api.reviews[-1]["resourceAttributes"]["verb"] == "update"


@pytest.mark.parametrize("field", ["instancetype", "preference"])
async def test_instance_types_are_not_expanded_yet(cloud: Cloud, field: str) -> None:
    cloud.add_vm(**{field: {"name": "small"}})
    given = DOCUMENT | {"spec": DOCUMENT["spec"] | {field: {"name": "small"}}}
    for method, path, body in (("GET", STORED, None), ("PUT", GIVEN, given)):
        async with cloud.session.request(method, path, json=body) as response:
            status = await response.json()
        assert (status["code"], status["reason"]) == (501, "NotImplemented")
        assert status["message"].startswith(f"spec.{field} cannot be expanded: it needs expansion of instance types")


BAD: list[tuple[Any, str]] = [
    ([], "must be a VirtualMachine object"),
    (DOCUMENT | {"kind": "Pod"}, "its kind is 'Pod'"),
    (DOCUMENT | {"metadata": {"namespace": "other"}}, "VM namespace must be empty or default"),
]


@pytest.mark.parametrize(("body", "words"), BAD)
async def test_what_is_no_machine(cloud: Cloud, body: Any, words: str) -> None:
    async with cloud.session.put(GIVEN, json=body) as response:
        status = await response.json()
    assert status["code"] == 400
    assert words in status["message"]


async def test_schema_failures_have_causes(cloud: Cloud) -> None:
    async with cloud.session.put(GIVEN, json=DOCUMENT | {"spec": {"runStrategy": 3}}) as response:
        status = await response.json()
    assert status["code"] == 400
    assert {"spec.template", "spec.runStrategy"} <= {cause["field"] for cause in status["details"]["causes"]}


async def test_no_json_and_no_machine(cloud: Cloud) -> None:
    async with cloud.session.put(GIVEN, data="{") as response:
        assert response.status == 400
    async with cloud.session.get(STORED) as response:
        assert response.status == 404
