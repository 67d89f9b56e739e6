"""addvolume, removevolume: plug volumes into machines while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command, dry_run_option, report
from kubevirt_py.virtctl.targets import VM_PLURAL, VMI_PLURAL

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

ATTEMPTS = 15
NAME_LENGTH = 63
BUSES = {"disk": ("scsi", "virtio"), "lun": ("scsi",)}

_persist = click.option("--persist", is_flag=True, hidden=True, help="Deprecated: a volume of a VM always persists.")


@click.command(cls=Command)
@click.argument("name", metavar="VM|VMI")
@click.option("--volume-name", required=True, help="DataVolume or PersistentVolumeClaim to plug in.")
@click.option("--disk-name", default="", help="Name of disk and volume in the machine; the claim's by default.")
@click.option("--serial", default="", help="Serial number of the disk; its name by default.")
@click.option("--cache", type=click.Choice(("none", "writethrough", "writeback")), help="Cache mode of the disk.")
@click.option("--disk-type", type=click.Choice(tuple(BUSES)), default="disk", show_default=True, help="Kind of disk.")
@click.option(
    "--bus", type=click.Choice(("scsi", "virtio")), default="scsi", show_default=True, help="Bus of the disk."
)
@_persist
@dry_run_option
def addvolume(
    name: str, volume_name: str, disk_name: str, serial: str, cache: str | None, disk_type: str, bus: str,
    persist: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Add a volume to a running virtual machine.

    Example: virtctl addvolume testvm --volume-name=data
    """
    if bus not in BUSES[disk_type]:
        raise click.UsageError(f"--bus {bus} does not fit --disk-type {disk_type}: use {' or '.join(BUSES[disk_type])}")
    disk_name = disk_name or volume_name
    if len(disk_name) > NAME_LENGTH:
        raise click.UsageError(
            f"the disk's name {disk_name!r} is longer than {NAME_LENGTH} characters: use --disk-name"
        )
    disk: Document = {"name": disk_name, "serial": serial or disk_name, disk_type: {"bus": bus}}
    if cache:
        disk["cache"] = cache
    from kubevirt_py.virtctl import session

    async def work(connected: Session) -> str:
        source = await _source(connected, volume_name)
        options: Document = {"name": disk_name, "disk": disk, "volumeSource": source}
        return await _ask(connected, name, "addvolume", options, dry_run=dry_run)

    kind = session.run(f"adding volume {volume_name} to {name}", work)
    report(f"Successfully submitted add volume request to {kind} {name} for volume {volume_name}", dry_run=dry_run)


@click.command(cls=Command)
@click.argument("name", metavar="VM|VMI")
@click.option("--volume-name", required=True, help="Name of the volume in the machine.")
@_persist
@dry_run_option
def removevolume(name: str, volume_name: str, persist: bool, dry_run: bool) -> None:
    """Remove a volume from a running virtual machine.

    Example: virtctl removevolume testvm --volume-name=data
    """
    from kubevirt_py.virtctl import session

    async def work(connected: Session) -> str:
        return await _ask(connected, name, "removevolume", {"name": volume_name}, dry_run=dry_run)

    kind = session.run(f"removing volume {volume_name} from {name}", work)
    report(f"Successfully submitted remove volume request to {kind} {name} for volume {volume_name}", dry_run=dry_run)


async def _source(session: Session, name: str) -> Document:
    """The volume's source by what exists: a DataVolume comes before the claim it made."""
    from kubevirt_py.kube.errors import Forbidden, NotFound

    namespace = session.namespace
    for path, kind, field in (
        (f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{namespace}/datavolumes/{name}", "dataVolume", "name"),
        (f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}", "persistentVolumeClaim", "claimName"),
    ):
        try:
            await session.get_json(path)
        except NotFound:
            continue
        except Forbidden:
            if kind != "dataVolume":
                raise
            continue
        return {kind: {field: name, "hotpluggable": True}}
    raise Failure(f"Volume {name} is not a DataVolume or PersistentVolumeClaim in namespace {namespace}")


async def _ask(session: Session, name: str, verb: str, options: Document, *, dry_run: bool) -> str:
    """Ask for it on the VM, or on the VMI where there is no VM. Returns which it was."""
    from kubevirt_py.kube.errors import Conflict, NotFound

    if dry_run:
        options["dryRun"] = ["All"]
    plural = VM_PLURAL
    for attempt in range(ATTEMPTS):
        try:
            await session.put(plural, name, verb, options)
        except NotFound:
            if plural == VMI_PLURAL:
                raise
            plural = VMI_PLURAL
        except Conflict as error:
            if "try again" not in error.message or attempt == ATTEMPTS - 1:
                raise
        else:
            break
    return "VM" if plural == VM_PLURAL else "VMI"
