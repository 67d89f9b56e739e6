"""The claim that keeps firmware and TPM state: when it is needed, whose it is, and on what storage."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.persistent_state import keeps_state, state_claim

VMI: Document = {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": {}}


@pytest.mark.parametrize(
    ("domain", "keeps"),
    [
        ({}, False),
        ({"devices": {"tpm": {}}}, False),
        ({"devices": {"tpm": {"persistent": True}}}, True),
        ({"devices": {"tpm": {"persistent": True, "enabled": False}}}, False),
        ({"firmware": {"bootloader": {"efi": {}}}}, False),
        ({"firmware": {"bootloader": {"efi": {"persistent": True}}}}, True),
    ],
)
def test_what_is_to_be_kept_needs_the_claim(domain: Document, keeps: bool) -> None:
    assert keeps_state({"domain": domain}) is keeps


@pytest.mark.parametrize(
    ("shared", "default", "mode", "storage_class"),
    [
        ("nfs", "fast", "ReadWriteMany", "nfs"),
        ("", "fast", "ReadWriteOnce", "fast"),
        ("", "", "ReadWriteOnce", None),
    ],
)
def test_only_a_class_of_the_cr_is_taken_for_shared(
    shared: str, default: str, mode: str, storage_class: str | None
) -> None:
    spec = state_claim(VMI, shared, default)["spec"]
    assert (spec["accessModes"], spec.get("storageClassName")) == ([mode], storage_class)


@pytest.mark.parametrize(
    ("owners", "kind"),
    [
        ([], "VirtualMachineInstance"),
        ([{"kind": "VirtualMachine", "name": "vm", "uid": "v", "controller": True}], "VirtualMachine"),
        ([{"kind": "VirtualMachineInstanceReplicaSet", "name": "rs", "controller": True}], "VirtualMachineInstance"),
    ],
)
def test_it_lives_as_long_as_the_machine(owners: list[Document], kind: str) -> None:
    document = {**VMI, "metadata": {**VMI["metadata"], "ownerReferences": owners}}
    assert [owner["kind"] for owner in state_claim(document, "")["metadata"]["ownerReferences"]] == [kind]
