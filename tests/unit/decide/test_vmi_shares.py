"""File systems that cannot be shared: said before there is a pod, or of a pod that came without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kubevirt_py.decide.vmi import decide
from kubevirt_py.render.config import ClusterConfig
from tests.unit.decide.scene import NOW, after, condition, created, deleted, pod, view, views, vmi, vmi_snapshot

Document = dict[str, Any]
OPEN = ClusterConfig(feature_gates=frozenset({"ContainerPathVolumes"}))
SERVED = {"nodeName": "node1", "initContainers": [{"name": "virtiofs-tokens"}]}


def spec(volume: str, source: Document) -> Document:
    devices = {"filesystems": [{"name": volume, "virtiofs": {}}]}
    return {
        "domain": {"memory": {"guest": "64M"}, "devices": devices},
        "volumes": [{"name": volume, **source}],
    }


TOKENS = spec("tokens", {"containerPath": {"path": "/var/run/secrets/cloud"}})


@pytest.mark.parametrize("source", [{"persistentVolumeClaim": {"claimName": "data"}}, {"dataVolume": {"name": "data"}}])
def test_a_block_claim_is_refused_as_a_share_before_the_pod(source: Document) -> None:
    machine = vmi(spec=spec("files", source))
    claim = {"metadata": {"name": "data", "namespace": "default"}, "spec": {"volumeMode": "Block"}}
    snapshot = replace(vmi_snapshot(machine), claims={"data": view(claim, views.PersistentVolumeClaim)})
    plan = decide(snapshot)
    assert not created(plan) and [event.type for event in plan.events] == ["Warning"]
    told = after(machine, plan)
    for kind in ("Synchronized", "Ready"):
        assert (condition(told, kind) or {})["status"] == "False"
        assert "volume files cannot be shared" in (condition(told, kind) or {})["message"]
    claim["spec"] = {"volumeMode": "Filesystem"}
    made = decide(replace(vmi_snapshot(told), claims={"data": view(claim, views.PersistentVolumeClaim)}))
    assert created(made)


def test_a_block_claim_as_a_disk_is_fine() -> None:
    claim = view({"metadata": {"name": "data"}, "spec": {"volumeMode": "Block"}}, views.PersistentVolumeClaim)
    volumes = [{"name": "files", "persistentVolumeClaim": {"claimName": "data"}}]
    assert created(decide(replace(vmi_snapshot(vmi(spec={"volumes": volumes})), claims={"data": claim})))


def test_without_the_gate_there_is_no_pod() -> None:
    machine = vmi(spec=TOKENS)
    told = after(machine, decide(vmi_snapshot(machine)))
    for kind in ("Synchronized", "Ready"):
        assert (condition(told, kind) or {})["reason"] == "ContainerPathVolumesDisabled"
    waiting = decide(vmi_snapshot(told))
    assert not waiting.do and waiting.again_s
    assert created(decide(replace(vmi_snapshot(told), config=OPEN)))


@pytest.mark.parametrize("node", ["", "node1"])
def test_a_pod_without_a_server_never_gets_the_guest_and_is_exchanged(node: str) -> None:
    machine, bare = vmi(spec=TOKENS), pod(node=node, age_s=0)
    told = after(machine, decide(replace(vmi_snapshot(machine, bare), config=OPEN)))
    assert told["status"]["phase"] == "Scheduling" and "activePods" not in told["status"]
    for kind in ("Synchronized", "Ready"):
        assert (condition(told, kind) or {})["reason"] == "MissingVirtiofsContainers"
        assert "/var/run/secrets/cloud (volume tokens)" in (condition(told, kind) or {})["message"]
    waiting = decide(replace(vmi_snapshot(told, bare), config=OPEN))
    assert not waiting.do and waiting.again_s == 1
    late = replace(vmi_snapshot(told, bare, now=NOW + timedelta(seconds=1)), config=OPEN)
    (body,) = created(decide(late))
    assert body["metadata"]["annotations"]["kubevirt.io/launch-attempt"] == "1"
    assert deleted(decide(late)) == ["pods/virt-launcher-testvm-0"]


def test_the_pod_that_has_it_takes_the_guest() -> None:
    machine = vmi(spec=TOKENS)
    told = after(machine, decide(replace(vmi_snapshot(machine, pod()), config=OPEN)))
    leaving, good = pod(meta={"deletionTimestamp": "2026-05-01T11:59:59Z"}), pod(attempt=1) | {"spec": SERVED}
    result = after(told, decide(replace(vmi_snapshot(told, leaving, good), config=OPEN)))
    assert result["status"]["phase"] == "Scheduled"
    assert result["status"]["activePods"] == {"pod-uid-1": "node1"}
    assert condition(result, "Synchronized") is None
    assert (condition(result, "Ready") or {})["reason"] == "GuestNotRunning"
