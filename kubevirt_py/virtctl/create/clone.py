"""create clone."""

from __future__ import annotations

from typing import Any

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create.manifest import metadata, namespace_given, random_name, show
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command

_VM = ("vm", "VM", "VirtualMachine", "virtualmachine")
_SNAPSHOT = ("snapshot", "vmsnapshot", "VMSnapshot", "VirtualMachineSnapshot")


@click.command(cls=Command)
@click.option("--name", default="", help="Specify the name of the clone; random by default.")
@click.option("--source-name", required=True, help="Specify the clone's source name.")
@click.option("--target-name", default="", help="Specify the clone's target name.")
@click.option("--source-type", default="vm", show_default=True, help="Specify the source type: vm or vmsnapshot.")
@click.option("--target-type", default="vm", show_default=True, help="Specify the target type: vm.")
@click.option("--label-filter", "labels", multiple=True, help="Label to copy, * for all, !x for none. May be repeated.")
@click.option("--annotation-filter", "annotations", multiple=True, help="The same for annotations. May be repeated.")
@click.option("--template-label-filter", "template_labels", multiple=True, help="The same for the template's labels.")
@click.option(
    "--template-annotation-filter",
    "template_annotations",
    multiple=True,
    help="The same for the template's annotations.",
)
@click.option("--new-mac-address", "macs", multiple=True, metavar="INTERFACE:MAC", help="New address of an interface.")
@click.option("--new-smbios-serial", "serial", default="", help="Specify the clone's new SMBIOS serial.")
def clone(name: str, **flags: Any) -> None:
    """Create a clone object manifest.

    Example: virtctl create clone --source-name vm1 --target-name vm2 | kubectl create -f -
    """
    show(
        {
            "apiVersion": "clone.kubevirt.io/v1beta1",
            "kind": "VirtualMachineClone",
            "metadata": metadata(name or random_name("clone"), namespace_given()),
            "spec": clone_spec(**flags),
        }
    )


def clone_spec(
    *,
    source_name: str,
    target_name: str,
    source_type: str,
    target_type: str,
    labels: tuple[str, ...],
    annotations: tuple[str, ...],
    template_labels: tuple[str, ...],
    template_annotations: tuple[str, ...],
    macs: tuple[str, ...],
    serial: str,
) -> Document:
    """The spec for the flags; empty ones are left out. Failure where a type or an address is wrong."""
    if not source_name:
        raise Failure("source name must not be empty")
    if source_type not in (*_VM, *_SNAPSHOT):
        raise Failure(f"source type {source_type} is not supported. Supported types: vm, vmsnapshot")
    if target_type not in _VM:
        raise Failure(f"target type {target_type} is not supported. Supported types: vm")
    template = {"labelFilters": list(template_labels), "annotationFilters": list(template_annotations)}
    optional: Document = {
        "labelFilters": list(labels),
        "annotationFilters": list(annotations),
        "template": {key: value for key, value in template.items() if value},
        "newMacAddresses": dict(map(_mac, macs)),
        "newSMBiosSerial": serial,
        "target": _reference(target_type, target_name) if target_name else {},
    }
    return {
        "source": _reference(source_type, source_name),
        **{key: value for key, value in optional.items() if value},
    }


def _reference(word: str, name: str) -> Document:
    if word in _VM:
        return {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": name}
    return {"apiGroup": "snapshot.kubevirt.io", "kind": "VirtualMachineSnapshot", "name": name}


def _mac(given: str) -> tuple[str, str]:
    """`interface:address`; the address may have colons of its own."""
    interface, colon, address = given.partition(":")
    if not colon:
        raise Failure(f"newMacAddress parameter {given} is invalid: expected 'interface:address'")
    if not interface:
        raise Failure(f"newMacAddress parameter {given} has empty interface name")
    if not address:
        raise Failure(f"newMacAddress parameter {given} has empty address name")
    return interface, address
