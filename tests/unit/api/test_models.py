"""Models as parsers: strict types, unknown fields, nothing lost on the way."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from kubevirt_py.api.crd import crd, model_of
from kubevirt_py.api.crd_kinds import KINDS, CustomKind
from kubevirt_py.api.v1.clock import Clock
from kubevirt_py.api.v1.disks import Disk
from kubevirt_py.api.v1.memory import Memory
from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from tests.behaviour.filled import filled

VMI = {
    "spec": {"domain": {"devices": {}}},
    "metadata": {"name": "x"},
    "status": {"VSOCKCID": 3, "activePods": {"uid": "node"}},
}


def test_parse_and_dump_lose_nothing() -> None:
    assert VirtualMachineInstance.model_validate(VMI).model_dump(exclude_unset=True) == VMI


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_an_object_filled_in_every_field_survives_parse_and_dump(kind: CustomKind) -> None:
    document = filled(crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    parsed = model_of(kind).model_validate(document)
    assert parsed.model_dump(exclude_unset=True) == document


def test_unknown_fields_are_dropped_except_where_the_schema_keeps_them() -> None:
    assert Disk.model_validate({"name": "a", "colour": "red"}).model_dump(exclude_unset=True) == {"name": "a"}
    clock = {"timezone": "Europe/Berlin", "colour": "red"}
    assert Clock.model_validate(clock).model_dump(exclude_unset=True) == clock


@pytest.mark.parametrize("amount", [1, "1", "64M", "1.5Gi", "500m", "+2", "1e3", "-1"])
def test_quantities_are_numbers_or_strings(amount: int | str) -> None:
    assert Memory.model_validate({"guest": amount}).guest == amount


@pytest.mark.parametrize("amount", ["", "1 Gi", "1GB", "Gi", "1e99", True, 1.5, "1" * 100])
def test_bad_quantities_are_refused(amount: object) -> None:
    with pytest.raises(ValidationError):
        Memory.model_validate({"guest": amount})


@pytest.mark.parametrize("wrong", [{"name": 1}, {"name": "a", "bootOrder": "1"}, {"name": "a", "shareable": "true"}])
def test_types_are_not_coerced(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Disk.model_validate(wrong)


def test_the_table_of_kinds_loads_no_model() -> None:
    """Components list the kinds at start; models cost time and memory that the agent does not have."""
    code = "import sys, kubevirt_py.api.crd_kinds; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
