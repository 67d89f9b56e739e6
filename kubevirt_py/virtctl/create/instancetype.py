"""create instancetype."""

from __future__ import annotations

from typing import Any

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create import params
from kubevirt_py.virtctl.create.manifest import metadata, namespace_given, random_name, show
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command

API_VERSION = "instancetype.kubevirt.io/v1beta1"
_DEVICE: params.Shape = {"name": params.text, "devicename": params.text}
_PARAMETERS = params.supported(_DEVICE)


@click.command(cls=Command)
@click.option("--name", default="", help="Specify the name of the Instancetype.")
@click.option("--cpu", type=click.IntRange(min=0), required=True, help="Specify the count of CPUs.")
@click.option("--memory", required=True, help="Specify the amount of memory.")
@click.option(
    "--gpu",
    "gpus",
    multiple=True,
    metavar="PARAMS",
    help=f"Specify a vGPU to pass through. May be repeated.\n\nSupported parameters: {_PARAMETERS}",
)
@click.option(
    "--hostdevice",
    "host_devices",
    multiple=True,
    metavar="PARAMS",
    help=f"Specify a host device to pass through. May be repeated.\n\nSupported parameters: {_PARAMETERS}",
)
@click.option("--iothreadspolicy", "io_threads_policy", default="", help="Specify the IOThreadsPolicy: auto or shared.")
@click.option("--namespaced", is_flag=True, help="Create a VirtualMachineInstancetype instead of a cluster-wide one.")
def instancetype(name: str, namespaced: bool, **flags: Any) -> None:
    """Create VirtualMachineInstancetype or VirtualMachineClusterInstancetype manifest.

    Example: virtctl create instancetype --cpu 2 --memory 256Mi | kubectl create -f -
    """
    namespace = namespace_given()
    namespaced = namespaced or bool(namespace)
    name = name or random_name("instancetype" if namespaced else "clusterinstancetype")
    show(
        {
            "apiVersion": API_VERSION,
            "kind": "VirtualMachineInstancetype" if namespaced else "VirtualMachineClusterInstancetype",
            "metadata": metadata(name, namespace),
            "spec": instancetype_spec(**flags),
        }
    )


def instancetype_spec(
    *, cpu: int, memory: str, gpus: tuple[str, ...], host_devices: tuple[str, ...], io_threads_policy: str
) -> Document:
    """The spec for the flags. Failure names the flag that is wrong."""
    if not cpu:
        raise Failure("cpu value must be greater than zero")
    try:
        spec: Document = {"cpu": {"guest": cpu}, "memory": {"guest": params.quantity(memory)}}
    except ValueError as error:
        raise params.flag_error("memory", str(error)) from None
    if gpus:
        spec["gpus"] = [_device("gpu", given) for given in gpus]
    if host_devices:
        spec["hostDevices"] = [_device("hostdevice", given) for given in host_devices]
    if io_threads_policy:
        if io_threads_policy not in ("auto", "shared"):
            raise params.flag_error("iothreadspolicy", "IOThread must be of value auto or shared")
        spec["ioThreadsPolicy"] = io_threads_policy
    return spec


def _device(flag: str, given: str) -> Document:
    device = params.parse(flag, given, _DEVICE)
    for key, word in (("name", "name"), ("devicename", "deviceName")):
        if not device.get(key):
            raise params.flag_error(flag, f"{word} must be specified")
    return {"name": device["name"], "deviceName": device["devicename"]}
