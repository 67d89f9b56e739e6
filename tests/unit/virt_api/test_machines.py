"""Verbs that the node agent carries out: checks, calls and answers."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.api import kinds
from kubevirt_py.plan import Key
from kubevirt_py.virt_api import proxy
from tests.unit.virt_api.apilab import BASE, PICTURE, Cloud

SCREENLESS = {"domain": {"devices": {"autoattachGraphicsDevice": False}}}
URL = f"{BASE}/namespaces/default/virtualmachineinstances/vm1"


@pytest.mark.parametrize(
    ("verb", "conditions"),
    [("pause", ()), ("unpause", ("Paused",)), ("softreboot", ()), ("softreboot", ("AgentConnected",)), ("reset", ())],
)
async def test_verbs_reach_the_agent_with_our_certificate(cloud: Cloud, verb: str, conditions: tuple[str, ...]) -> None:
    cloud.add_vmi(conditions=conditions)
    async with cloud.session.put(f"{URL}/{verb}") as response:
        assert (response.status, await response.read()) == (200, b"")
    assert cloud.agent.calls == [("PUT", f"default/virtualmachineinstances/vm1/{verb}")]
    assert cloud.agent.client_names == ["kubevirt.io:system:client:virt-handler"]


@pytest.mark.parametrize("verb", ["guestosinfo", "userlist", "filesystemlist"])
async def test_what_the_guest_agent_tells_is_passed_on(cloud: Cloud, verb: str) -> None:
    cloud.add_vmi(conditions=("AgentConnected",))
    async with cloud.session.get(f"{URL}/{verb}") as response:
        assert response.status == 200
        assert await response.json() == {"hostname": "guest"}


NO_ACPI = {"spec": {"domain": {"features": {"acpi": {"enabled": False}}}}}
REFUSALS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("PUT", "pause", {"phase": "Scheduling"}, 409, "VMI is not running"),
    ("PUT", "pause", {"conditions": ("Paused",)}, 409, "VMI is already paused"),
    ("PUT", "pause", {"spec": {"livenessProbe": {"tcpSocket": {"port": 1}}}}, 403, "LivenessProbe"),
    ("PUT", "unpause", {"phase": "Failed"}, 409, "VMI is not running"),
    ("PUT", "unpause", {}, 409, "VMI is not paused"),
    ("PUT", "softreboot", {"phase": "Pending"}, 409, "VMI is not running"),
    ("PUT", "softreboot", {"conditions": ("Paused",)}, 409, "VMI is paused"),
    ("PUT", "softreboot", NO_ACPI, 409, "VMI neither have the agent connected nor the ACPI feature enabled"),
    ("PUT", "reset", {"phase": "Pending"}, 400, "its phase is Pending instead of Running"),
    ("GET", "guestosinfo", {"phase": "Pending"}, 500, "VMI is not running"),
    ("GET", "userlist", {}, 500, "VMI does not have guest agent connected"),
    ("GET", "vnc/screenshot", {"phase": "Scheduled"}, 500, "VMI is not running"),
    (
        "GET",
        "vnc/screenshot",
        {"spec": {"domain": {"devices": {"autoattachGraphicsDevice": False}}}},
        500,
        "No graphics devices",
    ),
    ("PUT", "freeze", {"phase": "Scheduled"}, 409, "VMI is not running"),
    ("PUT", "unfreeze", {"phase": "Scheduled"}, 409, "VMI is not running"),
]


@pytest.mark.parametrize(("method", "verb", "state", "code", "words"), REFUSALS)
async def test_refusals(cloud: Cloud, method: str, verb: str, state: dict[str, Any], code: int, words: str) -> None:
    cloud.add_vmi(**state)
    async with cloud.session.request(method, f"{URL}/{verb}") as response:
        status = await response.json()
    assert (status["kind"], status["code"]) == ("Status", code)
    assert words in status["message"]
    assert cloud.agent.calls == []


async def test_a_probe_by_the_guest_agent_does_not_forbid_a_pause(cloud: Cloud) -> None:
    cloud.add_vmi(spec={"livenessProbe": {"guestAgentPing": {}}})
    async with cloud.session.put(f"{URL}/pause") as response:
        assert response.status == 200


async def test_a_dry_run_stops_after_the_checks(cloud: Cloud) -> None:
    cloud.add_vmi()
    async with cloud.session.put(f"{URL}/pause", json={"dryRun": ["All"]}) as response:
        assert response.status == 200
    async with cloud.session.put(f"{URL}/unpause", json={"dryRun": ["All"]}) as response:
        assert response.status == 409
    assert cloud.agent.calls == []


async def test_a_snapshot_in_progress_forbids_unpause(cloud: Cloud) -> None:
    cloud.add_vm(status={"snapshotInProgress": "snap1"})
    cloud.add_vmi(conditions=("Paused",))
    async with cloud.session.put(f"{URL}/unpause") as response:
        assert response.status == 409
        assert "snap1" in (await response.json())["message"]


async def test_the_agents_refusal_is_passed_on(cloud: Cloud) -> None:
    cloud.add_vmi()
    cloud.agent.refuse = (409, "the guest is shutting down")
    async with cloud.session.put(f"{URL}/pause") as response:
        status = await response.json()
    assert (status["code"], status["message"]) == (409, "the guest is shutting down")


async def test_no_agent_on_the_node(cloud: Cloud) -> None:
    cloud.add_vmi()
    cloud.api.server.delete(kinds.POD, Key("kubevirt", "virt-handler-x"))
    async with cloud.session.put(f"{URL}/pause") as response:
        status = await response.json()
    assert status["code"] == 503
    assert "no virt-handler runs on node node1" in status["message"]


async def test_no_such_machine(cloud: Cloud) -> None:
    async with cloud.session.put(f"{URL}/pause") as response:
        assert response.status == 404


async def test_a_freeze_is_passed_on_with_its_deadline(cloud: Cloud) -> None:
    cloud.add_vmi()
    async with cloud.session.put(f"{URL}/freeze", json={"unfreezeTimeout": "5m0s"}) as response:
        assert response.status == 200
    async with cloud.session.put(f"{URL}/freeze", json={"unfreezeTimeout": "soon"}) as response:
        assert (response.status, "is not a duration" in await response.text()) == (400, True)
    async with cloud.session.put(f"{URL}/unfreeze") as response:
        assert response.status == 200
    assert cloud.agent.bodies == [b'{"unfreezeTimeout":"5m0s"}', b""]


async def test_a_guest_may_take_longer_than_qemu(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "CALL_S", 0.2)
    cloud.add_vmi(conditions=("AgentConnected",))
    cloud.agent.slow_s = 0.5
    for method, verb, status in (("PUT", "unfreeze", 200), ("GET", "guestosinfo", 200), ("PUT", "pause", 503)):
        async with cloud.session.request(method, f"{URL}/{verb}") as response:
            assert (verb, response.status) == (verb, status)


async def test_a_screenshot_is_passed_on_whole(cloud: Cloud) -> None:
    cloud.add_vmi()
    async with cloud.session.get(f"{URL}/vnc/screenshot?moveCursor=true") as response:
        assert (response.status, response.content_type) == (200, "image/png")
        assert await response.read() == PICTURE
    assert cloud.agent.calls[-1][1].endswith("/vnc/screenshot?moveCursor=true")
