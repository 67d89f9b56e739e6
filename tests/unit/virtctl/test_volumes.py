"""addvolume, removevolume, memory-dump, vmexport, objectgraph, usbredir, guestfs, and what is not available."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevirt_py.virtctl.guestfs import tools_pod
from kubevirt_py.virtctl.memory_dump import claim_bytes
from tests.unit.virtctl.clusterlab import SUBRESOURCES, Cluster, status
from tests.unit.virtctl.conftest import Shell

VM = f"{SUBRESOURCES}/namespaces/work/virtualmachines/vm1"
VMI = f"{SUBRESOURCES}/namespaces/work/virtualmachineinstances/vm1"
DV = "/apis/cdi.kubevirt.io/v1beta1/namespaces/work/datavolumes/data"
PVC = "/api/v1/namespaces/work/persistentvolumeclaims/data"
NOT_FOUND = status(404, "NotFound", "not found")
EXPORTS = "/apis/export.kubevirt.io/v1/namespaces/work/virtualmachineexports"


def claim(cluster: Cluster, mode: str = "Filesystem") -> None:
    cluster.answer("GET", DV, *NOT_FOUND)
    cluster.answer("GET", PVC, 200, {"metadata": {"name": "data"}, "spec": {"volumeMode": mode}})


DISKS: list[tuple[str, dict[str, Any]]] = [
    ("", {"name": "data", "serial": "data", "disk": {"bus": "scsi"}}),
    ("--disk-name=d --cache=none", {"name": "d", "serial": "d", "disk": {"bus": "scsi"}, "cache": "none"}),
    ("--serial=s --bus=virtio --persist", {"name": "data", "serial": "s", "disk": {"bus": "virtio"}}),
    ("--disk-type=lun", {"name": "data", "serial": "data", "lun": {"bus": "scsi"}}),
]


@pytest.mark.parametrize(("flags", "disk"), DISKS, ids=[flags for flags, _ in DISKS])
def test_a_claim_is_added(cluster: Cluster, virtctl: Shell, flags: str, disk: dict[str, Any]) -> None:
    claim(cluster)
    code, out, err = virtctl("addvolume", "vm1", "--volume-name=data", *flags.split())
    assert (code, err) == (0, "")
    assert out == "Successfully submitted add volume request to VM vm1 for volume data\n"
    source = {"persistentVolumeClaim": {"claimName": "data", "hotpluggable": True}}
    body = {"name": disk["name"], "disk": disk, "volumeSource": source}
    assert cluster.calls("PUT") == [(f"{VM}/addvolume", body)]


def test_a_data_volume_is_added_as_one(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("GET", DV, 200, {})
    assert virtctl("addvolume", "vm1", "--volume-name=data", "--dry-run")[1].startswith("Dry Run execution\n")
    ((_, body),) = cluster.calls("PUT")
    assert body["volumeSource"] == {"dataVolume": {"name": "data", "hotpluggable": True}}
    assert body["dryRun"] == ["All"]


def test_a_volume_that_does_not_exist(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("GET", DV, *NOT_FOUND)
    cluster.answer("GET", PVC, *NOT_FOUND)
    code, _, err = virtctl("addvolume", "vm1", "--volume-name=data")
    assert (code, err) == (1, "Volume data is not a DataVolume or PersistentVolumeClaim in namespace work\n")
    assert cluster.calls("PUT") == []


def test_a_machine_without_a_vm_is_asked_itself(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("PUT", f"{VM}/removevolume", *NOT_FOUND)
    _, out, _ = virtctl("removevolume", "vm1", "--volume-name=data")
    assert out == "Successfully submitted remove volume request to VMI vm1 for volume data\n"
    assert [path for path, _ in cluster.calls("PUT")] == [f"{VM}/removevolume", f"{VMI}/removevolume"]


def test_a_change_by_others_is_tried_again(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("PUT", f"{VM}/removevolume", *status(409, "Conflict", "the VM changed meanwhile; try again"))
    cluster.answer("PUT", f"{VM}/removevolume", 202)
    assert virtctl("removevolume", "vm1", "--volume-name=data")[0] == 0
    assert len(cluster.calls("PUT")) == 2


def test_a_conflict_of_another_kind_is_told(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("PUT", f"{VM}/removevolume", *status(409, "Conflict", "volume data is not hotpluggable"))
    code, _, err = virtctl("removevolume", "vm1", "--volume-name=data")
    assert (code, len(cluster.calls("PUT"))) == (1, 1)
    assert "volume data is not hotpluggable" in err


@pytest.mark.parametrize(
    "line",
    [
        "addvolume vm1",
        f"addvolume vm1 --volume-name={'x' * 64}",
        "addvolume vm1 --volume-name=data --disk-type=lun --bus=virtio",
        "addvolume vm1 --volume-name=data --cache=unsafe",
        "removevolume vm1",
        "memory-dump get vm1 --create-claim",
        "memory-dump get vm1 --claim-name=c --storage-class=s",
        "vmexport create x",
        "vmexport create x --vm=a --pvc=b",
        "vmexport create x --vm=a --labels=b",
        "objectgraph vm1 --selector=x",
        "usbredir vm1",
        "usbredir 1-2 vm1 --no-launch",
        "usbredir disk vm1",
        "guestfs data --root --uid=1",
    ],
)
def test_wrong_usage_asks_nothing(cluster: Cluster, virtctl: Shell, line: str) -> None:
    code, _, err = virtctl(*line.split())
    assert code == 2
    assert "Error: " in err
    assert cluster.requests == []


def test_memory_is_dumped_into_a_claim_that_fits(cluster: Cluster, virtctl: Shell) -> None:
    vmi = {"spec": {"domain": {"memory": {"guest": "1Gi"}}}}
    cluster.answer("GET", "/apis/kubevirt.io/v1/namespaces/work/virtualmachineinstances/vm1", 200, vmi)
    flags = "--claim-name=dump --create-claim --storage-class=fast --access-mode=ReadWriteMany"
    code, out, err = virtctl("memory-dump", "get", "vm1", *flags.split())
    assert (code, err) == (0, "")
    assert out == "PVC work/dump created\nSuccessfully submitted memory dump request of VM vm1\n"
    ((_, made),) = cluster.calls("POST")
    assert made["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": str(1186 << 20)}},
        "storageClassName": "fast",
    }
    assert cluster.calls("PUT") == [(f"{VM}/memorydump", {"claimName": "dump"})]


def test_a_claim_for_a_dump_has_room_for_its_file_system() -> None:
    assert claim_bytes(0) == 106 << 20
    assert (claim_bytes(1 << 30) - (1 << 30)) / (1 << 30) > 0.055


def test_a_memory_dump_is_forgotten(cluster: Cluster, virtctl: Shell) -> None:
    _, out, _ = virtctl("memory-dump", "remove", "vm1")
    assert out == "Successfully submitted remove memory dump association of VM vm1\n"
    assert cluster.calls("PUT") == [(f"{VM}/removememorydump", {})]


def test_an_export_has_a_token_that_goes_with_it(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("POST", EXPORTS, 201, {"metadata": {"name": "x", "uid": "u1"}})
    code, out, _ = virtctl("vmexport", "create", "x", "--vm=vm1", "--ttl=1h", "--labels=a=b,c=d", "--annotations=e=f")
    assert (code, out) == (0, "VirtualMachineExport 'work/x' created succesfully\n")
    (_, export), (_, secret) = cluster.calls("POST")
    assert export["metadata"] == {"name": "x", "labels": {"a": "b", "c": "d"}, "annotations": {"e": "f"}}
    source = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm1"}
    assert export["spec"] == {"tokenSecretRef": "secret-x", "source": source, "ttlDuration": "1h"}
    assert secret["metadata"]["name"] == "secret-x"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert len(secret["stringData"]["token"]) > 20


def test_an_export_is_deleted(cluster: Cluster, virtctl: Shell) -> None:
    assert virtctl("vmexport", "delete", "x")[1] == "VirtualMachineExport 'work/x' deleted succesfully\n"
    cluster.answer("DELETE", f"{EXPORTS}/y", *NOT_FOUND)
    assert virtctl("vmexport", "delete", "y")[1] == "VirtualMachineExport 'work/y' does not exist\n"


def test_an_export_that_is_there(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("POST", EXPORTS, *status(409, "AlreadyExists", "exists"))
    assert virtctl("vmexport", "create", "x", "--pvc=data")[2] == "VirtualMachineExport 'work/x' already exists\n"


def test_the_graph(cluster: Cluster, virtctl: Shell) -> None:
    graph = {"objectReference": {"kind": "VirtualMachine", "name": "vm1"}}
    cluster.answer("GET", f"{VM}/objectgraph", 200, graph)
    cluster.answer("GET", f"{VMI}/objectgraph", 200, graph)
    assert json.loads(virtctl("objectgraph", "vm1")[1]) == graph
    line = "objectgraph vm1 --vmi --exclude-optional --selector=a=b,c==d -o yaml"
    assert yaml.safe_load(virtctl(*line.split())[1]) == graph
    body = {"includeOptionalNodes": False, "labelSelector": {"matchLabels": {"a": "b", "c": "d"}}}
    assert cluster.calls("GET") == [(f"{VM}/objectgraph", None), (f"{VMI}/objectgraph", body)]


def test_a_usb_client_may_connect(cluster: Cluster) -> None:
    command = [sys.executable, "-m", "kubevirt_py.virtctl.main", "usbredir", "vm1", "--no-launch"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            assert said.startswith("User can connect usbredir client at: 127.0.0.1:")
            with socket.create_connection(("127.0.0.1", int(said.rpartition(":")[2])), 60) as local:
                local.sendall(b"usb")
                assert local.recv(16) == b"USB"
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert [path for path, _ in cluster.calls()] == [f"{VMI}/usbredir"]


def test_a_device_is_given_to_the_program(
    cluster: Cluster, virtctl: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, noted = tmp_path / "usbredirect", tmp_path / "noted"
    program.write_text(f'#!/bin/sh\necho "$@" > {shlex.quote(str(noted))}\n')
    program.chmod(0o755)
    assert virtctl("usbredir", "1-2", "vm1")[0] == 2
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert virtctl("usbredir", "1-2", "vm1")[0] == 0
    assert noted.read_text().startswith("--device 1-2 --to 127.0.0.1:")


def test_tools_are_not_let_at_a_disk_in_use(cluster: Cluster, virtctl: Shell) -> None:
    claim(cluster)
    volumes = [{"name": "x", "persistentVolumeClaim": {"claimName": "data"}}]
    pods = [{"metadata": {"name": "user"}, "spec": {"volumes": volumes}, "status": {"phase": "Running"}}]
    cluster.answer("GET", "/api/v1/namespaces/work/pods", 200, {"metadata": {}, "items": pods})
    code, _, err = virtctl("guestfs", "data", "--image=registry.test/tools")
    assert (code, err) == (1, "PVC data is used by pod user; stop what uses it first\n")
    assert cluster.calls("POST") == []


@pytest.mark.parametrize(("flags", "limits"), [("", {"devices.kubevirt.io/kvm": "1"}), ("--kvm=false", None)])
def test_the_tools_run_on_a_disk_that_nobody_uses(
    cluster: Cluster, virtctl: Shell, flags: str, limits: dict[str, str] | None
) -> None:
    claim(cluster)
    cluster.answer("GET", "/api/v1/namespaces/work/pods", 200, {"metadata": {}, "items": []})
    cluster.answer("GET", f"{SUBRESOURCES}/guestfs", 200, {"registry": "r.test", "tag": "v1", "imagePrefix": "p-"})
    cluster.phases = ["Pending", "Failed"]
    code, _, err = virtctl("guestfs", "data", *flags.split())
    assert code == 1
    assert "Use image: r.test/p-libguestfs-tools:v1\nThe PVC has been mounted at /disk\n" in err
    assert "pod libguestfs-tools-data ended with phase Failed" in err
    ((_, pod),) = cluster.calls("POST")
    assert pod["spec"]["containers"][0].get("resources", {}).get("limits") == limits
    ((path, _),) = cluster.calls("DELETE")
    assert path == "/api/v1/namespaces/work/pods/libguestfs-tools-data"


def test_the_pod_of_the_tools() -> None:
    pod = tools_pod("data", "registry.test/tools", "Never", kvm=True, security={"runAsUser": 107}, block=True)
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["name"] == "libguestfs-tools-data"
    assert container["volumeDevices"] == [{"name": "volume", "devicePath": "/dev/vda"}]
    assert container["resources"]["limits"] == {"devices.kubevirt.io/kvm": "1"}
    pod = tools_pod("data", "registry.test/tools", "Never", kvm=False, security={}, block=False)
    (container,) = pod["spec"]["containers"]
    assert {"name": "volume", "mountPath": "/disk"} in container["volumeMounts"]
    assert "resources" not in container


@pytest.mark.parametrize(
    "line",
    [
        "template process x --param a=b",
        "image-upload dv x --size=1Gi",
        "vmexport download x --vm=vm1 --output=disk.img.gz",
        "memory-dump download vm1 --output=memory.gz",
    ],
)
def test_what_is_not_available_says_what_to_do(cluster: Cluster, virtctl: Shell, line: str) -> None:
    code, _, err = virtctl(*line.split())
    assert code == 1
    assert "is not available in this version: it needs" in err
    assert len(err.splitlines()) == 1
    assert cluster.requests == []
