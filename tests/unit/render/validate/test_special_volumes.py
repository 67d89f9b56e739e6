"""Volumes of metrics and of paths that others mount: what admission asks of them."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import validate_vmi_create
from tests.unit.render.validate.machines import NOW, UUID, edited, vmi

OPEN = ClusterConfig(feature_gates=frozenset({"DownwardMetrics", "ContainerPathVolumes"}))
METRICS = {"volumes[2]": {"name": "metrics", "downwardMetrics": {}}}
PATH = "/var/run/secrets/cloud"


def judged(edits: Document, config: ClusterConfig = OPEN) -> list[tuple[str, str]]:
    document = default_vmi(edited(vmi(), {f"spec.{path}": value for path, value in edits.items()}), config, NOW, _uuid)
    return [(cause.field, cause.message) for cause in validate_vmi_create(document, config)]


def _uuid() -> str:
    return UUID


def shared(**source: Any) -> Document:
    return {
        "domain.devices.filesystems": [{"name": "tokens", "virtiofs": {}}],
        "volumes[2]": {"name": "tokens", "containerPath": source},
    }


def test_metrics_become_a_disk_on_virtio_by_themselves() -> None:
    document = default_vmi(edited(vmi(), {f"spec.{path}": value for path, value in METRICS.items()}), OPEN, NOW, _uuid)
    assert document["spec"]["domain"]["devices"]["disks"][-1] == {"name": "metrics", "disk": {"bus": "virtio"}}
    assert judged(METRICS) == []


@pytest.mark.parametrize(
    ("disk", "field"),
    [
        ({"disk": {"bus": "sata"}}, ""),
        ({"cdrom": {"bus": "sata"}}, ""),
        ({"lun": {"bus": "scsi"}}, ""),
        ({"disk": {"bus": "virtio"}, "cache": "none"}, ".cache"),
    ],
)
def test_metrics_on_another_disk_are_refused(disk: Document, field: str) -> None:
    found = judged(METRICS | {"domain.devices.disks[2]": {"name": "metrics", **disk}})
    assert f"spec.domain.devices.disks[2]{field}" in [place for place, _ in found]


def test_a_machine_has_one_disk_of_metrics() -> None:
    found = judged(METRICS | {"volumes[3]": {"name": "more", "downwardMetrics": {}}})
    assert ("spec.volumes[3].downwardMetrics", "a virtual machine has one disk of metrics") in found


@pytest.mark.parametrize("path", [PATH, PATH + "/", "/opt", "/opt/a.b/..c"])
def test_a_path_is_shared_by_virtiofs(path: str) -> None:
    assert judged(shared(path=path)) == []
    assert judged(shared(path=path, readOnly=True)) == []


@pytest.mark.parametrize("edits", [METRICS, shared(path=PATH)])
def test_each_needs_its_gate(edits: Document) -> None:
    found = judged(edits, ClusterConfig())
    (source,) = [key for key in edits["volumes[2]"] if key != "name"]
    assert [place for place, _ in found] == [f"spec.volumes[2].{source}"]
    assert "feature gate" in found[0][1]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "opt", "/opt/../etc", "/opt/.", "/opt//a", "..", "/..", "/opt/./a"),
        *("/var/run/kubevirt-private/secret", "/run/kubevirt-agent", "/var/run/kubevirt", "/run/kubevirt-private"),
    ],
)
def test_paths_that_lead_elsewhere_or_are_ours_are_refused(path: str) -> None:
    assert {place for place, _ in judged(shared(path=path))} == {"spec.volumes[2].containerPath.path"}


def test_a_path_cannot_be_written_and_is_no_disk() -> None:
    assert [place for place, _ in judged(shared(path=PATH, readOnly=False))] == [
        "spec.volumes[2].containerPath.readOnly"
    ]
    found = judged({"volumes[2]": {"name": "tokens", "containerPath": {"path": PATH}}})
    assert [place for place, _ in found] == ["spec.domain.devices.disks[2].name"]
    assert "filesystems" in found[0][1]
