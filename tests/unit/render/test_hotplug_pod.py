"""The pod that brings volumes, against the document a human reviewed, and what it must never be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.hotplug_pod import hotplug_pod, hotplug_pod_name
from kubevirt_py.render.hotplug_volumes import boot_spec, brought_volumes, hotplug_volumes, with_volumes
from kubevirt_py.render.pod_volumes import claims_of

AREA = Path(__file__).parents[2] / "golden" / "hotplug_pod"
OWNER = {"name": "virt-launcher-testvm-abcde", "uid": "launcher-uid"}


def _vmi(case: str) -> Document:
    document: Document = yaml.safe_load((AREA / case / "vmi.yaml").read_text())
    return document


SPEC = _vmi("disks")["spec"]
TASKS = _vmi("tasks")["spec"]


def pod(vmi: Document, case: str) -> Document:
    """The pod that brings what a VMI can have plugged, in the cluster of a case."""
    given = AREA / case / "config.yaml"
    config = ClusterConfig.from_kubevirt(yaml.safe_load(given.read_text()) if given.exists() else {})
    return hotplug_pod(vmi, OWNER, "node1", brought_volumes(vmi["spec"]), config, "launcher:1", block_claims=["raw"])


@pytest.mark.parametrize("case", sorted(case.name for case in AREA.iterdir()))
def test_the_pod_is_as_reviewed(case: str, golden: Any) -> None:
    made = pod(_vmi(case), case)
    golden.check(f"hotplug_pod/{case}/pod.yaml", yaml.safe_dump(made, sort_keys=False, width=110))
    assert "hostPath" not in str(made)
    assert "privileged" not in str(made)


def test_its_name_tells_sets_of_volumes_and_their_claims_apart() -> None:
    volumes = hotplug_volumes(SPEC)
    fewer = {name: volume for name, volume in volumes.items() if name != "raw"}
    other = volumes | {"raw": {"name": "raw", "dataVolume": {"name": "another", "hotpluggable": True}}}
    names = {hotplug_pod_name("launcher-uid", found) for found in (volumes, fewer, other)}
    assert len(names | {hotplug_pod_name("later-uid", volumes)}) == 4
    assert hotplug_pod_name("launcher-uid", dict(reversed(volumes.items()))) in names


def test_what_is_attached_for_a_task_is_no_part_of_the_vms_own_pod_or_machine() -> None:
    spec = SPEC | TASKS | {"domain": SPEC["domain"], "volumes": [*SPEC["volumes"], *TASKS["volumes"]]}
    assert boot_spec(spec) == boot_spec(SPEC)
    assert with_volumes(spec, {"files", "raw", "drive"}) == SPEC
    assert claims_of(boot_spec(spec)) == ()
    assert claims_of(spec) == ("files", "raw", "iso", "core", "saved")


def test_the_vms_own_pod_boots_without_what_is_plugged_but_keeps_the_drive() -> None:
    boot = boot_spec(SPEC)
    assert [volume["name"] for volume in boot["volumes"]] == ["root"]
    assert [disk["name"] for disk in boot["domain"]["devices"]["disks"]] == ["root", "drive"]
    assert with_volumes(SPEC, {"files", "raw", "drive"}) == SPEC
