"""The pod that brings volumes, against the document a human reviewed, and what it must never be."""

from __future__ import annotations

from typing import Any

import yaml

from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.hotplug_pod import hotplug_pod, hotplug_pod_name
from kubevirt_py.render.hotplug_volumes import boot_spec, brought_volumes, hotplug_volumes, with_volumes
from kubevirt_py.render.pod_volumes import claims_of

OWNER = {"name": "virt-launcher-testvm-abcde", "uid": "launcher-uid"}
SPEC: dict[str, Any] = {
    "domain": {
        "devices": {
            "disks": [
                {"name": "root", "disk": {"bus": "virtio"}},
                {"name": "files", "disk": {"bus": "scsi"}},
                {"name": "raw", "disk": {"bus": "virtio"}},
                {"name": "drive", "cdrom": {"bus": "sata"}},
            ]
        }
    },
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "volumes": [
        {"name": "root", "containerDisk": {"image": "root"}},
        {"name": "files", "persistentVolumeClaim": {"claimName": "files", "hotpluggable": True}},
        {"name": "raw", "dataVolume": {"name": "raw", "hotpluggable": True}},
        {"name": "drive", "persistentVolumeClaim": {"claimName": "iso", "hotpluggable": True, "readOnly": True}},
    ],
}
VMI = {"metadata": {"name": "testvm", "namespace": "default", "uid": "vmi-uid"}, "spec": SPEC}


def test_the_pod_is_as_reviewed(golden: Any) -> None:
    volumes = hotplug_volumes(SPEC)
    pod = hotplug_pod(VMI, OWNER, "node1", volumes, ClusterConfig(), "launcher:1", block_claims=["raw"])
    golden.check("hotplug_pod/pod.yaml", yaml.safe_dump(pod, sort_keys=False, width=110))
    assert "hostPath" not in str(pod)
    assert "privileged" not in str(pod)


def test_its_name_tells_sets_of_volumes_and_their_claims_apart() -> None:
    volumes = hotplug_volumes(SPEC)
    fewer = {name: volume for name, volume in volumes.items() if name != "raw"}
    other = volumes | {"raw": {"name": "raw", "dataVolume": {"name": "another", "hotpluggable": True}}}
    names = {hotplug_pod_name("launcher-uid", found) for found in (volumes, fewer, other)}
    assert len(names | {hotplug_pod_name("later-uid", volumes)}) == 4
    assert hotplug_pod_name("launcher-uid", dict(reversed(volumes.items()))) in names


TASKS: dict[str, Any] = {
    "volumes": [*SPEC["volumes"], {"name": "core", "memoryDump": {"claimName": "core", "hotpluggable": True}}],
    "utilityVolumes": [{"name": "saved", "claimName": "saved", "type": "Backup", "readOnly": True}],
}


def test_what_is_attached_for_a_task_is_no_part_of_the_vms_own_pod_or_machine() -> None:
    spec = SPEC | TASKS
    assert boot_spec(spec) == boot_spec(SPEC)
    assert with_volumes(spec, {"files", "raw", "drive"}) == SPEC
    assert claims_of(boot_spec(spec)) == ()
    assert claims_of(spec) == ("files", "raw", "iso", "core", "saved")
    pod = hotplug_pod(
        VMI, OWNER, "node1", brought_volumes(TASKS | {"volumes": TASKS["volumes"][-1:]}), ClusterConfig(), "i"
    )
    assert pod["spec"]["volumes"] == [
        {"name": "core", "persistentVolumeClaim": {"claimName": "core"}},
        {"name": "saved", "persistentVolumeClaim": {"claimName": "saved", "readOnly": True}},
    ]
    assert [mount.get("readOnly") for mount in pod["spec"]["containers"][0]["volumeMounts"]] == [None, True]


def test_the_vms_own_pod_boots_without_what_is_plugged_but_keeps_the_drive() -> None:
    boot = boot_spec(SPEC)
    assert [volume["name"] for volume in boot["volumes"]] == ["root"]
    assert [disk["name"] for disk in boot["domain"]["devices"]["disks"]] == ["root", "drive"]
    assert with_volumes(SPEC, {"files", "raw", "drive"}) == SPEC
