"""What a machine depends on, as a tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kubevirt_py.plan import Document
from kubevirt_py.render.objectgraph import chosen, of_vm, of_vmi

SPEC = yaml.safe_load("""
accessCredentials:
- sshPublicKey: {source: {secret: {secretName: keys}}}
- userPassword: {source: {secret: {secretName: passwords}}}
networks:
- {name: default, pod: {}}
- {name: lab, multus: {networkName: networks/lab}}
- {name: here, multus: {networkName: here}}
volumes:
- {name: root, dataVolume: {name: root-dv}}
- {name: data, persistentVolumeClaim: {claimName: data}}
- {name: base, ephemeral: {persistentVolumeClaim: {claimName: base}}}
- {name: os, containerDisk: {image: "registry.test/os"}}
- {name: conf, configMap: {name: conf}}
- {name: secret, secret: {secretName: secret}}
- {name: account, serviceAccount: {serviceAccountName: account}}
- {name: init, cloudInitNoCloud: {secretRef: {name: user}, networkDataSecretRef: {name: network}}}
""")
VM: Document = {
    "metadata": {"name": "vm1", "namespace": "ns"},
    "spec": {
        "instancetype": {"name": "u1.small", "revisionName": "asked"},
        "preference": {"name": "fedora", "kind": "VirtualMachinePreference"},
        "template": {"spec": SPEC},
    },
    "status": {
        "created": True,
        "instancetypeRef": {"controllerRevisionRef": {"name": "kept"}},
    },
}


def lines(node: Document, depth: int = 0) -> Iterator[str]:
    """The graph as an indented list."""
    ref, (kind,) = node["objectReference"], node["labels"].values()
    group = f".{ref['apiGroup']}" if ref["apiGroup"] else ""
    place = f"{ref['namespace']}/" if ref["namespace"] else ""
    kind += ", optional" if node.get("optional") else ""
    yield f"{'  ' * depth}{ref['kind']}{group} {place}{ref['name']} ({kind})"
    for child in node.get("children", ()):
        yield from lines(child, depth + 1)


def shown(node: Document) -> str:
    return "\n".join(lines(node)) + "\n"


def test_of_a_vm(golden: Any) -> None:
    golden.check("render/objectgraph/vm.txt", shown(of_vm(VM, ["virt-launcher-vm1-x"])))


def test_of_a_vmi(golden: Any) -> None:
    vmi = {"metadata": VM["metadata"], "spec": SPEC}
    golden.check("render/objectgraph/vmi.txt", shown(of_vmi(vmi, ["virt-launcher-vm1-x"])))


def test_a_stopped_vm_has_no_instance() -> None:
    stopped = VM | {"status": {}}
    assert "VirtualMachineInstance " not in shown(of_vm(stopped, []))
    assert "ControllerRevision.apps ns/asked" in shown(of_vm(stopped, []))


CONFIG = {"key": "kubevirt.io/dependency-type", "operator": "In", "values": ["config"]}


@pytest.mark.parametrize(
    ("options", "there", "gone"),
    [
        ({}, ["Instancetype", "Pod", "Secret"], []),
        ({"includeOptionalNodes": True}, ["Instancetype"], []),
        ({"includeOptionalNodes": False}, ["Pod", "Secret", "ControllerRevision"], ["Instancetype"]),
        (
            {"labelSelector": {"matchLabels": {"kubevirt.io/dependency-type": "storage"}}},
            ["DataVolume", "PersistentVolumeClaim"],
            ["Pod", "Secret"],
        ),
        ({"labelSelector": {"matchExpressions": [CONFIG]}}, ["Secret"], ["Pod", "DataVolume"]),
        ({"labelSelector": {"matchExpressions": [CONFIG | {"operator": "NotIn"}]}}, ["Pod"], ["Secret"]),
        ({"labelSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}, [], ["Pod", "Secret"]),
        ({"labelSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}}, ["Pod"], []),
    ],
    ids=json.dumps,
)
def test_options_leave_nodes_out(options: Document, there: list[str], gone: list[str]) -> None:
    text = shown(chosen(of_vm(VM, ["virt-launcher-vm1-x"]), options))
    assert text.startswith("VirtualMachine.kubevirt.io ns/vm1")
    assert [kind for kind in there if kind not in text] == []
    assert [kind for kind in gone if kind in text.split("\n", 1)[1]] == []
