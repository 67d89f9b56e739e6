"""Mistakes in a manifest: refused with the field's path, or shown where the user looks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from e2e import machines
from e2e.kubectl import Namespace, condition, eventually

Change = Callable[[dict[str, Any]], Any]
DISKS = "spec.template.spec.domain.devices.disks"


def _domain(machine: dict[str, Any]) -> dict[str, Any]:
    domain: dict[str, Any] = machine["spec"]["template"]["spec"]["domain"]
    return domain


def _bus(machine: dict[str, Any]) -> None:
    _domain(machine)["devices"]["disks"][0]["disk"]["bus"] = "floppy"


def _no_volume(machine: dict[str, Any]) -> None:
    _domain(machine)["devices"]["disks"].append({"name": "lost", "disk": {"bus": "virtio"}})


def _boot_order(machine: dict[str, Any]) -> None:
    _domain(machine)["devices"]["disks"][0]["bootOrder"] = 1
    _domain(machine)["devices"]["interfaces"][0]["bootOrder"] = 1


def _quantity(machine: dict[str, Any]) -> None:
    _domain(machine)["memory"]["guest"] = "12Quux"


def _no_cpu(machine: dict[str, Any]) -> None:
    _domain(machine)["cpu"] = {"sockets": 0, "cores": 0, "threads": 0}
    _domain(machine)["resources"] = {"requests": {"cpu": "-1"}}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (_bus, f"{DISKS}[0].disk.bus"),
        (_no_volume, f"{DISKS}[1].name"),
        (_boot_order, "bootOrder"),
        (_quantity, "spec.template.spec.domain.memory.guest"),
        (_no_cpu, "spec.template.spec.domain.resources.requests.cpu"),
    ],
    ids=["bus", "volume", "boot-order", "quantity", "cpu"],
)
def test_a_mistake_is_refused_with_its_path(shared: Namespace, change: Change, path: str) -> None:
    machine = copy.deepcopy(machines.vm("wrong", "Halted"))
    change(machine)
    said = shared.refused(machine)
    assert path in said
    assert shared.get("vm", "wrong") == {}


def test_a_missing_claim_shows_in_the_list_and_in_events(shared: Namespace) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "nowhere"}}
    shared.apply(machines.with_disk(machines.vm("unclaimed"), "data", claim))
    shared.until_printed("unclaimed", "ErrorPvcNotFound")
    notes = [event["note"] for event in shared.events("unclaimed") if event["reason"] == "FailedPvcNotFound"]
    assert notes and "nowhere" in notes[0]
    shared.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "nowhere"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}},
        }
    )
    shared.until_printed("unclaimed", "Running")


def test_a_missing_image_shows_in_the_list(shared: Namespace) -> None:
    machine = machines.vm("unpulled")
    machine["spec"]["template"]["spec"]["volumes"][0]["containerDisk"]["image"] = "localhost/no-such-image:1"
    shared.apply(machine)
    shown = shared.until(
        "vm",
        "unpulled",
        lambda vm: vm.get("status", {}).get("printableStatus") in ("ErrImagePull", "ImagePullBackOff"),
        "ErrImagePull",
    )
    assert "no-such-image" in condition(shared.get("vmi", "unpulled"), "Synchronized").get("message", "")
    assert shown["status"]["printableStatus"]


def test_a_missing_secret_is_pointed_to_and_waited_for(own: Namespace) -> None:
    machine = machines.with_disk(machines.vmi("lacking"), "keys", {"secret": {"secretName": "late"}})
    own.apply(machine)

    def told(vmi: dict[str, Any]) -> bool:
        return condition(vmi, "Synchronized").get("reason") == "PodNotPrepared"

    said = condition(own.until("vmi", "lacking", told, "pointing to its pod", 90), "Synchronized")["message"]
    assert f"kubectl describe pod {own.launcher_pods('lacking')[0]['metadata']['name']}" in said
    assert eventually(lambda: said in [event["note"] for event in own.events("lacking")], 10)
    own.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"key": "word"}})
    own.until_phase("lacking", "Running", 180)
    own.until("vmi", "lacking", lambda vmi: not condition(vmi, "Synchronized"), "without complaint", 30)
