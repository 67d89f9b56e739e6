"""vmexport: offer the disks of a machine, a snapshot or a claim for download."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import click

from kubevirt_py.plan import Document, Kind
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command, Group, report
from kubevirt_py.virtctl.unavailable import download

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

EXPORT: Kind[Any] = Kind("export.kubevirt.io", "v1", "VirtualMachineExport", "virtualmachineexports", dict)
TOKEN_BYTES = 20
SOURCES = {
    "vm": ("kubevirt.io", "VirtualMachine"),
    "snapshot": ("snapshot.kubevirt.io", "VirtualMachineSnapshot"),
    "pvc": ("", "PersistentVolumeClaim"),
}


@click.group(cls=Group)
def vmexport() -> None:
    """Export a virtual machine's volumes."""


def _pairs(flag: str, given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in ",".join(given).split(",") if given else ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"{flag}: {pair!r} must be formatted as key=value")
        found[key] = value
    return found


vmexport.add_command(download)


@vmexport.command(cls=Command)
@click.argument("name")
@click.option("--vm", default="", help="VirtualMachine to export.")
@click.option("--snapshot", default="", help="VirtualMachineSnapshot to export.")
@click.option("--pvc", default="", help="PersistentVolumeClaim to export.")
@click.option("--ttl", default="", metavar="DURATION", help="How long the export stays, such as 2h0m.")
@click.option("--labels", multiple=True, metavar="KEY=VALUE", help="Labels of the export.")
@click.option("--annotations", multiple=True, metavar="KEY=VALUE", help="Annotations of the export.")
def create(
    name: str, vm: str, snapshot: str, pvc: str, ttl: str, labels: tuple[str, ...], annotations: tuple[str, ...]
) -> None:
    """Create an export.

    Example: virtctl vmexport create testvm-export --vm=testvm
    """
    given = {kind: value for kind, value in (("vm", vm), ("snapshot", snapshot), ("pvc", pvc)) if value}
    if len(given) != 1:
        raise click.UsageError("give exactly one of --vm, --snapshot and --pvc")
    ((source, target),) = given.items()
    group, kind = SOURCES[source]
    metadata: Document = {"name": name}
    metadata |= {"labels": found} if (found := _pairs("--labels", labels)) else {}
    metadata |= {"annotations": found} if (found := _pairs("--annotations", annotations)) else {}
    spec: Document = {
        "tokenSecretRef": _secret_name(name),
        "source": {"apiGroup": group, "kind": kind, "name": target},
        **({"ttlDuration": ttl} if ttl else {}),
    }
    body = {"apiVersion": "export.kubevirt.io/v1", "kind": "VirtualMachineExport", "metadata": metadata, "spec": spec}
    from kubevirt_py.virtctl import session

    place = session.run(f"creating VirtualMachineExport {name}", lambda connected: _create(connected, name, body))
    report(f"VirtualMachineExport '{place}/{name}' created succesfully")


@vmexport.command(cls=Command)
@click.argument("name")
def delete(name: str) -> None:
    """Delete an export."""
    from kubevirt_py.virtctl import session

    async def work(connected: Session) -> str:
        from kubevirt_py.kube.errors import NotFound
        from kubevirt_py.plan import Key

        try:
            await connected.client.delete(EXPORT, Key(connected.namespace, name))
        except NotFound:
            return f"VirtualMachineExport '{connected.namespace}/{name}' does not exist"
        return f"VirtualMachineExport '{connected.namespace}/{name}' deleted succesfully"

    report(session.run(f"deleting VirtualMachineExport {name}", work))


def _secret_name(export: str) -> str:
    return f"secret-{export}"


async def _create(session: Session, name: str, body: Document) -> str:
    """The export, then the Secret with its token, which goes with it. Returns the namespace."""
    import msgspec

    from kubevirt_py.api import kinds
    from kubevirt_py.kube.errors import AlreadyExists

    try:
        made = msgspec.json.decode(await session.client.create(EXPORT, session.namespace, body))
    except AlreadyExists as error:
        raise Failure(f"VirtualMachineExport '{session.namespace}/{name}' already exists") from error
    owner = {"apiVersion": body["apiVersion"], "kind": body["kind"], "name": name, "uid": made["metadata"]["uid"]}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _secret_name(name), "ownerReferences": [owner]},
        "type": "Opaque",
        "stringData": {"token": secrets.token_urlsafe(TOKEN_BYTES)},
    }
    try:
        await session.client.create(kinds.SECRET, session.namespace, secret)
    except AlreadyExists:
        pass  # of an earlier attempt
    return session.namespace
