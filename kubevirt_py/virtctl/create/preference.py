"""create preference."""

from __future__ import annotations

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create import params
from kubevirt_py.virtctl.create.instancetype import API_VERSION
from kubevirt_py.virtctl.create.manifest import metadata, namespace_given, random_name, show
from kubevirt_py.virtctl.options import Command

TOPOLOGIES = ("sockets", "cores", "threads", "spread", "any")
_OLD_TOPOLOGIES = ("preferSockets", "preferCores", "preferThreads", "preferSpread", "preferAny")


@click.command(cls=Command)
@click.option("--namespaced", is_flag=True, help="Create a VirtualMachinePreference instead of a cluster-wide one.")
@click.option("--name", default="", help="Specify the name of the Preference.")
@click.option("--volume-storage-class", "storage_class", default="", help="Defines the preferred storage class.")
@click.option("--machine-type", default="", help="Defines the preferred machine type to use.")
@click.option("--cpu-topology", default="", help=f"Defines the preferred CPU topology: {', '.join(TOPOLOGIES)}.")
def preference(namespaced: bool, name: str, storage_class: str, machine_type: str, cpu_topology: str) -> None:
    """Create a VirtualMachinePreference or VirtualMachineClusterPreference manifest.

    Example: virtctl create preference --cpu-topology sockets | kubectl create -f -
    """
    namespace = namespace_given()
    namespaced = namespaced or bool(namespace)
    name = name or random_name("preference" if namespaced else "clusterpreference")
    show(
        {
            "apiVersion": API_VERSION,
            "kind": "VirtualMachinePreference" if namespaced else "VirtualMachineClusterPreference",
            "metadata": metadata(name, namespace),
            "spec": preference_spec(storage_class, machine_type, cpu_topology),
        }
    )


def preference_spec(storage_class: str, machine_type: str, cpu_topology: str) -> Document:
    """The spec for the flags; empty ones are left out."""
    spec: Document = {}
    if storage_class:
        spec["volumes"] = {"preferredStorageClassName": storage_class}
    if machine_type:
        spec["machine"] = {"preferredMachineType": machine_type}
    if cpu_topology:
        if cpu_topology not in (*TOPOLOGIES, *_OLD_TOPOLOGIES):
            raise params.flag_error(
                "cpu-topology", "CPU topology must have a value of sockets, cores, threads, spread or any"
            )
        spec["cpu"] = {"preferredCPUTopology": cpu_topology}
    return spec
