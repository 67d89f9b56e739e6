"""The VMI a VM makes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubevirt_py.render.vmi_from_vm import template_hash, vmi_from_vm

AREA = Path(__file__).parents[2] / "golden" / "vmi_from_vm"


def load(case: str) -> dict[str, Any]:
    vm: dict[str, Any] = yaml.safe_load((AREA / case / "vm.yaml").read_text())
    return vm


@pytest.mark.parametrize("case", ["plain", "paused"])
def test_vmi_is_as_reviewed(case: str, golden: Any) -> None:
    vmi = vmi_from_vm(load(case), paused=case == "paused")
    golden.check(f"vmi_from_vm/{case}/vmi.yaml", yaml.safe_dump(vmi, sort_keys=False, width=110))


def test_rendering_leaves_the_vm_as_it_is() -> None:
    vm = load("plain")
    before = copy.deepcopy(vm)
    vmi_from_vm(vm, paused=True)
    assert vm == before


def test_hash_tells_templates_apart_by_what_is_fixed_while_a_guest_runs() -> None:
    template = load("plain")["spec"]["template"]
    relabelled = template | {"metadata": {"labels": {"other": "label"}}}
    grown, other = copy.deepcopy(template), copy.deepcopy(template)
    grown["spec"]["domain"]["memory"]["guest"] = "128M"
    other["spec"]["domain"]["machine"] = {"type": "pc"}
    assert template_hash(template) == template_hash(relabelled) == template_hash(grown) != template_hash(other)
