"""VMI specs -> what the stub opens, and what it must not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.pod_files import pod_files

PRIVATE = "/var/run/kubevirt-private"
EPHEMERAL = "/var/run/kubevirt-ephemeral-disks"


def _steps(volume: Document, disk: Document | None = None, **domain: Any) -> list[Document]:
    disks = [{"name": "v", "disk": {}, **(disk or {})}]
    spec = {"domain": {"devices": {"disks": disks}, **domain}, "volumes": [{"name": "v", **volume}]}
    status = {"name": "v", "persistentVolumeClaimInfo": {"capacity": {"storage": "1Gi"}}}
    return [msgspec.to_builtins(step) for step in pod_files(spec, (status,))]


def test_container_disk_stays_as_it_is() -> None:
    base = {"do": "open", "name": "base.v", "root": f"{PRIVATE}/container-disks/v", "read_only": True, "probe": True}
    overlay = {
        "do": "qcow2",
        "name": "disk.v",
        "root": EPHEMERAL,
        "path": "disk-data/v/disk.qcow2",
        "over": "base.v",
        "probe": True,
    }
    assert _steps({"containerDisk": {"image": "x"}}) == [base, overlay]
    named = _steps({"containerDisk": {"image": "x", "path": "/disk/a.img"}})
    assert named[0] == {**base, "path": "/disk/a.img"}


def test_cdrom_of_an_image_needs_no_overlay() -> None:
    (only,) = _steps({"containerDisk": {"image": "x"}}, {"cdrom": {"bus": "sata"}})
    assert (only["do"], only["name"], only["read_only"]) == ("open", "disk.v", True)


@pytest.mark.parametrize("source", [{"persistentVolumeClaim": {"claimName": "c"}}, {"dataVolume": {"name": "c"}}])
def test_claims_are_raw_and_made_once(source: Document) -> None:
    assert _steps(source) == [
        {
            "do": "create",
            "name": "disk.v",
            "root": f"{PRIVATE}/vmi-disks/v",
            "path": "disk.img",
            "device": "/dev/v",
            "size": 1 << 30,
        }
    ]


def test_a_disk_that_may_be_shared_is_known_as_such() -> None:
    (step,) = _steps({"persistentVolumeClaim": {"claimName": "c"}}, {"shareable": True})
    assert step["shareable"]


def test_ephemeral_claim_is_only_read() -> None:
    base, overlay = _steps({"ephemeral": {"persistentVolumeClaim": {"claimName": "c"}}})
    assert (base["do"], base["read_only"], base.get("probe")) == ("open", True, None)
    assert overlay["over"] == "base.v"


def test_empty_disk() -> None:
    (only,) = _steps({"emptyDisk": {"capacity": "2Gi"}})
    assert (only["do"], only["size"], only["path"]) == ("qcow2", 2 << 30, "empty-disks/v.qcow2")


def test_cloud_init_needs_a_file_only_for_its_secrets() -> None:
    assert _steps({"cloudInitNoCloud": {"userData": "x"}}) == []
    (only,) = _steps({"cloudInitNoCloud": {"secretRef": {"name": "s"}}})
    assert only == {"do": "secret", "name": "v/udata", "root": f"{PRIVATE}/secret/v/udata"}


def test_uefi_copies_its_variables() -> None:
    *_, code, variables = _steps({"emptyDisk": {"capacity": "1Gi"}}, firmware={"bootloader": {"efi": {}}})
    assert (code["name"], code["path"], code["read_only"]) == ("firmware.code", "OVMF_CODE_4M.secboot.fd", True)
    assert (variables["do"], variables["source"]) == ("copy", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd")


def test_kernel_boot() -> None:
    container = {"image": "x", "kernelPath": "/boot/vmlinuz", "initrdPath": "/boot/initrd"}
    *_, kernel, initrd = _steps({"emptyDisk": {"capacity": "1Gi"}}, firmware={"kernelBoot": {"container": container}})
    assert (kernel["name"], kernel["path"], initrd["name"]) == ("kernel", "/boot/vmlinuz", "initrd")


@pytest.mark.parametrize(
    ("source", "disk", "do", "size"),
    [
        ({"type": "Disk"}, {}, "open", None),
        ({"type": "DiskOrCreate", "capacity": "1Gi"}, {}, "create", 1 << 30),
        ({"type": "DiskOrCreate", "capacity": "1Gi"}, {"disk": {"readonly": True}}, "open", None),
    ],
)
def test_a_host_disk_is_a_file_of_its_directory(source: Document, disk: Document, do: str, size: int | None) -> None:
    (step,) = _steps({"hostDisk": {"path": "/data/vms/a.img", **source}}, disk)
    assert (step["do"], step["root"], step["path"]) == (do, f"{PRIVATE}/vmi-disks/v", "a.img")
    assert step.get("size") == size


@pytest.mark.parametrize("source", ["secret", "configMap", "downwardAPI", "serviceAccount", "sysprep"])
def test_small_files_are_read_for_an_image(source: str) -> None:
    assert _steps({source: {}}) == [{"do": "secret", "name": "v", "root": f"{PRIVATE}/secret/v"}]


def test_what_cannot_be_a_disk_is_named_with_what_can() -> None:
    with pytest.raises(ValueError, match="volume v: a disk cannot be made from containerPath"):
        _steps({"containerPath": {"path": "/x"}})
    with pytest.raises(ValueError, match=r"spec\.domain\.devices\.disks\[0\]\.name: spec\.volumes has no volume 'a'"):
        pod_files({"domain": {"devices": {"disks": [{"name": "a"}]}}})
