"""The pod of a virtual machine gives its owner nothing that an ordinary pod would not have."""

from __future__ import annotations

from e2e import machines
from e2e.kubectl import Namespace


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
