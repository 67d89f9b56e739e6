"""expose: the Service for a machine."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.api import kinds
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.services import VMIRS, service_for
from tests.unit.virtctl.clusterlab import VMI_PATH, Cluster
from tests.unit.virtctl.conftest import Shell

SPEC = {
    "networks": [{"name": "blue", "multus": {}}, {"name": "default", "pod": {}}],
    "domain": {
        "devices": {
            "interfaces": [
                {"name": "blue", "ports": [{"port": 9}]},
                {"name": "default", "ports": [{"port": 22}, {"port": 53, "protocol": "UDP"}]},
            ]
        }
    },
}
META = {"name": "vm1", "namespace": "work", "uid": "u1"}
VMI = {"metadata": META, "spec": SPEC}
VM = {"metadata": META, "spec": {"template": {"spec": SPEC}}}
FLAGS: dict[str, Any] = {
    "port": 0,
    "target_port": "",
    "protocol": "TCP",
    "port_name": "",
    "service_type": "ClusterIP",
    "cluster_ip": "",
    "external_ip": "",
    "ip_family": "",
    "ip_family_policy": "",
}


def test_the_declared_ports_are_the_default() -> None:
    service = service_for(kinds.VM, VM, "web", **FLAGS)
    assert service["spec"] == {
        "selector": {"vmi.kubevirt.io/id": "vm1"},
        "type": "ClusterIP",
        "ports": [
            {"name": "port-1", "port": 22, "protocol": "TCP", "targetPort": 22},
            {"name": "port-2", "port": 53, "protocol": "UDP", "targetPort": 53},
        ],
    }
    (owner,) = service["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["blockOwnerDeletion"]) == ("VirtualMachine", "u1", False)


def test_flags() -> None:
    flags = FLAGS | {
        "port": 80,
        "target_port": "8080",
        "protocol": "udp",
        "port_name": "web",
        "service_type": "NodePort",
        "cluster_ip": "10.0.0.9",
        "external_ip": "192.0.2.1",
        "ip_family": "ipv6,IPv4",
        "ip_family_policy": "RequireDualStack",
    }
    assert service_for(kinds.VMI, VMI, "web", **flags)["spec"] == {
        "selector": {"vmi.kubevirt.io/id": "vm1"},
        "type": "NodePort",
        "clusterIP": "10.0.0.9",
        "externalIPs": ["192.0.2.1"],
        "ipFamilies": ["IPv6", "IPv4"],
        "ipFamilyPolicy": "RequireDualStack",
        "ports": [{"name": "web", "port": 80, "protocol": "UDP", "targetPort": 8080}],
    }


def test_a_named_target_port_and_a_long_name() -> None:
    machine = VMI | {"metadata": META | {"name": "v" * 80}}
    spec = service_for(kinds.VMI, machine, "web", **FLAGS | {"port": 80, "target_port": "http"})["spec"]
    assert spec["ports"][0]["targetPort"] == "http"
    assert len(spec["selector"]["vmi.kubevirt.io/id"]) <= 63


def test_no_port_and_no_family() -> None:
    with pytest.raises(Failure, match="give --port"):
        service_for(kinds.VMI, {"metadata": META, "spec": {"domain": {}}}, "web", **FLAGS)
    with pytest.raises(Failure, match="IPv4, IPv6"):
        service_for(kinds.VMI, VMI, "web", **FLAGS | {"ip_family": "ipx"})


def _replica_set(**selector: Any) -> dict[str, Any]:
    return {"metadata": META, "spec": {"selector": selector, "template": {"spec": SPEC}}}


def test_a_replica_set() -> None:
    service = service_for(VMIRS, _replica_set(matchLabels={"app": "web"}), "web", **FLAGS)
    assert service["spec"]["selector"] == {"app": "web"}
    assert [port["port"] for port in service["spec"]["ports"]] == [22, 53]
    assert service["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachineInstanceReplicaSet"
    with pytest.raises(Failure, match="cannot expose VirtualMachineInstanceReplicaSet with match expressions"):
        service_for(VMIRS, _replica_set(matchExpressions=[{"key": "a", "operator": "Exists"}]), "web", **FLAGS)
    with pytest.raises(Failure, match="no matchLabels"):
        service_for(VMIRS, _replica_set(), "web", **FLAGS)


def test_the_service_of_a_replica_set_is_created(cluster: Cluster, virtctl: Shell) -> None:
    path = "/apis/kubevirt.io/v1/namespaces/work/virtualmachineinstancereplicasets/vm1"
    cluster.answer("GET", path, 200, _replica_set(matchLabels={"app": "web"}))
    code, out, _ = virtctl("expose", "virtualmachineinstancereplicaset", "vm1", "--name", "web")
    assert (code, out) == (0, "Service web successfully created for vmirs vm1\n")


def test_the_service_is_created(cluster: Cluster, virtctl: Shell) -> None:
    cluster.answer("GET", VMI_PATH, 200, VMI)
    code, out, err = virtctl("expose", "vmi", "vm1", "--name", "web", "--port", "80")
    assert (code, out, err) == (0, "Service web successfully created for vmi vm1\n", "")
    path, body = cluster.calls("POST")[0]
    assert path == "/api/v1/namespaces/work/services"
    assert body["metadata"]["name"] == "web"
