"""Every example and overlay we ship passes admission."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import Cause
from kubevirt_py.render.defaults import default_vm, default_vmi
from kubevirt_py.render.validate import validate_kubevirt, validate_vm_create, validate_vmi_create
from tests.unit.render.validate.machines import CONFIG, NOW, UUID

ROOT = Path(__file__).parents[4]
FILES = sorted([*ROOT.glob("examples/**/*.yaml"), *ROOT.glob("manifests/overlays/**/*.yaml")])


def judged(document: Document) -> list[Cause]:
    match document.get("kind"):
        case "VirtualMachine":
            return validate_vm_create(default_vm(document, CONFIG, lambda: UUID), CONFIG)
        case "VirtualMachineInstance":
            return validate_vmi_create(default_vmi(document, CONFIG, NOW, lambda: UUID), CONFIG)
        case "KubeVirt":
            return validate_kubevirt(document)
    return []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_is_accepted(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        assert judged(document or {}) == []


def test_there_are_examples_of_machines_and_of_an_installation() -> None:
    kinds = {document["kind"] for path in FILES for document in yaml.safe_load_all(path.read_text()) if document}
    assert {"VirtualMachine", "VirtualMachineInstance", "KubeVirt"} <= kinds
