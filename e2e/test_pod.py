"""The pod of a virtual machine gives its owner nothing that an ordinary pod would not have."""

from __future__ import annotations

import json

import pytest

from e2e import machines
from e2e.kubectl import Failed, Namespace, condition, status


def test_the_pod_is_restricted_and_qemu_is_pid_1(own: Namespace) -> None:
    """The namespace enforces the restricted Pod Security level, so admission itself is part of the test."""
    own.apply(machines.vm("plain"))
    own.until_printed("plain", "Running")
    (pod,) = own.launcher_pods("plain")
    spec = pod["spec"]
    compute = next(one for one in spec["containers"] if one["name"] == "compute")
    assert compute["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert compute["securityContext"]["allowPrivilegeEscalation"] is False
    profiles = [spec["securityContext"].get("seccompProfile"), compute["securityContext"].get("seccompProfile")]
    assert {"type": "RuntimeDefault"} in profiles
    assert spec["automountServiceAccountToken"] is False
    assert [volume for volume in spec["volumes"] if "hostPath" in volume or "projected" in volume] == []
    assert not compute.get("volumeDevices")
    name = pod["metadata"]["name"]
    assert name.startswith("virt-launcher-plain-")
    command = own.kubectl("exec", name, "-c", "compute", "--", "cat", "/proc/1/cmdline").split("\0")
    assert "qemu-system-x86_64" in command[0]
    status = own.kubectl("exec", name, "-c", "compute", "--", "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == ["107"] * 4
    assert int(fields["CapEff"], 16) & ~(1 << 10) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"


def test_a_pod_is_evicted_as_the_strategy_of_its_machine_says(own: Namespace) -> None:
    strategies = {"stay": "LiveMigrate", "leave": "LiveMigrateIfPossible"}
    for name, strategy in strategies.items():
        own.apply(machines.vmi(name, startStrategy="Paused", evictionStrategy=strategy))
    for name in strategies:
        found = own.until_phase(name, "Running")
        assert "not supported yet" in condition(found, "LiveMigratable")["message"]
    with pytest.raises(Failed, match="stay is configured with an eviction strategy but is not live-migratable"):
        evict(own, "stay")
    evict(own, "leave")
    own.until_phase("leave", "Succeeded")
    assert status(own.get("vmi", "stay"), "phase") == "Running"


def evict(namespace: Namespace, machine: str) -> None:
    """Evict a machine's pod, as `kubectl drain` does."""
    (pod,) = namespace.launcher_pods(machine)
    place = {"name": pod["metadata"]["name"], "namespace": namespace.name}
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": place})
    namespace.kubectl(
        "create",
        "--raw",
        f"/api/v1/namespaces/{namespace.name}/pods/{place['name']}/eviction",
        "-f",
        "-",
        stdin=eviction,
    )
