"""The Service that exposes a machine, as a pure function of the machine and the flags."""

from __future__ import annotations

from typing import Any

from kubevirt_py.api import kinds, names
from kubevirt_py.plan import Document, Kind
from kubevirt_py.render.launcher_pod import vmi_id
from kubevirt_py.virtctl.main import Failure

SERVICE: Kind[Any] = Kind("", "v1", "Service", "services", dict)
VMIRS: Kind[Any] = Kind(
    "kubevirt.io", "v1", "VirtualMachineInstanceReplicaSet", "virtualmachineinstancereplicasets", dict
)
EXPOSED: dict[str, Kind[Any]] = {"vm": kinds.VM, "vmi": kinds.VMI, "vmirs": VMIRS}


def service_for(
    kind: Kind[Any],
    machine: Document,
    name: str,
    *,
    port: int,
    target_port: str,
    protocol: str,
    port_name: str,
    service_type: str,
    cluster_ip: str,
    external_ip: str,
    ip_family: str,
    ip_family_policy: str,
) -> Document:
    """A Service that selects the machine's pod and goes away with the machine. Failure where no port is known."""
    spec = machine["spec"] if kind == kinds.VMI else machine["spec"]["template"]["spec"]
    if port:
        target: int | str = int(target_port) if target_port.isdigit() else target_port or port
        ports = [_port(port, target, protocol, port_name)]
    else:
        ports = _declared_ports(spec)
    if not ports:
        raise Failure("Error: couldn't find port via --port flag or in the interfaces of the machine; give --port")
    optional = {
        "clusterIP": cluster_ip,
        "externalIPs": [external_ip] if external_ip else [],
        "ipFamilies": [_family(each) for each in ip_family.split(",") if each],
        "ipFamilyPolicy": ip_family_policy,
    }
    meta = machine["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "ownerReferences": [
                {
                    "apiVersion": kind.api_version,
                    "kind": kind.kind,
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "ports": ports,
            "selector": _selector(machine) if kind == VMIRS else {names.VMI_ID_LABEL: vmi_id(meta["name"])},
            "type": service_type,
            **{field: value for field, value in optional.items() if value},
        },
    }


def _selector(replica_set: Document) -> Document:
    selector = replica_set["spec"].get("selector") or {}
    if selector.get("matchExpressions"):
        raise Failure("Error: cannot expose VirtualMachineInstanceReplicaSet with match expressions; use matchLabels")
    if not selector.get("matchLabels"):
        raise Failure("Error: the VirtualMachineInstanceReplicaSet has no matchLabels that a Service could select by")
    labels: Document = selector["matchLabels"]
    return labels


def _port(port: int, target: int | str, protocol: str, name: str) -> Document:
    named = {"name": name} if name else {}
    return {**named, "port": port, "protocol": protocol.upper(), "targetPort": target}


def _declared_ports(spec: Document) -> list[Document]:
    """The ports of the interface on the pod network."""
    pod_networks = {each["name"] for each in spec.get("networks") or () if "pod" in each}
    interfaces = spec.get("domain", {}).get("devices", {}).get("interfaces") or ()
    declared = [port for each in interfaces if each["name"] in pod_networks for port in each.get("ports") or ()]
    return [
        _port(port["port"], port["port"], port.get("protocol", "TCP"), f"port-{number}")
        for number, port in enumerate(declared, start=1)
    ]


def _family(text: str) -> str:
    known = {"ipv4": "IPv4", "ipv6": "IPv6"}
    try:
        return known[text.strip().lower()]
    except KeyError:
        raise Failure(f"Error: unknown IP family {text!r}: use IPv4, IPv6 or IPv4,IPv6") from None
