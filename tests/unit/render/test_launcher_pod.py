"""The VM pod, case by case, and what must hold in every case."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevirt_py.api import names
from kubevirt_py.api.quantity import quantity_bytes
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.launcher_pod import launcher_pod, pod_name
from kubevirt_py.render.machine.memory import guest_memory_bytes
from kubevirt_py.render.persistent_state import keeps_state

AREA = Path(__file__).parents[2] / "golden" / "launcher_pod"
CASES = sorted(case.name for case in AREA.iterdir())
BLOCK = {"block-claim"}
CLAIM_UIDS = {"block-claim": "5d307ca9-b3ef-428c-8861-06e72d69f223", "other": "7a2f6f00-0000-4000-8000-00000000000b"}
PASST = {"type": "Localhost", "localhostProfile": "kubevirt/passt.json"}


def render(case: str) -> tuple[dict[str, Any], dict[str, Any]]:
    vmi = yaml.safe_load((AREA / case / "vmi.yaml").read_text())
    return vmi, pod(vmi, case)


def pod(vmi: dict[str, Any], case: str) -> dict[str, Any]:
    """The pod of a VMI in the cluster of a case."""
    spec = AREA / case / "config.yaml"
    config = ClusterConfig.from_kubevirt(yaml.safe_load(spec.read_text()) if spec.exists() else {})
    state = "state-claim" if keeps_state(vmi["spec"]) else ""
    return launcher_pod(
        vmi,
        config,
        "localhost/launcher:test",
        block_claims=BLOCK,
        state_claim=state,
        claim_uids=CLAIM_UIDS,
        limit_cpus=config.cpu_limit_namespaces == {},
    )


@pytest.mark.parametrize("case", CASES)
def test_pod_is_as_reviewed(case: str, golden: Any) -> None:
    _, pod = render(case)
    golden.check(f"launcher_pod/{case}/pod.yaml", yaml.safe_dump(pod, sort_keys=False, width=110))


@pytest.mark.parametrize("case", CASES)
def test_pod_is_restricted_and_keeps_nothing_of_the_host(case: str) -> None:
    _, pod = render(case)
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert security["runAsNonRoot"] and not security["allowPrivilegeEscalation"]
    for server in spec.get("initContainers", ()):
        assert server["restartPolicy"] == "Always"
        profile = PASST if server["name"] == "passt" else security["seccompProfile"]
        assert server["securityContext"] == {
            **security,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": profile,
        }


@pytest.mark.parametrize("case", CASES)
def test_every_mount_and_device_has_its_volume(case: str) -> None:
    _, pod = render(case)
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
    volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
    used = [mount["name"] for one in containers for mount in one["volumeMounts"] + one.get("volumeDevices", [])]
    assert len(volumes) == len(set(volumes))
    assert set(used) == set(volumes)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("emulation", "overcommitted")])
def test_pod_memory_covers_the_guest(case: str) -> None:
    vmi, pod = render(case)
    (container,) = pod["spec"]["containers"]
    asked = container["resources"]["requests"]
    requested = sum(quantity_bytes(size) for name, size in asked.items() if name.startswith(("memory", "hugepages-")))
    assert requested > guest_memory_bytes(vmi["spec"]["domain"])


def test_a_port_of_two_cards_stands_in_the_pod_once() -> None:
    vmi, _ = render(CASES[0])
    cards = [
        {"name": "default", "masquerade": {}, "ports": [{"port": 22}, {"port": 53, "protocol": "UDP", "name": "dns"}]},
        {"name": "blue", "bridge": {}, "ports": [{"port": 22}]},
    ]
    vmi["spec"]["domain"]["devices"]["interfaces"] = cards
    vmi["spec"]["networks"] = [{"name": "default", "pod": {}}, {"name": "blue", "multus": {"networkName": "blue"}}]
    (compute,) = (one for one in pod(vmi, CASES[0])["spec"]["containers"] if one["name"] == names.COMPUTE)
    assert compute["ports"] == [
        {"protocol": "TCP", "containerPort": 22},
        {"protocol": "UDP", "containerPort": 53, "name": "dns"},
    ]


def test_a_secret_of_any_name_has_a_volume_with_a_name_of_its_own() -> None:
    """Kubernetes refuses a pod whose volumes have dots or more than 63 characters in their names."""
    vmi, _ = render(CASES[0])
    secrets = ["team.keys", "team-keys", "x" * 63, "x" * 200]
    vmi["spec"]["accessCredentials"] = [
        {"sshPublicKey": {"source": {"secret": {"secretName": name}}, "propagationMethod": {"noCloud": {}}}}
        for name in secrets
    ]
    vmi["spec"]["volumes"] = [{"name": "v" * 63, "cloudInitNoCloud": {"secretRef": {"name": "data"}}}]
    made = [one for one in pod(vmi, CASES[0])["spec"]["volumes"] if "projected" in one]
    found = [one["name"] for one in made]
    assert len(set(found)) == len(found) == len(secrets) + 1
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in found)


def test_each_attempt_has_its_own_name() -> None:
    made = [pod_name("testvm", "uid-1", attempt) for attempt in range(50)]
    assert len(set(made)) == 50
    assert made == [pod_name("testvm", "uid-1", attempt) for attempt in range(50)]
    assert all(name.startswith("virt-launcher-testvm-") for name in made)


def test_long_names_stay_within_their_limits() -> None:
    _, pod = render("long-name")
    meta = pod["metadata"]
    assert len(meta["name"]) <= 63
    assert all(len(value) <= 63 for value in meta["labels"].values())
    assert len(pod["spec"]["hostname"]) <= 63
    assert meta["labels"][names.CREATED_BY_LABEL] == meta["ownerReferences"][0]["uid"]
