"""Whatever the schema lets through, admission answers with causes or defaults, never with an exception."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevirt_py.api.crd import root_schema
from kubevirt_py.api.crd_kinds import KINDS, CustomKind
from kubevirt_py.api.v1.kubevirt import KubeVirt
from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vm, default_vm_update, default_vmi
from kubevirt_py.render.parse import parse_causes
from kubevirt_py.render.validate import (
    validate_kubevirt,
    validate_vm_create,
    validate_vm_update,
    validate_vmi_create,
    validate_vmi_update,
)
from tests.behaviour.admission import judge
from tests.behaviour.fuzzed import fuzzed, spoiled
from tests.unit.render.validate.machines import CONFIG, NOW, UUID

SCHEMAS = {model: root_schema(model, described=False) for model in (VirtualMachine, VirtualMachineInstance, KubeVirt)}
SEEDS = st.integers(0, 2**64)


def objects(model: type, seed: int) -> tuple[Document, Document]:
    """One object that fits the schema, and the same with one part spoiled."""
    chance = random.Random(seed)
    document: Document = fuzzed(SCHEMAS[model], chance, chance.choice((0.05, 0.2, 0.5)))
    document |= {"metadata": {"name": "fuzz", "namespace": "default"}}
    document.setdefault("spec", {})
    wrong = document | {"spec": spoiled(document["spec"], chance)}
    return document, wrong


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_virtual_machines(seed: int) -> None:
    for document in objects(VirtualMachine, seed):
        before = copy.deepcopy(document)
        defaulted = default_vm(document, CONFIG, lambda: UUID)
        assert document == before
        for candidate in (document, defaulted, default_vm_update(document, CONFIG)):
            causes = validate_vm_create(candidate, CONFIG)
            assert all(cause.field and cause.message for cause in causes)
            validate_vm_update(candidate, {"spec": {}}, CONFIG)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_instances(seed: int) -> None:
    for document in objects(VirtualMachineInstance, seed):
        defaulted = default_vmi(document, CONFIG, NOW, lambda: UUID)
        assert parse_causes(VirtualMachineInstance, defaulted) == parse_causes(VirtualMachineInstance, document)
        assert all(cause.field and cause.message for cause in validate_vmi_create(defaulted, CONFIG))
        validate_vmi_update(document, defaulted, CONFIG)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_the_installation(seed: int) -> None:
    for document in objects(KubeVirt, seed):
        causes = validate_kubevirt(document)
        assert all(cause.field and cause.message for cause in causes)
        if not causes:
            assert ClusterConfig.from_kubevirt(document["spec"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_past_every_rule(kind: CustomKind) -> None:
    """A few of those that `hack/fuzz` tries by the hundred thousand."""
    assert all(judge(kind, seed) or kind.kind == "VirtualMachineSnapshotContent" for seed in range(20))
