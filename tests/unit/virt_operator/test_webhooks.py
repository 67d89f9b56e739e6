"""What the API server hears about the KubeVirt resource."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from kubevirt_py.api.kinds import KUBEVIRT, VM
from kubevirt_py.api.views import KubeVirt, ObjectMeta
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile import Store
from kubevirt_py.reconcile.testing import FakeApi
from kubevirt_py.render.install.operator_webhooks import BLOCK_UNINSTALL, CREATE, DELETE, UPDATE, operator_webhooks
from kubevirt_py.virt_operator.webhooks import Admission


class Door:
    """The webhook server, and what it looks at."""

    def __init__(self) -> None:
        self.api, self.kubevirts = FakeApi(), Store(KUBEVIRT)
        self.client: TestClient[Any, Any] = TestClient(TestServer(Admission(self.api, self.kubevirts).application()))

    async def ask(self, path: str, new: Document | None, old: Document | None = None) -> tuple[bool, str]:
        request = {"uid": "r1", "object": new, "oldObject": old}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        async with self.client.post(path, json=review) as answer:
            found = (await answer.json())["response"]
        assert found["uid"] == "r1"
        return found["allowed"], found.get("status", {}).get("message", "") or " ".join(found.get("warnings", ()))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    async with made.client:
        yield made


def cr(**spec: Any) -> Document:
    return {"metadata": {"name": "kubevirt", "namespace": "kubevirt"}, "spec": spec}


async def test_a_first_resource_is_taken_and_a_second_is_not(door: Door) -> None:
    assert await door.ask(CREATE, cr()) == (True, "")
    door.kubevirts.put(Key("kubevirt", "other"), KubeVirt(ObjectMeta(name="other", namespace="kubevirt")), 1)
    allowed, message = await door.ask(CREATE, cr())
    assert not allowed and "kubevirt/other rules this cluster" in message


async def test_settings_that_make_no_sense_are_refused_by_name(door: Door) -> None:
    allowed, message = await door.ask(UPDATE, cr(uninstallStrategy="Never"), cr())
    assert not allowed and "spec.uninstallStrategy" in message
    assert await door.ask(UPDATE, cr(uninstallStrategy="Never"), cr(uninstallStrategy="Never")) == (True, "")


async def test_a_gate_that_switches_nothing_is_a_warning(door: Door) -> None:
    spec = {"configuration": {"developerConfiguration": {"featureGates": ["Nonsense"]}}}
    allowed, warning = await door.ask(CREATE, cr(**spec))
    assert allowed and "Nonsense is not a feature gate" in warning


async def test_removal_waits_for_machines_only_where_the_resource_says_so(door: Door) -> None:
    blocking = cr(uninstallStrategy=BLOCK_UNINSTALL)
    assert await door.ask(DELETE, None, blocking) == (True, "")
    machine = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm"}, "spec": {}}
    await door.api.create(VM, "default", machine)
    assert await door.ask(DELETE, None, cr()) == (True, "")
    allowed, message = await door.ask(DELETE, None, blocking)
    assert not allowed and "VirtualMachine" in message and "RemoveWorkloads" in message


async def test_a_body_that_is_no_review_is_answered_as_such(door: Door) -> None:
    async with door.client.post(CREATE, data=b"{") as answer:
        assert answer.status == 400


def test_every_webhook_is_served() -> None:
    served = {
        route.resource.canonical
        for route in Admission(FakeApi(), Store(KUBEVIRT)).application().router.routes()
        if route.resource
    }
    asked = {one["clientConfig"]["service"]["path"] for one in operator_webhooks("", "kubevirt")["webhooks"]}
    assert asked == served == {CREATE, UPDATE, DELETE}
