"""migrate, migrate-cancel, evacuate-cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kubevirt_py.plan import Document, Kind
from kubevirt_py.virtctl import targets
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.options import Command, dry_run_option, report

if TYPE_CHECKING:
    from kubevirt_py.virtctl.session import Session

MIGRATION: Kind[Any] = Kind(
    "kubevirt.io", "v1", "VirtualMachineInstanceMigration", "virtualmachineinstancemigrations", dict
)
FINAL_PHASES = ("Succeeded", "Failed")


@click.command(cls=Command)
@click.argument("vm")
@click.option(
    "--addedNodeSelector",
    "selector",
    default="",
    metavar="KEY=VALUE,...",
    help="Further node labels the target must have; can only narrow what the VM asks for.",
)
@dry_run_option
def migrate(vm: str, selector: str, dry_run: bool) -> None:
    """Migrate a virtual machine."""
    from kubevirt_py.virtctl import session

    options: Document = {"addedNodeSelector": node_selector(selector)} if selector else {}
    if dry_run:
        options["dryRun"] = ["All"]
    session.run(
        f"migrating VirtualMachine {vm}",
        lambda connected: connected.put(targets.VM_PLURAL, vm, "migrate", options),
    )
    report(f"VM {vm} was scheduled to migrate", dry_run=dry_run)


def node_selector(given: str) -> dict[str, str]:
    """Read `key=value,key2=value2`. UsageError for anything else."""
    labels = {}
    for pair in given.split(","):
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"--addedNodeSelector: {pair!r} must be formatted as key=value")
        labels[key] = value
    return labels


@click.command(cls=Command)
@click.argument("vm")
@dry_run_option
def migrate_cancel(vm: str, dry_run: bool) -> None:
    """Cancel migration of a virtual machine."""
    from kubevirt_py.virtctl import session

    session.run(
        f"canceling the migration of VirtualMachine {vm}", lambda connected: _cancel(connected, vm, dry_run=dry_run)
    )
    report(f"VM {vm} was scheduled to migrate-cancel", dry_run=dry_run)


async def _cancel(session: Session, vmi: str, *, dry_run: bool) -> None:
    """Delete the migration of `vmi` that is under way; one at most is."""
    import msgspec

    from kubevirt_py.kube.api import object_path
    from kubevirt_py.kube.client import list_all
    from kubevirt_py.plan import Key

    for item in await list_all(session.client.list_pages(MIGRATION, namespace=session.namespace)):
        migration = msgspec.json.decode(item)
        phase = (migration.get("status") or {}).get("phase", "")
        if migration["spec"].get("vmiName") != vmi or phase in FINAL_PHASES:
            continue
        path = object_path(MIGRATION, Key(session.namespace, migration["metadata"]["name"]))
        options: Document = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if dry_run:
            options["dryRun"] = ["All"]
        await session.client.request("DELETE", path, body=options)
        return
    raise Failure(f"Found no migration to cancel for {vmi}")


@click.command(cls=Command)
@click.argument("kind", metavar="vm|vmi")
@click.argument("name")
@dry_run_option
def evacuate_cancel(kind: str, name: str, dry_run: bool) -> None:
    """Cancel evacuation for a virtual machine."""
    target = targets.parse(f"{kind}/{name}")
    from kubevirt_py.virtctl import session

    word = target.kind.upper()
    namespace = session.run(
        f"canceling evacuation for {word} {name}", lambda connected: _stay(connected, target, dry_run=dry_run)
    )
    report(f"{word} {namespace}/{name} was canceled evacuation", dry_run=dry_run)


async def _stay(session: Session, target: targets.Target, *, dry_run: bool) -> str:
    """Ask to stay on the node the instance is on. Returns the namespace."""
    import msgspec

    from kubevirt_py.api import kinds
    from kubevirt_py.plan import Key

    vmi = msgspec.json.decode(await session.client.get(kinds.VMI, Key(session.namespace, target.name)))
    options: Document = {"dryRun": ["All"]} if dry_run else {}
    if node := (vmi.get("status") or {}).get("nodeName"):
        options["evacuationNodeName"] = node
    await session.put(target.plural, target.name, "evacuate/cancel", options)
    return session.namespace
