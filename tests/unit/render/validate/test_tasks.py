"""Volumes attached for a task: who may have them, and that no guest sees them."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import validate_vmi_create, validate_vmi_update
from kubevirt_py.render.validate.tasks import at_creation, check
from tests.unit.render.validate.machines import NOW, UUID

CONFIG = ClusterConfig(feature_gates=frozenset({"UtilityVolumes"}))
DUMP: Document = {"name": "core", "memoryDump": {"claimName": "core", "hotpluggable": True}}
SAVED: Document = {"name": "saved", "claimName": "saved", "type": "Backup"}


def found(spec: Document) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in check({"domain": {}} | spec, "spec", CONFIG)]


def test_what_is_right_passes() -> None:
    assert found({"volumes": [DUMP], "utilityVolumes": [SAVED, {"name": "u", "claimName": "u"}]}) == []


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (
            {"volumes": [{"name": "core", "memoryDump": {"claimName": "core"}}]},
            "volumes[0].memoryDump.hotpluggable",
            "a memory dump is attached to a guest that runs",
        ),
        (
            {"volumes": [{"name": "core", "memoryDump": {"claimName": "C", "hotpluggable": True}}]},
            "volumes[0].memoryDump.claimName",
            "'C' is not a valid name",
        ),
        (
            {"volumes": [{"name": "core", "memoryDump": {**DUMP["memoryDump"], "readOnly": True}}]},
            "volumes[0].memoryDump.readOnly",
            "the dump is written into the claim",
        ),
        (
            {"volumes": [DUMP, {**DUMP, "name": "other"}]},
            "volumes[1].memoryDump",
            "one volume for memory dumps at a time, and there is spec.volumes[0].memoryDump",
        ),
        (
            {"volumes": [DUMP], "utilityVolumes": [{**SAVED, "type": "MemoryDump"}]},
            "utilityVolumes[0]",
            "one volume for memory dumps at a time",
        ),
        (
            {"volumes": [DUMP], "domain": {"devices": {"disks": [{"name": "core", "disk": {}}]}}},
            "domain.devices.disks[0].name",
            "spec.volumes[0].memoryDump is not for the guest",
        ),
        (
            {"utilityVolumes": [SAVED], "domain": {"devices": {"filesystems": [{"name": "saved"}]}}},
            "domain.devices.filesystems[0].name",
            "spec.utilityVolumes[0] is not for the guest",
        ),
        ({"utilityVolumes": [{**SAVED, "name": "A"}]}, "utilityVolumes[0].name", "'A' is not a DNS label"),
        ({"utilityVolumes": [{**SAVED, "claimName": ""}]}, "utilityVolumes[0].claimName", "must name a claim"),
        ({"utilityVolumes": [{**SAVED, "type": "Other"}]}, "utilityVolumes[0].type", "use one of: Backup, MemoryDump"),
        ({"utilityVolumes": [SAVED, SAVED]}, "utilityVolumes[1].name", "already used by spec.utilityVolumes[0].name"),
        (
            {"utilityVolumes": [{**SAVED, "name": "core"}], "volumes": [DUMP]},
            "utilityVolumes[0].name",
            "already used by spec.volumes[0].name",
        ),
        (
            {"utilityVolumes": [{**SAVED, "type": "MemoryDump", "readOnly": True}]},
            "utilityVolumes[0].readOnly",
            "the dump is written into the claim",
        ),
    ],
)
def test_what_is_wrong_is_named(spec: Document, field: str, words: str) -> None:
    ((place, message),) = found(spec)
    assert place == f"spec.{field}"
    assert words in message


def test_utility_volumes_come_to_guests_that_run() -> None:
    assert [cause.field for cause in at_creation({"utilityVolumes": [SAVED]}, "spec")] == ["spec.utilityVolumes"]
    assert list(at_creation({"utilityVolumes": []}, "spec")) == []


def machine(**spec: Any) -> Document:
    body = {
        "metadata": {"name": "vm", "namespace": "default"},
        "spec": {"domain": {"memory": {"guest": "64Mi"}, "devices": {}}} | spec,
    }
    return default_vmi(body, CONFIG, NOW, lambda: UUID)


def update(new: Document, old: Document, **by: bool) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_vmi_update(new, old, CONFIG, **by)]


def test_only_kubevirt_brings_them_and_takes_them_away() -> None:
    plain, busy = machine(), machine(utilityVolumes=[SAVED], volumes=[DUMP])
    assert update(busy, plain, by_kubevirt=True) == []
    assert update(plain, busy, by_kubevirt=True) == []
    assert "spec: update of VMI object is restricted" in update(busy, plain)[0]
    other = machine(utilityVolumes=[{**SAVED, "claimName": "other"}], volumes=[DUMP])
    assert update(other, busy, by_kubevirt=True) == [
        "spec.utilityVolumes[0]: utility volume saved has changed; remove it and add another one"
    ]


def test_a_guest_can_be_started_with_a_dump_asked_for_but_not_with_utility_volumes() -> None:
    assert validate_vmi_create(machine(volumes=[DUMP]), CONFIG) == []
    (cause,) = validate_vmi_create(machine(utilityVolumes=[SAVED]), CONFIG)
    assert "can only be added via hotplug" in cause.message
