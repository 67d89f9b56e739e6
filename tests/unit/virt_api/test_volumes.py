"""addvolume and removevolume: what is refused and in which words, and the patches of what is not."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.render.volume_requests import with_request
from kubevirt_py.virt_api.answers import Refused
from kubevirt_py.virt_api.volumes import check_request, request_ops, spec_ops, volume_request

Document = dict[str, Any]
SOURCE = {"persistentVolumeClaim": {"claimName": "data"}}
ADD = {"name": "data", "disk": {"disk": {"bus": "scsi"}, "serial": "s"}, "volumeSource": SOURCE}
VM = "virtualmachine.kubevirt.io"


def spec(*volumes: Document) -> Document:
    disks = [{"name": volume["name"], "disk": {}} for volume in volumes]
    return {"volumes": list(volumes), "domain": {"devices": {"disks": disks}}}


ROOT = {"name": "root", "containerDisk": {"image": "root"}}
DATA = {"name": "data", "persistentVolumeClaim": {"claimName": "data", "hotpluggable": True}}


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("add", {**ADD, "name": ""}, "AddVolumeOptions requires name to be set"),
        ("add", {**ADD, "disk": None}, "AddVolumeOptions requires disk to not be nil"),
        ("add", {**ADD, "volumeSource": {}}, "AddVolumeOptions requires VolumeSource to not be nil"),
        ("add", {**ADD, "volumeSource": "x"}, "AddVolumeOptions requires VolumeSource to not be nil"),
        (
            "add",
            {**ADD, "volumeSource": {"persistentVolumeClaim": {"readOnly": True}}},
            "AddVolumeOptions requires volumeSource.persistentVolumeClaim.claimName to be set",
        ),
        (
            "add",
            {**ADD, "volumeSource": {"dataVolume": {"name": 5}}},
            "AddVolumeOptions requires volumeSource.dataVolume.name to be set",
        ),
        ("add", {**ADD, "disk": {"lun": "scsi"}}, "AddVolumeOptions.disk.lun must be an object, not 'scsi'"),
        ("add", {**ADD, "name": ["data"]}, "AddVolumeOptions requires name to be set"),
        ("remove", {}, "RemoveVolumeOptions requires name to be set"),
    ],
)
def test_what_is_missing_is_named(verb: Any, body: Document, words: str) -> None:
    with pytest.raises(Refused) as found:
        volume_request(verb, body)
    assert (found.value.code, found.value.message) == (400, words)


@pytest.mark.parametrize(
    ("request_", "volumes", "words"),
    [
        (
            volume_request("add", ADD),
            (DATA,),
            "Unable to add volume [data] because volume with that name already exists",
        ),
        (
            volume_request("add", {**ADD, "name": "other"}),
            (DATA,),
            "Unable to add volume source [data] because it already exists",
        ),
        (
            volume_request("remove", {"name": "data"}),
            (ROOT,),
            "Unable to remove volume [data] because it does not exist",
        ),
        (
            volume_request("remove", {"name": "root"}),
            (ROOT,),
            "Unable to remove volume [root] because it is not hotpluggable",
        ),
    ],
)
def test_what_is_there_or_not_there_is_a_conflict(
    request_: Document, volumes: tuple[Document, ...], words: str
) -> None:
    with pytest.raises(Refused) as found:
        check_request(request_, spec(*volumes), VM, "vm")
    assert (found.value.code, found.value.message) == (
        409,
        f'Operation cannot be fulfilled on {VM} "vm": {words}',
    )


def test_a_volume_is_added_hotpluggable_with_a_disk_of_its_name_and_removed_with_it() -> None:
    added = with_request(spec(ROOT), volume_request("add", ADD))
    assert added["volumes"][1] == DATA
    assert added["domain"]["devices"]["disks"][1] == {"disk": {"bus": "scsi"}, "serial": "s", "name": "data"}
    assert with_request(added, volume_request("add", ADD)) == added
    assert with_request(added, volume_request("remove", {"name": "data"})) == spec(ROOT)


def test_a_claim_that_is_only_read_is_added_as_such_a_disk() -> None:
    claim = {"persistentVolumeClaim": {"claimName": "data", "readOnly": True}}
    added = with_request(spec(ROOT), volume_request("add", ADD | {"volumeSource": claim}))
    assert added["domain"]["devices"]["disks"][1]["disk"] == {"bus": "scsi", "readonly": True}


def test_a_drive_stays_when_its_disc_goes() -> None:
    old = {"volumes": [DATA], "domain": {"devices": {"disks": [{"name": "data", "cdrom": {"bus": "sata"}}]}}}
    left = with_request(old, volume_request("remove", {"name": "data"}))
    assert left == {"volumes": [], "domain": {"devices": {"disks": [{"name": "data", "cdrom": {"bus": "sata"}}]}}}


def test_the_patch_is_guarded_by_what_was_read() -> None:
    ops = spec_ops("/spec", spec(ROOT), spec(ROOT, DATA))
    assert [(op["op"], op["path"]) for op in ops] == [
        ("test", "/spec/volumes"),
        ("add", "/spec/volumes"),
        ("test", "/spec/domain/devices/disks"),
        ("add", "/spec/domain/devices/disks"),
    ]
    assert ops[0]["value"] == [ROOT]
    assert spec_ops("/spec", {"domain": {}}, spec(DATA))[0] == {"op": "test", "path": "/spec/volumes", "value": None}


def test_one_request_for_a_volume_waits_at_a_time() -> None:
    request = volume_request("add", ADD)
    vm: Document = {"metadata": {"name": "vm"}, "status": {"ready": True}}
    assert request_ops(vm, request)[1]["value"] == [request]
    vm["status"]["volumeRequests"] = [request]
    with pytest.raises(Refused, match=r"a request for volume \[data\] is already being carried out"):
        request_ops(vm, volume_request("remove", {"name": "data"}))
    other = volume_request("remove", {"name": "other"})
    assert request_ops(vm, other)[1]["value"] == [request, other]
