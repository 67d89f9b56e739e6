"""Defaults of objects that ask for something to be done."""

from __future__ import annotations

from kubevirt_py.plan import Document
from kubevirt_py.render.requests import default_clone, default_migration
from tests.unit.render.validate.examples import EXAMPLES
from tests.unit.render.validate.machines import REMOVE, edited

UUID = "0a1b2c3d-0000-4000-8000-000000000000"


def test_a_migration_is_found_by_its_guest_and_held_until_cleaned_up() -> None:
    stored = default_migration(EXAMPLES["VirtualMachineInstanceMigration"])
    assert stored["metadata"]["labels"] == {"kubevirt.io/vmi-name": "tiny"}
    assert stored["metadata"]["finalizers"] == ["kubevirt.io/migrationJobFinalize"]
    assert default_migration(stored) == stored


def test_a_clone_gets_a_target_of_its_own() -> None:
    document = edited(EXAMPLES["VirtualMachineClone"], {"spec.target": REMOVE})
    target = default_clone(document, lambda: UUID)["spec"]["target"]
    assert target == {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "tiny-clone-0a1b2"}


def test_the_targets_name_is_one_a_machine_can_have() -> None:
    document = edited(EXAMPLES["VirtualMachineClone"], {"spec.target.name": "", "spec.source.name": "x" * 90})
    name = default_clone(document, lambda: UUID)["spec"]["target"]["name"]
    assert len(name) == 63
    assert name.endswith("x-clone-0a1b2")


def test_what_has_wrong_types_is_left_to_the_api_server() -> None:
    for kind in ("VirtualMachineInstanceMigration", "VirtualMachineClone"):
        wrong: Document = EXAMPLES[kind] | {"spec": []}
        assert default_migration(wrong) is wrong
        assert default_clone(wrong, lambda: UUID) is wrong
